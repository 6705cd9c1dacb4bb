//! What other processes say to a run: a file per message, written by them, read and removed by the run's writer.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    INBOX,
    disk::{self, Disk},
};
use crate::{
    event::Message,
    model::{Digest, slug},
};

/// No message is larger.
const LIMIT: u64 = 1 << 20;
const ENDING: &str = ".json";

/// Puts a message there durably.
pub(super) fn post(disk: &dyn Disk, run: &Path, id: &str, json: &[u8]) -> io::Result<()> {
    let folder = run.join(INBOX);
    if !disk::create_dirs(disk, &folder)?.is_empty() {
        disk.sync_dir(run)?;
    }
    let path = path(&folder, id);
    disk::replace(disk, &path, json, &path.with_extension(format!("tmp{}", std::process::id())))
}

/// The messages there, the oldest first. What is no message is named in `strange` and left alone.
pub(super) fn read(run: &Path, strange: &mut dyn FnMut(&Path, &str)) -> io::Result<Vec<Message>> {
    let entries = match fs::read_dir(run.join(INBOX)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let mut out: Vec<Message> = vec![];
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.ends_with(ENDING) {
            // a message that is being written is one when it has its name
            if !name.contains(".tmp") {
                strange(&path, "is not a message");
            }
            continue;
        }
        match message(&path) {
            Ok(message) if path.file_name() == self::path(Path::new(""), &message.id).file_name() => out.push(message),
            Ok(_) => strange(&path, "has another message's id"),
            // taken between the listing and now
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => strange(&path, &error.to_string()),
        }
    }
    out.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    Ok(out)
}

/// Removes messages; one that is gone already is no error.
pub(super) fn remove(disk: &dyn Disk, run: &Path, ids: &[String]) -> io::Result<()> {
    for id in ids {
        match disk.remove(&path(&run.join(INBOX), id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn message(path: &Path) -> io::Result<Message> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "is not a message"));
    }
    serde_json::from_slice(&fs::read(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The file of the message with this id, which comes from outside.
fn path(folder: &Path, id: &str) -> PathBuf {
    let name: String = slug(id).chars().take(40).collect();
    let digest = Digest::of(id);
    folder.join(format!("{name}-{}{ENDING}", digest.short()))
}

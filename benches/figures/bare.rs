//! The floor of everything durable: the same bytes, appended and synced by a loop that does nothing else.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

/// How long it takes to append each group of lines and sync behind it.
pub fn append_and_sync(folder: &Path, groups: &[Vec<u8>]) -> Duration {
    let path = folder.join("bare");
    let mut file = OpenOptions::new().append(true).create(true).open(&path).expect("a new file");
    let begun = Instant::now();
    for group in groups {
        for line in group.split_inclusive(|byte| *byte == b'\n') {
            file.write_all(line).expect("there is room");
        }
        file.sync_data().expect("it can be synced");
    }
    let took = begun.elapsed();
    drop(file);
    std::fs::remove_file(path).expect("it is there");
    took
}

/// How long one line of 300 bytes takes to be appended and synced.
pub fn one_sync(folder: &Path) -> Duration {
    let mut line = vec![b'x'; 299];
    line.push(b'\n');
    let groups = vec![line; 50];
    append_and_sync(folder, &groups) / 50
}

/// How long a folder takes to be synced behind a new name.
pub fn one_folder_sync(folder: &Path) -> Duration {
    let mut took = Duration::ZERO;
    for n in 0..50 {
        let path = folder.join(format!("name-{n}"));
        File::create(&path).expect("a new file");
        let begun = Instant::now();
        File::open(folder).and_then(|folder| folder.sync_all()).expect("it can be synced");
        took += begun.elapsed();
        std::fs::remove_file(path).expect("it is there");
    }
    took / 50
}

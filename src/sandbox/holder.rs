//! Which process has a file locked, in words.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;

/// The holder of the lock on a file: `process 4711 (runbook sandbox serve)`. Only Linux tells.
pub(crate) fn of(file: &File) -> Option<String> {
    let inode = file.metadata().ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| {
        // 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234567 0 EOF
        let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "->").collect();
        let [_, "FLOCK", _, _, pid, place, ..] = words.as_slice() else { return None };
        (place.rsplit(':').next()? == inode).then(|| pid.parse::<u32>().ok()).flatten()
    })?;
    if pid == 0 {
        return None;
    }
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let doing = doing(&line);
    Some(if doing.is_empty() { format!("process {pid}") } else { format!("process {pid} (`{doing}`)") })
}

/// The program's name and its words up to the first option: what comes after may be nobody's business.
fn doing(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split('\0').take_while(|word| !word.is_empty() && !word.starts_with('-'));
    let program = words.next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    [program].into_iter().chain(words).collect::<Vec<_>>().join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_does_ends_at_its_first_option() {
        assert_eq!(doing(b"/usr/bin/runbook\0run\0a.rhai\0-p\0token=secret\0"), "runbook run a.rhai");
        assert_eq!(doing(b""), "");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_holder_of_a_lock_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state");
        let held = File::create(&path).expect("made");
        assert_eq!(of(&held), None);
        held.lock().expect("locked");
        let named = of(&File::open(&path).expect("opened")).expect("somebody holds it");
        assert!(named.contains(&std::process::id().to_string()), "{named}");
    }
}

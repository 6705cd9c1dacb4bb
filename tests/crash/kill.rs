//! A disk that ends its own process with SIGKILL before or after the n-th line of a journal, or before the n-th thing of any
//! sort that is written.

use std::{
    fs::File,
    io,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use runbook::journal::{Disk, OsDisk};

/// Where the process ends; in the environment of a child as `before:7`, `within:7`, `after:7` or `at:7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    Before(u64),
    /// With the first half of the line written.
    Within(u64),
    After(u64),
    /// Before the n-th folder, file, line, sync, new name or removal.
    At(u64),
}

/// The variable that a child reads it from.
pub const VARIABLE: &str = "RUNBOOK_TEST_KILL";

impl Kill {
    pub fn from_env() -> Option<Self> {
        let text = std::env::var(VARIABLE).ok()?;
        let (when, n) = text.split_once(':')?;
        let n = n.parse().ok()?;
        match when {
            "before" => Some(Self::Before(n)),
            "within" => Some(Self::Within(n)),
            "after" => Some(Self::After(n)),
            "at" => Some(Self::At(n)),
            _ => None,
        }
    }

    pub fn text(self) -> String {
        match self {
            Self::Before(n) => format!("before:{n}"),
            Self::Within(n) => format!("within:{n}"),
            Self::After(n) => format!("after:{n}"),
            Self::At(n) => format!("at:{n}"),
        }
    }

    /// How many whole lines a process leaves that began a journal and was killed here, where that is known.
    pub fn leaves(self) -> Option<u64> {
        match self {
            Self::Before(n) | Self::Within(n) => Some(n - 1),
            Self::After(n) => Some(n),
            Self::At(_) => None,
        }
    }
}

/// Counts the lines, and all else, that this process writes.
pub struct KillDisk {
    at: Option<Kill>,
    lines: AtomicU64,
    all: AtomicU64,
}

impl KillDisk {
    pub fn from_env() -> Self {
        Self { at: Kill::from_env(), lines: AtomicU64::new(0), all: AtomicU64::new(0) }
    }

    fn next(&self) -> &OsDisk {
        self.here(Kill::At(self.all.fetch_add(1, Ordering::SeqCst) + 1));
        &OsDisk
    }

    fn here(&self, kill: Kill) {
        if self.at == Some(kill) {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            // the signal is taken before the call returns; nothing after this line is ever done
            loop {
                std::thread::park();
            }
        }
    }
}

impl Disk for KillDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.next().create_dir(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.next().write(path, bytes)
    }

    fn append(&self, journal: &mut File, line: &[u8]) -> io::Result<()> {
        self.next();
        let n = self.lines.fetch_add(1, Ordering::SeqCst) + 1;
        self.here(Kill::Before(n));
        if self.at == Some(Kill::Within(n)) {
            OsDisk.append(journal, &line[..line.len() / 2])?;
            self.here(Kill::Within(n));
        }
        OsDisk.append(journal, line)?;
        self.here(Kill::After(n));
        Ok(())
    }

    fn truncate(&self, journal: &File, length: u64) -> io::Result<()> {
        self.next().truncate(journal, length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.next().sync(file)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.next().sync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.next().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.next().remove(path)
    }
}

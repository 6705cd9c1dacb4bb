use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// `,"h":"` + 64 hex digits + `"}`
const TAIL: usize = 72;

/// A run's journal, read by hand so that it shares no mistake with the reader under test.
pub struct Journal {
    path: PathBuf,
    /// Its lines without their ends.
    pub lines: Vec<String>,
}

impl Journal {
    /// Reads it; each line must prove itself and all before it.
    #[track_caller]
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.ends_with('\n'), "the last line has no end");
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut previous = String::new();
        for (n, line) in lines.iter().enumerate() {
            let (bytes, tail) = line.split_at(line.len() - TAIL);
            let hash = hash(&previous, bytes);
            assert_eq!(tail, format!(",\"h\":\"{hash}\"}}"), "line {} does not prove itself", n + 1);
            previous = hash;
        }
        Self { path: path.into(), lines }
    }

    /// Its lines as values.
    pub fn values(&self) -> Vec<Value> {
        self.lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The payloads of all lines of this kind.
    pub fn of(&self, kind: &str) -> Vec<Value> {
        self.values().into_iter().filter(|line| line["k"] == kind).map(|mut line| line["p"].take()).collect()
    }

    /// Makes the chain whole again over what a test wrote into it, and writes it.
    pub fn write_proven(mut self) {
        let mut previous = String::new();
        for line in &mut self.lines {
            let end = line.rfind(",\"h\":\"").unwrap_or(line.len() - 1);
            line.truncate(end);
            let hash = hash(&previous, line);
            let _ = write!(line, ",\"h\":\"{hash}\"}}");
            previous = hash;
        }
        self.write();
    }

    /// Writes it as it is.
    pub fn write(self) {
        let mut text = self.lines.join("\n");
        text.push('\n');
        fs::write(self.path, text).unwrap();
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn hash(previous: &str, bytes: &str) -> String {
    let mut sha = Sha256::new();
    sha.update(previous);
    sha.update(bytes);
    sha.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

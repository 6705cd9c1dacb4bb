use std::path::Path;

use regex::Regex;
use serde_json::Value;

/// How a process ended and what it said.
#[must_use]
#[derive(Debug)]
pub struct Outcome {
    /// Its exit code; of one that a signal ended 128 and the signal, as a shell has it.
    pub code: i32,
    /// Its stdout, without the folder of its world.
    pub out: String,
    /// Its stderr, without the folder of its world.
    pub err: String,
    /// What it was.
    line: String,
}

impl Outcome {
    pub fn new(line: String, code: i32, out: &[u8], err: &[u8], root: &Path) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&root.display().to_string(), "<root>");
        Self { code, out: text(out.to_vec()), err: text(err.to_vec()), line }
    }

    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "the exit code of:{self}");
        self
    }

    /// On stderr, in the order of lines; however a line is broken.
    #[track_caller]
    pub fn says(&self, words: &str) -> &Self {
        assert!(flat(&self.err).contains(&flat(words)), "stderr does not say \"{words}\":{self}");
        self
    }

    #[track_caller]
    pub fn says_not(&self, words: &str) -> &Self {
        assert!(!flat(&self.err).contains(&flat(words)), "stderr says \"{words}\":{self}");
        self
    }

    /// On stdout.
    #[track_caller]
    pub fn prints(&self, words: &str) -> &Self {
        assert!(flat(&self.out).contains(&flat(words)), "stdout does not say \"{words}\":{self}");
        self
    }

    #[track_caller]
    pub fn prints_nothing(&self) -> &Self {
        assert!(self.out.is_empty(), "stdout is not empty:{self}");
        self
    }

    #[track_caller]
    pub fn says_nothing(&self) -> &Self {
        assert!(self.err.is_empty(), "stderr is not empty:{self}");
        self
    }

    /// stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("stdout is no JSON ({error}):{self}"))
    }

    /// stdout as lines of JSON.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}{self}"));
        self.out.lines().map(line).collect()
    }
}

/// The same words wherever a line was broken and however far it was indented; marks of excerpts stay.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text in which times, durations, digests and ids are the same in every run.
pub fn normal(text: &str) -> String {
    let mut text = text.to_owned();
    for (found, word) in [
        (r"\b\d{2}:\d{2}:\d{2}\b", "<time>"),
        (r"\b\d{4}-\d{2}-\d{2}T[0-9:.]+Z\b", "<instant>"),
        (r"\b\d{4}-\d{2}-\d{2}\b", "<date>"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        (r"\b([a-z]+)-[0-9a-f]{6}\b", "$1-<id>"),
        (r"\b[0-9a-f]{12}\b", "<digest>"),
        (r"\b\d+(\.\d+)?(ms|s)\b", "<span>"),
    ] {
        text = Regex::new(found).unwrap().replace_all(&text, word).into_owned();
    }
    text
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n$ {}\n--- stdout\n{}\n--- stderr\n{}\n--- exit {}\n", self.line, self.out, self.err, self.code)
    }
}

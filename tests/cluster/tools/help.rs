//! Reading what a program's help says.

use std::{cell::RefCell, collections::BTreeSet, path::PathBuf, process::Command};

pub struct Program {
    path: PathBuf,
    /// What is known to exist, by its words.
    known: RefCell<BTreeSet<String>>,
}

impl Program {
    pub fn new(path: PathBuf) -> Self {
        Self { path, known: RefCell::default() }
    }

    /// What it says, on both streams.
    pub fn says(&self, args: &[&str]) -> String {
        let home = tempfile::tempdir().unwrap();
        let out = Command::new(&self.path).args(args).env("HOME", home.path()).output().unwrap();
        [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
    }

    /// Whether the help of these words is about them: a group shows its own help for what it does not know.
    pub fn has(&self, words: &[&str]) -> bool {
        if self.known.borrow().contains(&words.join(" ")) {
            return true;
        }
        let text = self.says(&[words, &["--help"]].concat());
        let lower = text.to_lowercase();
        let usage = lower.rsplit_once("\nusage:").map_or("", |(_, usage)| usage).split_whitespace();
        let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let path: Vec<&str> = usage.skip(1).take_while(is_word).take(words.len()).collect();
        if path.len() < words.len() {
            return false;
        }
        let aliases = text.lines().skip_while(|line| !line.starts_with("Aliases:")).nth(1).unwrap_or_default();
        let (last, group) = words.split_last().unwrap();
        let names = aliases.split(',').map(str::trim).chain(path.last().copied()).filter(|name| !name.is_empty());
        let mut known = self.known.borrow_mut();
        known.extend(names.map(|name| [group, &[name]].concat().join(" ")));
        known.contains(&[group, &[last]].concat().join(" "))
    }

    /// The long flags that a help names.
    pub fn flags(&self, args: &[&str]) -> BTreeSet<String> {
        let text = self.says(args);
        let lines = text.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        let flags = lines.filter_map(|line| line.split([' ', '=', ',']).find(|word| word.starts_with("--")));
        flags.map(ToOwned::to_owned).collect()
    }
}

/// Each way to take one of every list.
pub fn each<'a>(lists: &[Vec<&'a str>]) -> Vec<Vec<&'a str>> {
    let longer = |ways: Vec<Vec<&'a str>>, list: &Vec<&'a str>| {
        ways.iter().flat_map(|way| list.iter().map(|word| [way.as_slice(), &[*word]].concat())).collect()
    };
    lists.iter().fold(vec![vec![]], longer)
}

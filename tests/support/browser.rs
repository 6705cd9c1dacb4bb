//! A page, as a browser without a window shows it.

use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::program::{World, or_not_run};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/// A fresh profile, no network, nothing that a first start does.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
];

pub struct Browser<'w> {
    program: PathBuf,
    world: &'w World,
}

impl<'w> Browser<'w> {
    /// The browser of this machine; without one the test says that it did not run.
    pub fn find(world: &'w World) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places = std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
        let found = places.find(|place| place.is_file());
        let program = or_not_run(found.ok_or_else(|| "no Chromium is installed".to_owned()))?;
        Some(Self { program, world })
    }

    fn start(&self, args: &[String], page: &Path) -> (String, String) {
        let profile = tempfile::tempdir_in(self.world.root()).unwrap();
        let mut command = Command::new(&self.program);
        command.args(FLAGS).args(args).arg(format!("--user-data-dir={}", profile.path().display()));
        command.arg(format!("file://{}", page.display())).env("HOME", self.world.home());
        let ended = self.world.spawn(command).ends();
        ended.exits(0);
        (ended.out.clone(), ended.err.clone())
    }

    /// The page's elements once it is there, and what its console said.
    pub fn elements(&self, page: &Path) -> (String, Vec<String>) {
        let (out, err) = self.start(&["--dump-dom".into()], page);
        (out, err.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect())
    }

    /// How many rows of the page's picture are unlike each other.
    pub fn rows(&self, page: &Path, (width, height): (u32, u32), dark: bool) -> usize {
        let picture = self.world.root().join(format!("page-{width}.png"));
        let mut args = vec![format!("--window-size={width},{height}"), format!("--screenshot={}", picture.display())];
        if dark {
            args.push("--blink-settings=preferredColorScheme=0".into());
        }
        self.start(&args, page);
        rows(&fs::read(&picture).unwrap())
    }
}

/// Unlike rows of a PNG: <https://www.w3.org/TR/png-3/#11Chunks>. An empty page has two or three.
fn rows(png: &[u8]) -> usize {
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
    let (mut at, mut packed) = (8, vec![]);
    while at + 12 <= png.len() {
        let (length, kind) = (number(at), &png[at + 4..at + 8]);
        if kind == b"IDAT" {
            packed.extend_from_slice(&png[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    let mut raw = vec![];
    flate2::read::ZlibDecoder::new(packed.as_slice()).read_to_end(&mut raw).unwrap();
    let row = raw.len() / number(20);
    raw.chunks(row).map(<[u8]>::to_vec).collect::<BTreeSet<_>>().len()
}

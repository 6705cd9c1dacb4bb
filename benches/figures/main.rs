//! What must hold, measured: each row is a figure of `runbook` beside the floor that it is judged by, both taken in this
//! very run on this machine and file system, so that only their ratio has to be believed.
//!
//!     cargo bench                 all rows
//!     cargo bench -- steps        rows whose name holds a word

#[path = "../../tests/support/apiserver/mod.rs"]
mod apiserver;
mod bare;
mod bulk;
mod impact;
#[path = "../../tests/support/not_run.rs"]
mod not_run;
mod preflight;
mod process;
mod repo;
mod resume;
mod start;
mod steps;
mod table;
mod verify;

use std::path::PathBuf;

use table::Table;

/// Where everything is written: on the disk that the build is on, not on a file system in memory.
fn folder() -> tempfile::TempDir {
    let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&base).expect("the build's folder can be written");
    tempfile::Builder::new().prefix("figures-").tempdir_in(base).expect("the build's folder can be written")
}

fn main() {
    // `cargo bench` hands `--bench` on, and `cargo test --benches` nothing
    let words: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let mut table = Table::new(words);
    let parts: [(&str, fn(&mut Table)); 9] = [
        ("start", start::version),
        ("no-op", start::no_op),
        ("steps", steps::rows),
        ("verify", verify::rows),
        ("resume", resume::rows),
        ("impact", impact::rows),
        ("repo", repo::rows),
        ("preflight", preflight::rows),
        ("bulk", bulk::rows),
    ];
    for (name, part) in parts {
        if table.wants(name) {
            eprintln!("measuring: {name}");
            part(&mut table);
        }
    }
    println!("{table}");
}

//! A real journal, cut at every byte and with each byte flipped: a dropped tail, or a refusal that names the line.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use runbook::{journal::OsDisk, model::ExitCode, runbook::Runbook};

use crate::{
    apiserver, child,
    play::Play,
    story::{Desk, each},
};

/// A run that has come to its end, its journal, and copies of it to damage.
struct Real {
    desk: Desk,
    bytes: Vec<u8>,
    /// Where its lines end.
    ends: Vec<usize>,
}

/// What one reader makes of a journal: how many lines are proven, and the error behind them.
type Read = (u64, Option<String>);

impl Real {
    fn new() -> Self {
        let desk = Desk::new(Play::named("short.rhai"));
        let play = desk.play();
        let ended = child::on_disk(desk.folder(), play, Arc::new(OsDisk))
            .load(&play.playbook)
            .unwrap()
            .run("staging")
            .start()
            .unwrap()
            .wait();
        assert_eq!(ended.exit, ExitCode::Done, "{ended:?}");
        for entry in fs::read_dir(desk.folder().join("state/sandbox")).unwrap() {
            // its controllers end in the background; what is copied before is torn
            let state = fs::File::open(entry.unwrap().path().join("state.redb")).unwrap();
            apiserver::eventually(Duration::from_mins(1), || state.try_lock().ok()).unwrap();
        }
        let bytes = fs::read(journal(&desk)).unwrap();
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
        Self { desk, bytes, ends }
    }

    /// The line that a byte stands in, from 1.
    fn line(&self, at: usize) -> u64 {
        self.ends.iter().filter(|end| **end < at).count() as u64 + 1
    }

    fn lines(&self) -> u64 {
        self.ends.len() as u64
    }
}

fn journal(desk: &Desk) -> PathBuf {
    desk.folder().join("state/runs").join(desk.run().unwrap().as_str()).join("journal.jsonl")
}

/// What `runs`, `show` and the state say of a run whose journal is this; all say the same.
fn read(runbook: &Runbook, path: &std::path::Path, bytes: &[u8]) -> Read {
    fs::write(path, bytes).unwrap();
    let (run, state) = runbook.runs().unwrap().remove(0);
    let listed = match &state {
        Ok(state) => (state.lines, None),
        Err(error) => (0, Some(error.to_string())),
    };
    assert_eq!(runbook.state(&run).map(|state| state.lines).map_err(|e| e.to_string()).err(), listed.1);
    let mut shown = 0;
    let error = runbook.show(&run, 1, &mut |line| {
        shown += 1;
        assert_eq!(line.n, shown, "no line is passed over");
        true
    });
    let shown = (shown, error.err().map(|error| error.to_string()));
    assert_eq!(shown.1, listed.1, "`show` and `runs` say the same");
    if listed.1.is_none() {
        assert_eq!(shown.0, listed.0);
    }
    shown
}

#[test]
fn a_real_journal_cut_at_any_byte_is_read_up_to_its_last_whole_line() {
    let real = Real::new();
    let pieces: Vec<Vec<usize>> = pieces(real.bytes.len() + 1);
    each(&pieces, |cuts| {
        let (runbook, path, _folder) = copy(&real.desk);
        for &cut in cuts {
            // a line counts without its line end too
            let whole = real.ends.iter().filter(|end| cut >= **end).count() as u64;
            assert_eq!(read(&runbook, &path, &real.bytes[..cut]), (whole, None), "cut at {cut}");
        }
    });
    println!("{} bytes, {} lines: cut at each", real.bytes.len(), real.lines());
}

#[test]
fn a_real_journal_with_any_byte_flipped_loses_its_last_line_or_is_refused_with_the_line() {
    let real = Real::new();
    let pieces = pieces(real.bytes.len());
    each(&pieces, |bytes| {
        let (runbook, path, _folder) = copy(&real.desk);
        let mut damaged = real.bytes.clone();
        for &at in bytes {
            // each bit somewhere, all of them, and what becomes a line end
            let flip = [0x01, 0x80, 0xff, 0x20, damaged[at] ^ b'\n'][at % 5];
            if flip == 0 {
                continue;
            }
            damaged[at] ^= flip;
            let line = real.line(at);
            match read(&runbook, &path, &damaged) {
                (shown, None) => {
                    assert_eq!(line, real.lines(), "byte {at} ^ {flip} in line {line} was not seen");
                    assert_eq!(shown, line - 1, "byte {at} ^ {flip}");
                }
                (shown, Some(error)) => {
                    assert!(error.contains(&format!("journal.jsonl:{line}: ")), "byte {at} ^ {flip}: {error}");
                    assert_eq!(shown, line - 1, "byte {at} ^ {flip}");
                    let run = runbook.runs().unwrap().remove(0).0;
                    let refused = || runbook.resume(run.as_str()).unwrap_err();
                    // a process that another test is about to start may hold its files for a moment
                    let known = || Some(refused()).filter(|refused| refused.exit_code() != ExitCode::Locked);
                    let refused = apiserver::eventually(Duration::from_mins(1), known).unwrap();
                    assert_eq!(refused.to_string(), error);
                    assert_eq!(refused.exit_code(), ExitCode::Internal);
                }
            }
            damaged[at] ^= flip;
        }
    });
    println!("{} bytes, {} lines: each flipped", real.bytes.len(), real.lines());
}

#[test]
fn a_run_whose_journal_is_cut_anywhere_goes_on_and_comes_to_its_end() {
    let real = Real::new();
    // within, at the end of, and behind each line
    let cuts: Vec<usize> = real.ends.iter().flat_map(|end| [end - 40, *end, end + 1]).collect();
    each(&cuts, |&cut| {
        let (runbook, path, _folder) = copy(&real.desk);
        fs::write(&path, &real.bytes[..cut]).unwrap();
        let (run, state) = runbook.runs().unwrap().remove(0);
        let state = state.unwrap();
        if state.lines == 0 || state.is_closed() {
            assert!(runbook.resume(run.as_str()).is_err() || state.is_closed());
            return;
        }
        let ended = runbook.resume(run.as_str()).unwrap().start().unwrap().wait();
        assert_eq!(ended.exit, ExitCode::Done, "cut at {cut}: {ended:?}");
        assert!(runbook.state(&run).unwrap().is_closed());
        let text = fs::read(&path).unwrap();
        let whole = real.ends.iter().rev().find(|end| cut >= **end).unwrap();
        assert_eq!(text[..*whole], real.bytes[..*whole], "what was whole is as it was");
    });
}

/// The numbers up to this one, in as many pieces as threads work on them.
fn pieces(length: usize) -> Vec<Vec<usize>> {
    (0..4).map(|piece| (0..length).filter(|n| n % 4 == piece).collect()).collect()
}

/// A program over a copy of this run's journal and bundle.
fn copy(desk: &Desk) -> (Runbook, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let from = journal(desk);
    let run = folder.path().join("state/runs").join(desk.run().unwrap().as_str());
    fs::create_dir_all(&run).unwrap();
    fs::copy(from.with_file_name("bundle.json"), run.join("bundle.json")).unwrap();
    let sandbox = folder.path().join("state/sandbox");
    fs::create_dir_all(&sandbox).unwrap();
    // the cluster that it is: one that was made anew would be another
    for entry in fs::read_dir(desk.folder().join("state/sandbox")).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), sandbox.join(entry.unwrap().file_name()));
        fs::create_dir(&to).unwrap();
        fs::copy(from.join("state.redb"), to.join("state.redb")).unwrap();
    }
    (child::on_disk(folder.path(), desk.play(), Arc::new(OsDisk)), run.join("journal.jsonl"), folder)
}

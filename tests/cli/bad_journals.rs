//! A journal that is damaged or newer than this program, of a run that waits at a gate.

use crate::program::{Journal, TWO, World};

const SECOND: &str = "/api/v1/namespaces/default/configmaps/second";

/// A run that waits at its gate, approved.
fn waiting() -> (World, String, Journal) {
    let world = World::with(TWO);
    world.go().exits(20);
    let run = world.only();
    world.run(&format!("approve {run}")).exits(0);
    let journal = world.journal(&run);
    (world, run, journal)
}

#[test]
fn a_torn_tail_is_cut_kept_and_said_and_the_run_goes_on() {
    let (world, run, mut journal) = waiting();
    let last = journal.lines.len();
    let half = journal.lines[last - 1].len() / 2;
    journal.lines[last - 1].truncate(half);
    let path = journal.path().to_owned();
    // torn means: without its end
    let mut text = journal.lines.join("\n");
    assert!(!text.ends_with('\n'));
    std::fs::write(&path, &text).unwrap();
    world.run(&format!("show {run}")).exits(0);
    world.run("runs").exits(0).prints(&run);
    world.run(&format!("resume {run}")).exits(0).says(&format!("line {last} of the journal was not whole"));
    let kept = std::fs::read_to_string(path.with_file_name("journal.torn")).unwrap();
    assert!(kept.contains(&text.split_off(text.rfind('\n').unwrap() + 1)), "{kept}");
    world.journal(&run);
    world.everything_is_journaled("staging");
}

#[test]
fn a_flipped_byte_in_the_middle_is_refused_and_named() {
    let (world, run, mut journal) = waiting();
    journal.lines[3] = journal.lines[3].replacen("\"n\":4", "\"n\":5", 1);
    journal.write();
    for verb in ["resume", "show", "approve"] {
        world.run(&format!("{verb} {run}")).exits(1).says(&run).says("journal.jsonl:4: it does not prove itself");
    }
    world.run("runs").exits(0).prints(&run).prints("journal.jsonl:4");
    assert!(world.object("staging", SECOND).is_none());
    // its place is given up by the command that the message names
    world.go().exits(30).says(&run);
    world.run(&format!("abandon {run} --reason damaged")).exits(0).prints("its journal cannot be read");
    world.go().exits(20);
}

#[test]
fn a_flipped_byte_in_any_line_is_named_by_every_command_that_reads_it() {
    let (world, run, journal) = waiting();
    let (path, lines) = (journal.path().to_owned(), journal.lines.clone());
    for n in 0..lines.len() - 1 {
        let mut damaged = lines.clone();
        let middle = damaged[n].len() / 2;
        let middle = (middle..damaged[n].len()).find(|at| damaged[n].as_bytes()[*at].is_ascii_alphanumeric()).unwrap();
        let other = if &damaged[n][middle..=middle] == "1" { "2" } else { "1" };
        damaged[n].replace_range(middle..=middle, other);
        std::fs::write(&path, damaged.join("\n") + "\n").unwrap();
        for command in [format!("show {run}"), format!("resume {run}")] {
            world.run(&command).exits(1).says(&format!("journal.jsonl:{}: it does not prove itself", n + 1));
        }
        world.run("runs").exits(0).prints(&format!("journal.jsonl:{}", n + 1));
    }
    assert!(world.object("staging", SECOND).is_none());
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    world.run(&format!("resume {run}")).exits(0);
}

#[test]
fn a_flipped_byte_in_the_last_line_is_seen() {
    let (world, run, mut journal) = waiting();
    let last = journal.lines.len();
    journal.lines[last - 1] = journal.lines[last - 1].replacen("gate", "gote", 1);
    journal.write();
    let ended = world.run(&format!("resume {run}"));
    ended.says(&format!("line {last}"));
    // the line is cut as if it were torn, or the journal is refused: never taken for true
    assert!([0, 1, 20].contains(&ended.code), "{ended}");
    world.run("runs").exits(0).prints(&run);
}

#[test]
fn an_unknown_event_is_kept_and_shown_and_the_run_goes_on() {
    let (world, run, mut journal) = waiting();
    let n = journal.lines.len() + 1;
    let strange = format!(
        "{{\"v\":\"1.0\",\"n\":{n},\"t\":\"2026-01-01T00:00:00Z\",\"k\":\"moon.rose\",\"p\":{{\"phase\":\"full\"}}}}"
    );
    journal.lines.push(strange);
    journal.write_proven();
    world.run(&format!("show {run}")).exits(0).prints("a line of kind `moon.rose`, unknown here").prints("full");
    world.run(&format!("resume {run}")).exits(0);
    let kept = world.journal(&run);
    assert!(kept.lines[n - 1].contains("\"k\":\"moon.rose\",\"p\":{\"phase\":\"full\"}"), "kept byte for byte");
}

#[test]
fn an_unknown_event_that_must_be_understood_is_refused() {
    let (world, run, mut journal) = waiting();
    let n = journal.lines.len() + 1;
    journal.lines.push(format!(
        "{{\"v\":\"1.0\",\"n\":{n},\"t\":\"2026-01-01T00:00:00Z\",\"must\":true,\"k\":\"moon.rose\",\"p\":{{}}}}"
    ));
    journal.write_proven();
    for verb in ["resume", "show"] {
        world
            .run(&format!("{verb} {run}"))
            .exits(1)
            .says("`moon.rose`")
            .says("use a newer runbook")
            .says(&format!("journal.jsonl:{n}"));
    }
    world.run("runs").exits(0).prints("moon.rose");
    assert!(world.object("staging", SECOND).is_none());
}

#[test]
fn a_newer_major_version_is_refused_and_a_newer_minor_only_read() {
    for (version, shown) in [("2.0", false), ("1.9", true)] {
        let (world, run, mut journal) = waiting();
        for line in &mut journal.lines {
            *line = line.replacen("\"v\":\"1.0\"", &format!("\"v\":\"{version}\""), 1);
        }
        let before = journal.lines.len();
        journal.write_proven();
        world.run(&format!("resume {run}")).exits(1).says(version).says("newer runbook");
        let show = world.run(&format!("show {run}"));
        assert_eq!(show.code, i32::from(!shown), "{show}");
        world.run("runs").exits(0).prints(&run);
        assert_eq!(world.journal(&run).lines.len(), before, "nothing was appended");
        assert!(world.object("staging", SECOND).is_none());
    }
}

//! Commands that outlive the process that started them: a resume ends them before it looks at anything, and never a process
//! that only has the number of one.

use std::{
    fs,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use runbook::{event::Event, model::ExitCode};
use serde_json::json;

use crate::{apiserver::eventually, kill::Kill, play::Play, program::Journal, story::Desk};

const TIME: Duration = Duration::from_mins(1);

/// A desk whose playbook runs `linger`, and what it does once it has said which process it is.
fn desk(goes_on: &str) -> Desk {
    let play = Play::lingering();
    let desk = Desk::new(play);
    fs::write(desk.folder().join("goes-on"), goes_on).unwrap();
    desk
}

/// The command's process, once it has said so.
fn lingers(desk: &Desk) -> u32 {
    let path = desk.folder().join("lingers");
    let said = || fs::read_to_string(&path).ok()?.trim().parse().ok();
    eventually(TIME, said).expect("the command says which process it is")
}

fn is_there(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // one that ended and was not waited for is not there any more
    !stat.is_empty() && !stat.contains(") Z ")
}

/// Starts the run and kills its process once its command works.
fn orphaned(goes_on: &str) -> (Desk, u32) {
    let desk = desk(goes_on);
    let mut run = desk.begin();
    let pid = lingers(&desk);
    let path = desk.folder().join("state/runs");
    let begun = || desk.lines().iter().any(|line| line.kind == "child.started").then_some(());
    eventually(TIME, || path.is_dir().then(begun).flatten()).expect("its start is journaled");
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(is_there(pid), "it outlives the process that started it");
    (desk, pid)
}

fn notes(desk: &Desk) -> Vec<String> {
    let said = desk.lines().into_iter().filter_map(|line| match line.event? {
        Event::Noted { text, .. } => Some(text),
        _ => None,
    });
    said.collect()
}

#[test]
fn a_command_that_outlives_its_killed_parent_is_ended_before_anything_else() {
    let (desk, pid) = orphaned("sleep 600; echo late >> \"$HOME/added\"");
    assert!(desk.go_on(None).success());
    assert!(!is_there(pid));
    // whether it had done what it was for is not known
    assert_eq!(desk.ended()["exit"], ExitCode::Unknown.code(), "{}", desk.ended());
    assert!(desk.words().is_empty());
    let said = notes(&desk);
    assert!(said.iter().any(|text| text.contains("linger") && text.contains("was ended")), "{said:?}");
    let kinds: Vec<String> = desk.lines().into_iter().map(|line| line.kind).collect();
    let at = |kind: &str| kinds.iter().position(|known| known == kind).unwrap();
    assert!(at("child.ended") < at("run.resumed"), "{kinds:?}");
}

#[test]
fn a_command_that_does_not_want_to_end_is_killed() {
    let (desk, pid) = orphaned("trap '' TERM; while :; do sleep 600; done");
    assert!(desk.go_on(None).success());
    assert!(!is_there(pid));
    assert_eq!(desk.ended()["exit"], ExitCode::Unknown.code(), "{}", desk.ended());
}

#[test]
fn a_command_whose_start_was_not_journaled_any_more_is_found_and_ended() {
    let undisturbed = desk("true");
    assert!(undisturbed.start(None).success());
    let started = undisturbed.lines().iter().find(|line| line.kind == "child.started").unwrap().n;
    let desk = desk("sleep 600; echo late >> \"$HOME/added\"");
    assert_eq!(desk.start(Some(Kill::Before(started))).signal(), Some(9));
    let pid = lingers(&desk);
    assert!(is_there(pid) && desk.lines().iter().all(|line| line.kind != "child.started"));
    assert!(desk.go_on(None).success());
    assert!(!is_there(pid));
    assert_eq!(desk.ended()["exit"], ExitCode::Unknown.code(), "{}", desk.ended());
    let said = notes(&desk);
    assert!(said.iter().any(|text| text.contains(&pid.to_string()) && text.contains("was ended")), "{said:?}");
}

#[test]
fn a_process_that_only_has_the_number_of_a_command_is_left_alone() {
    let (desk, pid) = orphaned("sleep 600");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let since: u64 = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap().parse().unwrap();
    Command::new("kill").args(["-9", &format!("-{pid}")]).status().unwrap();
    // the number is somebody else's now
    let mut innocent = Command::new("sleep").arg("600").process_group(0).stdout(Stdio::null()).spawn().unwrap();
    let path = desk.folder().join("state/runs").join(desk.run().unwrap().as_str()).join("journal.jsonl");
    for change in [json!({ "started": since.saturating_sub(1) }), json!({ "boot": "of-another-boot" })] {
        let mut journal = Journal::read(&path);
        let line = journal.lines.iter_mut().find(|line| line.contains("\"child.started\"")).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["p"]["pid"] = innocent.id().into();
        for (key, to) in change.as_object().unwrap() {
            value["p"][key] = to.clone();
        }
        *line = reordered(&value);
        journal.write_proven();
        assert!(desk.go_on(None).success());
        assert_eq!(desk.ended()["exit"], ExitCode::Unknown.code(), "{}", desk.ended());
        assert!(innocent.try_wait().unwrap().is_none(), "it was ended for another's sake: {change}");
        assert!(notes(&desk).iter().any(|text| text.contains("it was gone")));
    }
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}

/// A line's members in their order.
fn reordered(line: &serde_json::Value) -> String {
    let members = ["v", "n", "t", "k", "p", "h"].map(|key| format!("\"{key}\":{}", line[key]));
    format!("{{{}}}", members.join(","))
}

#[test]
fn what_tells_a_runs_commands_from_others_is_in_their_environment() {
    let desk = desk("true");
    assert!(desk.start(None).success());
    assert_eq!(desk.ended()["exit"], 0, "{}", desk.ended());
    let said = fs::read_to_string(Path::new(desk.folder()).join("run")).unwrap();
    assert_eq!(said.trim(), desk.run().unwrap().as_str());
}

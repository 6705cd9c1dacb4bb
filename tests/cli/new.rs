//! A playbook from answers: from a file, from stdin, from a terminal.

use std::{fs, io::Write as _, process::Stdio};

use crate::{program::World, terminal::Terminal};

const ANSWERS: &str = "title: Move the photos
problem: Photos are lost when the node reboots
outcome: Photos outlive a reboot
contexts: [staging, main]
current: They are on the node's disk
phases:
  - title: Prepare
    goal: there is a place
    steps:
      - title: Make room
        manual: make room on the new disk
        verify: df shows 1 Ti
        undo: nothing has to be taken back
";

/// What `check` finds, by rule.
fn rules(world: &World, playbook: &str) -> Vec<String> {
    let check = world.run(&format!("check {playbook} -o json"));
    let findings = check.json()["findings"].clone();
    findings.as_array().unwrap().iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn answers_become_a_playbook_whose_only_findings_are_open_questions() {
    let world = World::new();
    world.file("answers.yaml", ANSWERS);
    let new = world.run("new --answers answers.yaml");
    new.exits(0).prints("move-the-photos.rhai: written, 3 open questions").says("What is the target state?");
    let rules = rules(&world, "move-the-photos.rhai");
    assert!(!rules.is_empty() && rules.iter().all(|rule| rule == "open-question"), "{rules:?}");
    let plan = world.run("plan move-the-photos.rhai");
    plan.exits(13).prints("# Move the photos").prints("by hand: make room on the new disk").prints("df shows 1 Ti");
    plan.prints("- [ ] What is the target state?");
    world.run("run move-the-photos.rhai --context staging").exits(13).says("is open");
    assert!(world.runs().is_empty());
}

#[test]
fn answers_come_from_stdin_and_the_playbook_goes_to_stdout_where_it_is_asked_for() {
    let world = World::new();
    let mut command = world.command("new - --answers -");
    let mut live = world.spawn({
        command.stdin(Stdio::piped());
        command
    });
    live.stdin().unwrap().write_all(ANSWERS.as_bytes()).unwrap();
    live.ends().exits(0).prints("plan(\"Move the photos\")").prints("question(\"What is the target state?\");");
    assert!(!world.path("move-the-photos.rhai").exists() && !world.path("-").exists());
}

#[test]
fn the_template_is_a_file_of_answers() {
    let world = World::new();
    let template = world.run("new --template");
    world.file("answers.yaml", &template.exits(0).out);
    world.run("new --answers answers.yaml").exits(2).says("the playbook would have no name");
    world.run("new empty.rhai --answers answers.yaml").exits(0);
    let rules = rules(&world, "empty.rhai");
    assert!(rules.iter().all(|rule| rule == "open-question"), "{rules:?}");
    world.run("plan empty.rhai").exits(13).prints("Untitled plan").prints("What happens today, and for whom?");
}

#[test]
fn nothing_is_written_over_without_being_told() {
    let world = World::new();
    world.file("answers.yaml", ANSWERS);
    world.file("mine.rhai", "plan(\"Mine\");");
    world.run("new mine.rhai --answers answers.yaml").exits(2).says("exists already").says("--force");
    assert_eq!(fs::read_to_string(world.path("mine.rhai")).unwrap(), "plan(\"Mine\");");
    let forced = world.run("new mine.rhai --answers answers.yaml --force -o json");
    let forced = forced.exits(0).json();
    assert_eq!((&forced["playbook"], &forced["ready"]), (&"mine.rhai".into(), &false.into()));
    assert_eq!(forced["open_questions"].as_array().unwrap().len(), 3);
    assert!(fs::read_to_string(world.path("mine.rhai")).unwrap().contains("Move the photos"));
}

#[test]
fn what_is_not_understood_is_said_all_at_once_and_nothing_is_written() {
    let world = World::new();
    world.file("answers.yaml", "titel: x\nproblem: 1\n");
    let new = world.run("new x.rhai --answers answers.yaml");
    new.exits(2)
        .says("nothing asks for `titel`")
        .says("did you mean `title`?")
        .says("a text was expected, not a number");
    world.file("twice.yaml", "phases: [{title: One}, {title: one}]\n");
    world.run("new x.rhai --answers twice.yaml").exits(2).says("two phases are called").says("nothing was written");
    assert!(!world.path("x.rhai").exists());
    world.run("new x.rhai --answers none.yaml").exits(2).says("none.yaml").says("--template");
    world.run("new nowhere/x.rhai --answers twice.yaml").exits(2);
}

#[test]
fn without_a_terminal_and_answers_it_says_what_to_type() {
    let world = World::new();
    let new = world.run("new x.rhai");
    new.exits(2)
        .says("there is no terminal to ask on")
        .says("runbook new --template > answers.yaml")
        .says("--answers -");
}

fn open(world: &World) -> Option<Terminal> {
    let terminal = Terminal::open(world)?;
    terminal.types(&format!("'{}' new; echo ended with $?", env!("CARGO_BIN_EXE_runbook")));
    terminal.shows("What is the change called?");
    Some(terminal)
}

#[test]
fn the_eight_sections_are_asked_for_on_a_terminal_and_each_may_be_left_open() {
    let world = World::new();
    let Some(terminal) = open(&world) else { return };
    let ask = |question: &str, answer: &str| {
        terminal.shows(question);
        terminal.types(answer);
    };
    ask("What is the change called?", "Move \"the\" photos");
    ask("What happens today, and for whom?", "Photos are lost when the node reboots");
    ask("What can be observed once it is done?", "Photos outlive a reboot");
    ask("What shows that the outcome is there?", "");
    terminal.shows("On which contexts does it run");
    terminal.presses("Space");
    terminal.types("");
    for question in [
        "Which services are involved?",
        "What does it depend on?",
        "What depends on it?",
        "What are the constraints?",
        "What is taken for true?",
        "What could go wrong?",
        "What is the current state?",
        "What is the target state?",
    ] {
        ask(question, "");
    }
    ask("What is the next phase called?", "Prepare");
    ask("What is its goal?", "there is a place");
    ask("What is its next step called?", "Make room");
    ask("What is done?", "make room");
    ask("What shows that it worked?", "");
    ask("How is it taken back?", "take it away");
    // asked again, for the next one
    terminal.shows("Prepare");
    crate::program::eventually("the next step", || {
        (terminal.screen().matches("What is its next step called?").count() == 2).then_some(())
    });
    terminal.types("");
    ask("What is decided at its end?", "");
    crate::program::eventually("the next phase", || {
        (terminal.screen().matches("What is the next phase called?").count() == 2).then_some(())
    });
    terminal.types("");
    for question in
        ["How is the whole validated?", "How is the change as a whole taken back?", "What is not known yet?"]
    {
        ask(question, "");
    }
    ask("Where is it written?", "");
    terminal.shows("ended with 0");
    let text = fs::read_to_string(world.path("move-the-photos.rhai")).unwrap();
    assert!(text.contains("plan(\"Move \\\"the\\\" photos\")") && text.contains(".contexts([\"main\"])"), "{text}");
    let rules = rules(&world, "move-the-photos.rhai");
    assert!(rules.iter().all(|rule| ["open-question", "other-cluster"].contains(&rule.as_str())), "{rules:?}\n{text}");
    assert!(!text.contains("  \u{2514}"), "{text}");
}

#[test]
fn ctrl_c_writes_nothing() {
    let world = World::new();
    let Some(terminal) = open(&world) else { return };
    terminal.types("Move the photos");
    terminal.shows("What happens today");
    terminal.presses("C-c");
    // the shell gives up the rest of the line, too
    terminal.types("echo the code is $?");
    terminal.shows("the code is 130");
    let written = fs::read_dir(world.path(""))
        .unwrap()
        .any(|entry| entry.unwrap().path().extension().is_some_and(|extension| extension == "rhai"));
    assert!(!written);
}

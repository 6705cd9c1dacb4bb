//! Gates on a real terminal, driven through tmux.

use std::process::{Command, Stdio};

use crate::program::{TWO, World, eventually};

/// A terminal of its own, 100 columns wide, with a shell in the world's folder; gone with the test.
pub struct Terminal {
    socket: String,
}

impl Terminal {
    pub fn open(world: &World) -> Option<Self> {
        let found = Command::new("tmux").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            let why: Result<(), _> = Err("tmux is not installed".to_owned());
            crate::program::or_not_run(why)?;
        }
        let socket = world.root().join("tmux").display().to_string();
        let terminal = Self { socket };
        let shell = format!("cd '{}' && PS1='$ ' exec sh", world.path("").display());
        let mut command = terminal.command(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "50", &shell]);
        command.env_clear().envs(world.environment()).env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        assert!(command.status().unwrap().success());
        Some(terminal)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-S", &self.socket]).args(args);
        command
    }

    pub fn types(&self, text: &str) {
        assert!(self.command(&["send-keys", "-l", text]).status().unwrap().success());
        assert!(self.command(&["send-keys", "Enter"]).status().unwrap().success());
    }

    /// Presses a key, as tmux calls it.
    pub fn presses(&self, key: &str) {
        assert!(self.command(&["send-keys", key]).status().unwrap().success());
    }

    pub fn screen(&self) -> String {
        let out = self.command(&["capture-pane", "-p", "-J", "-S", "-"]).output().unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    #[track_caller]
    pub fn shows(&self, words: &str) -> String {
        let mut last = String::new();
        let begun = std::time::Instant::now();
        eventually(words, || {
            last = self.screen();
            if begun.elapsed().as_secs() > 30 {
                eprintln!("{last}");
            }
            last.contains(words).then_some(())
        });
        last
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).status();
    }
}

fn start(world: &World, terminal: &Terminal) {
    terminal.types(&format!("'{}' run p.rhai --context staging; echo ended with $?", env!("CARGO_BIN_EXE_runbook")));
    terminal.shows("type \"");
    assert_eq!(world.runs().len(), 1);
}

#[test]
fn a_gate_asks_on_a_terminal_and_go_opens_it() {
    let world = World::with(TWO);
    let Some(terminal) = Terminal::open(&world) else { return };
    start(&world, &terminal);
    let screen = terminal.shows("Was anybody annoyed?");
    assert!(screen.contains("staging") && screen.contains("no real cluster is touched"), "{screen}");
    terminal.types("note it was loud");
    terminal.types("go");
    terminal.shows("ended with 0");
    let journal = world.journal(&world.only());
    assert!(journal.of("gate.decided").iter().any(|decided| decided["via"] == "terminal"));
    assert_eq!(journal.of("note.added").len() + journal.of("message.received").len(), 1, "the note is kept");
}

#[test]
fn anything_but_the_asked_for_word_leaves_the_gate_shut() {
    let world = World::with(TWO);
    let Some(terminal) = Terminal::open(&world) else { return };
    start(&world, &terminal);
    terminal.types("y");
    terminal.shows("ended with 20");
    assert!(world.object("staging", "/api/v1/namespaces/default/configmaps/second").is_none());
}

#[test]
fn no_rejects_with_its_words() {
    let world = World::with(TWO);
    let Some(terminal) = Terminal::open(&world) else { return };
    start(&world, &terminal);
    terminal.types("no the graphs are red");
    terminal.shows("ended with 21");
    world.run(&format!("show {}", world.only())).exits(0).prints("the graphs are red");
}

#[test]
fn what_was_typed_ahead_is_no_answer() {
    // a step before the gate that takes as long as it takes to type
    let world = World::with(
        &TWO.replace("gate(", "step(\"Wait\").verify(\"it is late\", || time::now() > LATE).within(\"1m\");\ngate("),
    );
    let late = (jiff::Timestamp::now() + std::time::Duration::from_secs(4)).to_string();
    let text = std::fs::read_to_string(world.path("p.rhai")).unwrap();
    world.file("p.rhai", text.replace("LATE", &format!("\"{late}\"")));
    let Some(terminal) = Terminal::open(&world) else { return };
    terminal.types(&format!("'{}' run p.rhai --context staging; echo ended with $?", env!("CARGO_BIN_EXE_runbook")));
    terminal.shows("it is late");
    terminal.types("go");
    terminal.shows("type \"go\"");
    // the question stands, unanswered; only what is typed now opens it
    assert!(world.journal(&world.only()).of("gate.decided").iter().all(|decided| decided["via"] == "auto"));
    assert!(!terminal.screen().contains("ended with 2"), "it still asks");
    terminal.types("go");
    terminal.shows("ended with 0");
}

#[test]
fn a_gate_of_class_human_wants_the_phrase_of_this_run() {
    let world = World::with(&TWO.replace("annoyed?\")", "annoyed?\").class(\"human\")"));
    let Some(terminal) = Terminal::open(&world) else { return };
    start(&world, &terminal);
    let run = world.only();
    let phrase = format!("staging {}", run.rsplit('-').next().unwrap());
    terminal.shows(&format!("type \"{phrase}\""));
    terminal.types("go");
    terminal.shows("ended with 20");
    terminal.types(&format!("'{}' resume {run}; echo then $?", env!("CARGO_BIN_EXE_runbook")));
    // it is asked for once more; what is typed before that is thrown away
    let asked = format!("type \"{phrase}\"");
    eventually("it asks again", || (terminal.screen().matches(&asked).count() == 2).then_some(()));
    terminal.types(&phrase);
    terminal.shows("then 0");
}

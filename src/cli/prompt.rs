//! Gates on a terminal. What was typed ahead is thrown away; the end of input, a closed pipe, anything but the asked-for
//! words means no.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::{Arc, OnceLock},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{QueueSelector, tcflush},
};

use crate::{
    event::Gates,
    model::{Decision, GateCard, GateClass, Step},
    report::Suspend,
    runbook::Runbook,
};

/// Asks on the terminal; where there is none, nothing is decided.
#[derive(Clone, Default)]
pub struct Terminal {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    suspend: OnceLock<Suspend>,
    runbook: OnceLock<Runbook>,
}

/// What a line came to.
enum Line {
    Typed(String),
    End,
    Elsewhere,
}

impl Terminal {
    /// The view to take off the screen while a question stands there.
    pub fn over(&self, suspend: Option<Suspend>) {
        if let Some(suspend) = suspend {
            let _ = self.shared.suspend.set(suspend);
        }
    }

    /// Where notes that are left at a gate go.
    pub fn notes_to(&self, runbook: Runbook) {
        let _ = self.shared.runbook.set(runbook);
    }

    fn off_screen<T>(&self, ask: impl FnOnce() -> T) -> T {
        match self.shared.suspend.get() {
            Some(suspend) => suspend.suspend(ask),
            None => ask(),
        }
    }
}

/// The phrase that opens a gate of class `human`: it is not the same for two runs.
fn phrase(card: &GateCard) -> String {
    let run = card.run.as_str();
    format!("{} {}", card.target.name, run.rsplit('-').next().unwrap_or(run))
}

impl Gates for Terminal {
    fn decide(&self, card: &GateCard, elsewhere: &dyn Fn() -> bool) -> Decision {
        if !is_interactive() {
            return Decision::NotNow;
        }
        let go = if card.class >= GateClass::Human { phrase(card) } else { "go".into() };
        let question = format!(
            "[{}] {}\n  type \"{go}\" to go on, \"no\" to reject, \"note …\" to keep a note; anything else leaves it for later\n",
            card.target.name, card.question
        );
        self.off_screen(|| {
            ask(&question, elsewhere, |typed| {
                if let Some(text) = typed.strip_prefix("note ") {
                    if let Some(runbook) = self.shared.runbook.get() {
                        let _ = runbook.note(card.run.as_str(), text.trim());
                    }
                    return None;
                }
                if typed == go {
                    return Some(Decision::Go { reason: None });
                }
                match typed.split_once(' ').map_or((typed, None), |(word, rest)| (word, Some(rest.trim().to_string())))
                {
                    ("no", reason) => Some(Decision::NoGo { reason }),
                    _ => Some(Decision::NotNow),
                }
            })
        })
    }

    fn manual(&self, step: &Step, instructions: &str, elsewhere: &dyn Fn() -> bool) -> Decision {
        if !is_interactive() {
            return Decision::NotNow;
        }
        let question = format!(
            "by hand: {}\n  {instructions}\n  type \"done\" when it is done; anything else leaves it for later\n",
            step.title
        );
        self.off_screen(|| {
            ask(&question, elsewhere, |typed| {
                Some(if typed == "done" { Decision::Go { reason: None } } else { Decision::NotNow })
            })
        })
    }

    fn name(&self) -> &'static str {
        "terminal"
    }
}

/// Asks until a line is an answer; the end of input, and an answer from elsewhere, decide nothing.
fn ask(question: &str, elsewhere: &dyn Fn() -> bool, answer: impl Fn(&str) -> Option<Decision>) -> Decision {
    // what was typed before the question was there is no answer to it
    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
    loop {
        let line = {
            let _ = write!(io::stderr(), "{question}> ");
            let _ = io::stderr().flush();
            read_line(elsewhere)
        };
        match line {
            Line::Typed(text) => {
                if let Some(decision) = answer(text.trim()) {
                    return decision;
                }
            }
            Line::End => {
                let _ = writeln!(io::stderr());
                return Decision::NotNow;
            }
            Line::Elsewhere => {
                let _ = writeln!(io::stderr(), "\nanswered elsewhere");
                return Decision::NotNow;
            }
        }
    }
}

fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A line from the terminal, or that the answer came from elsewhere while it was waited for.
fn read_line(elsewhere: &dyn Fn() -> bool) -> Line {
    let stdin = io::stdin();
    let pause = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    loop {
        if elsewhere() {
            return Line::Elsewhere;
        }
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut fds, Some(&pause)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => {
                let mut text = String::new();
                return match stdin.read_line(&mut text) {
                    Ok(0) | Err(_) => Line::End,
                    // a line without its end was cut off by the end of input
                    Ok(_) if !text.ends_with('\n') => Line::End,
                    Ok(_) => Line::Typed(text),
                };
            }
            Err(_) => return Line::End,
        }
    }
}

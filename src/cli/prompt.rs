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

use super::view::SUGGESTED;
use crate::{
    event::{Cancel, Gates},
    model::{
        Decision, GateCard, GateClass, Step,
        text::{one_line, visible},
    },
    report::{Suspend, gate_card},
    runbook::Runbook,
};

/// Asks on the terminal; where there is none, nothing is decided.
#[derive(Clone, Default)]
pub struct Terminal {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    place: OnceLock<Place>,
    runbook: OnceLock<Runbook>,
}

/// Where questions are asked.
#[derive(Debug)]
pub struct Place {
    /// The context's name, which each question carries.
    pub context: String,
    /// The view to take off the screen while a question stands there.
    pub suspend: Option<Suspend>,
    /// Whether the view shows what is decided on; else the question does.
    pub shown: bool,
    /// What ends the run, and its questions with it.
    pub cancel: Cancel,
}

/// What a line came to.
enum Line {
    Typed(String),
    End,
    Elsewhere,
}

/// What a typed line means.
enum Answer {
    Decides(Decision),
    /// Nothing is decided; these words are shown, and the next line is read.
    Says(String),
}

impl Terminal {
    /// Where its questions stand.
    pub fn at(&self, place: Place) {
        let _ = self.shared.place.set(place);
    }

    /// Where notes that are left at a gate go.
    pub fn notes_to(&self, runbook: Runbook) {
        let _ = self.shared.runbook.set(runbook);
    }

    fn off_screen<T>(&self, ask: impl FnOnce() -> T) -> T {
        match self.shared.place.get().and_then(|place| place.suspend.as_ref()) {
            Some(suspend) => suspend.suspend(ask),
            None => ask(),
        }
    }

    fn shows(&self) -> bool {
        self.shared.place.get().is_none_or(|place| place.shown)
    }

    /// Asks until a line is an answer; the end of input, and an answer from elsewhere, decide nothing.
    fn ask(&self, question: &str, elsewhere: &dyn Fn() -> bool, answer: impl Fn(&str) -> Answer) -> Decision {
        // what was typed before the question was there is no answer to it
        let _ = tcflush(io::stdin(), QueueSelector::IFlush);
        let _ = write!(io::stderr(), "{question}");
        loop {
            let line = {
                let _ = write!(io::stderr(), "> ");
                let _ = io::stderr().flush();
                read_line(elsewhere)
            };
            match line {
                Line::Typed(text) => match answer(text.trim()) {
                    Answer::Decides(decision) => return decision,
                    Answer::Says(words) => {
                        let _ = writeln!(io::stderr(), "  {words}");
                    }
                },
                Line::End => {
                    let _ = writeln!(io::stderr());
                    return Decision::NotNow;
                }
                Line::Elsewhere => {
                    // half an answer is none, and no command for the shell either
                    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
                    let cancelled = self.shared.place.get().is_some_and(|place| place.cancel.is_cancelled());
                    let words = if cancelled { "" } else { "answered elsewhere\n" };
                    let _ = write!(io::stderr(), "\n{words}");
                    return Decision::NotNow;
                }
            }
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
        let evidence = if self.shows() { vec![] } else { gate_card(card, &card.digest(), SUGGESTED) };
        let evidence = evidence.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat();
        let question = format!(
            "{evidence}[{}] {}\n  type \"{go}\" to go on, \"no\" to reject, \"note …\" to keep a note; anything else leaves it for later\n",
            one_line(&card.target.name),
            one_line(&card.question)
        );
        self.off_screen(|| {
            self.ask(&question, elsewhere, |typed| {
                if let Some(text) = typed.strip_prefix("note ") {
                    let kept = self.shared.runbook.get().map(|runbook| runbook.note(card.run.as_str(), text.trim()));
                    return Answer::Says(match kept {
                        Some(Err(error)) => format!("not kept: {error}"),
                        _ => "kept; the question is still open".into(),
                    });
                }
                if typed == go {
                    return Answer::Decides(Decision::Go { reason: None });
                }
                let (word, rest) =
                    typed.split_once(' ').map_or((typed, None), |(word, rest)| (word, Some(rest.trim())));
                Answer::Decides(match word {
                    "no" => Decision::NoGo { reason: rest.map(str::to_string) },
                    _ => Decision::NotNow,
                })
            })
        })
    }

    fn manual(&self, step: &Step, instructions: &str, elsewhere: &dyn Fn() -> bool) -> Decision {
        if !is_interactive() {
            return Decision::NotNow;
        }
        let context = self.shared.place.get().map(|place| format!("[{}] ", one_line(&place.context)));
        let shown = if self.shows() { String::new() } else { visible(instructions) };
        let shown = shown.lines().map(|line| format!("  {line}\n")).collect::<Vec<_>>().concat();
        let question = format!(
            "{}by hand: {}\n{shown}  type \"done\" when it is done; anything else leaves it for later\n",
            context.unwrap_or_default(),
            one_line(&step.title)
        );
        self.off_screen(|| {
            self.ask(&question, elsewhere, |typed| {
                Answer::Decides(if typed == "done" { Decision::Go { reason: None } } else { Decision::NotNow })
            })
        })
    }

    fn name(&self) -> &'static str {
        "terminal"
    }
}

/// Whether somebody can be asked.
pub fn is_interactive() -> bool {
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

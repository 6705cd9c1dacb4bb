use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, Instant},
};

use rhai::Dynamic;

use super::{
    error::{ErrorKind, ScriptError},
    observe,
};
use crate::model::Place;

/// Asked often while a script runs: true when it is to end at once.
pub type Cancelled = Arc<dyn Fn() -> bool + Send + Sync>;

/// Gets what `print` and `debug` say, with its place.
pub type Printer = Arc<dyn Fn(&Place, &str) + Send + Sync>;

/// Why a script was ended from outside. No `catch` swallows it.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    Cancelled,
    Deadline(Duration),
    Secret(String, Option<Place>),
    /// Text was made of something missing; in words, and where.
    Missing(String, Place),
}

impl Stop {
    pub(super) fn error(&self) -> ScriptError {
        match self {
            Self::Missing(what, place) => {
                ScriptError::new(ErrorKind::Value, what.clone()).at(place.clone()).help("give it a default with `?? …`")
            }
            Self::Cancelled => ScriptError::new(ErrorKind::Cancelled, "ended on request"),
            Self::Deadline(limit) => {
                ScriptError::new(ErrorKind::Deadline, format!("not done after {}", crate::model::Span::from(*limit)))
                    .help("look for a loop that does not end")
            }
            Self::Secret(what, place) => ScriptError::new(ErrorKind::Secret, format!("a secret cannot {what}"))
                .at(place.clone())
                .help("pass the secret itself to the native that needs it; `\"text\" + secret` gives a secret"),
        }
    }
}

struct Current {
    cancelled: Option<Cancelled>,
    deadline: Option<(Instant, Duration)>,
    poison: Option<Stop>,
    printer: Option<Printer>,
}

thread_local! {
    // a script stays on its thread; the engine's progress and print callbacks get no context to look in
    static CURRENT: RefCell<Vec<Current>> = const { RefCell::new(Vec::new()) };
}

/// Bounds what runs on this thread until it is dropped. Guards nest: the innermost counts.
pub(super) struct Guard {
    since: Instant,
}

impl Guard {
    pub(super) fn enter(cancelled: Option<Cancelled>, deadline: Option<Instant>, printer: Option<Printer>) -> Self {
        // to the millisecond above, so that a limit of 10s is called that
        let round =
            |left: Duration| Duration::from_millis(u64::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u64::MAX));
        let deadline = deadline.map(|at| (at, round(at.saturating_duration_since(Instant::now()))));
        CURRENT.with_borrow_mut(|stack| stack.push(Current { cancelled, deadline, poison: None, printer }));
        Self { since: Instant::now() }
    }

    /// What ended the script, whether or not the script noticed.
    #[allow(clippy::unused_self, reason = "it belongs to this guard, and is asked while it stands")]
    pub(super) fn stopped(&self) -> Option<Stop> {
        let poison = CURRENT.with_borrow(|stack| stack.last().and_then(|current| current.poison.clone()));
        let missing = unraised();
        poison.or(missing)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|stack| {
            stack.pop();
            // what ran inside had its own time: a discover does not use up the declaration's
            if let Some(Current { deadline: Some((at, _)), .. }) = stack.last_mut() {
                *at += self.since.elapsed();
            }
        });
    }
}

/// How many operations pass between two looks at the clock.
const LOOK_EVERY: u64 = 64;

/// The engine asks before each operation: something to end with, or nothing.
pub(super) fn progress(operations: u64) -> Option<Dynamic> {
    CURRENT.with_borrow_mut(|stack| {
        let current = stack.last_mut()?;
        if current.poison.is_none() && operations.is_multiple_of(LOOK_EVERY) {
            // kept, because natives that call closures wrap what ends one, and `catch` swallows that
            current.poison = due(current);
        }
        current.poison.clone().map(Dynamic::from)
    })
}

/// Natives look as well: they may take longer than any number of operations.
pub(super) fn look() -> Option<Stop> {
    CURRENT.with_borrow_mut(|stack| {
        let current = stack.last_mut()?;
        if current.poison.is_none() {
            current.poison = due(current);
        }
        current.poison.clone()
    })
}

fn due(current: &Current) -> Option<Stop> {
    if current.cancelled.as_ref().is_some_and(|cancelled| cancelled()) {
        return Some(Stop::Cancelled);
    }
    let late = current.deadline.filter(|(at, _)| Instant::now() >= *at).map(|(_, limit)| Stop::Deadline(limit));
    late.or_else(unraised)
}

/// What interpolation could not raise: no effect may take place with text that was made of something missing.
fn unraised() -> Option<Stop> {
    observe::unraised().map(|(what, place)| Stop::Missing(what, place))
}

/// Ends the script at its next operation: interpolation swallows errors, so an error alone is not enough.
pub(super) fn poison(stop: Stop) {
    CURRENT.with_borrow_mut(|stack| {
        if let Some(current) = stack.last_mut() {
            current.poison.get_or_insert(stop);
        }
    });
}

/// Hands a printed text to whoever listens.
pub(super) fn print(place: &Place, text: &str) {
    let printer = CURRENT.with_borrow(|stack| stack.last().and_then(|current| current.printer.clone()));
    if let Some(printer) = printer {
        printer(place, text);
    }
}

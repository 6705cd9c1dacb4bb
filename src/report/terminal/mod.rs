//! The live view: what runs stands at the end of the terminal, what is finished scrolls away above it. Only for a terminal.

mod look;
mod region;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use console::Term;
use indicatif::TermLike;
use jiff::Timestamp;
use look::Look;
use region::Region;

use super::{
    Verbs,
    ending::{block, next},
    follow::Follow,
    words::{Mark, entries},
};
use crate::{
    event::{Cancel, CancelGuard, Event, Line, Sink},
    model::text::one_line,
};

const REFRESH: Duration = Duration::from_millis(125);

#[allow(clippy::struct_excessive_bools, reason = "four independent yes-or-no facts about one terminal")]
struct Screen {
    term: Box<dyn TermLike>,
    region: Region,
    look: Look,
    verbs: Verbs,
    follow: Follow,
    /// Lines that wait above the live ones while a prompt has the terminal.
    held: Vec<String>,
    /// How many prompts have the terminal.
    suspended: u32,
    titled: bool,
    cancelled: bool,
    ended: bool,
    owes: bool,
}

impl Screen {
    fn draw(&mut self, now: Timestamp) {
        if self.suspended > 0 {
            return;
        }
        let live = if self.ended {
            vec![]
        } else {
            let width = usize::from(self.term.width()).max(2) - 1;
            let most = usize::from(self.term.height()).saturating_sub(2).max(1);
            self.look.live(&self.follow, now, self.cancelled, width, most)
        };
        let above = std::mem::take(&mut self.held);
        // a terminal that went away stops nothing
        let _ = self.region.draw(&*self.term, &above, &live);
    }

    fn title(&mut self, line: &Line) {
        let changes = matches!(
            line.event,
            Some(
                Event::Opened { .. }
                    | Event::Bound { .. }
                    | Event::Resumed { .. }
                    | Event::StepVerified { .. }
                    | Event::StepFailed { .. }
                    | Event::GateOpened { .. }
                    | Event::GateDecided { .. }
            )
        );
        if !changes || self.suspended > 0 {
            return;
        }
        // the title before is kept on the terminal's own stack and put back at the end
        let keep = if std::mem::replace(&mut self.titled, true) { "" } else { "\x1b[22;0t" };
        let gate = if self.follow.waits_at().is_some() { " go/no-go?" } else { "" };
        let title = one_line(&format!("{}: {}", self.follow.context(), self.follow.title));
        let _ = self.term.write_str(&format!("{keep}\x1b]2;{title}{}{gate}\x07", look::steps(&self.follow)));
    }

    fn line(&mut self, line: &Line) {
        if self.follow.begins_anew(line) {
            self.last_words(false);
        }
        let entries = entries(&self.follow, line, self.verbs);
        let skipped = self.follow.running.as_ref().and_then(|running| running.skipped.clone());
        self.follow.take(line);
        self.owes |= Follow::owes_an_end(line);
        self.ended = self.follow.ended.is_some();
        let context = self.follow.context();
        let width = usize::from(self.term.width()).max(2) - 1;
        for entry in entries {
            match entry.mark {
                // shown while it happens; a skipped change is told with its step's end
                Mark::Detail | Mark::Skipped => {}
                Mark::Block => self.held.extend(self.look.block(&entry.text, width)),
                Mark::Good => {
                    self.held.push(self.look.good(&self.follow, &entry, skipped.as_deref(), width));
                }
                _ => self.held.extend(self.look.entry(&self.follow, &context, &entry, width)),
            }
        }
        self.title(line);
        self.draw(line.t);
    }

    fn last_words(&mut self, last: bool) {
        if !std::mem::take(&mut self.owes) {
            return;
        }
        let width = usize::from(self.term.width()).max(2) - 1;
        for (what, words) in block(&self.follow) {
            self.held.extend(self.look.last(&self.follow, what, &words, width));
        }
        // what was to be typed then is over where the run went on
        for next in next(&self.follow, self.verbs).into_iter().filter(|_| last) {
            self.held.extend(self.look.next(&self.follow, &next, width));
        }
    }

    fn end(&mut self) {
        self.last_words(true);
        self.ended = true;
        self.draw(self.follow.last.unwrap_or_default());
        self.untitle();
    }

    fn untitle(&mut self) {
        if std::mem::take(&mut self.titled) {
            let _ = self.term.write_str("\x1b[23;0t").and_then(|()| self.term.flush());
        }
    }
}

type Shared = Arc<Mutex<Screen>>;

fn lock(screen: &Shared) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The live view of a run on a terminal.
pub struct Terminal {
    screen: Shared,
    ticker: Option<Ticker>,
    cancel: Option<CancelGuard>,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").field("follow", &lock(&self.screen).follow).finish_non_exhaustive()
    }
}

impl Terminal {
    /// The view on stderr, drawn again by itself as time passes. `verbs` are the commands that may be suggested.
    pub fn stderr(verbs: Verbs) -> Self {
        let colors = colors(true, |name| std::env::var(name).ok());
        let mut view = Self::new(Box::new(Term::stderr()), colors, verbs);
        view.ticker = Some(Ticker::start(view.screen.clone()));
        view
    }

    /// The view on any terminal. It is drawn at each line, and at each [`Terminal::tick`].
    pub fn new(term: Box<dyn TermLike>, colors: bool, verbs: Verbs) -> Self {
        let screen = Screen {
            term,
            region: Region::default(),
            look: Look { colors },
            verbs,
            follow: Follow::default(),
            held: vec![],
            suspended: 0,
            titled: false,
            cancelled: false,
            ended: false,
            owes: false,
        };
        Self { screen: Arc::new(Mutex::new(screen)), ticker: None, cancel: None }
    }

    /// Takes a line that was written before this view began, without showing it: for a run that is resumed.
    pub fn catch_up(&mut self, line: &Line) {
        lock(&self.screen).follow.take(line);
    }

    /// Draws the live lines as they are at `now`.
    pub fn tick(&self, now: Timestamp) {
        lock(&self.screen).draw(now);
    }

    /// A handle that gives the terminal to a prompt for a while.
    pub fn suspender(&self) -> Suspend {
        Suspend { screen: self.screen.clone() }
    }
}

impl Sink for Terminal {
    fn line(&mut self, line: &Line) {
        lock(&self.screen).line(line);
    }

    fn end(&mut self) {
        self.ticker = None;
        self.cancel = None;
        lock(&self.screen).end();
    }

    fn attach(&mut self, cancel: &Cancel) {
        let screen = self.screen.clone();
        self.cancel = Some(cancel.on_cancel(move || {
            let mut screen = lock(&screen);
            screen.cancelled = true;
            screen.draw(Timestamp::now());
        }));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.ticker = None;
        let mut screen = lock(&self.screen);
        screen.ended = true;
        screen.draw(Timestamp::now());
    }
}

/// Gives the terminal to a prompt: the live lines are taken away, come back afterwards, and nothing is drawn between.
#[derive(Clone)]
pub struct Suspend {
    screen: Shared,
}

impl fmt::Debug for Suspend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspend").finish_non_exhaustive()
    }
}

impl Suspend {
    /// Takes the live lines away and gives the title back, for a process that ends at once.
    pub fn leave(&self) {
        // whoever draws at this moment may never come to its end
        let Ok(mut screen) = self.screen.try_lock() else { return };
        screen.suspended = 0;
        screen.ended = true;
        screen.draw(Timestamp::now());
        screen.untitle();
        // nothing is drawn after this
        screen.suspended = 1;
    }

    /// Runs `prompt` with the terminal to itself. Lines that come meanwhile are shown afterwards.
    pub fn suspend<T>(&self, prompt: impl FnOnce() -> T) -> T {
        struct Back<'a>(&'a Shared);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                let mut screen = lock(self.0);
                screen.suspended = screen.suspended.saturating_sub(1);
                screen.draw(Timestamp::now());
            }
        }
        {
            let mut guard = lock(&self.screen);
            let screen = &mut *guard;
            if screen.suspended == 0 {
                let above = std::mem::take(&mut screen.held);
                let _ = screen.region.draw(&*screen.term, &above, &[]);
            }
            screen.suspended += 1;
        }
        // also where the prompt panics
        let _back = Back(&self.screen);
        prompt()
    }
}

/// Draws the live lines again and again, so that times go on and a changed size is seen.
struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(screen: Shared) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let draw = move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(REFRESH);
                let mut screen = lock(&screen);
                if screen.follow.run.is_some() && !stopped.load(Ordering::Relaxed) {
                    screen.draw(Timestamp::now());
                }
            }
        };
        // without the thread the view is drawn at each line only
        let thread = std::thread::Builder::new().name("terminal".into()).spawn(draw).ok();
        Self { stop, thread }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// Whether to use colours: `NO_COLOR` set means no, `CLICOLOR_FORCE` yes, `CLICOLOR=0` no, else where it is a terminal.
pub fn colors(terminal: bool, env: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    if set("NO_COLOR").is_some() {
        return false;
    }
    if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return true;
    }
    terminal && set("CLICOLOR").is_none_or(|value| value != "0") && env("TERM").as_deref() != Some("dumb")
}

#[cfg(test)]
mod tests;

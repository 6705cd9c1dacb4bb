//! Which view a run is shown through, and what keeps its clock ticking.

use std::{
    io::{self, Stderr, Write},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};

use super::{commands::VERBS, global};
use crate::{
    event::{Cancel, Line, Sink},
    report::{Json, Plain, Progress, Suspend, Terminal, Verbs},
};

/// The commands that views may suggest.
pub const SUGGESTED: Verbs = Verbs::new(VERBS);

/// A view, and what a prompt needs of it.
pub struct View {
    /// Where lines go.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Takes the live region off the screen while a prompt is there.
    pub suspend: Option<Suspend>,
    /// Whether it shows on stderr, to people, what happens.
    pub people: bool,
    /// Keeps heartbeats going until it is dropped.
    pub ticker: Option<mpsc::Sender<()>>,
    /// Takes lines that were written before.
    earlier: Box<dyn FnMut(&Line)>,
}

impl View {
    /// Tells it of a line that was written before it began, which it does not show.
    pub fn knows(&mut self, line: &Line) {
        (self.earlier)(line);
    }

    /// From here on it is told by its run alone, which also drops it.
    pub fn begins(&mut self) {
        self.earlier = Box::new(|_| {});
    }
}

/// The view that was asked for.
pub fn view(progress: Progress, json: bool) -> View {
    let chosen = progress.choose(global::stderr_is_terminal(), |name| std::env::var(name).ok());
    let mut view = View { sinks: vec![], suspend: None, people: false, ticker: None, earlier: Box::new(|_| {}) };
    match chosen {
        Progress::Quiet => {}
        Progress::Json => view.sinks.push(Box::new(Json::new(io::stderr()))),
        Progress::Tty => {
            let terminal = Terminal::stderr(SUGGESTED);
            view.suspend = Some(terminal.suspender());
            view.people = true;
            let shared = Arc::new(Mutex::new(terminal));
            view.earlier = knowing(&shared, |terminal: &mut Terminal, line| terminal.catch_up(line));
            view.sinks.push(Box::new(Shared(shared)));
        }
        _ => {
            let plain = Plain::new(io::stderr(), TimeZone::system(), SUGGESTED);
            view.people = true;
            let shared = Shared(Arc::new(Mutex::new(plain)));
            view.earlier = knowing(&shared.0, |plain: &mut Plain<Stderr>, line| plain.catch_up(line));
            view.ticker = Some(tick(shared.0.clone(), Duration::from_secs(1), |plain: &mut Plain<Stderr>| {
                plain.tick(Timestamp::now());
            }));
            view.sinks.push(Box::new(shared));
        }
    }
    if json {
        view.sinks.push(Box::new(Json::new(io::stdout())));
    }
    view
}

fn knowing<S: 'static>(view: &Arc<Mutex<S>>, take: impl Fn(&mut S, &Line) + 'static) -> Box<dyn FnMut(&Line)> {
    let view = view.clone();
    Box::new(move |line| take(&mut view.lock().unwrap_or_else(PoisonError::into_inner), line))
}

/// A view that replays: its times are the lines'.
pub fn replay(out: impl Write + Send + 'static, json: bool) -> Box<dyn Sink> {
    if json { Box::new(Json::new(out)) } else { Box::new(Plain::new(out, TimeZone::system(), SUGGESTED)) }
}

/// A sink that its ticker shares.
struct Shared<S>(Arc<Mutex<S>>);

impl<S: Sink> Sink for Shared<S> {
    fn line(&mut self, line: &Line) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).line(line);
    }

    fn attach(&mut self, cancel: &Cancel) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).attach(cancel);
    }

    fn end(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).end();
    }
}

fn tick<S: Send + 'static>(
    sink: Arc<Mutex<S>>,
    every: Duration,
    tick: impl Fn(&mut S) + Send + 'static,
) -> mpsc::Sender<()> {
    let (keep, gone) = mpsc::channel::<()>();
    let _ = std::thread::Builder::new().name("runbook-view".into()).spawn(move || {
        while let Err(RecvTimeoutError::Timeout) = gone.recv_timeout(every) {
            tick(&mut sink.lock().unwrap_or_else(PoisonError::into_inner));
        }
    });
    keep
}

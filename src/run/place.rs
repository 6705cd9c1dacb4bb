//! The run's place: taken before it begins, by force where that was asked for; asked for before each change; kept while
//! the run waits.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    Stop,
    executor::Run,
    start::{Ended, Order, WRITABLE, name},
    step::kind_of,
};
use crate::{
    effect::{EffectError, Sort, Standing},
    event::{Bearing, Event, Failure, Head, Held, Holder, Lock, LockError, LogError, Undoing},
    model::{ExitCode, Fact, RunId, Span},
};

/// How soon a server that did not answer is asked again.
const AGAIN: Duration = Duration::from_millis(500);

impl Order {
    /// What this process is known by where it has a place.
    pub(super) fn holder(&self, run: RunId, context: &str, since: Timestamp) -> Holder {
        Holder {
            run,
            context: context.into(),
            since,
            pid: std::process::id(),
            host: self.host.clone(),
            account: self.by.clone(),
            folder: self.folder.clone(),
            broke: self.break_lock.clone(),
        }
    }
}

/// Takes a place; by force where the holder says with which words. Gives whom it was taken from.
pub(super) fn occupy(
    lock: &dyn Lock,
    place: &str,
    holder: &Holder,
) -> Result<(Box<dyn Held>, Vec<Holder>), Box<Ended>> {
    let taken = match holder.broke {
        Some(_) => lock.seize(place, holder),
        None => lock.take(place, holder).map(|held| (held, vec![])),
    };
    taken.map_err(|error| Box::new(locked(&error, holder)))
}

/// Why there is no place, and what to type.
pub(super) fn locked(error: &LockError, me: &Holder) -> Ended {
    let ended = |exit, words: &str| Ended::new(exit, format!("{words}: {error}"));
    match error {
        LockError::Held { holder, bearing } => held(holder, bearing, me),
        LockError::Lost { .. } => ended(ExitCode::Locked, "the run's place was lost"),
        LockError::Over { run, .. } => Ended::new(ExitCode::Locked, format!("{error}; nothing was changed"))
            .help(format!("runbook abandon {run} --reason \"closed by another copy\"")),
        LockError::Behind { run, .. } | LockError::Forked { run, .. } => {
            let message = format!("{error}; nothing was changed");
            Ended::new(ExitCode::Locked, message)
                .help(format!("go on where it is further, or bring its folder here: runs/{run}"))
                .help(format!(
                    "if that copy is lost for good, give the run up here: runbook abandon {run} --reason \"…\""
                ))
        }
        LockError::Unreachable { .. } => {
            ended(ExitCode::PreflightFailed, "no place can be taken, so nothing is changed")
        }
        LockError::Refused { help, .. } => {
            let ended = ended(ExitCode::PreflightFailed, "no place can be kept, so nothing is changed");
            help.iter().fold(ended, |ended, help| ended.help(help.clone()))
        }
        _ => ended(ExitCode::Internal, "no place can be kept, so nothing is changed").help(WRITABLE),
    }
}

fn held(holder: &Holder, bearing: &Bearing, me: &Holder) -> Ended {
    let (run, live) = (&holder.run, *bearing == Bearing::Live);
    if *run == me.run {
        let message = format!("run {run} is being run by another process ({}); nothing was changed", holder.place());
        let wait = "if that process is gone, this is seen once its Lease is over: try again in a few seconds";
        return Ended::new(ExitCode::Locked, message).help(format!("runbook show {run}")).help(wait);
    }
    let message = format!(
        "run {run} has its place on {} since {:.0} ({}): {bearing}; nothing was changed",
        holder.context,
        holder.since,
        holder.place()
    );
    let mut ended = Ended::new(ExitCode::Locked, message);
    let elsewhere = holder.folder.as_ref().filter(|_| !holder.is_beside(me) && me.folder.is_some());
    if let Some(folder) = elsewhere {
        ended = ended.help(format!("its journal is on {}, in {}: go on there", holder.host, folder.path));
    }
    ended = ended.help(format!("runbook show {run}"));
    ended = if live {
        ended.help("wait for its end, or end it where it runs: Ctrl-C, then it can be resumed or abandoned")
    } else {
        ended.help(format!("runbook resume {run}")).help(format!("runbook abandon {run} --reason \"…\""))
    };
    ended.help("or take the place by force, which stops that run before its next change: --break-lock \"…\"")
}

impl Run {
    /// Journals whom the place was taken from by force.
    pub(super) fn broke(&self, broken: Vec<Holder>, reason: &str) -> Result<(), LogError> {
        broken.into_iter().try_for_each(|holder| self.append(&Event::LockBroken { holder, reason: reason.into() }))
    }

    /// What was broken, for the evidence of a gate; it has to be acknowledged at the first.
    pub(super) fn broken_facts(broken: &[(Holder, String)], acknowledge: bool) -> Vec<Fact> {
        let fact = |(holder, reason): &(Holder, String)| {
            let text = format!("the place was taken from run {} by force: {reason}", holder.run);
            if acknowledge { Fact::Acknowledge { text } } else { Fact::Known { text } }
        };
        broken.iter().map(fact).collect()
    }

    /// Whether the run still has its place, asked before something is changed by hand.
    pub fn keeps_place(&self) -> Result<(), Stop> {
        self.asked(None)
    }

    /// Says how far the journal is, before what its last line announces is done by hand.
    pub fn claims_place(&self) -> Result<(), Stop> {
        let head = self.recorder().head();
        self.asked(Some(&head))
    }

    fn asked(&self, head: Option<&Head>) -> Result<(), Stop> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = head.map_or_else(|| held.check(), |head| held.claim(head));
        answer.map_err(|error| {
            let error = lost(&error, &self.go_on_with());
            let mut failure = Failure::new(kind_of(error.sort), error.message);
            failure.help = error.help;
            Stop::Failed { failure: Box::new(failure), step: None }
        })
    }

    /// What to type for it to go on.
    fn go_on_with(&self) -> String {
        self.with_state(|state| {
            let verb = if state.undoing.is_some() { "undo" } else { "resume" };
            let holds = state.undoing.as_ref().is_some_and(|undoing| undoing.what == Undoing::Holds);
            format!("runbook {verb} {}{}", name(state), if holds { " --holds" } else { "" })
        })
    }

    /// What is asked before each effect of a step: the lock, and whether it is still the pinned cluster. A server that does
    /// not answer is waited for as long as the step says that it may be away (`.api_down`).
    pub fn standing(&self, away: Option<Span>) -> Standing {
        let patience = away.map(Span::duration).unwrap_or_default();
        let (held, door, cancel) = (self.held.clone(), self.door.clone(), self.cancel.clone());
        let go_on = self.go_on_with();
        let uid = self.identity.as_ref().map(|identity| identity.uid.clone());
        Arc::new(move |head| {
            let until = Instant::now() + patience;
            loop {
                let answer = ask_place(&held, head, &go_on).and_then(|()| match &uid {
                    Some(uid) if head.is_none() => {
                        door.same_cluster(uid, &cancel).map_err(|error| (error.sort == Sort::Unreachable, error))
                    }
                    _ => Ok(()),
                });
                match answer {
                    Ok(()) => return Ok(()),
                    Err((true, _)) if Instant::now() + AGAIN < until => {
                        if cancel.wait(AGAIN) {
                            return Err(EffectError::new(
                                Sort::Cancelled,
                                "cancelled while the API server was waited for",
                            ));
                        }
                    }
                    Err((_, error)) => return Err(error),
                }
            }
        })
    }

    /// The process ends: a run that is closed gives its place up, with its last lines as the ones that count; any other
    /// keeps it.
    pub(super) fn leave(&self) {
        let (head, run, bearing) = {
            let recorder = self.recorder();
            (recorder.head(), recorder.state().run.clone(), recorder.state().bearing())
        };
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match (bearing, run) {
            (Some(bearing @ (Bearing::Waits(_) | Bearing::Stopped(_))), _) => {
                if let Err(error) = held.rest(&head, &bearing) {
                    // what is not said there is seen by the Lease that is not renewed any more
                    tracing::warn!(%error, "how the run waits was not said where other machines see it");
                }
            }
            (None, Some(run)) => {
                if let Err(error) = held.claim(&head).and_then(|()| self.crew.lock.free(&run)) {
                    let text = format!("its place could not be given up: {error}");
                    let _ = self.record(&Event::Noted { text, step: None, via: "lock".into() });
                }
            }
            _ => {}
        }
    }
}

/// Whether the place is held, and whether asking again may mend it where it is not.
fn ask_place(held: &Mutex<Box<dyn Held>>, head: Option<&Head>, go_on: &str) -> Result<(), (bool, EffectError)> {
    let held = held.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = head.map_or_else(|| held.check(), |head| held.claim(head));
    answer.map_err(|error| (matches!(error, LockError::Unreachable { .. }), lost(&error, go_on)))
}

fn lost(error: &LockError, go_on: &str) -> EffectError {
    if let LockError::Io { .. } = error {
        let message = format!("the run's place cannot be kept, so nothing more is changed: {error}");
        return EffectError::new(Sort::Journal, message).help(WRITABLE);
    }
    let words = match error {
        LockError::Unreachable { .. } => "it is not known whether the run still has its place",
        _ => "the run's place was lost",
    };
    EffectError::new(Sort::Lock, format!("{words}: {error}"))
        .help(format!("nothing more is changed before it has its place again: {go_on}"))
}

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::{
    event::{Cancel, Line, Store},
    model::RunId,
    run::Ended,
};

/// A run that was started. Dropping the handle stops nothing.
///
/// It is also a future of what the run came to, on any executor: `run.await`.
pub struct Run {
    shared: Arc<Shared>,
    cancel: Cancel,
    store: Arc<dyn Store>,
}

/// What the run's thread and its handle share.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    run: Option<RunId>,
    lines: u64,
    ended: Option<Arc<Ended>>,
    wakers: Vec<Waker>,
}

impl Shared {
    pub fn named(&self, run: &RunId) {
        self.lock().run = Some(run.clone());
        self.changed.notify_all();
    }

    pub fn told(&self, line: u64) {
        let mut state = self.lock();
        state.lines = state.lines.max(line);
        drop(state);
        self.changed.notify_all();
    }

    pub fn ended(&self, ended: Ended) {
        let wakers = {
            let mut state = self.lock();
            state.ended = Some(Arc::new(ended));
            std::mem::take(&mut state.wakers)
        };
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until<T>(&self, mut ready: impl FnMut(&State) -> Option<T>) -> T {
        let mut state = self.lock();
        loop {
            if let Some(found) = ready(&state) {
                return found;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Run {
    pub(super) fn new(shared: Arc<Shared>, cancel: Cancel, store: Arc<dyn Store>) -> Self {
        Self { shared, cancel, store }
    }

    /// The run's id; none where it was refused before it began to exist. Waits until one of the two is known.
    pub fn id(&self) -> Option<RunId> {
        self.shared.wait_until(|state| {
            if let Some(run) = &state.run {
                return Some(Some(run.clone()));
            }
            state.ended.as_ref().map(|ended| ended.run.clone())
        })
    }

    /// Asks for its end, as the first Ctrl-C does: nothing new is started, children are ended with grace, the journal is
    /// kept, and it can be resumed.
    pub fn cancel(&self) {
        self.cancel.cancel("cancel");
    }

    /// Its lines from the first on, as they come, until the process of the run ends. A slow reader falls behind and
    /// reads on from the journal; it never holds the run up.
    pub fn events(&self) -> Events {
        Events { shared: self.shared.clone(), store: self.store.clone(), next: 1, ready: Vec::new().into_iter() }
    }

    /// Waits for its end.
    pub fn wait(&self) -> Arc<Ended> {
        self.shared.wait_until(|state| state.ended.clone())
    }

    /// Waits for its end at most so long.
    pub fn wait_for(&self, time: Duration) -> Option<Arc<Ended>> {
        let state = self.shared.lock();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, time, |state| state.ended.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.ended.clone()
    }
}

impl Future for Run {
    type Output = Arc<Ended>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.shared.lock();
        if let Some(ended) = &state.ended {
            return Poll::Ready(ended.clone());
        }
        if !state.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            state.wakers.push(context.waker().clone());
        }
        Poll::Pending
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("run", &self.shared.lock().run).finish_non_exhaustive()
    }
}

/// The lines of a run; see [`Run::events`].
pub struct Events {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    next: u64,
    ready: std::vec::IntoIter<Line>,
}

/// How many lines are read from the journal at a time.
const BATCH: usize = 256;

impl Iterator for Events {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.ready.next() {
                self.next = line.n + 1;
                return Some(line);
            }
            let next = self.next;
            let (run, upto) = self.shared.wait_until(|state| match (&state.run, &state.ended) {
                (Some(run), _) if state.lines >= next => Some((Some(run.clone()), state.lines)),
                (_, Some(_)) => Some((None, 0)),
                _ => None,
            });
            let run = run?;
            let mut lines = Vec::new();
            let read = self.store.read(&run, next, &mut |line| {
                let wanted = line.n <= upto;
                if wanted {
                    lines.push(line);
                }
                wanted && lines.len() < BATCH
            });
            if read.is_err() || lines.is_empty() {
                return None;
            }
            self.ready = lines.into_iter();
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("next", &self.next).finish_non_exhaustive()
    }
}

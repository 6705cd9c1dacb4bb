use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

type Callback = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct State {
    reason: Option<&'static str>,
    callbacks: Vec<(u64, Arc<Callback>)>,
    next: u64,
}

/// A request to start nothing new: the first Ctrl-C, `cancel()` of a run's handle. Clones share it.
#[derive(Clone, Default)]
pub struct Cancel {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Cancel {
    /// Not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the end; `reason` is what the journal says, e.g. `SIGINT`. Later calls change nothing.
    pub fn cancel(&self, reason: &'static str) {
        let callbacks = {
            let mut state = self.lock();
            if state.reason.is_some() {
                return;
            }
            state.reason = Some(reason);
            state.callbacks.clone()
        };
        self.shared.1.notify_all();
        for (_, callback) in callbacks {
            callback();
        }
    }

    /// Whether the end was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.lock().reason.is_some()
    }

    /// By what the end was asked for.
    pub fn reason(&self) -> Option<&'static str> {
        self.lock().reason
    }

    /// Waits until it is cancelled or the time is over; true when cancelled.
    pub fn wait(&self, timeout: Duration) -> bool {
        let end = Instant::now() + timeout;
        let mut state = self.lock();
        while state.reason.is_none() {
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return false;
            };
            state = self.shared.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Calls `callback` when it is cancelled, at once if it already is, until the guard is dropped.
    pub fn on_cancel(&self, callback: impl Fn() + Send + Sync + 'static) -> CancelGuard {
        let callback: Arc<Callback> = Arc::new(Box::new(callback));
        let (id, now) = {
            let mut state = self.lock();
            let id = state.next;
            state.next += 1;
            state.callbacks.push((id, callback.clone()));
            (id, state.reason.is_some())
        };
        if now {
            callback();
        }
        CancelGuard { cancel: self.clone(), id }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel").field("reason", &self.reason()).finish()
    }
}

/// Keeps a callback registered; see [`Cancel::on_cancel`].
#[derive(Debug)]
pub struct CancelGuard {
    cancel: Cancel,
    id: u64,
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.cancel.lock().callbacks.retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_callback_is_called_once_and_not_after_its_guard_is_gone() {
        let (cancel, count) = (Cancel::new(), Arc::new(AtomicU32::new(0)));
        let add = |count: &Arc<AtomicU32>| {
            let count = count.clone();
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        drop(cancel.on_cancel(add(&count)));
        let _kept = cancel.on_cancel(add(&count));
        cancel.cancel("SIGINT");
        cancel.cancel("SIGTERM");
        assert_eq!((count.load(Ordering::SeqCst), cancel.reason()), (1, Some("SIGINT")));
        let _late = cancel.on_cancel(add(&count));
        assert_eq!(count.load(Ordering::SeqCst), 2);
        assert!(cancel.wait(Duration::ZERO));
    }
}

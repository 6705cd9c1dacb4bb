use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use super::{Cluster, ClusterError};
use crate::event::Cancel;

/// How long a call may take, and what ends it early.
#[derive(Clone, Debug, Default)]
pub struct Patience {
    /// When it is over; none: as long as the request's own time-out.
    pub deadline: Option<Instant>,
    /// What ends it early.
    pub cancel: Cancel,
}

impl Patience {
    /// So long from now.
    pub fn of(time: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(time), cancel: Cancel::new() }
    }
}

impl Cluster {
    /// Runs the future on the runtime and waits for it here; a caller inside another runtime does no harm.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        patience: &Patience,
        what: &str,
        future: impl Future<Output = Result<T, ClusterError>> + Send + 'static,
    ) -> Result<T, ClusterError> {
        if patience.cancel.is_cancelled() {
            return Err(ClusterError::Cancelled { what: what.into() });
        }
        // both the answer and the cancel come by this channel; what comes first counts
        let (answered, answer) = mpsc::sync_channel(2);
        let cancelled = answered.clone();
        let task = self.inner.handle.spawn(async move {
            let _ = answered.try_send(Some(future.await));
        });
        let guard = patience.cancel.on_cancel(move || {
            let _ = cancelled.try_send(None);
        });
        let received = match patience.deadline {
            Some(deadline) => answer.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            None => answer.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
        };
        drop(guard);
        task.abort();
        match received {
            Ok(Some(result)) => result,
            Ok(None) => Err(ClusterError::Cancelled { what: what.into() }),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(ClusterError::Deadline { what: what.into() }),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(ClusterError::Unreachable {
                what: what.into(),
                message: "the request ended without an answer".into(),
                sent: true,
            }),
        }
    }
}

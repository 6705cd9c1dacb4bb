use std::time::{Duration, Instant};

use super::Call;
use crate::cluster::{ClusterError, Patience};

/// How long a server that does not answer is waited for before an effect.
const OUTLAST: Duration = Duration::from_secs(15);

/// Asks what has to be known before an effect is sent. A server that is away or busy for a moment is waited for: nothing was
/// sent yet, so asking again is safe.
pub(super) fn outlast<T>(
    patience: &Patience,
    ask: impl Fn(&Patience) -> Result<T, ClusterError>,
) -> Result<T, ClusterError> {
    let end = Instant::now() + OUTLAST;
    let end = patience.deadline.map_or(end, |deadline| end.min(deadline));
    let mut pause = Duration::from_millis(100);
    loop {
        match ask(patience) {
            Err(error) if error.is_unreachable() && Instant::now() + pause < end && !patience.cancel.is_cancelled() => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            other => return other,
        }
    }
}

impl Call {
    /// [`outlast`], for as long as the call may take.
    pub(super) fn outlast<T>(&self, ask: impl Fn(&Patience) -> Result<T, ClusterError>) -> Result<T, ClusterError> {
        outlast(&self.patience(), ask)
    }
}

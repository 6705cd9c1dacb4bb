//! The clock of this machine against the API server's.

use jiff::SignedDuration;

use crate::{model::Finding, run::executor::Run};

/// How far this machine's clock may be off the API server's.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

impl Run {
    /// Whether this machine's clock is too far off.
    pub(super) fn clock(&self) -> Vec<Finding> {
        self.door.clock_skew().and_then(skewed).into_iter().collect()
    }
}

/// Soak, max-age, expiry and Leases go by the server's clock, timestamps in the journal by the machine's.
fn skewed(skew: SignedDuration) -> Option<Finding> {
    let off = skew.abs();
    if off <= SKEW {
        return None;
    }
    let way = if skew.is_positive() { "ahead of" } else { "behind" };
    let message =
        format!("this machine's clock is {off:#} {way} the API server's; times in the journal are this machine's");
    Some(Finding::warning("clock-skew", message).help("set the clock, e.g. with NTP: timedatectl set-ntp true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_by_more_than_half_a_minute_is_a_finding() {
        let found = |seconds| skewed(SignedDuration::from_secs(seconds)).map(|finding| finding.message);
        assert_eq!((found(30), found(-30)), (None, None));
        assert!(found(31).unwrap().contains("31s ahead of the API server's"), "{:?}", found(31));
        assert!(found(-7200).unwrap().contains("2h behind the API server's"), "{:?}", found(-7200));
    }
}

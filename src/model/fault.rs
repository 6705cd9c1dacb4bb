use std::{fmt, str::FromStr, time::Duration};

use super::Span;

/// One object of a sandbox that is told not to become ready.
///
/// As text: `HelmRelease/monitoring/grafana: install retries exhausted` fails with these words, `…: stall` stays in
/// progress, `…: flap` or `…: flap 5s` becomes ready and loses it again, in turn. `*` in the name stands for anything:
/// `Pod/web/api-*: stall`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `Kind/namespace/name`, or `Kind/name` for cluster-scoped kinds.
    pub target: String,
    /// What happens instead.
    pub how: FaultHow,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultHow {
    /// The object fails with this message.
    Fail(String),
    /// The object stays in progress.
    Stall,
    /// The object is ready and fails, in turn; it stays as it is for this long.
    Flap(Duration),
}

/// How long a flapping object stays as it is where nothing is said.
const FLAP: Duration = Duration::from_secs(2);

/// Text that is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no fault: {why}; write it as 'HelmRelease/monitoring/grafana: install retries exhausted', '…: stall' or '…: flap 5s'"
)]
pub struct FaultError {
    text: String,
    why: &'static str,
}

impl Fault {
    /// A fault of an object, from what happens to it: a message, `stall`, `flap`, `flap 5s`.
    ///
    /// # Errors
    /// A target that names no object, or nothing that happens.
    pub fn new(target: &str, how: &str) -> Result<Self, FaultError> {
        let wrong = |why| FaultError { text: format!("{target}: {how}"), why };
        let (target, how) = (target.trim(), how.trim());
        let parts: Vec<&str> = target.split('/').collect();
        if !matches!(parts.len(), 2 | 3)
            || parts.iter().any(|part| part.is_empty() || part.contains(char::is_whitespace))
        {
            return Err(wrong("before the colon stands Kind/namespace/name, or Kind/name of a cluster-scoped kind"));
        }
        let how = match how.split_whitespace().collect::<Vec<_>>().as_slice() {
            [] => return Err(wrong("after the colon stands what happens")),
            ["stall"] => FaultHow::Stall,
            ["flap"] => FaultHow::Flap(FLAP),
            ["flap", every] => {
                let every = every.parse::<Span>().map_err(|_| wrong("after flap stands a duration"))?.duration();
                if every < Duration::from_millis(100) {
                    return Err(wrong("nothing flaps faster than every 100ms"));
                }
                FaultHow::Flap(every)
            }
            _ => FaultHow::Fail(how.to_owned()),
        };
        Ok(Self { target: target.to_owned(), how })
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let wrong = |why| FaultError { text: text.to_owned(), why };
        let (target, how) = text.split_once(':').ok_or_else(|| wrong("there is no colon in it"))?;
        Self::new(target, how).map_err(|error| wrong(error.why))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            FaultHow::Fail(message) => write!(f, "{}: {message}", self.target),
            FaultHow::Stall => write!(f, "{}: stall", self.target),
            FaultHow::Flap(every) => write!(f, "{}: flap {}", self.target, Span::from(*every)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_from_its_text() {
        let how = |text: &str| text.parse::<Fault>().expect("a fault").how;
        let fault: Fault = "HelmRelease/monitoring/grafana: install retries exhausted: 3".parse().expect("a fault");
        assert_eq!(fault.target, "HelmRelease/monitoring/grafana");
        assert_eq!(fault.how, FaultHow::Fail("install retries exhausted: 3".into()));
        assert_eq!(how("Pod/web/*: stall"), FaultHow::Stall);
        assert_eq!(how("Node/a:flap"), FaultHow::Flap(Duration::from_secs(2)));
        assert_eq!(how("Node/a: flap 5s"), FaultHow::Flap(Duration::from_secs(5)));
    }

    #[test]
    fn what_is_no_fault_is_refused_with_what_to_write() {
        for (text, why) in [
            ("HelmRelease/monitoring/grafana", "no colon"),
            ("grafana: fails", "Kind/namespace/name"),
            ("a/b/c/d: fails", "Kind/namespace/name"),
            ("HelmRelease/a/b: ", "what happens"),
            ("HelmRelease/a/b: flap soon", "a duration"),
            ("HelmRelease/a/b: flap 1ms", "100ms"),
        ] {
            let error = text.parse::<Fault>().expect_err("refused").to_string();
            assert!(error.contains(why) && error.contains(text) && error.contains("stall"), "{error}");
        }
    }

    #[test]
    fn a_fault_written_out_is_the_same_fault() {
        for text in ["A/b: it broke", "A/b/c: stall", "A/b/c: flap 1s500ms"] {
            let fault: Fault = text.parse().expect("a fault");
            assert_eq!(fault.to_string().parse::<Fault>(), Ok(fault));
        }
    }
}

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A length of time as people write it: `500ms`, `90s`, `2m`, `1h30m`, `7d`. Written back in the same form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

/// A text that is not a length of time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a duration: write a number with a unit, such as \"500ms\", \"90s\", \"2m\", \"1h30m\" or \"7d\"")]
pub struct SpanError(String);

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Span {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// As a `std` duration.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let error = || SpanError(text.into());
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(error());
        }
        if rest == "0" {
            return Ok(Self::default());
        }
        let (mut total, mut last) = (0u64, u64::MAX);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
            let number: u64 = rest[..digits].parse().map_err(|_| error())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..letters]).ok_or_else(error)?;
            if *unit >= last {
                return Err(error());
            }
            last = *unit;
            total = number.checked_mul(*unit).and_then(|n| total.checked_add(n)).ok_or_else(error)?;
            rest = &rest[letters..];
        }
        Ok(Self(Duration::from_millis(total)))
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.pad("0s");
        }
        let mut text = String::new();
        for (name, unit) in UNITS {
            if rest >= unit {
                text.push_str(&format!("{}{name}", rest / unit));
                rest %= unit;
            }
        }
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_and_written_as_people_do() {
        for text in ["500ms", "90s", "2m", "1h30m", "7d", "1m500ms"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span, "{text}");
        }
        assert_eq!("90s".parse::<Span>().unwrap().to_string(), "1m30s");
        assert_eq!("0".parse::<Span>().unwrap().to_string(), "0s");
    }

    #[test]
    fn what_is_no_duration_is_refused_with_examples() {
        for text in ["", "5", "m", "2 m", "-1s", "1s2m", "1m1m", "99999999999999999999s", "9999999999999999d", "2x"] {
            let error = text.parse::<Span>().unwrap_err();
            assert!(error.to_string().contains("\"2m\""), "{text}: {error}");
        }
    }
}

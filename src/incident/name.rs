use jiff::{Timestamp, tz::TimeZone};

use crate::model::{RunId, slug};

const MOST: usize = 72;

/// The name of a record's files without their endings: the time in UTC, the symptom (what was seen, not what led to it) and
/// the last part of the run's id, e.g. `2025-12-14-0312Z-route-is-accepted-does-not-hold-7f3a2c`.
pub fn file_stem(at: Timestamp, symptom: &str, run: &RunId) -> String {
    let time = at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d-%H%MZ").to_string();
    let mut words = String::new();
    for word in slug(symptom).split('-') {
        if words.len() + word.len() > MOST {
            break;
        }
        if !words.is_empty() {
            words.push('-');
        }
        words.push_str(word);
    }
    if words.is_empty() {
        words.push_str("untitled");
    }
    let id = run.as_str().rsplit('-').next().unwrap_or_default();
    format!("{time}-{words}-{}", slug(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stem_says_when_what_and_which_and_stays_short() {
        let at: Timestamp = "2025-12-14T03:12:59+00:00".parse().unwrap();
        let run = RunId::new("kopia-7f3a2c");
        assert_eq!(
            file_stem(at, "Kopia ExternalSecret: not ready", &run),
            "2025-12-14-0312Z-kopia-externalsecret-not-ready-7f3a2c"
        );
        let long = file_stem(at, &"ö/..".repeat(500), &run);
        assert!(long.len() < 128 && !long.contains(['/', '.']), "{long}");
        assert_eq!(file_stem(at, &"x".repeat(500), &RunId::new("../..")), "2025-12-14-0312Z-untitled-untitled");
    }
}

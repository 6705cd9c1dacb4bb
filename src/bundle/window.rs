use std::{fmt, str::FromStr};

use jiff::{
    Timestamp,
    civil::{Time, Weekday},
    tz::TimeZone,
};

/// When changes are made to a context, e.g. `Mon-Thu 09:00-16:00 Europe/Berlin`. A window that ends before it begins
/// (`22:00-04:00`) ends on the next day. Several are separated by commas; any of them counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
struct Part {
    days: [bool; 7],
    from: Time,
    to: Time,
    zone: TimeZone,
}

/// A text that is not a window.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a window ({why}): write for example \"Mon-Thu 09:00-16:00 Europe/Berlin\"")]
pub struct WindowError {
    text: String,
    why: String,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Window {
    /// Whether this time is in it. Its beginning is, its end is not.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.parts.iter().any(|part| part.contains(at))
    }
}

impl Part {
    fn contains(&self, at: Timestamp) -> bool {
        let local = at.to_zoned(self.zone.clone());
        let (time, today) = (local.time(), index(local.weekday()));
        let yesterday = (today + 6) % 7;
        if self.from < self.to {
            self.days[today] && (self.from..self.to).contains(&time)
        } else {
            (self.days[today] && time >= self.from) || (self.days[yesterday] && time < self.to)
        }
    }
}

fn index(day: Weekday) -> usize {
    usize::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let parts = text.split(',').map(|part| part_of(part.trim())).collect::<Result<_, _>>();
        let parts = parts.map_err(|why| WindowError { text: text.into(), why })?;
        Ok(Self { text: text.into(), parts })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

fn part_of(text: &str) -> Result<Part, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [days, times, zone] = words[..] else {
        return Err("it needs days, times and a time zone".into());
    };
    let (from, to) = times.split_once('-').ok_or_else(|| format!("`{times}` is not a span of times"))?;
    let time = |text: &str| text.parse::<Time>().map_err(|_| format!("`{text}` is not a time of day"));
    let midnight = |text: &str| if text == "24:00" { Ok(Time::midnight()) } else { time(text) };
    let zone = TimeZone::get(zone).map_err(|_| format!("`{zone}` is not a time zone"))?;
    Ok(Part { days: days_of(days)?, from: time(from)?, to: midnight(to)?, zone })
}

fn days_of(text: &str) -> Result<[bool; 7], String> {
    let day = |text: &str| {
        DAYS.iter().position(|day| *day == text.to_lowercase()).ok_or_else(|| format!("`{text}` is not a day"))
    };
    let mut days = [false; 7];
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (mut at, last) = (day(first)?, day(last)?);
    loop {
        days[at] = true;
        if at == last {
            return Ok(days);
        }
        at = (at + 1) % 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(window: &str, time: &str) -> bool {
        window.parse::<Window>().unwrap().contains(time.parse().unwrap())
    }

    #[test]
    fn a_window_counts_in_its_own_time_zone_and_by_its_own_days() {
        let window = "Mon-Thu 09:00-16:00 Europe/Berlin";
        assert!(at(window, "2026-01-05T08:00:00Z")); // Monday 09:00 in Berlin
        assert!(!at(window, "2026-01-05T07:59:59Z"));
        assert!(!at(window, "2026-01-05T15:00:00Z"));
        assert!(at(window, "2026-07-06T07:00:00Z")); // summer time
        assert!(!at(window, "2026-01-09T10:00:00Z")); // Friday
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_that_it_begins_on() {
        let window = "Fri-Fri 22:00-04:00 UTC, Sun 00:00-24:00 UTC";
        assert!(at(window, "2026-01-10T03:59:00Z")); // Saturday morning
        assert!(!at(window, "2026-01-09T03:59:00Z"));
        assert!(at(window, "2026-01-11T23:59:00Z")); // Sunday
        assert!(at("Sat-Mon 10:00-11:00 UTC", "2026-01-11T10:30:00Z"));
    }

    #[test]
    fn what_is_no_window_is_refused_with_an_example() {
        for text in ["", "Mon", "Mon 9-10 UTC", "Foo 09:00-10:00 UTC", "Mon 09:00-10:00 Mars/Base", "Mon 09:00 UTC"] {
            let error = text.parse::<Window>().unwrap_err().to_string();
            assert!(error.contains("Mon-Thu 09:00-16:00 Europe/Berlin"), "{error}");
        }
    }
}

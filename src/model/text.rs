//! Words for people: what scripts and servers say is made harmless and short before it is shown.

use std::{fmt::Write as _, time::Duration};

use serde_json::Value;

use super::Observation;

/// The text with everything that a terminal would act on written out: control characters, and those that reorder or
/// hide text. Line ends stay; a tab becomes four spaces.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            '\t' => out.push_str("    "),
            c if c.is_control() && u32::from(c) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// The visible text on one line; where it had several, they are joined by ` ⏎ `.
pub fn one_line(text: &str) -> String {
    let text = visible(text);
    if !text.contains('\n') {
        return text.trim().to_string();
    }
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ⏎ ")
}

/// At most `most` characters of the text; what was cut is said.
pub fn cut(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_string();
    }
    let kept: String = text.chars().take(most).collect();
    format!("{kept}… ({count} characters)")
}

/// A value as it is shown: JSON on one line, at most `most` characters of it.
pub fn value(value: &Value, most: usize) -> String {
    cut(&one_line(&value.to_string()), most)
}

/// The text as one word of a shell's command line, to be pasted.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// A length of time as progress shows it: `840ms`, `1.2s`, `2m05s`, `1h03m`.
pub fn elapsed(time: Duration) -> String {
    let (millis, seconds) = (time.as_millis(), time.as_secs());
    match seconds {
        0 => format!("{millis}ms"),
        1..60 => format!("{seconds}.{}s", time.subsec_millis() / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1 step`, `2 steps`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

impl Observation {
    /// What was seen and what was expected, on one line.
    pub fn brief(&self) -> String {
        let mut out = match (&self.observed, &self.expected) {
            (Some(observed), Some(expected)) if self.holds == Some(true) && observed == expected => {
                value(observed, 120)
            }
            (Some(observed), Some(expected)) => {
                let operator = if self.operator == "==" { String::new() } else { format!("{} ", self.operator) };
                format!("{}, expected {operator}{}", value(observed, 120), value(expected, 120))
            }
            (Some(observed), None) => format!("{} is {}", cut(&one_line(&self.expression), 120), value(observed, 120)),
            (None, Some(expected)) => format!("nothing there, expected {}", value(expected, 120)),
            (None, None) => cut(&one_line(&self.expression), 120),
        };
        if let Some(reason) = &self.reason {
            out.push_str(": ");
            out.push_str(&cut(&one_line(reason), 300));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_passes() {
        let shown = visible("a\x1b[31mb\r\x07\u{9b}2J\u{202e}c\td\ne\x7f");
        assert_eq!(shown, "a\\x1b[31mb\\x0d\\x07\\x9b2J\\u{202e}c    d\ne\\x7f");
        assert_eq!(one_line("two\n  lines\n"), "two ⏎ lines");
        assert!(!value(&serde_json::json!("\u{7f}\u{9b}\u{1b}"), 80).chars().any(char::is_control));
    }

    #[test]
    fn times_are_read_at_a_glance() {
        let shown = |millis| elapsed(Duration::from_millis(millis));
        assert_eq!([shown(0), shown(999), shown(1_249), shown(59_999)], ["0ms", "999ms", "1.2s", "59.9s"]);
        assert_eq!([shown(125_000), shown(3_780_000), shown(90_000_000)], ["2m05s", "1h03m", "25h00m"]);
    }

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(shell_word("/a/b-c.rhai"), "/a/b-c.rhai");
        assert_eq!(shell_word("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn what_was_cut_is_said() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 2), "äö… (4 characters)");
    }
}

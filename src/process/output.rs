//! What is kept of a stream: its beginning and its end, as text without control sequences.

use std::collections::VecDeque;

/// How far beyond what is kept a stream is held, so that a secret cut in two by the limit is not kept in part.
const MARGIN: usize = 16 * 1024;
/// A longer line is handed on in pieces.
const LONGEST_LINE: usize = 8 * 1024;

/// The first and the last bytes of a stream; its memory does not grow with the stream.
pub(super) struct Kept {
    keep: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Kept {
    /// Keeps `keep` bytes of either end.
    pub fn new(keep: usize) -> Self {
        Self { keep, head: Vec::new(), tail: VecDeque::new(), dropped: 0 }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        let room = (self.keep + MARGIN).saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(self.keep + MARGIN);
        self.tail.drain(..over);
        self.dropped += over as u64;
    }

    /// The text and whether something of it is missing. `filter` sees text before it is cut and takes secrets out.
    pub fn finish(self, filter: &dyn Fn(&str) -> String) -> (String, bool) {
        let Self { keep, mut head, tail, dropped } = self;
        let tail = Vec::from(tail);
        if dropped == 0 {
            head.extend(tail);
            let text = filter(&printable(&head));
            if text.len() <= 2 * keep {
                return (text, false);
            }
            let missing = text.len() - 2 * keep;
            return (joined(front(&text, keep), back(&text, keep), missing as u64), true);
        }
        let (head, tail) = (filter(&printable(&head)), filter(&printable(&tail)));
        let head = front(front(&head, head.len().saturating_sub(MARGIN)), keep);
        let tail = back(back(&tail, tail.len().saturating_sub(MARGIN)), keep);
        (joined(head, tail, dropped), true)
    }
}

fn joined(head: &str, tail: &str, missing: u64) -> String {
    format!("{head}\n[about {} KiB not kept]\n{tail}", missing.div_ceil(1024))
}

fn front(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn back(text: &str, bytes: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes))..]
}

/// Text as a terminal would not act on it: control characters and the marks that turn the direction of text are gone.
fn printable(bytes: &[u8]) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !(c.is_control() || turns(*c))).collect()
}

/// Text from elsewhere without control sequences: what a container printed.
pub fn plain(text: &str) -> String {
    let mut out = vec![];
    Strip::default().strip(text.as_bytes(), &mut out);
    printable(&out)
}

/// Takes escape sequences out of a stream, also those that two reads cut in two.
#[derive(Default)]
pub(super) struct Strip {
    state: State,
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Text,
    Return,
    Escape,
    /// `ESC [` … up to a letter.
    Control,
    /// `ESC ]`, `ESC P` … up to BEL or `ESC \`.
    String,
    StringEscape,
}

impl Strip {
    /// Adds the text of `bytes` to `out`; a lone carriage return begins a new line.
    pub fn strip(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            if matches!(self.state, State::Return) {
                self.state = State::Text;
                out.push(b'\n');
                if byte == b'\n' {
                    continue;
                }
            }
            self.state = match (self.state, byte) {
                (State::Text, b'\r') => State::Return,
                (State::Text | State::Control | State::Escape, 0x1b) | (State::Escape, 0x20..=0x2f) => State::Escape,
                (State::Escape, b'[') | (State::Control, 0x20..=0x3f) => State::Control,
                (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::String,
                (State::String, 0x1b) => State::StringEscape,
                // A line's end also ends what was never closed, so that one bad byte does not hide the rest.
                (State::Control | State::String | State::StringEscape | State::Escape, b'\n') => {
                    out.push(b'\n');
                    State::Text
                }
                (State::String, 0x07) | (State::StringEscape, b'\\') | (State::Escape | State::Control, _) => {
                    State::Text
                }
                (State::String | State::StringEscape, _) => State::String,
                (State::Text | State::Return, _) => {
                    out.push(byte);
                    State::Text
                }
            };
        }
    }
}

/// Cuts a stream into lines as they come.
#[derive(Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    pub fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            self.pending.extend_from_slice(part);
            if part.ends_with(b"\n") || self.pending.len() >= LONGEST_LINE {
                self.flush(&mut line);
            }
        }
    }

    pub fn flush(&mut self, mut line: impl FnMut(&str)) {
        if !self.pending.is_empty() {
            line(printable(&self.pending).trim_end_matches('\n'));
            self.pending.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(chunks: &[&[u8]]) -> String {
        let (mut strip, mut out) = (Strip::default(), Vec::new());
        for chunk in chunks {
            strip.strip(chunk, &mut out);
        }
        printable(&out)
    }

    #[test]
    fn control_sequences_are_gone_also_when_cut_in_two() {
        assert_eq!(
            stripped(&[b"a\x1b[3", b"1;1mred\x1b[0m\x1b]0;title\x07b\x1b]8;;u\x1b\\c\x1b(Bd\x08\x00"]),
            "aredbcd"
        );
        assert_eq!(stripped(&[b"10%\r20%\r", b"\ndone\r\n"]), "10%\n20%\ndone\n");
        assert_eq!(stripped(&[b"\x1b]never closed\nnext"]), "\nnext");
        assert_eq!(stripped(&["a\u{202e}b\u{9b}c".as_bytes(), b"\xff"]), "abc\u{fffd}");
    }

    #[test]
    fn both_ends_of_a_long_stream_are_kept() {
        let mut kept = Kept::new(8);
        kept.push(b"01234567");
        for _ in 0..20_000 {
            kept.push(b"........");
        }
        kept.push(b"76543210");
        assert!(kept.head.len() + kept.tail.len() <= 2 * (8 + MARGIN));
        let (text, truncated) = kept.finish(&str::to_owned);
        assert!(truncated && text.starts_with("01234567\n[about "), "{text}");
        assert_eq!(back(&text, 9), "\n76543210");
    }

    #[test]
    fn a_secret_that_the_limit_cuts_in_two_is_not_kept_in_part() {
        let secret = "hunter2-hunter2-hunter2";
        for offset in 0..40 {
            let mut kept = Kept::new(64);
            kept.push(&vec![b'a'; 64 + MARGIN - offset]);
            kept.push(secret.as_bytes());
            kept.push(&vec![b'b'; 64 + MARGIN - offset]);
            kept.push(secret.as_bytes());
            kept.push(&vec![b'c'; 2 * MARGIN]);
            let (text, _) = kept.finish(&|text| text.replace(secret, "***"));
            assert!(!text.contains('h') && !text.contains("r2"), "{text}");
        }
    }

    #[test]
    fn lines_come_whole_and_the_last_without_its_end() {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        lines.push(b"one\ntw", |l| seen.push(l.to_owned()));
        lines.push(b"o\nthree", |l| seen.push(l.to_owned()));
        lines.flush(|l| seen.push(l.to_owned()));
        assert_eq!(seen, ["one", "two", "three"]);
    }
}

//! Readings of a text in which an encoded value stands as itself, with the way back to the bytes that it stood in.

use std::ops::Range;

/// A reading: each of its bytes knows which bytes of the original it came from.
pub(super) struct View {
    pub(super) bytes: Vec<u8>,
    from: Vec<Range<usize>>,
    /// Where an escape begins that the original does not end.
    pub(super) unfinished: Option<usize>,
}

impl View {
    /// The bytes as they are.
    pub(super) fn plain(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), from: (0..bytes.len()).map(|at| at..at + 1).collect(), unfinished: None }
    }

    fn empty_like(other: &Self) -> Self {
        let size = other.bytes.len();
        Self { bytes: Vec::with_capacity(size), from: Vec::with_capacity(size), unfinished: other.unfinished }
    }

    fn push(&mut self, byte: u8, from: Range<usize>) {
        self.bytes.push(byte);
        self.from.push(from);
    }

    /// The original's bytes that these bytes of the reading came from.
    pub(super) fn original(&self, range: Range<usize>) -> Range<usize> {
        match (self.from.get(range.start), self.from.get(range.end.wrapping_sub(1))) {
            (Some(first), Some(last)) => first.start..last.end.max(first.start),
            _ => 0..0,
        }
    }

    fn taken(&self, at: usize, length: usize) -> Range<usize> {
        self.original(at..at + length)
    }

    fn cut(&mut self, other: &Self, at: usize) {
        let from = other.from[at].start;
        self.unfinished = Some(self.unfinished.map_or(from, |known| known.min(from)));
    }

    /// `%41` read as `A`, and `+` as a space where asked.
    pub(super) fn percent_decoded(&self, plus: bool) -> Self {
        let mut out = Self::empty_like(self);
        let mut at = 0;
        while let Some(&byte) = self.bytes.get(at) {
            let rest = &self.bytes[at..];
            match (byte, rest.get(1).copied().map(hex), rest.get(2).copied().map(hex)) {
                (b'%', Some(Some(high)), Some(Some(low))) => {
                    out.push(high * 16 + low, self.taken(at, 3));
                    at += 3;
                    continue;
                }
                (b'%', None, _) | (b'%', Some(Some(_)), None) => {
                    out.cut(self, at);
                    break;
                }
                (b'+', ..) if plus => out.push(b' ', self.taken(at, 1)),
                _ => out.push(byte, self.taken(at, 1)),
            }
            at += 1;
        }
        out
    }

    /// `\n`, `\"`, `\u00e9` and `\u{e9}` read as what they stand for.
    pub(super) fn unescaped(&self) -> Self {
        let mut out = Self::empty_like(self);
        let mut at = 0;
        while let Some(&byte) = self.bytes.get(at) {
            if byte != b'\\' {
                out.push(byte, self.taken(at, 1));
                at += 1;
                continue;
            }
            match escape(&self.bytes[at..]) {
                Escape::Char(c, length) => {
                    let from = self.taken(at, length);
                    let mut buffer = [0; 4];
                    for byte in c.encode_utf8(&mut buffer).bytes() {
                        out.push(byte, from.clone());
                    }
                    at += length;
                }
                Escape::None => {
                    out.push(byte, self.taken(at, 1));
                    at += 1;
                }
                Escape::Unfinished => {
                    out.cut(self, at);
                    break;
                }
            }
        }
        out
    }

    /// Without white space, so that what was wrapped or indented stands in one piece.
    pub(super) fn squeezed(&self) -> Self {
        let mut out = Self::empty_like(self);
        for (at, &byte) in self.bytes.iter().enumerate() {
            if !byte.is_ascii_whitespace() {
                out.push(byte, self.from[at].clone());
            }
        }
        out
    }
}

enum Escape {
    Char(char, usize),
    None,
    Unfinished,
}

/// The escape at the beginning of `text`, which begins with a backslash.
fn escape(text: &[u8]) -> Escape {
    let simple = |c| Escape::Char(c, 2);
    match text.get(1) {
        None => Escape::Unfinished,
        Some(b'n') => simple('\n'),
        Some(b'r') => simple('\r'),
        Some(b't') => simple('\t'),
        Some(b'b') => simple('\u{8}'),
        Some(b'f') => simple('\u{c}'),
        Some(b'0') => simple('\0'),
        Some(&c @ (b'"' | b'\\' | b'/' | b'\'')) => simple(char::from(c)),
        Some(b'u') if text.get(2) == Some(&b'{') => {
            let digits = text[3..].iter().take(7).take_while(|c| c.is_ascii_hexdigit()).count();
            match text.get(3 + digits) {
                None => Escape::Unfinished,
                Some(b'}') => code(&text[3..3 + digits])
                    .and_then(char::from_u32)
                    .map_or(Escape::None, |c| Escape::Char(c, digits + 4)),
                Some(_) => Escape::None,
            }
        }
        Some(b'u') => unit(text, 2, |first| {
            if !(0xd800..0xdc00).contains(&first) {
                return char::from_u32(first).map_or(Escape::None, |c| Escape::Char(c, 6));
            }
            match (text.get(6), text.get(7)) {
                (None, _) | (Some(b'\\'), None) => Escape::Unfinished,
                (Some(b'\\'), Some(b'u')) => unit(text, 8, |second| {
                    if !(0xdc00..0xe000).contains(&second) {
                        return Escape::None;
                    }
                    let joined = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    char::from_u32(joined).map_or(Escape::None, |c| Escape::Char(c, 12))
                }),
                _ => Escape::None,
            }
        }),
        Some(_) => Escape::None,
    }
}

/// Four hex digits at `at`, handed on as a number.
fn unit(text: &[u8], at: usize, then: impl FnOnce(u32) -> Escape) -> Escape {
    let digits = text[at..].iter().take(4).take_while(|c| c.is_ascii_hexdigit()).count();
    if digits == 4 {
        code(&text[at..at + 4]).map_or(Escape::None, then)
    } else if at + digits == text.len() {
        Escape::Unfinished
    } else {
        Escape::None
    }
}

fn code(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

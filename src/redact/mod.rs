//! The `Secret` type and the scrubber: nothing is written that did not pass it.
//! A secret's value is opened by a native at the door and nowhere else; the scrubber knows every value that was opened
//! or read, and replaces it in whatever form it comes out again: as it is, in base64 (also inside a longer text), percent-
//! encoded, escaped for JSON (also twice), and across chunk and line ends.
//!
//! Values shorter than [`SHORTEST`] bytes would match everywhere, and replacing them would destroy what is written without
//! hiding them. They are replaced only where they, or their base64 form, are a whole text or a whole JSON value. What
//! anybody would guess, such as `true` or a port, is not replaced at all: it stands in texts that have nothing to do with it.

mod forms;
mod secret;
mod stream;
#[cfg(test)]
mod tests;
mod view;

use std::{
    borrow::Cow,
    collections::HashSet,
    fmt,
    ops::Range,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;

use forms::Patterns;
pub use secret::Secret;
pub use stream::ScrubStream;

/// What stands where a secret's value stood.
pub const REPLACEMENT: &str = "«secret»";

/// Values of fewer bytes are replaced only where they are a whole text or a whole JSON value.
pub const SHORTEST: usize = 4;

/// Values of fewer bytes may be ordinary words: `postgres`-like names stand in Secrets too.
pub const TELLING: usize = 12;

/// Words that stand in texts of all sorts, and in Secrets as switches.
const ORDINARY: [&str; 14] = [
    "true", "false", "yes", "no", "on", "off", "null", "none", "nil", "enabled", "disabled", "enable", "disable",
    "default",
];

/// Numbers of so many digits are counts and ports.
const DIGITS: usize = 5;

/// Whether anybody would guess a value: replacing it hides nothing, and blanks what has nothing to do with it.
fn is_ordinary(value: &[u8]) -> bool {
    value.len() == 1
        || (value.len() <= DIGITS && value.iter().all(u8::is_ascii_digit))
        || ORDINARY.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether something in a value was a secret once: what stands there now is not what it was.
pub fn was_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(REPLACEMENT),
        Value::Array(items) => items.iter().any(was_secret),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains(REPLACEMENT) || was_secret(value)),
        _ => false,
    }
}

const PIECE: usize = 256 << 10;

/// How far a value that was learnt is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarded {
    /// It is replaced wherever it occurs, in all its forms.
    Everywhere,
    /// It is so short that it is replaced only where it stands alone.
    Alone,
    /// Anybody would guess it, and it is replaced nowhere: `true`, a port.
    Ordinary,
    /// It is empty: there is nothing to guard.
    Empty,
}

#[derive(Default)]
struct State {
    known: HashSet<Vec<u8>>,
    /// Short values and their base64 forms.
    alone: HashSet<Vec<u8>>,
    patterns: Option<Arc<Patterns>>,
}

/// What a text is at first sight.
enum Glance {
    /// A short value that stands alone.
    Alone,
    /// Nothing that is guarded.
    Nothing,
}

/// Replaces every known value in what is about to be written. Clones share what they know.
#[derive(Clone, Default)]
pub struct Scrubber {
    state: Arc<RwLock<State>>,
    any: Arc<AtomicBool>,
}

impl Scrubber {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Guards a secret's value from now on.
    pub fn learn(&self, secret: &Secret) -> Guarded {
        self.learn_bytes(secret.expose().as_bytes())
    }

    /// Guards these bytes from now on; space around them does not count.
    pub fn learn_bytes(&self, value: &[u8]) -> Guarded {
        let trimmed = value.trim_ascii();
        if trimmed.is_empty() {
            return Guarded::Empty;
        }
        if is_ordinary(trimmed) {
            return Guarded::Ordinary;
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let guarded = if trimmed.len() < SHORTEST {
            state.alone.extend(forms::whole(trimmed).into_iter().chain(forms::whole(value)));
            Guarded::Alone
        } else {
            if state.known.insert(trimmed.to_vec()) | state.known.insert(value.to_vec()) {
                state.patterns = None;
            }
            Guarded::Everywhere
        };
        self.any.store(true, Ordering::Release);
        guarded
    }

    /// Guards the passwords of the URLs in a text from now on: `https://me:password@host/`.
    pub fn learn_urls(&self, text: &str) {
        for (at, mark) in text.match_indices("://") {
            let rest = &text[at + mark.len()..];
            let end = rest.find(|c: char| c.is_whitespace() || "/?#\"'`<>".contains(c)).unwrap_or(rest.len());
            let Some((account, _)) = rest[..end].rsplit_once('@') else { continue };
            // one that is put in later is learnt where it comes from
            let Some((_, password)) = account.split_once(':').filter(|(_, password)| !password.contains('$')) else {
                continue;
            };
            self.learn_bytes(password.as_bytes());
            self.learn_bytes(&view::View::plain(password.as_bytes()).percent_decoded(false).bytes);
        }
    }

    /// Whether a text holds a known value as it is, and one that is no ordinary word: of [`TELLING`] bytes or more.
    pub fn finds_telling(&self, text: &str) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let telling = |value: &&Vec<u8>| value.len() >= TELLING;
        state
            .known
            .iter()
            .filter(telling)
            .any(|value| std::str::from_utf8(value).is_ok_and(|value| text.contains(value)))
    }

    /// Whether it knows any value: if not, scrubbing costs nothing.
    pub fn knows_any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// The text without known values.
    pub fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.scrub_bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(match String::from_utf8(bytes) {
                Ok(text) => text,
                // a binary value may end inside a character
                Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            }),
        }
    }

    /// The bytes without known values.
    pub fn scrub_bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if !self.knows_any() || bytes.is_empty() {
            return Cow::Borrowed(bytes);
        }
        match self.at_once(bytes) {
            Some(Glance::Alone) => return Cow::Owned(REPLACEMENT.as_bytes().to_vec()),
            Some(Glance::Nothing) => return Cow::Borrowed(bytes),
            None => {}
        }
        let Some(patterns) = self.patterns() else { return Cow::Borrowed(bytes) };
        if bytes.len() > PIECE {
            // readings of a text take many times its memory: piece by piece they do not
            let mut stream = self.stream();
            let mut out: Vec<u8> = bytes.chunks(PIECE).flat_map(|piece| stream.push(piece)).collect();
            out.extend(stream.finish());
            return if out == bytes { Cow::Borrowed(bytes) } else { Cow::Owned(out) };
        }
        let found = patterns.find(bytes);
        if found.is_empty() { Cow::Borrowed(bytes) } else { Cow::Owned(replaced(bytes, &found)) }
    }

    /// Replaces known values in all strings, keys and numbers of a JSON value; whether there were any.
    pub fn scrub_value(&self, value: &mut Value) -> bool {
        if !self.knows_any() {
            return false;
        }
        match value {
            Value::String(text) => match self.scrub(text) {
                Cow::Owned(scrubbed) => {
                    *text = scrubbed;
                    true
                }
                Cow::Borrowed(_) => false,
            },
            Value::Number(number) => match self.scrub(&number.to_string()) {
                Cow::Owned(scrubbed) => {
                    *value = Value::String(scrubbed);
                    true
                }
                Cow::Borrowed(_) => false,
            },
            Value::Array(items) => items.iter_mut().fold(false, |any, item| self.scrub_value(item) | any),
            Value::Object(map) => {
                let keys = map.keys().any(|key| matches!(self.scrub(key), Cow::Owned(_)));
                if keys {
                    *map = std::mem::take(map)
                        .into_iter()
                        .map(|(key, value)| (self.scrub(&key).into_owned(), value))
                        .collect();
                }
                map.values_mut().fold(keys, |any, value| self.scrub_value(value) | any)
            }
            Value::Null | Value::Bool(_) => false,
        }
    }

    /// Whether a known value stands anywhere in a JSON value.
    pub fn finds(&self, value: &Value) -> bool {
        self.knows_any()
            && match value {
                Value::String(text) => matches!(self.scrub(text), Cow::Owned(_)),
                Value::Number(number) => matches!(self.scrub(&number.to_string()), Cow::Owned(_)),
                Value::Array(items) => items.iter().any(|item| self.finds(item)),
                Value::Object(map) => {
                    map.iter().any(|(key, value)| matches!(self.scrub(key), Cow::Owned(_)) || self.finds(value))
                }
                Value::Null | Value::Bool(_) => false,
            }
    }

    /// Scrubs what arrives in pieces.
    pub fn stream(&self) -> ScrubStream {
        ScrubStream::new(self.clone())
    }

    /// What can be said of a text without searching it, as of most: it is a short value, or too short to hold a longer one.
    fn at_once(&self, bytes: &[u8]) -> Option<Glance> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if !state.alone.is_empty() && state.alone.contains(bytes.trim_ascii()) {
            return Some(Glance::Alone);
        }
        let short = match &state.patterns {
            Some(patterns) => bytes.len() < patterns.shortest(),
            None => state.known.is_empty(),
        };
        short.then_some(Glance::Nothing)
    }

    /// What is searched for; none where only short values are known.
    fn patterns(&self) -> Option<Arc<Patterns>> {
        {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if state.known.is_empty() {
                return None;
            }
            if let Some(patterns) = &state.patterns {
                return Some(patterns.clone());
            }
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let patterns = Arc::new(Patterns::of(&state.known));
        state.patterns = Some(patterns.clone());
        Some(patterns)
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Scrubber({} values)", state.known.len() + state.alone.len())
    }
}

/// The bytes with each of these ranges, sorted and apart, replaced.
fn replaced(bytes: &[u8], ranges: &[Range<usize>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for range in ranges {
        out.extend_from_slice(&bytes[from..range.start]);
        out.extend_from_slice(REPLACEMENT.as_bytes());
        from = range.end;
    }
    out.extend_from_slice(&bytes[from..]);
    out
}

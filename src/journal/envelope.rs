//! One line: how it is written, how it proves itself, how it is read.

use std::{borrow::Cow, fmt::Write as _};

use jiff::{Timestamp, Unit};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::VERSION;
use crate::{event::Event, model::Digest};

/// A line's `h`, as it stands in it.
pub(super) type Hash = [u8; 64];

/// `,"h":"` + 64 hex digits + `"}`
const TAIL: usize = 72;
const BEFORE_HASH: &[u8] = b",\"h\":\"";

/// A line that does not prove itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unproven;

/// The line for the payload `event` (`{"k":…,"p":…}`), without its end, and its hash.
pub(super) fn write(n: u64, at: Timestamp, must: bool, event: &str, previous: Option<&Hash>) -> (String, Hash) {
    let mut line = String::with_capacity(event.len() + 160);
    let (major, minor) = VERSION;
    let must = if must { "\"must\":true," } else { "" };
    // writing to a string cannot fail
    let _ = write!(line, "{{\"v\":\"{major}.{minor}\",\"n\":{n},\"t\":\"{at}\",{must}");
    line.push_str(event.get(1..event.len().saturating_sub(1)).unwrap_or_default());
    let hash = hash(previous, line.as_bytes());
    line.push_str(",\"h\":\"");
    line.extend(hash.iter().map(|digit| char::from(*digit)));
    line.push_str("\"}");
    (line, hash)
}

/// The time as lines have it: milliseconds are enough.
pub(super) fn rounded(at: Timestamp) -> Timestamp {
    at.round(Unit::Millisecond).unwrap_or(at)
}

fn hash(previous: Option<&Hash>, bytes: &[u8]) -> Hash {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut sha = Sha256::new();
    if let Some(previous) = previous {
        sha.update(previous);
    }
    sha.update(bytes);
    let mut out = [0; 64];
    for (pair, byte) in out.chunks_exact_mut(2).zip(sha.finalize()) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    out
}

/// The line's hash, if it proves itself and all before it.
pub(super) fn prove(line: &[u8], previous: Option<&Hash>) -> Result<Hash, Unproven> {
    let (bytes, tail) = line.split_at_checked(line.len().wrapping_sub(TAIL)).ok_or(Unproven)?;
    let found = tail.strip_prefix(BEFORE_HASH).and_then(|tail| tail.strip_suffix(b"\"}")).ok_or(Unproven)?;
    let hash = hash(previous, bytes);
    if found == hash { Ok(hash) } else { Err(Unproven) }
}

/// Whether a whole line stands at the beginning of bytes that as a whole are none: its line end was damaged.
pub(super) fn begins_with_line(bytes: &[u8], previous: Option<&Hash>) -> bool {
    let ends = bytes.windows(BEFORE_HASH.len()).enumerate().filter(|(_, window)| *window == BEFORE_HASH);
    ends.filter_map(|(at, _)| bytes.get(..at + TAIL)).any(|line| prove(line, previous).is_ok())
}

/// What stands around a payload.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    v: Cow<'a, str>,
    pub(super) n: u64,
    pub(super) t: Timestamp,
    #[serde(borrow)]
    pub(super) k: Cow<'a, str>,
    #[serde(default)]
    pub(super) must: bool,
    /// Where `,"k":` stands, if `"k"` and `"p"` are all that stands between it and the hash.
    #[serde(skip)]
    pub(super) event: Option<usize>,
}

impl<'a> Head<'a> {
    pub(super) fn of(line: &'a [u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8 text".to_owned())?;
        match Self::cut(text) {
            Some(head) => Ok(head),
            None => serde_json::from_str(text).map_err(|error| format!("it is not a line of a journal ({error})")),
        }
    }

    /// The head of a line in the form that this program writes, without reading the rest.
    fn cut(text: &'a str) -> Option<Self> {
        let until = |text: &'a str, end: char| text.split_once(end);
        let (v, rest) = until(text.strip_prefix("{\"v\":\"")?, '"')?;
        let (n, rest) = until(rest.strip_prefix(",\"n\":")?, ',')?;
        let (t, rest) = until(rest.strip_prefix("\"t\":\"")?, '"')?;
        let event = text.len() - rest.len();
        let (k, rest) = until(rest.strip_prefix(",\"k\":\"")?, '"')?;
        if !rest.starts_with(",\"p\":") || k.contains('\\') {
            return None;
        }
        let (n, t) = (n.parse().ok()?, t.parse().ok()?);
        Some(Self { v: Cow::Borrowed(v), n, t, k: Cow::Borrowed(k), must: false, event: Some(event) })
    }

    /// The version's minor number; refused where this program cannot read it.
    pub(super) fn minor(&self) -> Result<u32, String> {
        let number = |text: &str| text.parse::<u32>().ok();
        let numbers = self.v.split_once('.').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
        match numbers {
            Some((major, minor)) if major == VERSION.0 => Ok(minor),
            Some((major, _)) if major > VERSION.0 => Err(format!(
                "it was written in version {} of the journal, and this program reads {}.x: use a newer runbook",
                self.v, VERSION.0
            )),
            _ => Err(format!("`{}` is not a version of the journal", self.v)),
        }
    }
}

/// The event of a proven line of the usual form, read without what stands around it. The line is left as it was.
pub(super) fn event_at(line: &mut [u8], at: usize) -> Option<Event> {
    let end = line.len().checked_sub(TAIL)?;
    let event = line.get_mut(at..=end)?;
    let (first, last) = (*event.first()?, *event.last()?);
    *event.first_mut()? = b'{';
    *event.last_mut()? = b'}';
    let read = serde_json::from_slice(event).ok();
    *event.first_mut()? = first;
    *event.last_mut()? = last;
    read
}

/// A payload that stands in a file of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Elsewhere {
    pub(super) evidence: Digest,
    #[serde(rename = "bytes")]
    _bytes: u64,
}

/// A payload as it stands in a line.
pub(super) enum Payload {
    Event(Box<Event>),
    Unknown,
    Elsewhere(Digest),
}

/// A line of which only the payload is looked at.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    p: &'a RawValue,
}

/// The payload of a line that proved itself.
pub(super) fn payload(line: &[u8], head: &Head<'_>) -> Result<Payload, String> {
    let error = match serde_json::from_slice::<Event>(line) {
        Ok(event) => return Ok(Payload::Event(Box::new(event))),
        Err(error) => error,
    };
    if !is_known(&head.k) {
        return if head.must {
            Err(format!("`{}` is not known to this program and must be understood: use a newer runbook", head.k))
        } else {
            Ok(Payload::Unknown)
        };
    }
    let elsewhere = serde_json::from_slice::<Body<'_>>(line)
        .ok()
        .and_then(|body| serde_json::from_str::<Elsewhere>(body.p.get()).ok().map(|elsewhere| elsewhere.evidence));
    match elsewhere {
        Some(digest) => Ok(Payload::Elsewhere(digest)),
        None => Err(format!("`{}` holds something that this program does not know ({error})", head.k)),
    }
}

/// An event from its kind and a payload that stood elsewhere.
pub(super) fn event_of(kind: &str, payload: &[u8]) -> Result<Event, String> {
    let mut text = head_of(kind).into_bytes();
    text.extend_from_slice(payload);
    text.push(b'}');
    serde_json::from_slice(&text).map_err(|error| format!("its payload cannot be read ({error})"))
}

/// What an event's JSON begins with, up to its payload.
pub(super) fn head_of(kind: &str) -> String {
    format!("{{\"k\":{},\"p\":", serde_json::Value::from(kind))
}

/// Whether this program knows the kind.
fn is_known(kind: &str) -> bool {
    // no payload is an array of this: only an unknown kind is refused for its name
    let probe = format!("{}[null]}}", head_of(kind));
    match serde_json::from_str::<Event>(&probe) {
        Ok(_) => true,
        Err(error) => !error.to_string().starts_with(&format!("unknown variant `{kind}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_kinds_are_told_from_unknown_ones() {
        for kind in ["run.opened", "step.verified", "effect", "run.closed", "preflight.finished"] {
            assert!(is_known(kind), "{kind}");
        }
        for kind in ["step.renamed", "", "\"", "step.Verified"] {
            assert!(!is_known(kind), "{kind}");
        }
    }

    #[test]
    fn the_short_way_to_a_head_gives_what_the_long_way_gives() {
        let at: Timestamp = "2026-01-05T08:00:00.123Z".parse().unwrap();
        let event = serde_json::to_string(&Event::Cancelled { reason: "\",\"k\":\"x".into() }).unwrap();
        for must in [true, false] {
            let (line, hash) = write(7, at, must, &event, None);
            let head = Head::of(line.as_bytes()).unwrap();
            let full: Head<'_> = serde_json::from_str(&line).unwrap();
            assert_eq!((head.n, head.t, &*head.k, head.must), (7, at, "run.cancelled", must));
            assert_eq!((full.n, full.t, &*full.k, full.must), (7, at, "run.cancelled", must));
            assert_eq!(prove(line.as_bytes(), None), Ok(hash));
            assert_eq!(prove(line.as_bytes(), Some(&hash)), Err(Unproven));
        }
    }
}

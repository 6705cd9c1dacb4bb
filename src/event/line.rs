use jiff::Timestamp;
use serde_json::Value;

use super::Event;

/// One line of a journal, as its readers get it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its number, from 1.
    pub n: u64,
    /// When it was written.
    pub t: Timestamp,
    /// The kind's name; may be one that this program does not know.
    pub kind: String,
    /// The event; none where the kind is unknown, which is then shown as such.
    pub event: Option<Event>,
    /// The line as it stands in the file, without its end.
    pub text: String,
}

impl Line {
    /// Its hash, which stands for it and all lines before it: the last member of its text.
    pub fn hash(&self) -> Option<&str> {
        self.text.strip_suffix("\"}")?.rsplit_once(",\"h\":\"").map(|(_, hash)| hash)
    }

    /// The payload of a kind that this program does not know.
    pub fn unknown(&self) -> Option<Value> {
        if self.event.is_some() {
            return None;
        }
        serde_json::from_str::<Value>(&self.text).ok().and_then(|mut line| line.get_mut("p").map(Value::take))
    }
}

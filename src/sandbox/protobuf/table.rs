//! The recorded fields of the built-in kinds, unpacked at the first body that needs them.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::OnceLock;

use flate2::read::GzDecoder;

/// See `tests/wire` for its form.
const PACKED: &[u8] = include_bytes!("fields.gz");

/// How a value is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Bytes,
    Bool,
    Int,
    Float,
    Message(usize),
    Time,
    MicroTime,
    Duration,
    Quantity,
    IntOrText,
    Raw,
    Texts,
    Optional(Box<Self>),
    List(Box<Self>),
    Map(Box<Self>),
}

impl Form {
    fn parse(text: &str) -> Option<Self> {
        for (mark, wrap) in [("*", Self::Optional as fn(Box<Self>) -> Self), ("[]", Self::List), ("{}", Self::Map)] {
            if let Some(rest) = text.strip_prefix(mark) {
                return Some(wrap(Box::new(Self::parse(rest)?)));
            }
        }
        Some(match text {
            "s" => Self::Text,
            "y" => Self::Bytes,
            "b" => Self::Bool,
            "i" => Self::Int,
            "d" => Self::Float,
            "T" => Self::Time,
            "U" => Self::MicroTime,
            "D" => Self::Duration,
            "Q" => Self::Quantity,
            "I" => Self::IntOrText,
            "R" => Self::Raw,
            "W" => Self::Texts,
            number => Self::Message(number.parse().ok()?),
        })
    }
}

/// One field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub number: u64,
    /// Its name in JSON; `-` where its fields belong to the message around it.
    pub name: String,
    pub form: Form,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Table {
    kinds: HashMap<String, usize>,
    messages: Vec<Vec<Field>>,
}

impl Table {
    fn parse(text: &str) -> Option<Self> {
        let mut table = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["k", api_version, kind, message] => {
                    table.kinds.insert(format!("{api_version} {kind}"), message.parse().ok()?);
                }
                ["m", _] => table.messages.push(Vec::new()),
                [number, name, form] => table.messages.last_mut()?.push(Field {
                    number: number.parse().ok()?,
                    name: (*name).to_owned(),
                    form: Form::parse(form)?,
                }),
                _ => return None,
            }
        }
        Some(table)
    }

    pub fn kind(&self, api_version: &str, kind: &str) -> Option<usize> {
        self.kinds.get(&format!("{api_version} {kind}")).copied()
    }

    pub fn field(&self, message: usize, number: u64) -> Option<&Field> {
        self.messages.get(message)?.iter().find(|field| field.number == number)
    }
}

pub(super) fn get() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut text = String::new();
        let read = GzDecoder::new(PACKED).read_to_string(&mut text);
        // a test reads what is packed
        read.ok().and_then(|_| Table::parse(&text)).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_read_to_its_end() {
        let table = get();
        assert!(table.kinds.len() > 60, "{}", table.kinds.len());
        let deployment = table.kind("apps/v1", "Deployment").expect("there");
        let metadata = table.field(deployment, 1).expect("there");
        assert_eq!((metadata.name.as_str(), metadata.number), ("metadata", 1));
        for message in &table.messages {
            for field in message {
                if let Form::Message(of) = &field.form {
                    assert!(*of < table.messages.len());
                }
            }
        }
    }
}

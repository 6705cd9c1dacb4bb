//! Bodies in protobuf: kubectl sends built-in kinds so when it makes them itself (`kubectl create deployment …`). They
//! are read as the JSON that the same client would have sent; answers are JSON, which every client takes.
//!
//! Which field is which is recorded from the types of k8s.io/api by the program in `tests/wire`, into `fields.gz`.

mod table;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::status::ApiError;
use table::{Field, Form, Table};

/// The content type.
pub(crate) const SORT: &str = "application/vnd.kubernetes.protobuf";

/// How deep messages may be nested: far deeper than any kind is.
const DEEPEST: usize = 64;

/// An object of a body, as JSON.
pub(crate) fn object(body: &[u8]) -> Result<Value, ApiError> {
    let unread = || ApiError::bad_request("the body could not be read as a protobuf object");
    let rest = body.strip_prefix(b"k8s\0").ok_or_else(unread)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for part in Parts(rest) {
        match part.ok_or_else(unread)? {
            (1, Part::Bytes(meta)) => {
                for part in Parts(meta) {
                    match part.ok_or_else(unread)? {
                        (1, Part::Bytes(text)) => api_version = String::from_utf8_lossy(text).into_owned(),
                        (2, Part::Bytes(text)) => kind = String::from_utf8_lossy(text).into_owned(),
                        _ => {}
                    }
                }
            }
            (2, Part::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let table = table::get();
    let Some(message) = table.kind(&api_version, &kind) else {
        return Err(ApiError::bad_request(format!("no kind {kind:?} is registered for version {api_version:?}")));
    };
    let mut map = message_of(table, message, raw, 0).ok_or_else(unread)?;
    map.insert("apiVersion".into(), api_version.into());
    map.insert("kind".into(), kind.into());
    Ok(Value::Object(map))
}

/// The value of one field on the wire.
#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in their order; `None` where it is cut off.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn part(&mut self) -> Option<(u64, Part<'a>)> {
        let key = self.varint()?;
        let part = match key & 7 {
            0 => Part::Number(self.varint()?),
            1 => Part::Number(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Part::Bytes(self.take(length)?)
            }
            5 => Part::Number(u32::from_le_bytes(self.take(4)?.try_into().ok()?).into()),
            _ => return None,
        };
        Some((key >> 3, part))
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Option<(u64, Part<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let part = self.part();
        if part.is_none() {
            self.0 = &[];
        }
        Some(part)
    }
}

fn message_of(table: &Table, message: usize, bytes: &[u8], depth: usize) -> Option<Map<String, Value>> {
    if depth > DEEPEST {
        return None;
    }
    let mut map = Map::new();
    for part in Parts(bytes) {
        let (number, part) = part?;
        // a field that this release does not know is left out, as by a server
        let Some(Field { name, form, .. }) = table.field(message, number) else { continue };
        match form {
            Form::List(inner) => {
                let value = value_of(table, inner, part, depth)?;
                if let Some(list) = map.entry(name.as_str()).or_insert_with(|| Value::Array(vec![])).as_array_mut() {
                    list.push(value);
                }
            }
            Form::Map(inner) => {
                let Part::Bytes(entry) = part else { return None };
                let (mut key, mut value) = (String::new(), None);
                for part in Parts(entry) {
                    match part? {
                        (1, Part::Bytes(text)) => key = String::from_utf8_lossy(text).into_owned(),
                        (2, part) => value = Some(value_of(table, inner, part, depth)?),
                        _ => {}
                    }
                }
                if let Some(entries) = map.entry(name.as_str()).or_insert_with(|| Map::new().into()).as_object_mut() {
                    entries.insert(key, value.unwrap_or_else(|| String::new().into()));
                }
            }
            Form::Message(_) if name == "-" => match value_of(table, form, part, depth)? {
                Value::Object(inner) => map.extend(inner),
                _ => return None,
            },
            Form::Optional(inner) => {
                map.insert(name.clone(), value_of(table, inner, part, depth)?);
            }
            plain => {
                let value = value_of(table, plain, part, depth)?;
                // what has its zero value is not written in JSON
                if !is_zero(&value) {
                    map.insert(name.clone(), value);
                }
            }
        }
    }
    Some(map)
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// Numbers below zero are the upper half of what fits.
#[allow(clippy::cast_possible_wrap, reason = "how the encoding has it")]
fn signed(number: u64) -> i64 {
    number as i64
}

fn value_of(table: &Table, form: &Form, part: Part<'_>, depth: usize) -> Option<Value> {
    match (form, part) {
        (Form::Text, Part::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned().into()),
        (Form::Bytes, Part::Bytes(bytes)) => Some(STANDARD.encode(bytes).into()),
        (Form::Bool, Part::Number(number)) => Some((number != 0).into()),
        (Form::Int, Part::Number(number)) => Some(signed(number).into()),
        (Form::Float, Part::Number(number)) => Some(f64::from_bits(number).into()),
        (Form::Message(message), Part::Bytes(bytes)) => {
            Some(Value::Object(message_of(table, *message, bytes, depth + 1)?))
        }
        (Form::Optional(inner), part) => value_of(table, inner, part, depth),
        (special, Part::Bytes(bytes)) => special_of(special, bytes),
        _ => None,
    }
}

/// Types with a form of their own in JSON.
fn special_of(form: &Form, bytes: &[u8]) -> Option<Value> {
    let (mut numbers, mut texts) = ([0_u64; 4], Vec::new());
    for part in Parts(bytes) {
        match part? {
            (at @ 0..4, Part::Number(number)) => numbers[usize::try_from(at).ok()?] = number,
            (_, Part::Bytes(text)) => texts.push(text),
            _ => {}
        }
    }
    let text = |at: usize| texts.get(at).map(|text| String::from_utf8_lossy(text).into_owned());
    match form {
        Form::Time | Form::MicroTime if bytes.is_empty() => Some(Value::Null),
        Form::Time | Form::MicroTime => {
            let nanos = i32::try_from(signed(numbers[2])).ok()?;
            let at = jiff::Timestamp::new(signed(numbers[1]), nanos).ok()?;
            Some(if matches!(form, Form::Time) { format!("{at:.0}") } else { format!("{at:.6}") }.into())
        }
        Form::Duration => {
            let nanos = signed(numbers[1]);
            Some(format!("{}.{:09}s", nanos / 1_000_000_000, (nanos % 1_000_000_000).abs()).into())
        }
        Form::Quantity => Some(text(0).unwrap_or_default().into()),
        Form::IntOrText if numbers[1] == 1 => Some(text(0).unwrap_or_default().into()),
        Form::IntOrText => Some(signed(numbers[2]).into()),
        Form::Raw => texts.first().map_or(Some(Value::Null), |raw| serde_json::from_slice(raw).ok()),
        Form::Texts => Some(texts.iter().map(|text| Value::from(String::from_utf8_lossy(text))).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).expect("short")];
        out.extend_from_slice(bytes);
        out
    }

    fn enveloped(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
        [b"k8s\0".to_vec(), field(1, &meta), field(2, raw), field(3, b""), field(4, b"")].concat()
    }

    #[test]
    fn what_kubectl_sends_for_a_namespace_is_read() {
        // metadata {name, generateName, …, creationTimestamp}, spec {}, status {phase}
        let metadata = [field(1, b"web"), field(2, b""), field(8, b"")].concat();
        let body =
            enveloped("v1", "Namespace", &[field(1, &metadata), field(2, b""), field(3, &field(1, b""))].concat());
        assert_eq!(
            object(&body).ok(),
            Some(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}}))
        );
    }

    #[test]
    fn a_pointer_to_zero_is_kept_and_nested_kinds_are_read() {
        let container = [field(1, b"c"), field(2, b"nginx"), field(6, &[16, 0, 24, 80])].concat();
        let template = field(2, &field(2, &container));
        let spec = [vec![8, 0], field(3, &template)].concat();
        let body = enveloped("apps/v1", "Deployment", &field(2, &spec));
        let read = object(&body).expect("read");
        assert_eq!(read["spec"]["replicas"], 0, "{read}");
        assert_eq!(read["spec"]["template"]["spec"]["containers"][0]["image"], "nginx", "{read}");
    }

    #[test]
    fn maps_bytes_times_and_quantities_have_their_json_form() {
        let entry = [field(1, b"password"), field(2, b"hunter")].concat();
        let body = enveloped("v1", "Secret", &field(2, &entry));
        assert_eq!(object(&body).expect("read")["data"]["password"], STANDARD.encode("hunter"));
        let metadata = field(1, &field(8, &[8, 1]));
        assert_eq!(
            object(&enveloped("v1", "ConfigMap", &metadata)).expect("read")["metadata"]["creationTimestamp"],
            "1970-01-01T00:00:01Z"
        );
        let hard = [field(1, b"pods"), field(2, &field(1, b"2"))].concat();
        let quota = object(&enveloped("v1", "ResourceQuota", &field(2, &field(1, &hard)))).expect("read");
        assert_eq!(quota["spec"]["hard"]["pods"], "2", "{quota}");
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_refused_without_a_panic() {
        let container = [field(1, b"c"), field(2, b"nginx")].concat();
        let whole = enveloped("apps/v1", "Deployment", &field(2, &field(3, &field(2, &field(2, &container)))));
        assert!(object(&whole).is_ok());
        for length in 0..whole.len() {
            let _ = object(&whole[..length]);
        }
        for at in 0..whole.len() {
            let mut odd = whole.clone();
            odd[at] ^= 0xff;
            let _ = object(&odd);
        }
        assert!(object(&enveloped("v1", "Nothing", b"")).is_err());
        assert!(object(b"{}").is_err());
    }
}

//! `Object`: a read-only JSON object as scripts see it. It knows the object it is part of and its path in it; what stands
//! below a Secret's `data` comes out of it as a `Secret`.

use std::any::TypeId;
use std::fmt::Write as _;
use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, ImmutableString, Map};
use serde_json::Value;

use super::missing::{Missing, missing, push_key};
use super::record;
use super::value::{list, plain, scalar};
use crate::object::secret::{each_secret, first_secret, hides, without_secrets};
use crate::redact::REPLACEMENT;
use crate::script::secret;

#[derive(Clone, Debug)]
enum Step {
    Key(Arc<str>),
    Index(usize),
}

/// A read-only JSON object (or a part of one) with its label, e.g. `Namespace/monitoring`, and its path below it.
#[derive(Clone, Debug)]
pub struct Obj {
    root: Arc<Value>,
    label: Arc<str>,
    at: Vec<Step>,
    /// All that is below are values of a Secret.
    hidden: bool,
}

impl Obj {
    /// The object `root`, shown under `label`.
    pub fn new(root: impl Into<Arc<Value>>, label: impl Into<Arc<str>>) -> Self {
        Self { root: root.into(), label: label.into(), at: Vec::new(), hidden: false }
    }

    /// One whose values are secrets, all of them.
    pub fn secret(root: impl Into<Arc<Value>>, label: impl Into<Arc<str>>) -> Self {
        Self { hidden: true, ..Self::new(root, label) }
    }

    /// The path, below this part, of the first value that is a secret.
    pub fn first_secret(&self) -> Option<String> {
        first_secret(self.value(), self.hidden)
    }

    /// Whether something stands for a value that is a secret, because that was not kept.
    pub fn has_lost_secrets(&self) -> bool {
        let mut lost = false;
        each_secret(self.value(), |text, _, _| lost |= text == REPLACEMENT);
        lost
    }

    /// The JSON it stands for, with what stands for a secret in the place of each.
    pub fn without_secrets(&self) -> Value {
        without_secrets(self.value(), self.hidden)
    }

    /// Whether all that is below are values of a Secret.
    pub(super) fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// The JSON it stands for, secrets included: for what is sent, never for what is written.
    pub fn value(&self) -> &Value {
        self.at.iter().fold(&*self.root, |value, step| match step {
            Step::Key(key) => &value[&**key],
            Step::Index(index) => &value[*index],
        })
    }

    /// The label of the whole object.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its path below the whole object; empty for the whole object.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.at {
            match step {
                Step::Key(key) => push_key(&mut path, key),
                Step::Index(index) => {
                    let _ = write!(path, "[{index}]");
                }
            }
        }
        path
    }

    /// The field `key`, or a `()` that remembers its path.
    pub fn field(&self, key: &str) -> Dynamic {
        match self.value().get(key) {
            None | Some(Value::Null) => self.miss(key),
            Some(value) => self.below(Step::Key(key.into()), value),
        }
    }

    /// As a script value: an object, a list of objects, a plain value; a `()` with a path for null.
    pub(super) fn dynamic(self) -> Dynamic {
        match self.value() {
            Value::Object(_) => Dynamic::from(self),
            Value::Array(items) => list(items.iter().enumerate().map(|(i, v)| self.below(Step::Index(i), v))),
            Value::Null => {
                let path = self.path();
                missing(Missing { label: self.label, broke_at: path.clone(), path, nearest: None, because: None })
            }
            value => scalar(value, self.hidden),
        }
    }

    /// The fields, a null one as a plain `()`: for deep comparison.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, Dynamic)> {
        let fields = self.value().as_object();
        fields.into_iter().flatten().map(|(key, value)| {
            let value = if value.is_null() { Dynamic::UNIT } else { self.below(Step::Key(key.as_str().into()), value) };
            (key.as_str(), value)
        })
    }

    pub(super) fn len(&self) -> usize {
        self.value().as_object().map_or(0, serde_json::Map::len)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.value().get(key).is_some()
    }

    fn below(&self, step: Step, value: &Value) -> Dynamic {
        let hidden = self.hidden || matches!(&step, Step::Key(key) if hides(self.value(), key).is_some());
        match value {
            Value::Object(_) | Value::Array(_) | Value::Null => {
                let mut child = self.clone();
                child.at.push(step);
                child.hidden = hidden;
                child.dynamic()
            }
            value => scalar(value, hidden),
        }
    }

    fn miss(&self, key: &str) -> Dynamic {
        let mut path = self.path();
        push_key(&mut path, key);
        let nearest = self.nearest(key);
        missing(Missing { label: self.label.clone(), broke_at: path.clone(), path, nearest, because: None })
    }

    /// The sibling that was probably meant.
    fn nearest(&self, key: &str) -> Option<String> {
        let most = if key.chars().count() < 4 { 1 } else { 2 };
        let fields = self.value().as_object()?;
        let near = fields.keys().filter(|name| name.len().abs_diff(key.len()) <= 2 && *name != key);
        let scored = near.map(|name| {
            let distance = if name.eq_ignore_ascii_case(key) { 0 } else { strsim::osa_distance(name, key) };
            (distance, name)
        });
        scored.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name.clone())
    }
}

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Obj>("Object");
    let types = [TypeId::of::<Obj>(), TypeId::of::<ImmutableString>()];
    engine.register_raw_fn("index$get$", types, |ctx, args| {
        let (Some(object), Ok(key)) = (args[0].read_lock::<Obj>(), args[1].as_immutable_string_ref()) else {
            return Ok(Dynamic::UNIT);
        };
        let value = object.field(&key);
        if let Ok(bool) = value.as_bool() {
            record::property(&ctx, bool);
        }
        Ok(value)
    });
    engine.register_fn("keys", |o: &mut Obj| -> Array {
        o.value().as_object().into_iter().flatten().map(|(key, _)| key.as_str().into()).collect()
    });
    engine.register_fn("values", |o: &mut Obj| -> Dynamic { list(o.fields().map(|(_, value)| value)) });
    engine.register_fn("len", |o: &mut Obj| i64::try_from(o.len()).unwrap_or(i64::MAX));
    engine.register_fn("is_empty", |o: &mut Obj| o.len() == 0);
    engine.register_fn("to_map", |o: &mut Obj| -> Map {
        plain(o.value(), o.is_hidden()).try_cast::<Map>().unwrap_or_default()
    });
    for name in ["to_string", "to_debug", "print", "debug"] {
        engine.register_raw_fn(name, [TypeId::of::<Obj>()], |ctx, args| {
            let Some(object) = args[0].read_lock::<Obj>() else { return Ok(ImmutableString::new()) };
            if let Some(path) = object.first_secret() {
                let of = if path.is_empty() {
                    String::new()
                } else {
                    format!(", and `{path}` of {} is one", object.label())
                };
                return Err(secret::refuse(&ctx, &format!("become text{of}")));
            }
            Ok(object.value().to_string().into())
        });
    }
    engine.register_raw_fn("to_json", [TypeId::of::<Obj>()], |_, args| {
        Ok(args[0].read_lock::<Obj>().map_or(Dynamic::UNIT, |object| {
            scalar(&object.value().to_string().into(), object.first_secret().is_some())
        }))
    });
}

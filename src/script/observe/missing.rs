//! A missing field is `()` with a tag: an index into a table of paths. The table is process-wide, so that a value which
//! was captured while declaring, or passed to another thread, still knows its path.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, Module, Position, Token};

use super::{explain, record};
use crate::model::Place;

/// What is missing, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Missing {
    /// The object, e.g. `Namespace/monitoring`; empty where it has no name.
    pub label: Arc<str>,
    /// The full path that was asked for, e.g. `status.phase`; empty for the object itself.
    pub path: String,
    /// The part of the path that exists no more, e.g. `status`.
    pub broke_at: String,
    /// The sibling whose name is nearest to the one that is missing.
    pub nearest: Option<String>,
    /// Why, where it is more than a missing field: `not found`.
    pub because: Option<String>,
}

impl Missing {
    /// In words, e.g. `` `status.phse` of Namespace/monitoring is missing; did you mean `phase`? ``
    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.path.is_empty() {
            let _ = write!(text, "`{}`", self.path);
            if !self.label.is_empty() {
                text.push_str(" of ");
            }
        }
        text.push_str(&self.label);
        match &self.because {
            Some(because) => {
                let _ = write!(text, " ({because})");
            }
            None => text.push_str(" is missing"),
        }
        if self.because.is_none() && self.broke_at != self.path {
            let _ = write!(text, " (there is no `{}`)", self.broke_at);
        }
        if let Some(nearest) = &self.nearest {
            let _ = write!(text, "; did you mean `{nearest}`?");
        }
        text
    }

    /// The same miss, one step deeper.
    fn deeper(&self, key: &Dynamic) -> Self {
        let mut deeper = self.clone();
        match (key.as_int(), key.as_immutable_string_ref()) {
            (Ok(index), _) => {
                let _ = write!(deeper.path, "[{index}]");
            }
            (_, Ok(name)) => push_key(&mut deeper.path, &name),
            _ => deeper.path.push_str("[…]"),
        }
        deeper
    }
}

/// Appends a key to a path: `.name`, or `["a.b"]` where the name is no identifier.
pub(super) fn push_key(path: &mut String, key: &str) {
    if !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    } else {
        let _ = write!(path, "[{key:?}]");
    }
}

#[derive(Default)]
struct Table {
    index: HashMap<Arc<Missing>, i32>,
    entries: Vec<Arc<Missing>>,
}

/// More distinct paths than any run reads; beyond it a miss is still a miss, without its path.
const MOST_ENTRIES: usize = 1 << 20;

static TABLE: LazyLock<RwLock<Table>> = LazyLock::new(RwLock::default);

/// A `()` that remembers what is missing.
pub(super) fn missing(what: Missing) -> Dynamic {
    let known = TABLE.read().unwrap_or_else(PoisonError::into_inner).index.get(&what).copied();
    let tag = known.unwrap_or_else(|| {
        let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
        match i32::try_from(table.entries.len() + 1) {
            Ok(tag) if table.entries.len() < MOST_ENTRIES => {
                let what = Arc::new(what);
                table.entries.push(what.clone());
                *table.index.entry(what).or_insert(tag)
            }
            _ => i32::MAX,
        }
    });
    record::note_missing(tag);
    let mut value = Dynamic::UNIT;
    value.set_tag(tag);
    value
}

/// What a native gives for an object that does not exist: `()` whose path says `Namespace/monitoring (not found)`.
pub fn missing_object(label: impl Into<Arc<str>>) -> Dynamic {
    missing_because(label, "not found")
}

/// What a native gives for something that cannot be there yet, and why, e.g. `the cluster does not serve this kind`.
pub fn missing_because(label: impl Into<Arc<str>>, because: impl Into<String>) -> Dynamic {
    missing(Missing {
        label: label.into(),
        path: String::new(),
        broke_at: String::new(),
        nearest: None,
        because: Some(because.into()),
    })
}

/// What is missing, if the value is a `()` that remembers it; `None` for every other value and for a literal `()`.
pub fn missing_of(value: &Dynamic) -> Option<Arc<Missing>> {
    if !value.is_unit() {
        return None;
    }
    // The tag of a shared value is the tag of the cell, not of what is in it.
    let tag = if value.is_shared() { value.flatten_clone().tag() } else { value.tag() };
    by_tag(tag)
}

pub(super) fn by_tag(tag: i32) -> Option<Arc<Missing>> {
    let index = usize::try_from(tag).ok()?.checked_sub(1)?;
    let found = TABLE.read().unwrap_or_else(PoisonError::into_inner).entries.get(index).cloned();
    Some(found.unwrap_or_else(|| {
        Arc::new(Missing {
            label: "a field".into(),
            path: String::new(),
            broke_at: String::new(),
            nearest: None,
            because: None,
        })
    }))
}

/// The error payload of a *not yet* that had to stop the closure.
#[derive(Clone, Debug)]
pub(super) struct NotYet {
    pub reason: String,
}

/// Notes a use of a missing value that no comparison stands for. Outside an evaluation it is an error.
fn used(what: &Missing, position: Position) -> Result<(), Box<EvalAltResult>> {
    if record::loose_miss(what.text()) { Ok(()) } else { Err(outside(what, position)) }
}

/// The error of using a missing value where nothing waits for it to appear.
#[expect(clippy::unnecessary_box_returns, reason = "the form in which Rhai takes errors")]
pub(super) fn outside(what: &Missing, position: Position) -> Box<EvalAltResult> {
    let text = format!("{}: give it a default with `?? …`, or compare it with `()`", what.text());
    EvalAltResult::ErrorRuntime(text.into(), position).into()
}

/// What a native raises when it is given something missing: in an evaluation *not yet*, elsewhere an ordinary error.
pub fn not_yet_error(what: &Missing) -> Box<EvalAltResult> {
    if record::loose_miss(what.text()) {
        let payload = Dynamic::from(NotYet { reason: what.text() });
        EvalAltResult::ErrorTerminated(payload, Position::NONE).into()
    } else {
        outside(what, Position::NONE)
    }
}

/// What could not be raised where it arose, in words, and where: text was made of a missing value outside an evaluation
/// (Rhai swallows errors inside `${…}`). To be asked before every effect and after a call; asking clears it.
pub fn unraised() -> Option<(String, Place)> {
    record::take_unraised().map(|(what, place)| (what.text(), place))
}

/// Maps `?.` and `?[` to `.` and `[`, which are as forgiving here and keep the path of what is missing.
pub fn token(token: Token) -> Token {
    match token {
        Token::Elvis => Token::Period,
        Token::QuestionBracket => Token::LeftBracket,
        token => token,
    }
}

pub(super) fn register(engine: &mut Engine) {
    let unit = TypeId::of::<()>();
    let text = TypeId::of::<ImmutableString>();
    for key in [text, TypeId::of::<i64>()] {
        engine.register_raw_fn("index$get$", [unit, key], |_, args| match missing_of(args[0]) {
            Some(what) => Ok(missing(what.deeper(args[1]))),
            None => {
                Err(EvalAltResult::ErrorDotExpr(format!("`()` has no property `{}`", args[1]), Position::NONE).into())
            }
        });
    }
    for name in ["to_string", "to_debug"] {
        engine.register_raw_fn(name, [unit], |ctx, args| -> Result<ImmutableString, Box<EvalAltResult>> {
            let Some(what) = missing_of(args[0]) else { return Ok("".into()) };
            if !record::loose_miss(what.text()) {
                record::set_unraised(what, explain::place(ctx.call_source().unwrap_or(""), ctx.call_position()));
            }
            Ok("".into())
        });
    }
    for name in ["print", "debug"] {
        engine.register_raw_fn(name, [unit], |_, args| -> Result<ImmutableString, Box<EvalAltResult>> {
            Ok(missing_of(args[0]).map_or_else(String::new, |what| format!("() ({})", what.text())).into())
        });
    }
    for types in [[text, unit], [unit, text]] {
        engine.register_raw_fn("+", types, |ctx, args| -> Result<ImmutableString, Box<EvalAltResult>> {
            if let Some(what) = args.iter().find_map(|a| missing_of(a)) {
                used(&what, ctx.call_position())?;
            }
            Ok(args.iter().filter(|a| !a.is_unit()).map(ToString::to_string).collect::<String>().into())
        });
    }
    let mut module = Module::new();
    module.set_iter_result(unit, |value| {
        let error = match missing_of(&value) {
            Some(what) => not_yet_error(&what),
            None => EvalAltResult::ErrorFor(Position::NONE).into(),
        };
        Box::new(std::iter::once(Err(error)))
    });
    engine.register_global_module(module.into());

    #[expect(deprecated, reason = "marked volatile by Rhai; the version is pinned")]
    engine.on_missing_function(|name, args, is_method, _| {
        let what = args.iter().find_map(|a| missing_of(a)).filter(|_| passes_on(name, args, is_method));
        Ok(what.map(|what| missing((*what).clone())))
    });
}

/// Whether a call with something missing among its arguments is missing itself: methods, `+`, `-`, `!`, and in an
/// evaluation everything else. Rhai asks this after every error of such a call, so what raises errors of its own is out.
fn passes_on(name: &str, args: &[&mut Dynamic], is_method: bool) -> bool {
    // A closure with a wrong number of arguments is tried again with another.
    let own = super::compare::records(name) || name.starts_with("anon$") || matches!(name, "expect" | "absent");
    let joins_text = name == "+" && args.iter().any(|a| a.is_string());
    let is_operator = !name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let of_missing = args.first().is_some_and(|receiver| missing_of(receiver).is_some());
    let missing_anyway = is_operator || (is_method && of_missing);
    !own && !joins_text && (missing_anyway || record::is_recording())
}

//! The recorder of one evaluation. It is a thread-local, because iterators, interpolation and token mapping get no call
//! context; a script stays on its thread.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;

use rhai::{Dynamic, NativeCallContext, Position};

use super::missing::{Missing, by_tag};
use crate::model::{Observation, Place};

/// More records than anyone reads; what comes after them is not explained, and what is missing after them still counts.
const MOST_RECORDS: usize = 20_000;

/// What a comparison came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Known(bool),
    /// Something that it needs is not there; in words.
    Missing(String),
    /// It is no answer, only a place for what was compared inside it (`filter`).
    Group,
}

/// One comparison, or one native that answered a bool.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// The file it stands in; `None` where the script has no name.
    pub file: Option<Arc<str>>,
    pub position: Position,
    /// The operator, or the native's name.
    pub operator: Arc<str>,
    /// The left and the right side, where it has them.
    pub sides: Option<(Dynamic, Dynamic)>,
    pub outcome: Outcome,
    /// What the script was told.
    pub answered: bool,
    /// The index of the first record that was made inside it; its own index where there is none.
    pub from: usize,
    /// Its misses were judged by the `any` or `all` around it.
    pub absorbed: bool,
    pub extra: Option<Box<Extra>>,
}

impl Record {
    /// It is a bool that was read, and no comparison.
    pub fn is_property(&self) -> bool {
        self.operator.is_empty()
    }
}

/// What only few records have.
#[derive(Clone, Debug, Default)]
pub(super) struct Extra {
    pub reason: Option<String>,
    /// Observations that are ready: the paths of `expect`.
    pub ready: Vec<Observation>,
    /// The elements worth showing: name, and where their records begin and end.
    pub elements: Vec<(String, usize, usize)>,
}

/// The places where a `!` stands before a comparison an odd number of times.
pub(super) type Negative = HashSet<(Arc<str>, Position)>;

#[derive(Default)]
pub(super) struct Recorder {
    pub records: Vec<Record>,
    /// Uses of missing values that no record stands for.
    pub loose: Vec<String>,
    /// The first comparison of mixed types: file, place, text.
    pub mixed: Option<(Option<Arc<str>>, Position, String)>,
    /// The field that was last found missing; 0 where none was.
    pub last_missing: i32,
    pub negative: Option<Arc<Negative>>,
    file: Option<Arc<str>>,
    /// The empty operator of properties.
    property: Option<Arc<str>>,
}

impl Recorder {
    fn file(&mut self, name: Option<&str>) -> Option<Arc<str>> {
        if self.file.as_deref() != name {
            self.file = name.map(Into::into);
        }
        self.file.clone()
    }

    /// Whether a miss at this place answers true: under `!`, so that the whole comes out false and `||` goes on.
    fn answer_of_miss(&self, file: Option<&Arc<str>>, position: Position) -> bool {
        let Some(negative) = &self.negative else { return false };
        let file = file.cloned().unwrap_or_else(|| "".into());
        negative.contains(&(file, position))
    }

    fn push(&mut self, mut record: Record) -> bool {
        record.answered = match record.outcome {
            Outcome::Known(bool) => bool,
            Outcome::Missing(_) => self.answer_of_miss(record.file.as_ref(), record.position),
            Outcome::Group => false,
        };
        let answered = record.answered;
        if self.records.len() < MOST_RECORDS {
            self.records.push(record);
        } else if let Outcome::Missing(reason) = record.outcome {
            self.loose.push(reason);
        }
        answered
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Recorder>> = const { RefCell::new(None) };
    static UNRAISED: Cell<Option<(Arc<Missing>, Place)>> = const { Cell::new(None) };
}

/// Runs `f` on the recorder, if an evaluation is going on. The recorder is not borrowed while scripts run.
pub(super) fn with<R>(f: impl FnOnce(&mut Recorder) -> R) -> Option<R> {
    CURRENT.with_borrow_mut(|current| current.as_mut().map(f))
}

/// Whether an evaluation is going on in this thread.
pub fn is_recording() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// Records while it lives; what was recorded before goes on afterwards.
pub(super) struct Recording {
    before: Option<Recorder>,
    /// What was at work before is back in its place.
    finished: bool,
}

impl Recording {
    pub fn begin(negative: Option<Arc<Negative>>) -> Self {
        let new = Recorder { negative, ..Recorder::default() };
        Self { before: CURRENT.replace(Some(new)), finished: false }
    }

    pub fn finish(mut self) -> Recorder {
        self.finished = true;
        CURRENT.replace(self.before.take()).unwrap_or_default()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.finished {
            CURRENT.replace(self.before.take());
        }
    }
}

pub(super) fn note_missing(tag: i32) {
    with(|r| r.last_missing = tag);
}

pub(super) fn last_missing() -> Option<Arc<Missing>> {
    with(|r| r.last_missing).filter(|tag| *tag != 0).and_then(by_tag)
}

/// Notes a use of a missing value; false outside an evaluation.
pub(super) fn loose_miss(reason: String) -> bool {
    with(|r| r.loose.push(reason)).is_some()
}

pub(super) fn set_unraised(what: Arc<Missing>, place: Place) {
    UNRAISED.set(Some((what, place)));
}

pub(super) fn take_unraised() -> Option<(Arc<Missing>, Place)> {
    UNRAISED.take()
}

/// Records a comparison and gives what the script is told: its answer, or, for a miss, the one that lets others speak.
/// `None` outside an evaluation. `sides` is asked only inside one.
pub(super) fn comparison(
    ctx: &NativeCallContext,
    operator: &Arc<str>,
    outcome: Outcome,
    reason: Option<String>,
    sides: impl FnOnce() -> Option<(Dynamic, Dynamic)>,
) -> Option<bool> {
    with(|r| {
        let file = r.file(ctx.call_source());
        let from = r.records.len();
        r.push(Record {
            file,
            position: ctx.call_position(),
            operator: operator.clone(),
            sides: sides(),
            outcome,
            answered: false,
            from,
            absorbed: false,
            extra: reason.map(|reason| Box::new(Extra { reason: Some(reason), ..Extra::default() })),
        })
    })
}

/// Records a bool that was read from an object: `o.status.ready` may stand alone in an assertion.
pub(super) fn property(ctx: &NativeCallContext, value: bool) {
    with(|r| {
        let file = r.file(ctx.call_source());
        let from = r.records.len();
        let operator = r.property.get_or_insert_with(|| "".into()).clone();
        r.push(Record {
            file,
            position: ctx.call_position(),
            operator,
            sides: None,
            outcome: Outcome::Known(value),
            answered: value,
            from,
            absorbed: false,
            extra: None,
        });
    });
}

/// Records a native together with what was recorded inside it since `from`.
pub(super) fn group(
    ctx: &NativeCallContext,
    operator: &str,
    outcome: Outcome,
    from: usize,
    extra: Extra,
) -> Option<bool> {
    with(|r| {
        let file = r.file(ctx.call_source());
        let from = from.min(r.records.len());
        r.push(Record {
            file,
            position: ctx.call_position(),
            operator: operator.into(),
            sides: None,
            outcome,
            answered: false,
            from,
            absorbed: false,
            extra: Some(Box::new(extra)),
        })
    })
}

/// Records the answer of a native that says true or false, with its reason (`2 of 3 replicas are ready`). `None` means
/// that it cannot be said yet. Gives what the native returns to the script.
pub fn record_native(ctx: &NativeCallContext, name: &str, holds: Option<bool>, reason: Option<String>) -> bool {
    let outcome = match holds {
        Some(bool) => Outcome::Known(bool),
        None => Outcome::Missing(reason.clone().unwrap_or_else(|| format!("`{name}` cannot say yet"))),
    };
    let from = with(|r| r.records.len()).unwrap_or(0);
    let extra = Extra { reason, ..Extra::default() };
    group(ctx, name, outcome, from, extra).unwrap_or(holds == Some(true))
}

/// Notes a comparison of mixed types, which no `catch` undoes.
pub(super) fn note_mixed(ctx: &NativeCallContext, text: &str) {
    with(|r| {
        let file = r.file(ctx.call_source());
        r.mixed.get_or_insert_with(|| (file, ctx.call_position(), text.into()));
    });
}

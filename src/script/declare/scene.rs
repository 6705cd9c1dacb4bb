use std::sync::{Arc, MutexGuard};

use rhai::{Array, Dynamic, EvalAltResult, FnPtr, ImmutableString, Map, NativeCallContext};

use super::draft::{Declaring, Draft};
use crate::{
    model::{Body, Finding, Place, Span},
    script::{
        ErrorKind, ScriptError, call,
        closure::{self, Closure},
        engine::here,
        error::typed,
        suggest,
    },
};

/// What natives see while the plan is declared.
#[derive(Clone)]
pub(in crate::script) struct DeclarationTag(pub(in crate::script) Arc<Declaring>);

/// One declaration being made: where it stands and what it adds to.
pub(in crate::script) struct Scene<'c> {
    pub(super) context: NativeCallContext<'c>,
    pub(super) place: Place,
    pub(super) declaring: Arc<Declaring>,
}

impl<'c> Scene<'c> {
    /// Enters declaration `name`; an error where a closure runs, because then the plan is no longer being made.
    pub(in crate::script) fn enter(context: NativeCallContext<'c>, name: &str) -> Result<Self, Box<EvalAltResult>> {
        let place = here(&context);
        let declaring = context.tag().and_then(|tag| tag.read_lock::<DeclarationTag>().map(|tag| tag.0.clone()));
        if let Some(declaring) = declaring {
            return Ok(Self { context, place, declaring });
        }
        let inside = call::current(&context).map_or_else(|| "a closure".into(), |call| call.words());
        Err(ScriptError::new(ErrorKind::Mode, format!("`{name}` declares, but this is {inside}"))
            .at(place)
            .help("declarations stand outside the closures that run; loop around the whole step instead")
            .raise())
    }

    pub(super) fn draft(&self) -> MutexGuard<'_, Draft> {
        self.declaring.draft()
    }

    /// What the time is while declaring.
    pub(in crate::script) fn now(&self) -> Option<jiff::Timestamp> {
        self.declaring.setting.now
    }

    /// Reports a declaration that cannot stand.
    pub(super) fn finding(&self, message: impl Into<String>) -> FindingAt<'_, 'c> {
        FindingAt { scene: self, finding: Some(Finding::error("declaration", message).at(self.place.clone())) }
    }

    /// A duration, or a finding.
    pub(super) fn span(&self, text: &str) -> Option<Span> {
        match text.parse() {
            Ok(span) => Some(span),
            Err(error) => {
                let error: crate::model::SpanError = error;
                self.finding(error.to_string());
                None
            }
        }
    }

    /// A list of texts; anything else in it is a finding.
    pub(super) fn texts(&self, items: Array, what: &str) -> Vec<String> {
        let mut texts = vec![];
        for item in items {
            match item.into_immutable_string() {
                Ok(text) => texts.push(text.to_string()),
                Err(kind) => {
                    drop(self.finding(format!("{what} takes a list of texts, and one of them is {}", typed(kind))));
                }
            }
        }
        texts
    }

    /// Keeps a closure as `body`. `what` is its place in the language, e.g. `.verify`; it runs without arguments.
    pub(super) fn keep(&self, body: Body, pointer: FnPtr, what: &str) {
        let library = &self.declaring.library;
        let wrong = closure::arity(&self.context, library, &pointer).filter(|counts| !counts.contains(&0));
        let kept = Closure::take(&self.context, library, pointer, &self.place);
        if let Some(counts) = wrong {
            let takes = counts.first().copied().unwrap_or_default();
            let finding = Finding::error(
                "closure-arity",
                format!("the closure of `{what}` takes {}, but runs without any", arguments(takes)),
            )
            .at(kept.place.clone())
            .help("write `|| …`: it sees the variables around it as they are here");
            self.draft().findings.push(finding);
        }
        self.draft().closures.insert(body, kept);
    }

    /// Reads the entries of an options map; unknown ones are findings.
    pub(super) fn options(&self, map: &Map, known: &[&str], what: &str) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let mut finding = self.finding(format!("`{what}` has no option `{key}`"));
            match suggest::nearest(key, known.iter().copied()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help(format!("it has {}", suggest::list(known))),
            }
        }
    }

    /// A text among the options; anything else there is a finding.
    pub(super) fn text_option(&self, map: &Map, key: &str, what: &str) -> Option<String> {
        let value: Dynamic = map.get(key)?.clone();
        match value.into_immutable_string() {
            Ok(text) => Some(text.to_string()),
            Err(kind) => {
                self.finding(format!("`{key}` of `{what}` is a text, not {}", typed(kind)));
                None
            }
        }
    }
}

/// A finding that is reported when it is dropped, so that help may still be added.
pub(super) struct FindingAt<'s, 'c> {
    scene: &'s Scene<'c>,
    finding: Option<Finding>,
}

impl FindingAt<'_, '_> {
    pub(super) fn help(&mut self, help: impl Into<String>) {
        self.finding = self.finding.take().map(|finding| finding.help(help));
    }

    pub(super) fn related(&mut self, place: Option<Place>, words: &str) {
        if let Some(place) = place {
            self.finding = self.finding.take().map(|finding| finding.with_related(place, words));
        }
    }

    pub(super) fn rule(&mut self, rule: &str) {
        if let Some(finding) = &mut self.finding {
            finding.rule = rule.into();
        }
    }
}

impl Drop for FindingAt<'_, '_> {
    fn drop(&mut self) {
        if let Some(finding) = self.finding.take() {
            self.scene.draft().findings.push(finding);
        }
    }
}

/// "no arguments", "1 argument", "2 arguments".
pub(crate) fn arguments(count: usize) -> String {
    match count {
        0 => "no arguments".into(),
        1 => "1 argument".into(),
        count => format!("{count} arguments"),
    }
}

/// A text as the engine gives it.
pub(super) type Text = ImmutableString;
/// What a declaration returns.
pub(super) type Out<T> = Result<T, Box<EvalAltResult>>;

use std::{error::Error, fmt, sync::Arc};

use rhai::{Dynamic, EvalAltResult, ImmutableString, ParseError, ParseErrorType, Position};

use super::guard::Stop;
use crate::model::{Finding, Place};

/// What sort of error a script met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The script cannot be read: a syntax error.
    Syntax,
    /// A module cannot be imported.
    Import,
    /// Something that is named does not exist: a function, method, variable, property or module.
    Name,
    /// A native was called in a mode that it is not for.
    Mode,
    /// A declaration that cannot stand.
    Declaration,
    /// A closure's result is not what it has to be, e.g. a verify that does not end in a bool.
    Result,
    /// A value does not fit: wrong types, index out of bounds, arithmetic.
    Value,
    /// A limit of the engine was reached.
    Limit,
    /// The run was cancelled.
    Cancelled,
    /// The time for this closure is over.
    Deadline,
    /// A secret would have become text or been compared.
    Secret,
    /// A native failed; [`ScriptError::cause`] has its own error where it gave one.
    Native,
    /// The script's own `throw`.
    Thrown,
}

/// An error of a script, with its place: what a person sees.
#[derive(Clone)]
pub struct ScriptError {
    /// What sort of error it is.
    pub kind: ErrorKind,
    /// What happened, as a lowercase fragment that names the thing.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
    /// The calls that led there, innermost first.
    pub trail: Box<[Place]>,
    /// What to do about it.
    pub help: Vec<String>,
    /// The error of the native that failed, for those who know its type.
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl ScriptError {
    /// An error without a place.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), place: None, trail: Box::default(), help: vec![], cause: None }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: impl Into<Option<Place>>) -> Self {
        self.place = place.into();
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Keeps the error of the native that failed.
    #[must_use]
    pub fn because(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// The name of the rule that this error is a finding of.
    pub fn rule(&self) -> &'static str {
        match self.kind {
            ErrorKind::Syntax => "syntax",
            ErrorKind::Import => "missing-import",
            ErrorKind::Name => "unknown-name",
            ErrorKind::Mode => "wrong-mode",
            ErrorKind::Declaration => "declaration",
            ErrorKind::Result => "wrong-result",
            ErrorKind::Value => "value",
            ErrorKind::Limit => "limit",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::Deadline => "deadline",
            ErrorKind::Secret => "secret",
            ErrorKind::Native => "native",
            ErrorKind::Thrown => "thrown",
        }
    }

    /// The error as a finding.
    pub fn finding(&self) -> Finding {
        let mut finding = Finding::error(self.rule(), self.message.clone()).at(self.place.clone());
        for place in &self.trail {
            finding = finding.with_related(place.clone(), "called here");
        }
        finding.help.clone_from(&self.help);
        finding
    }

    /// As an error that passes through the engine; its own place wins over the engine's.
    pub(super) fn raise(self) -> Box<EvalAltResult> {
        Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(self), Position::NONE))
    }

    /// As an error that no `catch` holds.
    pub(super) fn end(self) -> Box<EvalAltResult> {
        Box::new(EvalAltResult::ErrorTerminated(Dynamic::from(self), Position::NONE))
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        for help in &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind)
    }
}

impl Error for ScriptError {}

/// The place of `position` in `file`; only the file where the engine knows no position.
pub(super) fn place(file: &str, position: Position) -> Place {
    let number = |n: Option<usize>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    Place::new(file, number(position.line()), number(position.position()))
}

/// An engine's error in words, without hints about names: those need to know what exists.
pub(super) fn from_engine(error: &EvalAltResult, file: &str) -> ScriptError {
    let mut trail = vec![];
    let (inner, file) = unwind(error, file, &mut trail);
    let mut found = describe(inner);
    if found.place.is_none() {
        let position = inner.position();
        found.place = if position.is_none() { trail.first().cloned() } else { Some(place(&file, position)) };
    }
    trail.retain(|step| found.place.as_ref() != Some(step) && step.line > 0);
    trail.dedup();
    let raised = std::mem::take(&mut found.trail);
    found.trail = raised.into_iter().chain(trail).collect();
    found
}

/// A syntax error in words.
pub(super) fn from_parser(error: &ParseError, file: &str) -> ScriptError {
    syntax(error.err_type()).at(place(file, error.position()))
}

/// Follows the calls to the innermost error; `trail` gets the places of the calls, innermost first.
fn unwind<'e>(error: &'e EvalAltResult, file: &str, trail: &mut Vec<Place>) -> (&'e EvalAltResult, String) {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, source, inner, position) => {
            let source = if source.is_empty() { file } else { source };
            let found = unwind(inner, source, trail);
            trail.push(place(file, *position));
            found
        }
        EvalAltResult::ErrorInModule(name, inner, position) => {
            let found = unwind(inner, if name.is_empty() { file } else { name }, trail);
            trail.push(place(file, *position));
            found
        }
        inner => (inner, file.into()),
    }
}

fn describe(error: &EvalAltResult) -> ScriptError {
    use EvalAltResult as E;
    let named = |kind, message: String| ScriptError::new(kind, message);
    match error {
        E::ErrorParsing(kind, _) => syntax(kind),
        E::ErrorVariableNotFound(name, _) => named(ErrorKind::Name, format!("no variable `{name}`")),
        E::ErrorPropertyNotFound(name, _) => named(ErrorKind::Name, format!("no property `{name}`")),
        E::ErrorFunctionNotFound(signature, _) => named(ErrorKind::Name, format!("no function `{signature}`")),
        E::ErrorModuleNotFound(name, _) => named(ErrorKind::Import, format!("no module `{name}`")),
        E::ErrorIndexingType(kind, _) => {
            named(ErrorKind::Name, format!("{} has no such property or index", typed(kind)))
        }
        E::ErrorDotExpr(text, _) if !text.is_empty() => named(ErrorKind::Name, text.clone()),
        E::ErrorMismatchDataType(expected, found, _) | E::ErrorMismatchOutputType(expected, found, _) => {
            named(ErrorKind::Value, format!("expected {}, found {}", typed(expected), typed(found)))
        }
        E::ErrorDataTooLarge(what, _) => named(ErrorKind::Limit, format!("{} is over its limit", limit(what)))
            .help("limits: 16 MiB of text, 1,000,000 entries of an array, 100,000 of a map"),
        E::ErrorStackOverflow(_) => named(ErrorKind::Limit, "functions call each other more than 64 deep".into()),
        E::ErrorTooManyModules(_) => named(ErrorKind::Limit, "more than 200 modules are imported".into()),
        E::ErrorTooManyVariables(_) => named(ErrorKind::Limit, "more than 10,000 variables".into()),
        E::ErrorTooManyOperations(_) => named(ErrorKind::Limit, "too many operations".into()),
        E::ErrorTerminated(token, _) if token.is::<ScriptError>() => thrown(token),
        E::ErrorTerminated(token, _) => match token.read_lock::<Stop>() {
            Some(stop) => stop.error(),
            None => named(ErrorKind::Value, "the script was ended".into()),
        },
        E::ErrorRuntime(payload, _) => thrown(payload),
        E::ErrorAssignmentToConstant(name, _) => named(ErrorKind::Value, format!("`{name}` is a constant"))
            .help(format!("declare it with `let {name} = …` if it has to change")),
        E::ErrorFor(_) => named(ErrorKind::Value, "`for` needs an array, a map, a range or a text".into()),
        E::ErrorDataRace(name, _) => named(ErrorKind::Value, format!("`{name}` is changed while it is being read")),
        other => {
            let mut plain = other.to_string();
            // the engine's own words end with the position, which stands in `place`
            if let Some(at) = plain.rfind(" (line ") {
                plain.truncate(at);
            }
            named(ErrorKind::Value, decapitalised(&plain))
        }
    }
}

fn thrown(payload: &Dynamic) -> ScriptError {
    if let Some(error) = payload.read_lock::<ScriptError>() {
        return error.clone();
    }
    if let Some(stop) = payload.read_lock::<Stop>() {
        return stop.error();
    }
    let text = match payload.read_lock::<ImmutableString>() {
        Some(text) => text.to_string(),
        None => match super::value::to_be_shown(payload) {
            Ok(value) => value.to_string(),
            Err(_) => payload.type_name().to_string(),
        },
    };
    ScriptError::new(ErrorKind::Thrown, if text.is_empty() { "the script gave up without words".into() } else { text })
}

fn syntax(kind: &ParseErrorType) -> ScriptError {
    use ParseErrorType as P;
    let error = |message: String| ScriptError::new(ErrorKind::Syntax, message);
    match kind {
        P::UnexpectedEOF => error("the script ends in the middle of something".into())
            .help("look for a `{`, `(` or `[` that is not closed"),
        P::MissingToken(token, why) if why.is_empty() => error(format!("expected `{token}`")),
        P::MissingToken(token, why) => error(format!("expected `{token}` {why}")),
        P::VariableUndefined(name) => ScriptError::new(ErrorKind::Name, format!("no variable `{name}`"))
            .help(format!("declare it first with `let {name} = …`; inside a function, pass it as an argument")),
        P::ModuleUndefined(name) => ScriptError::new(ErrorKind::Name, format!("no module `{name}`")).help(format!(
            "write `import \"std/{name}\" as {name};` at the top, or the name of one of the native modules"
        )),
        P::Reserved(word) => error(format!("`{word}` is a reserved word")),
        P::AssignmentToConstant(name) => error(format!("`{name}` is a constant"))
            .help(format!("declare it with `let {name} = …` if it has to change")),
        P::FnDuplicatedDefinition(name, count) => {
            error(format!("function `{name}` with {count} parameters is defined twice"))
        }
        P::ExprTooDeep => ScriptError::new(ErrorKind::Limit, "the expression is nested more than 256 deep"),
        P::TooManyFunctions => ScriptError::new(ErrorKind::Limit, "more than 2,000 functions in one script"),
        P::LiteralTooLarge(what, _) => ScriptError::new(ErrorKind::Limit, format!("{} is over its limit", limit(what))),
        other => error(decapitalised(&other.to_string())),
    }
}

fn limit(what: &str) -> String {
    match what {
        text if text.contains("string") => "a text".into(),
        text if text.contains("array") => "an array".into(),
        text if text.contains("map") => "a map".into(),
        text => format!("`{text}`"),
    }
}

/// A type as playbooks speak of it.
pub(super) fn typed(name: &str) -> String {
    let words = match name {
        "i64" | "int" => "a whole number",
        "f64" | "float" => "a number",
        "bool" => "true or false",
        "string" | "&str" | "String" | "ImmutableString" => "a text",
        "char" => "a character",
        "array" => "a list",
        "map" => "a map",
        "Fn" => "a closure",
        "()" => "nothing, `()`",
        other => return format!("`{}`", other.rsplit("::").next().unwrap_or(other)),
    };
    words.into()
}

fn decapitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if !chars.clone().next().is_some_and(char::is_uppercase) => {
            first.to_lowercase().collect::<String>() + chars.as_str()
        }
        _ => text.into(),
    }
}

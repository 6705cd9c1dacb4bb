use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use rhai::{AST, Dynamic, Engine, EvalAltResult, ParseError, ParseErrorType, Scope};
use serde_json::Value;

use super::{
    Call, ErrorKind, ScriptError, Sources,
    closure::Closure,
    declare::{DeclarationTag, Declaring, Discover},
    digest, engine,
    facts::{self, Facts},
    guard::{Cancelled, Guard},
    hints,
    library::Library,
    names::Names,
    observe, suggest,
    value::{to_be_kept, to_be_shown},
};
use crate::{
    model::{Body, Evaluation, Finding, Place, Plan, SecretParam, Target},
    redact::Secret,
};

/// How long declaring may take where the setting says nothing; the time that `discover` takes does not count.
const DECLARE: Duration = Duration::from_secs(10);

/// Reads a secret when the plan is declared for a context.
pub type Secrets = Arc<dyn Fn(&SecretParam) -> Result<Secret, String> + Send + Sync>;

/// All that a declaration depends on besides the sources. The default is offline: no context, no values.
#[derive(Clone, Default)]
pub struct Setting {
    /// The context that it is declared for; none offline.
    pub context: Option<Target>,
    /// The contexts that `runbook.toml` declares, each with its tier.
    pub contexts: Vec<(String, String)>,
    /// Values given with `-p` and `--params`; texts are read as what the parameter is.
    pub params: BTreeMap<String, Value>,
    /// `[contexts.<name>.params]` of `runbook.toml`, by context.
    pub config_params: BTreeMap<String, BTreeMap<String, Value>>,
    /// What `time::now()` says while declaring: the run's start.
    pub now: Option<jiff::Timestamp>,
    /// Reads secrets; without it they are empty, as a plan needs them only when it runs.
    pub secrets: Option<Secrets>,
    /// Answers `discover`; without it the samples stand.
    pub discover: Option<Arc<dyn Discover>>,
    /// Ends the declaration at once.
    pub cancelled: Option<Cancelled>,
    /// The natives of a program that embeds runbook.
    pub modules: Vec<crate::effect::Module>,
    /// How long declaring may take; ten seconds where unset.
    pub limit: Option<Duration>,
}

impl Setting {
    /// The tier of a context; its name where none is declared.
    pub(super) fn tier(&self, context: &str) -> String {
        let known = self.contexts.iter().find(|(name, _)| name == context);
        known.map_or(context, |(_, tier)| tier).into()
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting")
            .field("context", &self.context)
            .field("params", &self.params)
            .field("discover", &self.discover.is_some())
            .finish_non_exhaustive()
    }
}

/// What a playbook declares: its plan, what was found on the way, and its closures, callable from any thread.
#[derive(Clone)]
pub struct Declared {
    /// The plan, with its stop-gates. Empty where the script could not be read.
    pub plan: Plan,
    /// What cannot stand: a plan with errors among them is not run.
    pub findings: Vec<Finding>,
    /// Whether the script ran to its end: the plan is whole.
    pub complete: bool,
    /// What the script printed while declaring.
    pub printed: Vec<(Place, String)>,
    /// What is written in the scripts, for check.
    facts: Arc<Facts>,
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<Engine>,
    library: Arc<Library>,
    closures: BTreeMap<Body, Closure>,
    program: OnceLock<observe::Program>,
}

/// Runs the playbook's script, which declares its plan and has no effect.
pub fn declare(sources: &Arc<dyn Sources>, setting: &Setting) -> Declared {
    let library = Arc::new(Library::new(sources.clone()));
    let declaring = Arc::new(Declaring::new(setting.clone(), library.clone()));
    let engine = engine::shared(&setting.modules);
    let printed: Arc<Mutex<Vec<(Place, String)>>> = Arc::default();
    let mut findings = vec![];
    let complete = match compile(&engine, &library, &mut findings) {
        Some(ast) => {
            let sink = printed.clone();
            let deadline = Instant::now().checked_add(setting.limit.unwrap_or(DECLARE));
            let guard = Guard::enter(
                setting.cancelled.clone(),
                deadline,
                Some(Arc::new(move |place: &Place, text: &str| {
                    sink.lock().unwrap_or_else(PoisonError::into_inner).push((place.clone(), text.into()));
                })),
            );
            let result = engine::evaluate(&engine, &ast, Dynamic::from(DeclarationTag(declaring.clone())));
            match (guard.stopped(), result) {
                (Some(stop), result) => {
                    let mut error = stop.error();
                    let at =
                        result.err().map(|error| hints::explain(&error, library.sources().entry(), &engine, &library));
                    error.place = error.place.or(at.and_then(|at| at.place));
                    findings.push(error.finding());
                }
                (None, Err(error)) => {
                    findings.push(hints::explain(&error, library.sources().entry(), &engine, &library).finding());
                }
                (None, Ok(_)) => {}
            }
            findings.is_empty()
        }
        None => false,
    };
    let mut draft = declaring.take();
    findings.extend(library.findings());
    findings.append(&mut draft.findings);
    let mut plan = draft.assemble();
    if complete {
        findings.extend(unknown_params(&plan, setting));
        digest::fill(&mut plan, &draft.closures, &library);
    }
    let names = if setting.modules.is_empty() { Names::of_plain } else { Names::of };
    let facts = Arc::new(facts::gather(names(&engine, &library), &library, &draft.closures));
    let printed = std::mem::take(&mut *printed.lock().unwrap_or_else(PoisonError::into_inner));
    Declared {
        plan,
        findings,
        complete,
        printed,
        facts,
        inner: Arc::new(Inner { engine, library, closures: draft.closures, program: OnceLock::new() }),
    }
}

/// Compiles the playbook; names that nothing declares are all found at once. None where it cannot be run.
fn compile(engine: &Engine, library: &Library, findings: &mut Vec<Finding>) -> Option<AST> {
    let entry = library.sources().entry().to_string();
    let source = match library.read(&entry) {
        Ok(source) => source,
        Err(error) => {
            findings.push(Finding::error("unreadable-playbook", error.to_string()));
            return None;
        }
    };
    let mut scope = Scope::new();
    let mut known = BTreeSet::new();
    let compiled = loop {
        let error: ParseError = match engine.compile_with_scope(&scope, &*source) {
            Ok(ast) => break Some(ast),
            Err(error) => error,
        };
        findings.push(hints::explain_syntax(&error, &entry, engine, library, &source).finding());
        match error.err_type() {
            // said once, taken for declared from here on, so that the next one is found as well
            ParseErrorType::VariableUndefined(name) if known.insert(name.clone()) => {
                scope.push(name.clone(), ());
            }
            _ => break None,
        }
    };
    let mut ast = compiled?;
    ast.set_source(entry.as_str());
    library.keep(&entry, source, ast.clone());
    findings.is_empty().then_some(ast)
}

fn unknown_params(plan: &Plan, setting: &Setting) -> Vec<Finding> {
    let known = |name: &str| plan.params.iter().any(|param| param.name == name);
    let names = || plan.params.iter().map(|param| param.name.as_str());
    setting
        .params
        .keys()
        .filter(|name| !known(name))
        .map(|name| {
            let finding = Finding::error("unknown-param", format!("the playbook has no param `{name}`"));
            match suggest::nearest(name, names()) {
                Some(near) => finding.help(format!("did you mean `-p {near}=…`?")),
                None if plan.params.is_empty() => finding.help("it declares none"),
                None => finding.help(format!("it has {}", suggest::list(names()))),
            }
        })
        .collect()
}

impl Declared {
    /// Whether the playbook has this closure.
    pub fn has(&self, body: &Body) -> bool {
        self.inner.closures.contains_key(body)
    }

    /// Where a closure is written.
    pub fn place(&self, body: &Body) -> Option<&Place> {
        self.inner.closures.get(body).map(|closure| &closure.place)
    }

    /// What is written in the playbook's scripts.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The text of a script of this playbook, for excerpts; embedded modules included.
    pub fn source(&self, path: &str) -> Option<Arc<str>> {
        self.inner.library.script(path).map(|script| script.source.clone())
    }

    /// The line of a place with a mark under its column.
    pub fn excerpt(&self, place: &Place) -> Option<String> {
        super::excerpt::line(&self.source(&place.file)?, place)
    }

    /// Runs a change, undo, repair, show or discover and gives what it returned.
    pub fn call(&self, body: &Body, call: Call) -> Result<Value, ScriptError> {
        let closure = self.closure(body)?;
        let value = run(&self.inner.engine, &self.inner.library, closure, call)?;
        to_result(&value, body, &closure.place)
    }

    /// Evaluates a verify, precheck, `skip_if`, probe or undone. An error is one that another try does not mend by
    /// itself; what is missing or not yet so is a verdict.
    pub fn evaluate(&self, body: &Body, call: Call) -> Result<Evaluation, ScriptError> {
        let closure = self.closure(body)?;
        let Inner { engine, library, .. } = &*self.inner;
        let program = self.inner.program.get_or_init(|| {
            let mut program = observe::Program::new();
            library.scripts().iter().for_each(|script| program.add(&script.path, &script.source, &script.ast));
            program
        });
        let place = closure.observed(program);
        bounded(engine, library, closure, &call.clone(), || {
            observe::evaluate(program, engine, || closure.run(engine, call), &place).map_err(unanswerable)
        })
    }

    fn closure(&self, body: &Body) -> Result<&Closure, ScriptError> {
        self.inner.closures.get(body).ok_or_else(|| {
            ScriptError::new(
                ErrorKind::Declaration,
                format!("the playbook has no closure for {}", Call::new(body.clone()).words()),
            )
        })
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declared")
            .field("plan", &self.plan.title)
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}

/// What an evaluation says about its own assertion (mixed types, no bool) is told apart from a script's `throw`.
#[allow(clippy::boxed_local, reason = "the engine's errors are boxed")]
fn unanswerable(error: Box<EvalAltResult>) -> Box<EvalAltResult> {
    match *error {
        EvalAltResult::ErrorInFunctionCall(name, file, inner, position) if name == "verify" => {
            let inner = match *inner {
                EvalAltResult::ErrorRuntime(text, at) if text.is_string() => {
                    let error = ScriptError::new(ErrorKind::Result, text.to_string());
                    EvalAltResult::ErrorRuntime(Dynamic::from(error), at)
                }
                inner => inner,
            };
            EvalAltResult::ErrorInFunctionCall(name, file, inner.into(), position).into()
        }
        error => error.into(),
    }
}

/// Runs one closure within its bounds.
pub(super) fn run(engine: &Engine, library: &Library, closure: &Closure, call: Call) -> Result<Dynamic, ScriptError> {
    bounded(engine, library, closure, &call.clone(), || closure.run(engine, call))
}

/// Holds a call's bounds around `work`, and says what ended it.
fn bounded<T>(
    engine: &Engine,
    library: &Library,
    closure: &Closure,
    call: &Call,
    work: impl FnOnce() -> Result<T, Box<EvalAltResult>>,
) -> Result<T, ScriptError> {
    let guard = Guard::enter(call.cancelled.clone(), call.deadline, call.printer.clone());
    let result = work();
    // what ended the script counts, even where the script swallowed it
    if let Some(stop) = guard.stopped() {
        let error = stop.error();
        return Err(if error.place.is_some() { error } else { error.at(closure.place.clone()) });
    }
    result.map_err(|error| {
        let mut error = hints::explain(&error, &closure.place.file, engine, library);
        // the closure itself is not a call that led there
        error.trail = error.trail.into_iter().filter(|place| *place != closure.place).collect();
        if error.place.is_some() { error } else { error.at(closure.place.clone()) }
    })
}

/// What a closure returned, as it is journaled. A change that was made is not undone by returning a secret: what stands
/// for it is kept, and reading that is an error.
pub(super) fn to_result(value: &Dynamic, body: &Body, place: &Place) -> Result<Value, ScriptError> {
    let (kept, help) = match body {
        Body::Show(..) => (
            to_be_shown(value),
            "of a secret, show what is open: whether it is as it should be, `… == …`, or its keys, `….data.keys()`",
        ),
        Body::Discovery(_) => (
            to_be_shown(value),
            "give what is open of a secret, `… == …` or `….data.keys()`, and read its value in the closure that needs it",
        ),
        _ => (to_be_kept(value), "end the closure with the value that later steps need, or with `()`"),
    };
    kept.map_err(|why| {
        let secret = why.contains("a secret cannot leave");
        let message = format!("what the closure returns cannot be kept: {why}");
        // at a gate, the message is all that is seen
        let message = if secret { format!("{message}; {help}") } else { message };
        let error = ScriptError::new(ErrorKind::Result, message).at(place.clone());
        if secret { error } else { error.help("end the closure with the value that later steps need, or with `()`") }
    })
}

//! One evaluation: run the closure with the recorder on, then judge what it said by what it compared.

use rhai::{Dynamic, Engine, EvalAltResult, Position};

use super::explain::Explain;
use super::missing::{Missing, NotYet, missing_of};
use super::program::{ClosurePlace, Program};
use super::record::{self, Outcome, Recorder, Recording};
use super::tree::{Tree, walk};
use super::value::type_words;
use crate::model::{Evaluation, Observation, Verdict};

/// Evaluates an assertion: runs `call` (which calls the closure that stands at `closure`) and says whether it holds, and on
/// what this is based. `reads` is left empty: the caller knows what was read.
///
/// # Errors
/// What no waiting mends: a comparison of mixed types (even one that `catch` swallowed), a result that is no bool, an
/// ordinary error of the script or of a native, a cancellation. Each has its position.
pub fn evaluate(
    program: &Program,
    engine: &Engine,
    call: impl FnOnce() -> Result<Dynamic, Box<EvalAltResult>>,
    closure: &ClosurePlace,
) -> Result<Evaluation, Box<EvalAltResult>> {
    let recording = Recording::begin(program.negative(closure));
    let result = call();
    let last_missing = record::last_missing();
    let recorder = recording.finish();
    if let Some((file, position, text)) = &recorder.mixed {
        let inner = Box::new(EvalAltResult::ErrorRuntime(text.as_str().into(), *position));
        let file = file.as_deref().unwrap_or(&closure.file).to_owned();
        // With its file: the place of the comparison is the one that helps, not that of the call around it.
        return Err(EvalAltResult::ErrorInFunctionCall("verify".into(), file, inner, *position).into());
    }
    let result = match result {
        Ok(value) => value.flatten(),
        Err(error) => {
            let reason = not_yet(&error, &recorder, last_missing.as_deref(), |position, file| {
                program.expression(engine, file.unwrap_or(&closure.file), position).map(str::to_owned)
            });
            let Some(reason) = reason else { return Err(error) };
            let explain = Explain { program, engine, closure, made: &recorder.records };
            let tree = walk(program, closure, &recorder.records, None);
            return Ok(evaluation(Verdict::NotYet, explain.tree(&tree), Some(reason)));
        }
    };
    let explain = Explain { program, engine, closure, made: &recorder.records };
    let said = result.as_bool().ok();
    let tree = walk(program, closure, &recorder.records, said);
    let observations = explain.tree(&tree);
    if let Some(what) = missing_of(&result) {
        return Ok(evaluation(Verdict::NotYet, observations, Some(what.text())));
    }
    let first_miss = first_miss(&recorder);
    let (verdict, reason) = match (said, first_miss) {
        (Some(said), None) => (if said { Verdict::Holds } else { Verdict::DoesNotHold }, None),
        (_, Some(first)) => judge(&tree, &recorder, &explain, first),
        (None, None) => {
            let kind = match type_words(&result).as_str() {
                "()" => "nothing (does it end with a loop or an `if` without `else`?)".into(),
                kind => format!("a value of type {kind}"),
            };
            let text = format!("an assertion gives true or false; this one gave {kind}: end it with a comparison");
            let inner = Box::new(EvalAltResult::ErrorRuntime(text.into(), closure.position));
            let file = closure.file.to_string();
            return Err(EvalAltResult::ErrorInFunctionCall("verify".into(), file, inner, closure.position).into());
        }
    };
    Ok(evaluation(verdict, observations, reason))
}

fn evaluation(verdict: Verdict, observations: Vec<Observation>, reason: Option<String>) -> Evaluation {
    Evaluation { verdict, observations, reads: Vec::new(), reason }
}

/// Something was missing: the tree says whether the result depends on it, provided that every miss stands in the tree.
fn judge(tree: &Tree, recorder: &Recorder, explain: &Explain, first: String) -> (Verdict, Option<String>) {
    let outside = recorder.loose.first().cloned().or_else(|| explain.unaccounted(&tree.taken));
    match (outside, tree.truth) {
        (Some(reason), _) => (Verdict::NotYet, Some(reason)),
        (None, Some(truth)) if !tree.unsure => (if truth { Verdict::Holds } else { Verdict::DoesNotHold }, None),
        _ => (Verdict::NotYet, Some(first)),
    }
}

fn first_miss(recorder: &Recorder) -> Option<String> {
    let recorded = recorder.records.iter().find_map(|record| match &record.outcome {
        Outcome::Missing(text) if !record.absorbed => Some(text),
        _ => None,
    });
    recorded.or(recorder.loose.first()).cloned()
}

/// Why an error only means that something is not there yet; `None` for a real error.
fn not_yet(
    error: &EvalAltResult,
    recorder: &Recorder,
    last: Option<&Missing>,
    expression: impl Fn(Position, Option<&str>) -> Option<String>,
) -> Option<String> {
    let (error, file) = innermost(error, None);
    let of_missing = || last.map(Missing::text);
    match error {
        EvalAltResult::ErrorTerminated(payload, _) => {
            payload.read_lock::<NotYet>().map(|not_yet| not_yet.reason.clone())
        }
        // `if missing`, `missing && …`: the operand has to be a bool.
        EvalAltResult::ErrorMismatchDataType(wanted, got, position) if wanted == "bool" && got == "()" => {
            let what = of_missing()?;
            Some(match expression(*position, file).filter(|text| !text.is_empty()) {
                Some(text) => format!("`{text}` has no value yet: {what}"),
                None => what,
            })
        }
        // A native that has no answer for something missing.
        EvalAltResult::ErrorFunctionNotFound(signature, _) if signature.contains("()") && takes_unit(signature) => {
            of_missing()
        }
        // A miss was answered false, and the script took that way.
        _ => first_miss(recorder),
    }
}

/// Whether a signature such as `k8s::get (string, ())` has a `()` among its types.
fn takes_unit(signature: &str) -> bool {
    let types = signature.split_once(" (").map_or("", |(_, types)| types);
    types.split([',', ' ']).any(|kind| kind.starts_with("()"))
}

/// The error below the calls it went through, and the file it stands in.
fn innermost<'e>(error: &'e EvalAltResult, file: Option<&'e str>) -> (&'e EvalAltResult, Option<&'e str>) {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, source, inner, _) => {
            innermost(inner, if source.is_empty() { file } else { Some(source) })
        }
        error => (error, file),
    }
}

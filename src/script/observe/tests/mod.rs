//! A small engine of its own: `k8s::get` answers from a fixed set, `verify` keeps closures, imports come from a map.

mod comparisons;
mod explanations;
mod missing_fields;
mod properties;
mod secrets;
mod spans;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rhai::{
    Dynamic, Engine, EvalAltResult, FnNamespace, FnPtr, GlobalRuntimeState, ImmutableString, Module, ModuleResolver,
    NativeCallContext, OptimizationLevel, Position, Scope, Shared,
};
use serde_json::json;

use super::{Program, evaluate, missing_object, record_native, register, to_dynamic, token};
use crate::model::{Evaluation, Observation, Verdict};

/// A kept closure with the environment it was made in.
#[derive(Clone)]
struct Kept {
    name: String,
    closure: FnPtr,
    global: Arc<GlobalRuntimeState>,
}

struct Bench {
    engine: Engine,
    program: Arc<Mutex<Program>>,
    kept: Arc<Mutex<Vec<Kept>>>,
}

struct Files {
    files: HashMap<&'static str, &'static str>,
    program: Arc<Mutex<Program>>,
}

impl ModuleResolver for Files {
    #[expect(deprecated, reason = "the way to let closures of a module be found")]
    fn resolve(
        &self,
        engine: &Engine,
        _: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let source = self.files.get(path).ok_or_else(|| EvalAltResult::ErrorModuleNotFound(path.into(), position))?;
        let file = format!("{path}.rhai");
        let mut ast = engine.compile(source).map_err(EvalAltResult::from)?;
        ast.set_source(&file);
        self.program.lock().unwrap().add(&file, source, &ast);
        let mut module = Module::eval_ast_as_new(Scope::new(), &ast, engine)?;
        let closures: Vec<_> =
            module.iter_script_fn_info().filter(|f| f.2.starts_with("anon$")).map(|f| f.4.clone()).collect();
        let mut scratch = Module::new();
        for closure in closures {
            let hash = scratch.set_script_fn(closure);
            module.update_fn_namespace(hash, FnNamespace::Global);
        }
        module.build_index();
        Ok(module.into())
    }
}

fn freeze(value: &mut Dynamic) {
    let mut own = std::mem::take(value).flatten_clone();
    if let Some(mut closure) = own.write_lock::<FnPtr>() {
        closure.iter_curry_mut().for_each(freeze);
    }
    *value = own;
}

fn get(name: &str) -> Dynamic {
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status});
    let node = |name: &str, ready: &str| json!({"metadata": {"name": name}, "status": {"ready": ready, "taints": [], "cpu": 4}});
    match name {
        "ok" => to_dynamic(
            json!({
                "metadata": {"name": "eu-1", "labels": {"a": "b", "x.y/z": "w"}, "deletionTimestamp": null},
                "spec": {"replicas": 3, "share": 0.5, "paused": false},
                "status": {"phase": "Active", "n": 3, "ready": true,
                    "conditions": [condition("Ready", "True"), {"type": "X"}]},
            }),
            "Namespace/eu-1",
        ),
        "no" => to_dynamic(json!({"metadata": {"name": "eu-1"}}), "Namespace/eu-1"),
        "none" => missing_object("Namespace/none"),
        "nodes" => to_dynamic(
            json!([
                node("node-a", "True"),
                node("node-b", "False"),
                node("node-c", "True"),
                node("node-d", "True"),
                node("node-e", "Unknown")
            ]),
            "nodes",
        ),
        "secret" | "same" => to_dynamic(secret("aHVudGVyMg=="), "Secret/web/login"),
        "other" => to_dynamic(secret("b3RoZXI="), "Secret/web/other"),
        "secrets" => to_dynamic(json!([secret("aHVudGVyMg=="), secret("b3RoZXI=")]), "secrets"),
        "before" => to_dynamic(secret("«secret»"), "Secret/web/login"),
        "halfway" => to_dynamic(
            json!([node("node-a", "True"), {"metadata": {"name": "node-b"}}, node("node-c", "True")]),
            "nodes",
        ),
        "empty" => to_dynamic(json!([]), "pods"),
        other => panic!("no such object: {other}"),
    }
}

fn secret(password: &str) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "login"},
        "data": {"password": password, "user": "bWU="}})
}

impl Bench {
    fn new(files: &[(&'static str, &'static str)]) -> Self {
        let program = Arc::new(Mutex::new(Program::new()));
        let kept: Arc<Mutex<Vec<Kept>>> = Arc::default();
        let mut engine = Engine::new();
        engine.set_optimization_level(OptimizationLevel::None).set_max_expr_depths(256, 256).set_max_call_levels(64);
        #[expect(deprecated, reason = "volatile")]
        engine.on_parse_token(|t, _, _| token(t));
        engine.on_progress(|_| super::unraised().map(|(what, _)| what.into()));
        register(&mut engine);
        crate::script::secret::register(&mut engine);
        let mut k8s = Module::new();
        k8s.set_native_fn("get", |name: ImmutableString| Ok(get(&name)));
        engine.register_static_module("k8s", k8s.into());
        engine.register_fn("is_up", |ctx: NativeCallContext, up: i64, of: i64| {
            record_native(&ctx, "is_up", Some(up == of), Some(format!("{up} of {of} are up")))
        });
        engine.register_fn("is_known", |ctx: NativeCallContext| record_native(&ctx, "is_known", None, None));
        let keep = kept.clone();
        engine.register_fn("verify", move |ctx: NativeCallContext, name: &str, mut closure: FnPtr| {
            closure.iter_curry_mut().for_each(freeze);
            let global = Arc::new(ctx.global_runtime_state().clone());
            keep.lock().unwrap().push(Kept { name: name.into(), closure, global });
        });
        engine.set_module_resolver(Files { files: files.iter().copied().collect(), program: program.clone() });
        Self { engine, program, kept }
    }

    /// Runs a script whose `verify` calls keep closures.
    fn load(&self, source: &str) {
        let mut ast = self.engine.compile(source).unwrap_or_else(|e| panic!("{e} in {source}"));
        ast.set_source("main.rhai");
        self.program.lock().unwrap().add("main.rhai", source, &ast);
        self.engine.run_ast(&ast).unwrap_or_else(|e| panic!("{e} in {source}"));
    }

    fn evaluate(&self, name: &str) -> Result<Evaluation, Box<EvalAltResult>> {
        let kept = self.kept.lock().unwrap().iter().find(|k| k.name == name).cloned().expect("a kept closure");
        let program = self.program.lock().unwrap();
        let place = program.closure(&kept.closure).expect("a closure of the program");
        let ctx = NativeCallContext::new_with_all_fields(&self.engine, "verify", None, &kept.global, Position::NONE);
        evaluate(&program, &self.engine, || kept.closure.call_within_context(&ctx, ()), &place)
    }
}

/// Evaluates one closure of one file.
fn try_verify(closure: &str) -> Result<Evaluation, Box<EvalAltResult>> {
    let bench = Bench::new(&[]);
    let prelude = "let ok = k8s::get(\"ok\"); let no = k8s::get(\"no\"); let flag = true;";
    bench.load(&format!("{prelude}\nverify(\"it\", {closure});"));
    bench.evaluate("it")
}

fn verify(closure: &str) -> Evaluation {
    try_verify(closure).unwrap_or_else(|error| panic!("{closure}: {error}"))
}

/// The verdict in a word, with the reason where there is one (of the evaluation, else of the first observation).
fn verdict(closure: &str) -> String {
    match try_verify(closure) {
        Err(error) => format!("error: {error}"),
        Ok(evaluation) => match evaluation.verdict {
            Verdict::Holds => "holds".into(),
            Verdict::DoesNotHold => "does not".into(),
            Verdict::NotYet => format!("not yet: {}", evaluation.reason.expect("a reason")),
            Verdict::Unknown => "unknown".into(),
        },
    }
}

/// `expression observed operator expected = holds`, a line per observation, inner ones indented.
fn lines(observations: &[Observation]) -> Vec<String> {
    let mut lines = Vec::new();
    for o in observations {
        let side = |side: &Option<serde_json::Value>| side.as_ref().map_or("-".into(), ToString::to_string);
        let holds = o.holds.map_or("?".into(), |holds| holds.to_string());
        let reason = o.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let text =
            format!("{} | {} {} {} {holds}{reason}", o.expression, side(&o.observed), o.operator, side(&o.expected));
        lines.push(text);
        lines.extend(self::lines(&o.inner).iter().map(|line| format!("  {line}")));
    }
    lines
}

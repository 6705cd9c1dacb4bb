//! What scripts call: thin, each native a few lines over what does the work.
//! Every native that sees the world begins with [`enter`], which knows the mode that it is called in.

mod cmd;
mod data;
mod k8s;
mod program;
mod repo;
mod time;
mod web;
mod world;

use std::sync::{Arc, OnceLock};

use rhai::{
    Dynamic, EvalAltResult, FuncRegistration, Module, NativeCallContext, Position, RhaiNativeFunc, Shared, Variant,
};

use super::{Call, ErrorKind, Mode, ScriptError, call, engine::here, guard};
use crate::model::Place;

type Out<T> = Result<T, Box<EvalAltResult>>;
type Natives = Vec<(&'static str, Shared<Module>)>;

/// The native modules by name, built once.
pub(super) fn modules() -> Natives {
    static MODULES: OnceLock<Natives> = OnceLock::new();
    MODULES
        .get_or_init(|| {
            let modules = [
                ("base64", data::base64()),
                ("cmd", cmd::module()),
                ("http", web::module()),
                ("json", data::json()),
                ("k8s", k8s::module()),
                ("repo", repo::module()),
                ("time", time::module()),
                ("yaml", data::yaml()),
            ];
            modules.into_iter().map(|(name, module)| (name, ready(name, module))).collect()
        })
        .clone()
}

/// The natives of a program that embeds runbook.
pub(super) fn program(module: &crate::effect::Module) -> Shared<Module> {
    ready(module.name(), program::module(module))
}

fn ready(name: &str, mut module: Module) -> Shared<Module> {
    module.set_id(name);
    module.build_index();
    module.into()
}

/// Adds a native to its module.
fn entry<A: 'static, const N: usize, const X: bool, R: Variant + Clone, const F: bool>(
    module: &mut Module,
    name: &str,
    native: impl RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
) {
    FuncRegistration::new(name).set_into_module(module, native);
}

/// Where and in which call a native runs.
pub(super) struct Entered {
    /// The call, with its door.
    pub(super) call: Arc<Call>,
    /// Where the native stands in the script.
    pub(super) place: Place,
}

/// Lets a native in that needs `mode`: one that reads may be called by every closure, one that changes only by a change,
/// undo or repair, and neither while the plan is declared.
pub(super) fn enter(context: &NativeCallContext, native: &str, mode: Mode) -> Result<Entered, Box<EvalAltResult>> {
    let place = here(context);
    if let Some(stop) = guard::look() {
        return Err(Box::new(EvalAltResult::ErrorTerminated(Dynamic::from(stop), Position::NONE)));
    }
    let Some(call) = call::current(context) else {
        let error = ScriptError::new(
            ErrorKind::Mode,
            format!("`{native}` was called while the plan is declared: nothing runs yet"),
        )
        .at(place);
        return Err(match mode {
            Mode::Change => error.help(format!("put it into a step: `step(\"…\").change(|| {native}(…))`")),
            _ => error.help(format!(
                "put it into a closure, `.verify(\"…\", || {native}(…) …)`, or write `discover(\"…\", sample, || {native}(…))`"
            )),
        }
        .raise());
    };
    if mode > call.mode {
        let error =
            ScriptError::new(ErrorKind::Mode, format!("`{native}` changes something, but this is {}", call.words()));
        return Err(error.at(place).help(format!("put it into `.change(|| {native}(…))`")).raise());
    }
    Ok(Entered { call, place })
}

use std::{
    any::TypeId,
    sync::{Arc, OnceLock},
};

use rhai::{
    AST, Dynamic, Engine, EvalAltResult, FuncRegistration, ImmutableString, Module, NativeCallContext,
    OptimizationLevel, Scope, Shared, Token,
};

use super::{
    declare, error,
    error::{ErrorKind, ScriptError},
    guard, natives, observe,
    resolver::Resolver,
    secret,
};

/// The longest text that a script may make.
const TEXT: usize = 16 << 20;
/// The most entries of an array.
const ENTRIES: usize = 1_000_000;
/// The most entries of a map.
const KEYS: usize = 100_000;
/// How deep an expression may be nested; long builder chains are deep.
const EXPRESSION: usize = 256;
/// How deep functions may call each other.
const CALLS: usize = 64;
/// The most modules that one playbook may import.
const MODULES: usize = 200;
/// The most functions in one script, closures included.
const FUNCTIONS: usize = 2_000;
/// The most variables at one time.
const VARIABLES: usize = 10_000;

/// The engine that playbooks are declared and called with. It knows nothing of any of them: what belongs to one travels
/// as the tag of its calls. Without the natives of a program there is one for all.
pub(super) fn shared(modules: &[crate::effect::Module]) -> Arc<Engine> {
    static PLAIN: OnceLock<Arc<Engine>> = OnceLock::new();
    if modules.is_empty() { PLAIN.get_or_init(|| build(&[]).into()).clone() } else { build(modules).into() }
}

pub(super) fn build(modules: &[crate::effect::Module]) -> Engine {
    let mut engine = reading(Engine::new());
    engine
        .set_max_string_size(TEXT)
        .set_max_array_size(ENTRIES)
        .set_max_map_size(KEYS)
        .set_max_call_levels(CALLS)
        .set_max_modules(MODULES)
        .set_max_functions(FUNCTIONS)
        .set_max_variables(VARIABLES)
        .set_max_operations(0); // cancel and deadline bound a script, not a number of operations
    engine.set_strict_variables(true);
    engine.on_progress(guard::progress);
    // the callback knows no position, so `print` has a native of its own, for each type that the engine has one for
    engine.on_print(|_| ());
    for printed in [
        TypeId::of::<Dynamic>(),
        TypeId::of::<ImmutableString>(),
        TypeId::of::<i64>(),
        TypeId::of::<f64>(),
        TypeId::of::<bool>(),
        TypeId::of::<char>(),
        TypeId::of::<rhai::Array>(),
        TypeId::of::<rhai::Map>(),
    ] {
        engine.register_raw_fn("print", [printed], |context, args| print(&context, args[0].clone()));
    }
    engine.on_debug(|text, source, position| {
        guard::print(&error::place(source.unwrap_or_default(), position), text);
    });
    engine.set_module_resolver(Resolver);
    engine.register_global_module(language());
    observe::register(&mut engine);
    secret::register(&mut engine);
    engine.register_global_module(declare::module());
    for (name, module) in natives::modules() {
        engine.register_static_module(name, module);
    }
    for module in modules {
        engine.register_static_module(module.name(), natives::program(module));
    }
    engine
}

/// An engine that only reads: the language's tokens and nothing to call.
pub(super) fn bare() -> Engine {
    reading(Engine::new_raw())
}

fn reading(mut engine: Engine) -> Engine {
    engine
        .set_optimization_level(OptimizationLevel::None) // others run natives while compiling and hide code from check
        .set_fast_operators(false) // comparisons are observed
        .set_max_expr_depths(EXPRESSION, EXPRESSION)
        .disable_symbol("eval");
    #[allow(deprecated, reason = "it is not deprecated but marked as volatile; the version is pinned")]
    engine.on_parse_token(|token, _, _| word(token));
    engine
}

/// Words that the engine reserves for itself and playbooks need as names: Argo CD's `status.sync`, `.default(…)`.
fn word(token: Token) -> Token {
    const FREED: [&str; 27] = [
        "async",
        "await",
        "case",
        "default",
        "exit",
        "go",
        "goto",
        "is",
        "match",
        "module",
        "new",
        "nil",
        "null",
        "package",
        "protected",
        "public",
        "shared",
        "spawn",
        "static",
        "super",
        "sync",
        "thread",
        "use",
        "var",
        "void",
        "with",
        "yield",
    ];
    match token {
        // `.until("phase")` is said of a hold; a loop goes on `while`
        Token::Until => Token::Identifier(Box::new("until".into())),
        Token::Reserved(name) if FREED.contains(&name.as_str()) => Token::Identifier(name),
        // a missing field carries its path through `.` and `[`; `?.` would lose it
        token => observe::token(token),
    }
}

/// What the language itself adds and takes away, built once.
fn language() -> Shared<Module> {
    static MODULE: OnceLock<Shared<Module>> = OnceLock::new();
    MODULE
        .get_or_init(|| {
            type Nothing = Result<(), Box<EvalAltResult>>;
            let mut module = Module::new();
            let off = |name: &'static str, instead: &'static str| {
                move |context: &NativeCallContext| -> Box<EvalAltResult> {
                    ScriptError::new(ErrorKind::Name, format!("`{name}` is not part of the playbook language"))
                        .at(here(context))
                        .help(instead)
                        .raise()
                }
            };
            let timestamp = off("timestamp", "write `time::now()`");
            let sleep = off("sleep", "write a verify with `.within(\"2m\")`: it waits until something is so");
            let sleep_float = sleep;
            let exit = off("exit", "write `return` in a closure, or `throw \"why\"` to fail");
            let exit_with = exit;
            FuncRegistration::new("timestamp")
                .set_into_module(&mut module, move |context: NativeCallContext| -> Nothing {
                    Err(timestamp(&context))
                });
            FuncRegistration::new("sleep")
                .set_into_module(&mut module, move |context: NativeCallContext, _: i64| -> Nothing {
                    Err(sleep(&context))
                });
            FuncRegistration::new("sleep")
                .set_into_module(&mut module, move |context: NativeCallContext, _: f64| -> Nothing {
                    Err(sleep_float(&context))
                });
            FuncRegistration::new("exit")
                .set_into_module(&mut module, move |context: NativeCallContext| -> Nothing { Err(exit(&context)) });
            FuncRegistration::new("exit")
                .set_into_module(&mut module, move |context: NativeCallContext, _: Dynamic| -> Nothing {
                    Err(exit_with(&context))
                });
            module.build_index();
            module.into()
        })
        .clone()
}

fn print(context: &NativeCallContext, value: Dynamic) -> Result<ImmutableString, Box<EvalAltResult>> {
    let text = match value.clone().into_immutable_string() {
        Ok(text) => text,
        // through the engine, so that a secret inside refuses
        Err(_) => context.call_fn::<ImmutableString>("to_string", (value,))?,
    };
    guard::print(&here(context), &text);
    Ok(text)
}

/// Where a native was called.
pub(super) fn here(context: &NativeCallContext) -> crate::model::Place {
    error::place(context.call_source().unwrap_or_default(), context.call_position())
}

/// Runs a whole script in its own world and gives what it exports. Closures are looked up by name, never by the
/// engine's link: the link forgets which file a closure stands in. `tag` is what natives see meanwhile.
pub(super) fn evaluate(engine: &Engine, ast: &AST, tag: Dynamic) -> Result<Module, Box<EvalAltResult>> {
    let mut global = engine.new_global_runtime_state();
    global.lib.push(Module::new().into());
    global.tag = tag;
    Module::eval_ast_as_new_raw(engine, &mut Scope::new(), &mut global, ast)
}

//! The engine's errors with what a person needs to mend them: the nearest real name, how the thing is written.

use rhai::{Engine, EvalAltResult, ParseError, ParseErrorType};

use super::{
    ErrorKind, ScriptError,
    error::{from_engine, from_parser, typed},
    library::Library,
    names::Names,
    stdlib, suggest,
    usage::{RECEIVERS, methods, usage},
};

/// An error of a running script, in words.
pub(super) fn explain(error: &EvalAltResult, file: &str, engine: &Engine, library: &Library) -> ScriptError {
    let found = from_engine(error, file);
    match error.unwrap_inner() {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => function(found, signature, engine, library),
        EvalAltResult::ErrorModuleNotFound(name, _) => module(found, name, engine, library),
        _ => found,
    }
}

/// A syntax error, in words.
pub(super) fn explain_syntax(
    error: &ParseError,
    file: &str,
    engine: &Engine,
    library: &Library,
    source: &str,
) -> ScriptError {
    let mut found = from_parser(error, file);
    match error.err_type() {
        ParseErrorType::VariableUndefined(name) => {
            if let Some(near) = suggest::nearest(name, declared_names(source).iter().map(String::as_str)) {
                found.help.insert(0, format!("did you mean `{near}`?"));
            }
            found
        }
        ParseErrorType::ModuleUndefined(name) => {
            found.help.clear();
            module(found, name, engine, library)
        }
        _ => found,
    }
}

/// The names that a script declares: `let x`, `const X`, `|x|`, as far as a glance shows them.
fn declared_names(source: &str) -> Vec<String> {
    let words: Vec<&str> =
        source.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
    words.windows(2).filter(|pair| matches!(pair[0], "let" | "const" | "for")).map(|pair| pair[1].to_string()).collect()
}

fn module(mut found: ScriptError, name: &str, engine: &Engine, library: &Library) -> ScriptError {
    found.kind = ErrorKind::Name;
    found.message = format!("no module `{name}`");
    let names = Names::of(engine, library);
    let natives: Vec<&str> = names.modules().keys().map(String::as_str).collect();
    if stdlib::text(name).is_some() {
        return found.help(format!("write `import \"std/{name}\" as {name};` at the top"));
    }
    let near = suggest::nearest(name, natives.iter().copied().chain(stdlib::names().map(|known: &str| known)));
    match near {
        Some(near) if natives.contains(&near) => found.help(format!("did you mean `{near}`?")),
        Some(near) => found.help(format!("did you mean `{near}`? write `import \"std/{near}\" as {near};` at the top")),
        None => found.help(format!("native modules are {}; others are imported", suggest::list(natives))),
    }
}

/// A call that fits nothing: another name, or other arguments.
fn function(mut found: ScriptError, signature: &str, engine: &Engine, library: &Library) -> ScriptError {
    let (path, given) = signature.split_once(" (").unwrap_or((signature, ""));
    let given: Vec<&str> =
        given.trim_end_matches(')').split(", ").map(plain_type).filter(|kind| !kind.is_empty()).collect();
    let names = Names::of(engine, library);
    let (space, name) = path.rsplit_once("::").map_or(("", path), |(space, name)| (space, name.trim()));
    let space = space.trim();
    if !space.is_empty() {
        return qualified(found, space, name, &given, &names, library);
    }
    if let Some(operator) = operator(name, &given) {
        found.kind = ErrorKind::Value;
        found.message = operator;
        return found;
    }
    let receiver = given.first().copied().filter(|kind| RECEIVERS.contains(kind)).unwrap_or_default();
    if let Some(usage) = usage(receiver, name) {
        let got: Vec<String> = given.iter().skip(usize::from(!receiver.is_empty())).map(|kind| typed(kind)).collect();
        found.kind = ErrorKind::Value;
        found.message = match got.as_slice() {
            [] => format!("`{name}` is called without arguments"),
            got => format!("`{name}` does not take {}", got.join(" and ")),
        };
        return found.help(format!("write `{usage}`"));
    }
    if !receiver.is_empty() {
        found.message = format!("a {receiver} has no `.{name}`");
        let known = methods(receiver);
        // what belongs to another handle is not a typo
        let owner = RECEIVERS.iter().find(|other| methods(other).contains(&name));
        return match (suggest::nearest(name, known.iter().copied()), owner) {
            (_, Some(owner)) => found.help(format!("`.{name}` belongs to a {owner}")),
            (Some(near), None) => found.help(format!("did you mean `.{near}`?")),
            (None, None) => found.help(format!("it has {}", suggest::list(known))),
        };
    }
    if names.plain(name).is_some() {
        found.kind = ErrorKind::Value;
        let got: Vec<String> = given.iter().map(|kind| typed(kind)).collect();
        found.message = if got.is_empty() {
            format!("`{name}` is called without arguments")
        } else {
            format!("`{name}` does not take {}", got.join(" and "))
        };
        return found;
    }
    found.message = format!("no function `{name}`");
    let in_module =
        names.modules().iter().find(|(_, functions)| functions.contains_key(name)).map(|(module, _)| module);
    match (in_module, suggest::nearest(name, names.written())) {
        (Some(module), _) => found.help(format!("did you mean `{module}::{name}`?")),
        (None, Some(near)) => found.help(format!("did you mean `{near}`?")),
        (None, None) => found,
    }
}

fn qualified(
    mut found: ScriptError,
    space: &str,
    name: &str,
    given: &[&str],
    names: &Names,
    library: &Library,
) -> ScriptError {
    let exports: Option<Vec<String>> = match names.modules().get(space) {
        Some(functions) => Some(functions.keys().cloned().collect()),
        None => library
            .scripts()
            .iter()
            .find_map(|script| script.imports.get(space).and_then(|path| library.script(path)))
            .map(|script| {
                let functions = script.ast.shared_lib().iter_script_fn_info();
                functions.map(|(_, _, name, ..)| name.to_string()).filter(|name| !name.starts_with("anon$")).collect()
            }),
    };
    let Some(exports) = exports else {
        found.message = format!("no function `{space}::{name}`");
        return found;
    };
    if exports.iter().any(|known| known == name) {
        found.kind = ErrorKind::Value;
        let got: Vec<String> = given.iter().map(|kind| typed(kind)).collect();
        found.message = if got.is_empty() {
            format!("`{space}::{name}` is called without arguments")
        } else {
            format!("`{space}::{name}` does not take {}", got.join(" and "))
        };
        return found;
    }
    found.message = format!("no function `{space}::{name}`");
    match suggest::nearest(name, exports.iter().map(String::as_str)) {
        Some(near) => found.help(format!("did you mean `{space}::{near}`?")),
        None => found.help(format!("`{space}` has {}", suggest::list(&exports))),
    }
}

/// `&str | ImmutableString | String` and the like, as one word.
fn plain_type(kind: &str) -> &str {
    kind.split(" | ").next().unwrap_or(kind).trim()
}

fn operator(name: &str, given: &[&str]) -> Option<String> {
    let [left, right] = given else { return None };
    let doing = match name {
        "+" => "add",
        "-" => "subtract",
        "*" => "multiply",
        "/" => "divide",
        "==" | "!=" | "<" | "<=" | ">" | ">=" => "compare",
        _ => return None,
    };
    Some(format!("cannot {doing} {} and {}", typed(left), typed(right)))
}

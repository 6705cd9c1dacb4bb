use std::collections::HashMap;

use rhai::{
    Dynamic, Engine, EvalAltResult, FnNamespace, GlobalRuntimeState, Module, ModuleResolver, Position, Scope, Shared,
};

use super::{
    call::Tag,
    declare::DeclarationTag,
    engine,
    error::{self, ErrorKind, ScriptError, place},
    library::Library,
    sources::SourceError,
    stdlib, suggest,
};

/// Finds imported modules: `std/…` among those that come with runbook, all others beside the importing file. Whose scripts
/// they are is told by the tag of the call.
pub(super) struct Resolver;

/// What an import came to; none while it is being read.
pub(super) type Loaded = HashMap<String, Option<Shared<Module>>>;

fn load(
    engine: &Engine,
    library: &Library,
    tag: Dynamic,
    path: &str,
    from: &str,
    position: Position,
) -> Result<Shared<Module>, Box<EvalAltResult>> {
    let here = place(from, position);
    let source = library.read(path).map_err(|error| missing(library, path, &error).at(here).raise())?;
    let mut ast = engine.compile(&*source).map_err(|error| error::from_parser(&error, path).raise())?;
    ast.set_source(path);
    library.keep(path, source, ast.clone());
    let mut module = engine::evaluate(engine, &ast, tag)?;
    publish_closures(&mut module);
    Ok(module.into())
}

fn missing(library: &Library, path: &str, error: &SourceError) -> ScriptError {
    let SourceError::Missing(_) = error else {
        return ScriptError::new(ErrorKind::Import, error.to_string());
    };
    let found = ScriptError::new(ErrorKind::Import, format!("no module `{path}`"));
    if let Some(name) = path.strip_prefix("std/") {
        let names: Vec<&str> = stdlib::names().collect();
        return match suggest::nearest(name, names.iter().copied()) {
            Some(near) => found.help(format!("did you mean `std/{near}`?")),
            None => found.help(format!("there are {}", suggest::list(names.iter().map(|name| format!("std/{name}"))))),
        };
    }
    let paths = library.sources().paths();
    let scripts = paths.iter().map(String::as_str).filter(|known| is_script(known));
    match suggest::nearest(path, scripts) {
        Some(near) => found.help(format!("did you mean `{}`?", near.trim_end_matches(".rhai"))),
        None => {
            found.help(format!("write the script to {path}, or mend the path: it is read from the importing file on"))
        }
    }
}

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        _: &Engine,
        source: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        // scripts are always run with a tag, which comes by the other way
        let here = place(source.unwrap_or_default(), position);
        Err(ScriptError::new(ErrorKind::Import, format!("`{path}` cannot be imported here")).at(here).raise())
    }

    fn resolve_raw(
        &self,
        engine: &Engine,
        global: &mut GlobalRuntimeState,
        _: &mut Scope,
        path: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let of_declaration = global.tag.read_lock::<DeclarationTag>().map(|tag| tag.0.library.clone());
        let library = of_declaration.or_else(|| global.tag.read_lock::<Tag>().map(|tag| tag.1.clone()));
        let Some(library) = library else { return self.resolve(engine, global.source(), path, position) };
        let from = global.source().unwrap_or_else(|| library.sources().entry());
        let path = located(path, from).map_err(|error| error.at(place(from, position)).raise())?;
        let known = library.loaded().get(&path).cloned();
        match known {
            Some(Some(module)) => return Ok(module),
            Some(None) => {
                return Err(ScriptError::new(ErrorKind::Import, format!("`{path}` imports itself"))
                    .at(place(from, position))
                    .help("move what both need to a third module")
                    .raise());
            }
            None => {}
        }
        library.loaded().insert(path.clone(), None);
        let result = load(engine, &library, global.tag.clone(), &path, from, position);
        match &result {
            Ok(module) => drop(library.loaded().insert(path, Some(module.clone()))),
            Err(_) => drop(library.loaded().remove(&path)),
        }
        result
    }
}

/// The bundle path of `path`, imported by the file `from`.
pub(super) fn located(path: &str, from: &str) -> Result<String, ScriptError> {
    let refused = |why: &str| Err(ScriptError::new(ErrorKind::Import, format!("`{path}` cannot be imported: {why}")));
    if path.starts_with("std/") {
        return Ok(path.trim_end_matches(".rhai").into());
    }
    if path.is_empty() {
        return refused("it is empty");
    }
    if path.starts_with('/') || path.contains('\\') || path.contains(':') {
        return refused("write a path that is relative to the importing file, with `/`");
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folder = if from.starts_with("std/") { "std" } else { folder };
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return refused("it leads out of the playbook's folder");
                }
            }
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    Ok(if joined.starts_with("std/") || is_script(&joined) { joined } else { format!("{joined}.rhai") })
}

fn is_script(path: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|extension| extension == "rhai")
}

/// Closures that a module returns or exports are looked up by name where they are called, so their names have to be
/// visible from there.
fn publish_closures(module: &mut Module) {
    let mut scratch = Module::new();
    let closures: Vec<_> = module
        .iter_script_fn_info()
        .filter(|(_, _, name, ..)| name.starts_with("anon$"))
        .map(|(.., definition)| definition.clone())
        .collect();
    for definition in closures {
        let hash = scratch.set_script_fn(definition);
        #[allow(deprecated, reason = "marked as volatile; the version is pinned and a test holds the behaviour")]
        module.update_fn_namespace(hash, FnNamespace::Global);
    }
    module.build_index();
}

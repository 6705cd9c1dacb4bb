use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rhai::{Engine, EvalAltResult, FnNamespace, Module, ModuleResolver, Position, Shared};

use super::{
    engine,
    error::{self, ErrorKind, ScriptError, place},
    library::Library,
    sources::SourceError,
    stdlib, suggest,
};

/// Finds imported modules: `std/…` among those that come with runbook, all others beside the importing file.
pub(super) struct Resolver {
    library: Arc<Library>,
    loaded: Mutex<HashMap<String, Option<Shared<Module>>>>,
}

impl Resolver {
    pub(super) fn new(library: Arc<Library>) -> Self {
        Self { library, loaded: Mutex::default() }
    }

    fn load(
        &self,
        engine: &Engine,
        path: &str,
        from: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let here = place(from, position);
        let source = self.library.read(path).map_err(|error| self.missing(path, &error).at(here).raise())?;
        let mut ast = engine.compile(&*source).map_err(|error| error::from_parser(&error, path).raise())?;
        ast.set_source(path);
        self.library.keep(path, source, ast.clone());
        let mut module = engine::evaluate(engine, &ast)?;
        publish_closures(&mut module);
        Ok(module.into())
    }

    fn missing(&self, path: &str, error: &SourceError) -> ScriptError {
        let SourceError::Missing(_) = error else {
            return ScriptError::new(ErrorKind::Import, error.to_string());
        };
        let found = ScriptError::new(ErrorKind::Import, format!("no module `{path}`"));
        if let Some(name) = path.strip_prefix("std/") {
            let names: Vec<&str> = stdlib::names().collect();
            return match suggest::nearest(name, names.iter().copied()) {
                Some(near) => found.help(format!("did you mean `std/{near}`?")),
                None => {
                    found.help(format!("there are {}", suggest::list(names.iter().map(|name| format!("std/{name}")))))
                }
            };
        }
        let paths = self.library.sources().paths();
        let scripts = paths.iter().map(String::as_str).filter(|known| is_script(known));
        match suggest::nearest(path, scripts) {
            Some(near) => found.help(format!("did you mean `{}`?", near.trim_end_matches(".rhai"))),
            None => found
                .help(format!("write the script to {path}, or mend the path: it is read from the importing file on")),
        }
    }
}

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let from = source.unwrap_or_else(|| self.library.sources().entry());
        let path = located(path, from).map_err(|error| error.at(place(from, position)).raise())?;
        let known = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
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
        let mark = |module: Option<Option<Shared<Module>>>| {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            match module {
                Some(module) => drop(loaded.insert(path.clone(), module)),
                None => drop(loaded.remove(&path)),
            }
        };
        mark(Some(None));
        let result = self.load(engine, &path, from, position);
        mark(result.as_ref().ok().map(|module| Some(module.clone())));
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

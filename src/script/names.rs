use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock, OnceLock},
};

use rhai::{Engine, FuncInfo};

use super::library::Library;

/// How many arguments each function takes, by its name.
pub type Functions = BTreeMap<String, BTreeSet<usize>>;

/// The functions and methods that a playbook may call, with how many arguments each takes.
#[derive(Clone, Debug)]
pub struct Names {
    /// What the engine defines, which is the same for all playbooks.
    engine: Arc<Defined>,
    /// Functions that the scripts define, and those of the engine that they define once more.
    scripts: Functions,
}

#[derive(Debug, Default)]
struct Defined {
    /// Functions without a module, methods included; a method's receiver counts as an argument.
    plain: Functions,
    /// Functions of the native modules, by module.
    modules: BTreeMap<String, Functions>,
}

impl Default for Names {
    fn default() -> Self {
        static NONE: LazyLock<Arc<Defined>> = LazyLock::new(Arc::default);
        Self { engine: NONE.clone(), scripts: Functions::new() }
    }
}

impl Names {
    /// Everything that the engine and the loaded scripts define.
    pub(super) fn of(engine: &Engine, library: &Library) -> Self {
        Self::with(Arc::new(Defined::by(engine)), library)
    }

    /// The same, for an engine without the natives of a program: all such define the same, which is collected once.
    pub(super) fn of_plain(engine: &Engine, library: &Library) -> Self {
        static PLAIN: OnceLock<Arc<Defined>> = OnceLock::new();
        Self::with(PLAIN.get_or_init(|| Arc::new(Defined::by(engine))).clone(), library)
    }

    fn with(engine: Arc<Defined>, library: &Library) -> Self {
        let mut scripts = Functions::new();
        for script in library.scripts() {
            for (_, _, name, count, _) in script.ast.shared_lib().iter_script_fn_info() {
                if name.starts_with("anon$") {
                    continue;
                }
                let known = || engine.plain.get(name).cloned().unwrap_or_default();
                scripts.entry(name.into()).or_insert_with(known).insert(count);
            }
        }
        Self { engine, scripts }
    }

    /// With how many arguments a function without a module may be called, or a method, whose receiver counts as one; none
    /// where there is no such function.
    pub fn plain(&self, name: &str) -> Option<&BTreeSet<usize>> {
        self.scripts.get(name).or_else(|| self.engine.plain.get(name))
    }

    /// Functions of the native modules, by module and name.
    pub fn modules(&self) -> &BTreeMap<String, Functions> {
        &self.engine.modules
    }

    /// Names that a person would write: no operators, getters or internals.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.engine
            .plain
            .keys()
            .chain(self.scripts.keys())
            .map(String::as_str)
            .filter(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '_') && !name.contains('$'))
    }
}

impl Defined {
    fn by(engine: &Engine) -> Self {
        let found = RefCell::new(Self::default());
        // thousands of functions have a few hundred names: what is known already is not copied
        let keep = |info: FuncInfo<'_>| -> Option<()> {
            found.borrow_mut().add(&info.namespace, &info.metadata.name, info.metadata.num_params);
            None
        };
        engine.collect_fn_metadata(None, keep, true);
        let mut names = found.into_inner();
        // keywords that look like functions
        for (name, counts) in [
            ("print", &[1][..]),
            ("debug", &[0, 1]),
            ("type_of", &[1]),
            ("Fn", &[1]),
            ("call", &[1, 2, 3, 4, 5, 6]),
            ("curry", &[2, 3, 4, 5, 6]),
            ("is_def_var", &[1]),
            ("is_def_fn", &[2, 3]),
            ("is_shared", &[1]),
        ] {
            for count in counts {
                names.add("", name, *count);
            }
        }
        names
    }

    fn add(&mut self, module: &str, name: &str, count: usize) {
        let functions =
            if module.is_empty() { &mut self.plain } else { self.modules.entry(module.into()).or_default() };
        match functions.get_mut(name) {
            Some(counts) => drop(counts.insert(count)),
            None => drop(functions.insert(name.into(), BTreeSet::from([count]))),
        }
    }
}

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use rhai::{Engine, FuncInfo};

use super::library::Library;

/// The functions and methods that a playbook may call, with how many arguments each takes.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Functions without a module, methods included, by name; a method's receiver counts as an argument.
    pub plain: BTreeMap<String, BTreeSet<usize>>,
    /// Functions of the native modules, by module and name.
    pub modules: BTreeMap<String, BTreeMap<String, BTreeSet<usize>>>,
}

impl Names {
    /// Everything that the engine and the loaded scripts define.
    pub(super) fn of(engine: &Engine, library: &Library) -> Self {
        Self::of_engine(engine).and_scripts(library)
    }

    /// The same, for an engine without the natives of a program: all such define the same, which is collected once.
    pub(super) fn of_plain(engine: &Engine, library: &Library) -> Self {
        static PLAIN: OnceLock<Names> = OnceLock::new();
        PLAIN.get_or_init(|| Self::of_engine(engine)).clone().and_scripts(library)
    }

    fn of_engine(engine: &Engine) -> Self {
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

    fn and_scripts(mut self, library: &Library) -> Self {
        for script in library.scripts() {
            for (_, _, name, count, _) in script.ast.shared_lib().iter_script_fn_info() {
                if !name.starts_with("anon$") {
                    self.add("", name, count);
                }
            }
        }
        self
    }

    fn add(&mut self, module: &str, name: &str, count: usize) {
        let functions =
            if module.is_empty() { &mut self.plain } else { self.modules.entry(module.into()).or_default() };
        match functions.get_mut(name) {
            Some(counts) => drop(counts.insert(count)),
            None => drop(functions.insert(name.into(), BTreeSet::from([count]))),
        }
    }

    /// Names that a person would write: no operators, getters or internals.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.plain
            .keys()
            .map(String::as_str)
            .filter(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '_') && !name.contains('$'))
    }
}

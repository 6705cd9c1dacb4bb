//! The files of a loaded playbook as the walk needs them: function bodies, where closures stand, what imports name.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rhai::{AST, ASTNode, Engine, Expr, FnPtr, Module, Position, Stmt};

use super::polarity;
use super::record::Negative;
use crate::script::text::Text;

/// A function or closure: its parameters (the captured variables of a closure first) and its statements.
#[derive(Debug)]
pub(super) struct Function {
    pub params: Vec<String>,
    pub body: Vec<Stmt>,
}

#[derive(Debug)]
pub(super) struct File {
    source: String,
    functions: HashMap<(String, usize), Function>,
    /// Where the `|` of each closure stands, by the closure's name.
    closures: HashMap<String, Position>,
    /// What each import alias names, as it is written.
    imports: HashMap<String, String>,
    text: OnceLock<Text>,
}

impl File {
    /// The tokens of the file, lexed when first asked for.
    pub fn text(&self, engine: &Engine) -> &Text {
        self.text.get_or_init(|| Text::new(engine, &self.source))
    }
}

/// Where a closure stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClosurePlace {
    /// The file.
    pub file: Arc<str>,
    /// Rhai's name of it. It differs in every process: never journal it.
    pub name: String,
    /// Where its `|` stands; the start of the body for a named function.
    pub position: Position,
    /// The captured variables.
    pub captures: Vec<String>,
}

/// A file and a closure's name.
type Closure = (Arc<str>, String);

/// The files of one loaded playbook, built once per load.
#[derive(Debug, Default)]
pub struct Program {
    files: BTreeMap<Arc<str>, File>,
    negatives: Mutex<HashMap<Closure, Option<Arc<Negative>>>>,
}

impl Program {
    /// No file yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file under the name that its AST has as source (what errors and records call it).
    pub fn add(&mut self, file: &str, source: &str, ast: &AST) {
        let mut closures = HashMap::new();
        let mut imports = HashMap::new();
        ast.walk(&mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Expr(Expr::DynamicConstant(value, position))) => {
                    if let Some(closure) = value.read_lock::<FnPtr>() {
                        closures.insert(closure.fn_name().to_owned(), *position);
                    }
                }
                Some(ASTNode::Stmt(Stmt::Import(import, _))) => {
                    if let Expr::StringConstant(path, _) = &import.0 {
                        imports.insert(import.1.name.to_string(), path.to_string());
                    }
                }
                _ => (),
            }
            true
        });
        let mut functions = HashMap::new();
        for (_, _, name, arity, definition) in ast.shared_lib().iter_script_fn_info() {
            // The body's type is not exported: a module with this one function is, and can be walked.
            let mut alone = Module::new();
            alone.set_script_fn(definition.clone());
            let mut body = Vec::new();
            AST::new_from_module(alone).walk(&mut |path: &[ASTNode]| {
                if let [ASTNode::Stmt(statement)] = path {
                    body.push((*statement).clone());
                }
                true
            });
            let params = definition.params.iter().map(ToString::to_string).collect();
            functions.insert((name.to_owned(), arity), Function { params, body });
        }
        let file = Arc::from(file);
        self.negatives.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        self.files.insert(file, File { source: source.into(), functions, closures, imports, text: OnceLock::new() });
    }

    /// Where a closure or function pointer stands; `None` for a native function, or a closure of another program.
    pub fn closure(&self, closure: &FnPtr) -> Option<ClosurePlace> {
        self.files.keys().find_map(|file| self.closure_in(file, closure))
    }

    /// The same, in one file: for two files with an identical closure at an identical place.
    pub fn closure_in(&self, file: &str, closure: &FnPtr) -> Option<ClosurePlace> {
        let (key, file) = self.files.get_key_value(file)?;
        let name = closure.fn_name();
        let function = file.named(name)?;
        let start = || function.body.first().map_or(Position::NONE, Stmt::position);
        Some(ClosurePlace {
            file: key.clone(),
            name: name.to_owned(),
            position: file.closures.get(name).copied().unwrap_or_else(start),
            captures: function.params.iter().take(closure.curry().len()).cloned().collect(),
        })
    }

    /// The source text of the expression around a place, e.g. of an error.
    pub fn expression(&self, engine: &Engine, file: &str, position: Position) -> Option<&str> {
        Some(self.files.get(file)?.text(engine).around(position)?.text)
    }

    pub(super) fn text(&self, engine: &Engine, file: &str) -> Option<&Text> {
        Some(self.files.get(file)?.text(engine))
    }

    pub(super) fn body(&self, place: &ClosurePlace) -> Option<(&Arc<str>, &[Stmt])> {
        let (file, found) = self.files.get_key_value(&place.file)?;
        Some((file, &found.named(&place.name)?.body))
    }

    /// The bodies of every function of this name in a file (closures have unique names).
    pub(super) fn bodies(&self, file: &str, name: &str) -> impl Iterator<Item = &[Stmt]> {
        let functions = self.files.get(file).into_iter().flat_map(|file| &file.functions);
        functions.filter(move |((own, _), _)| own == name).map(|(_, function)| &*function.body)
    }

    /// The script function that a call in `file` means, and its file.
    pub(super) fn function(
        &self,
        file: &str,
        namespace: &rhai::Namespace,
        name: &str,
        arity: usize,
    ) -> Option<(&Arc<str>, &[Stmt])> {
        let (file, found) = self.files.get_key_value(file)?;
        let target = match namespace.path.len() {
            0 => file,
            1 => self.imported(file, found.imports.get(namespace.root())?)?,
            _ => return None,
        };
        let (target, found) = self.files.get_key_value(target)?;
        Some((target, &found.functions.get(&(name.to_owned(), arity))?.body))
    }

    /// The file that an import means: as written, with its extension, or next to the file that imports it.
    fn imported(&self, from: &str, path: &str) -> Option<&Arc<str>> {
        let path = path.trim_start_matches("./");
        let beside = from.rsplit_once('/').map(|(folder, _)| format!("{folder}/{path}"));
        let written = [beside.as_deref(), Some(path)];
        let names = written.into_iter().flatten().flat_map(|path| [path.to_owned(), format!("{path}.rhai")]);
        names.into_iter().find_map(|name| Some(self.files.get_key_value(&*name)?.0))
    }

    /// The places below a `!`, worked out once per closure.
    pub(super) fn negative(&self, place: &ClosurePlace) -> Option<Arc<Negative>> {
        let key = (place.file.clone(), place.name.clone());
        let mut known = self.negatives.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(key).or_insert_with(|| polarity::negative(self, place).map(Arc::new)).clone()
    }
}

impl File {
    fn named(&self, name: &str) -> Option<&Function> {
        let mut named = self.functions.iter().filter(|((own, _), _)| own == name);
        named.next().map(|(_, function)| function)
    }
}

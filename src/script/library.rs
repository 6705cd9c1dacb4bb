use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use rhai::{AST, ASTNode, Expr, FnPtr, Position, Stmt};

use super::{
    engine,
    error::place,
    resolver::{Loaded, located},
    sources::{SourceError, Sources},
    stdlib,
    text::Text,
};
use crate::model::{Finding, Place};

/// One script as it was read and compiled.
pub(super) struct Script {
    /// Its bundle path; `std/flux` for an embedded one.
    pub(super) path: String,
    /// Its text.
    pub(super) source: Arc<str>,
    /// Its syntax tree.
    pub(super) ast: AST,
    /// Its closures by the name that the engine gives them.
    pub(super) closures: HashMap<String, Shape>,
    /// What its imports are called, and the bundle path of each.
    pub(super) imports: HashMap<String, String>,
    /// Where `discover(…)` stands right before `.on_all()`, and where that stands.
    everywhere: Vec<(Position, Position)>,
    text: OnceLock<Text>,
}

impl Script {
    /// Its tokens with their offsets, made when first asked for.
    pub(super) fn text(&self) -> &Text {
        self.text.get_or_init(|| Text::new(&engine::bare(), &self.source))
    }
}

/// A closure as it is written.
pub(super) struct Shape {
    /// Where its first `|` stands.
    pub(super) position: Position,
    /// Captured variables first, then parameters.
    pub(super) parameters: Vec<String>,
}

/// All scripts of one declaration.
pub(super) struct Library {
    sources: Arc<dyn Sources>,
    scripts: Mutex<BTreeMap<String, Arc<Script>>>,
    findings: Mutex<Vec<Finding>>,
    loaded: Mutex<Loaded>,
}

impl Library {
    pub(super) fn new(sources: Arc<dyn Sources>) -> Self {
        Self { sources, scripts: Mutex::default(), findings: Mutex::default(), loaded: Mutex::default() }
    }

    /// The modules that were imported so far.
    pub(super) fn loaded(&self) -> MutexGuard<'_, Loaded> {
        lock(&self.loaded)
    }

    pub(super) fn sources(&self) -> &Arc<dyn Sources> {
        &self.sources
    }

    /// The text of a script, without a byte order mark. What the bundle holds wins over what is embedded, so that a
    /// resumed run reads what it was started with.
    pub(super) fn read(&self, path: &str) -> Result<Arc<str>, SourceError> {
        let text = match (self.sources.text(path), path.strip_prefix("std/").and_then(stdlib::text)) {
            (Err(SourceError::Missing(_)), Some(embedded)) => Arc::from(embedded),
            (text, _) => text?,
        };
        Ok(text.strip_prefix('\u{feff}').map(Arc::from).unwrap_or(text))
    }

    /// Keeps a compiled script and looks at what can only be seen in the whole.
    pub(super) fn keep(&self, path: &str, source: Arc<str>, ast: AST) -> Arc<Script> {
        let (mut closures, mut imports, mut everywhere) = (HashMap::new(), HashMap::new(), vec![]);
        ast.walk(&mut |nodes: &[ASTNode]| {
            if let Some(ASTNode::Stmt(Stmt::Import(import, _))) = nodes.last()
                && let Expr::StringConstant(target, _) = &import.0
                && let Ok(target) = located(target, path)
            {
                imports.insert(import.1.name.to_string(), target);
            }
            if let Some(ASTNode::Expr(Expr::DynamicConstant(value, position))) = nodes.last()
                && let Some(pointer) = value.read_lock::<FnPtr>()
            {
                let shape = Shape { position: *position, parameters: vec![] };
                closures.insert(pointer.fn_name().to_string(), shape);
            }
            if let Some(ASTNode::Expr(expression)) = nodes.last() {
                everywhere.extend(asks_everywhere(expression));
            }
            true
        });
        for (_, _, name, _, definition) in ast.shared_lib().iter_script_fn_info() {
            if let Some(shape) = closures.get_mut(name) {
                shape.parameters = definition.params.iter().map(ToString::to_string).collect();
            }
        }
        let script =
            Arc::new(Script { path: path.into(), source, ast, closures, imports, everywhere, text: OnceLock::new() });
        self.refuse_twins(&script);
        lock(&self.scripts).insert(path.into(), script.clone());
        script
    }

    /// The engine names a closure by its body and position, so two files can give one name to two closures, and the
    /// wrong one would run silently.
    fn refuse_twins(&self, script: &Script) {
        for other in lock(&self.scripts).values().filter(|other| other.path != script.path) {
            for (name, shape) in &script.closures {
                if let Some(twin) = other.closures.get(name) {
                    let finding = Finding::error(
                        "identical-closures",
                        format!("this closure stands at the same line and column of {} too", other.path),
                    )
                    .at(place(&script.path, shape.position))
                    .with_related(place(&other.path, twin.position), "the other one")
                    .help("move one of the two by a line: they cannot be told apart");
                    lock(&self.findings).push(finding);
                }
            }
        }
    }

    /// Whether the `discover` at this place is asked of every context of the plan.
    pub(super) fn asks_everywhere(&self, discover: &Place) -> bool {
        self.everywhere(discover, |(discover, _)| *discover)
    }

    /// Whether the `.on_all()` at this place stands right behind a `discover(…)`.
    pub(super) fn follows_discover(&self, on_all: &Place) -> bool {
        self.everywhere(on_all, |(_, on_all)| *on_all)
    }

    fn everywhere(&self, at: &Place, which: impl Fn(&(Position, Position)) -> Position) -> bool {
        let script = self.script(&at.file);
        script.is_some_and(|script| script.everywhere.iter().any(|pair| place(&script.path, which(pair)) == *at))
    }

    /// What was found while scripts were loaded.
    pub(super) fn findings(&self) -> Vec<Finding> {
        lock(&self.findings).clone()
    }

    /// All scripts, by path.
    pub(super) fn scripts(&self) -> Vec<Arc<Script>> {
        lock(&self.scripts).values().cloned().collect()
    }

    /// The script with this path.
    pub(super) fn script(&self, path: &str) -> Option<Arc<Script>> {
        lock(&self.scripts).get(path).cloned()
    }

    /// The script that a closure stands in, by the engine's name of it.
    pub(super) fn closure(&self, name: &str) -> Option<Arc<Script>> {
        lock(&self.scripts).values().find(|script| script.closures.contains_key(name)).cloned()
    }

    /// Where a closure stands, by the engine's name of it.
    pub(super) fn closure_place(&self, name: &str) -> Option<Place> {
        let script = self.closure(name)?;
        script.closures.get(name).map(|shape| place(&script.path, shape.position))
    }
}

/// `discover(…).on_all()`: where the two names stand. The value of `discover` is a plain one, which knows nothing of what
/// is called on it, so how it is asked is read from how it is written.
fn asks_everywhere(expression: &Expr) -> Option<(Position, Position)> {
    let Expr::Dot(dot, ..) = expression else { return None };
    let Expr::FnCall(call, discover) = &dot.lhs else { return None };
    let next = match &dot.rhs {
        Expr::Dot(more, ..) | Expr::Index(more, ..) => &more.lhs,
        next => next,
    };
    let Expr::MethodCall(method, on_all) = next else { return None };
    (call.name == "discover" && !call.is_qualified() && method.name == "on_all").then_some((*discover, *on_all))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

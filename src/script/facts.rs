use std::collections::{BTreeMap, BTreeSet};

use rhai::{ASTNode, Expr, FnAccess, Stmt};

use super::{
    Call,
    closure::Closure,
    error::place,
    library::{Library, Script},
    names::Names,
    walk,
};
use crate::model::{Body, Place};

/// A call as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The name before `::`; empty without one.
    pub module: String,
    /// The function or method.
    pub name: String,
    /// How many arguments, without the receiver of a method.
    pub arguments: usize,
    /// Whether it stands after a dot.
    pub method: bool,
    /// The first argument, where it is a literal text.
    pub literal: Option<String>,
    /// The literal texts in the first argument, where it is a list.
    pub listed: Vec<String>,
    /// Where.
    pub place: Place,
}

/// An import as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// What the script calls it.
    pub alias: String,
    /// The bundle path; none where the path is computed.
    pub path: Option<String>,
    /// Whether it stands outside functions and closures.
    pub top: bool,
    /// Whether it was loaded.
    pub loaded: bool,
    /// Where.
    pub place: Place,
}

/// Something that stands within a closure and has no place there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within {
    /// The closure in words, e.g. `a verify of step rollout/publish`.
    pub closure: String,
    /// What it is: a construct (`try`, `switch`, `?? ()`), or a variable's name.
    pub what: String,
    /// Where.
    pub place: Place,
}

/// What is written in the scripts, as plain values: what rules look at.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What exists to be called.
    pub names: Names,
    /// All calls, in the order of files and lines.
    pub calls: Vec<Site>,
    /// All imports.
    pub imports: Vec<Import>,
    /// What each module defines for its importers: bundle path, name, numbers of arguments.
    pub exports: BTreeMap<String, BTreeMap<String, BTreeSet<usize>>>,
    /// Functions that the scripts define, with their places where they are known.
    pub functions: Vec<(String, Place)>,
    /// Keys of maps in the scripts: a closure in a map is called like a method.
    pub keys: BTreeSet<String>,
    /// `try`, `switch` and `?? ()` in verifies and what they call.
    pub in_verifies: Vec<Within>,
    /// Assignments to variables that a closure captured: they change a copy.
    pub lost_assignments: Vec<Within>,
    /// The bundle's paths.
    pub paths: Vec<String>,
}

impl Facts {
    /// What the module of a call defines: a native module, or one that the call's own file imports.
    pub fn functions_of(&self, site: &Site) -> Option<&BTreeMap<String, BTreeSet<usize>>> {
        let import = self.imports.iter().find(|it| it.place.file == site.place.file && it.alias == site.module);
        match import {
            Some(import) => self.exports.get(import.path.as_ref()?),
            None => self.names.modules().get(&site.module),
        }
    }
}

/// Reads all scripts that were loaded.
pub(super) fn gather(names: Names, library: &Library, closures: &BTreeMap<Body, Closure>) -> Facts {
    let mut facts = Facts { names, paths: library.sources().paths(), ..Facts::default() };
    for script in library.scripts() {
        script_facts(&script, library, &mut facts);
    }
    for (body, closure) in closures {
        closure_facts(body, closure, library, &mut facts);
    }
    facts.calls.sort_by(|a, b| a.place.cmp(&b.place));
    facts.imports.sort_by(|a, b| a.place.cmp(&b.place));
    for list in [&mut facts.in_verifies, &mut facts.lost_assignments] {
        list.sort_by(|a, b| (&a.place, &a.what).cmp(&(&b.place, &b.what)));
        list.dedup_by(|a, b| a.place == b.place && a.what == b.what);
    }
    facts
}

fn script_facts(script: &Script, library: &Library, facts: &mut Facts) {
    let mut top = BTreeSet::new();
    script.ast.clone_statements_only().walk(&mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Import(_, position))) = nodes.last() {
            top.insert(*position);
        }
        true
    });
    script.ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some((call, position, method)) = walk::call(nodes.last())
            && call.op_token.is_none()
            && call.name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        {
            facts.calls.push(Site {
                module: if call.namespace.is_empty() { String::new() } else { call.namespace.root().into() },
                name: call.name.to_string(),
                arguments: call.args.len(),
                method,
                literal: match call.args.first() {
                    Some(Expr::StringConstant(text, _)) => Some(text.to_string()),
                    _ => None,
                },
                listed: call.args.first().map(listed).unwrap_or_default(),
                place: place(&script.path, position),
            });
        }
        match nodes.last() {
            Some(ASTNode::Stmt(Stmt::Import(import, position))) => {
                let path = match &import.0 {
                    Expr::StringConstant(text, _) => super::resolver::located(text, &script.path).ok(),
                    _ => None,
                };
                facts.imports.push(Import {
                    alias: import.1.name.to_string(),
                    loaded: path.as_ref().is_some_and(|path| library.script(path).is_some()),
                    path,
                    top: top.contains(position),
                    place: place(&script.path, *position),
                });
            }
            Some(ASTNode::Expr(Expr::Map(entries, _))) => {
                facts.keys.extend(entries.0.iter().map(|(key, _)| key.name.to_string()));
            }
            _ => {}
        }
        true
    });
    let exports = facts.exports.entry(script.path.clone()).or_default();
    for (_, access, name, count, function) in script.ast.shared_lib().iter_script_fn_info() {
        if name.starts_with("anon$") {
            continue;
        }
        facts.functions.push((name.into(), place(&script.path, function.body.start_position())));
        if access == FnAccess::Public {
            exports.entry(name.into()).or_default().insert(count);
        }
    }
}

fn closure_facts(body: &Body, closure: &Closure, library: &Library, facts: &mut Facts) {
    let words = Call::new(body.clone()).words();
    let verifies = matches!(
        body,
        Body::Verify(..)
            | Body::Precheck(..)
            | Body::SkipIf(_)
            | Body::Undone(..)
            | Body::Outcome(_)
            | Body::Assumption(_)
    );
    let captured: BTreeSet<String> = library
        .closure(closure.name())
        .and_then(|script| {
            let shape = script.closures.get(closure.name())?;
            Some(shape.parameters.iter().take(closure.captures().len()).cloned().collect())
        })
        .unwrap_or_default();
    for definition in walk::reachable(library, closure.name()) {
        let path = definition.script.path.clone();
        let mut own = BTreeSet::new();
        let mut found = vec![];
        definition.visit(&mut |nodes| {
            match nodes.last() {
                Some(ASTNode::Stmt(Stmt::TryCatch(_, position))) => found.push((true, "try".to_string(), *position)),
                Some(ASTNode::Stmt(Stmt::Switch(_, position))) => found.push((true, "switch".into(), *position)),
                Some(ASTNode::Expr(Expr::Coalesce(sides, position))) if matches!(sides.last(), Some(Expr::Unit(_))) => {
                    found.push((true, "?? ()".into(), *position));
                }
                Some(ASTNode::Stmt(Stmt::Var(variable, ..))) => drop(own.insert(variable.0.name.to_string())),
                Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
                    if let Expr::Variable(variable, _, position) = &assignment.1.lhs {
                        found.push((false, variable.1.to_string(), *position));
                    }
                }
                _ => {}
            }
            true
        });
        // what a called function assigns is its own
        let closure_text = definition.function.name.starts_with("anon$");
        for (construct, what, position) in found {
            let within = Within { closure: words.clone(), what, place: place(&path, position) };
            if construct && verifies {
                facts.in_verifies.push(within);
            } else if !construct && closure_text && captured.contains(&within.what) && !own.contains(&within.what) {
                facts.lost_assignments.push(within);
            }
        }
    }
}

/// The literal texts of a list, one that is all literals too.
fn listed(argument: &Expr) -> Vec<String> {
    let text = |item: &Expr| match item {
        Expr::StringConstant(text, _) => Some(text.to_string()),
        _ => None,
    };
    match argument {
        Expr::Array(items, _) => items.iter().filter_map(text).collect(),
        Expr::DynamicConstant(list, _) => {
            let items = list.read_lock::<rhai::Array>();
            items.iter().flat_map(|items| items.iter()).filter_map(|item| item.clone().into_string().ok()).collect()
        }
        _ => vec![],
    }
}

/// The path that an argument of a command may be: `manifests/a.yaml`, `@patch.yaml`, `--values=values.yaml`.
pub(crate) fn path_in(argument: &str) -> Option<&str> {
    let value = match argument.strip_prefix('-') {
        Some(flag) => flag.split_once('=')?.1,
        None => argument,
    };
    let path = value.trim_start_matches('@').trim_end_matches('/');
    let looks_like_one = path.contains(['/', '.']) && !path.contains(char::is_whitespace) && !path.contains("://");
    (looks_like_one && !path.trim_matches(['.', '/']).is_empty()).then_some(path)
}

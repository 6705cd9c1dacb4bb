//! The bodies of functions and closures, and what can be reached from one.

use std::{collections::BTreeSet, sync::Arc};

use rhai::{AST, ASTNode, Expr, FnCallExpr, FnPtr, Module, Position, ScriptFuncDef, Shared, Stmt};

use super::library::{Library, Script};

/// A function or closure with the script that it stands in.
pub(super) struct Definition {
    pub(super) script: Arc<Script>,
    pub(super) function: Shared<ScriptFuncDef>,
}

impl Definition {
    /// Visits every node of its body; nested closures are their own definitions.
    pub(super) fn visit(&self, visit: &mut dyn FnMut(&[ASTNode]) -> bool) {
        let mut module = Module::new();
        module.set_script_fn(self.function.clone());
        AST::new_from_module(module).walk(visit);
    }
}

/// The call that a node is, if it is one.
pub(super) fn call<'n>(node: Option<&'n ASTNode<'n>>) -> Option<(&'n FnCallExpr, Position, bool)> {
    match node? {
        ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position)) => {
            Some((call, *position, false))
        }
        ASTNode::Expr(Expr::MethodCall(call, position)) => Some((call, *position, true)),
        _ => None,
    }
}

/// The closure that starts with this name, and all script functions and closures that it can come to.
pub(super) fn reachable(library: &Library, name: &str) -> Vec<Definition> {
    let mut found = vec![];
    let mut seen = BTreeSet::new();
    let mut open: Vec<(Arc<Script>, String)> =
        library.closure(name).into_iter().map(|script| (script, name.to_string())).collect();
    while let Some((script, name)) = open.pop() {
        if !seen.insert((script.path.clone(), name.clone())) {
            continue;
        }
        let functions: Vec<_> = script
            .ast
            .shared_lib()
            .iter_script_fn_info()
            .filter(|(_, _, known, ..)| *known == name)
            .map(|(.., function)| function.clone())
            .collect();
        for function in functions {
            let definition = Definition { script: script.clone(), function };
            definition.visit(&mut |nodes| {
                if let Some((call, ..)) = self::call(nodes.last()) {
                    let target = if call.namespace.is_empty() {
                        Some(script.clone())
                    } else {
                        script.imports.get(call.namespace.root()).and_then(|path| library.script(path))
                    };
                    open.extend(target.map(|target| (target, call.name.to_string())));
                }
                if let Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) = nodes.last()
                    && let Some(pointer) = value.read_lock::<FnPtr>()
                {
                    open.push((script.clone(), pointer.fn_name().to_string()));
                }
                true
            });
            found.push(definition);
        }
    }
    // functions come in no order of their own
    found.sort_by(|a, b| {
        (&a.script.path, a.function.body.start_position()).cmp(&(&b.script.path, b.function.body.start_position()))
    });
    found
}

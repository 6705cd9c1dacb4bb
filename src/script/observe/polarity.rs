//! Which comparisons stand below an odd number of `!`. A miss answers so that the whole comes out false: false as a rule,
//! true below a `!`. So `||` goes on to its other branches, and a true result is true whatever the missing value becomes.

use std::collections::HashSet;
use std::sync::Arc;

use rhai::{Expr, FnCallExpr, Position, Stmt};

use super::program::{ClosurePlace, Program};
use super::record::Negative;
use super::tree::{find_let, last_method};

/// The places below a `!` in a closure's last expression; `None` where there is none.
pub(super) fn negative(program: &Program, place: &ClosurePlace) -> Option<Negative> {
    let (file, body) = program.body(place)?;
    let mut descent =
        Descent { program: Some(program), signs: Default::default(), variables: HashSet::new(), seen: HashSet::new() };
    descent.block(file, body, &[], false);
    let [positive, negative] = descent.signs;
    // What a function called in both ways compares is answered as usual; the walk stays right, only less patient.
    let negative: Negative = negative.difference(&positive).cloned().collect();
    (!negative.is_empty()).then_some(negative)
}

/// The places of the variables that are parts of the boolean tree of a body's last expression.
pub(super) fn variables_in_tree(body: &[Stmt]) -> HashSet<Position> {
    let mut descent =
        Descent { program: None, signs: Default::default(), variables: HashSet::new(), seen: HashSet::new() };
    descent.block(&"".into(), body, &[], false);
    descent.variables
}

struct Descent<'p> {
    /// Absent where calls are not followed.
    program: Option<&'p Program>,
    signs: [Negative; 2],
    variables: HashSet<Position>,
    /// Bodies that were followed, by address and sign.
    seen: HashSet<(*const Stmt, bool)>,
}

impl<'p> Descent<'p> {
    fn leaf(&mut self, file: &Arc<str>, position: Position, negated: bool) {
        self.signs[usize::from(negated)].insert((file.clone(), position));
    }

    fn block(&mut self, file: &Arc<str>, block: &'p [Stmt], outer: &[&'p Stmt], negated: bool) {
        let Some(last) = block.iter().rposition(|s| !s.is_noop()) else { return };
        let before: Vec<&Stmt> = outer.iter().copied().chain(&block[..last]).collect();
        match &block[last] {
            Stmt::Expr(e) | Stmt::Return(Some(e), ..) => self.expr(file, e, &before, negated),
            Stmt::FnCall(call, position) => self.call(file, call, *position, &before, negated),
            Stmt::Block(block) => self.block(file, block.statements(), &before, negated),
            Stmt::If(flow, _) => {
                self.expr(file, &flow.expr, &before, negated);
                self.block(file, flow.body.statements(), &before, negated);
                self.block(file, flow.branch.statements(), &before, negated);
            }
            _ => (),
        }
    }

    fn expr(&mut self, file: &Arc<str>, e: &'p Expr, before: &[&'p Stmt], negated: bool) {
        match e {
            Expr::And(all, _) | Expr::Or(all, _) => all.iter().for_each(|e| self.expr(file, e, before, negated)),
            Expr::Stmt(block) => self.block(file, block.statements(), before, negated),
            Expr::FnCall(call, position) => self.call(file, call, *position, before, negated),
            Expr::Variable(variable, _, position) if variable.2.is_empty() => {
                self.variables.insert(*position);
                if let Some((value, i)) = find_let(before, &variable.1) {
                    self.expr(file, value, &before[..i], negated);
                }
            }
            e => {
                if let Some((call, position)) = last_method(e) {
                    self.call(file, call, position, before, negated);
                }
            }
        }
    }

    fn call(&mut self, file: &Arc<str>, call: &'p FnCallExpr, position: Position, before: &[&'p Stmt], negated: bool) {
        if let ("!", [inner]) = (call.name.as_str(), &*call.args) {
            return self.expr(file, inner, before, !negated);
        }
        self.leaf(file, position, negated);
        let Some(program) = self.program else { return };
        if let Some((file, body)) = program.function(file, &call.namespace, &call.name, call.args.len())
            && self.seen.insert((body.as_ptr(), negated))
        {
            self.block(file, body, &[], negated);
        }
    }
}

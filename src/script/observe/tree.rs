//! The three-valued walk over a closure's last expression. A cursor runs over the records in the order in which they were
//! made; short-circuits are replayed from what the script was told, so a helper that is called twice is told apart.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rhai::{ASTFlags, ASTNode, Dynamic, Expr, FnCallExpr, FnPtr, Position, Stmt};

use super::compare::records;
use super::polarity::variables_in_tree;
use super::program::{ClosurePlace, Program};
use super::record::{Outcome, Record};

/// Calls of script functions within each other that are followed.
const MOST_CALLS: usize = 32;
/// Expressions that are visited; a walk over more explains no more.
const MOST_NODES: usize = 20_000;

/// A part of the boolean tree with its value.
#[derive(Debug)]
pub(super) struct Leaf {
    pub file: Arc<str>,
    pub position: Position,
    /// Its record; a property, a variable or a call that records nothing has none.
    pub record: Option<usize>,
    /// It is written `!in`.
    pub not_in: bool,
    /// Records that were made in its operands.
    pub inner: Vec<usize>,
    /// Its value where it has no record but follows from the result.
    pub value: Option<bool>,
    /// It stands in the closure itself, where captured variables are frozen.
    pub in_closure: bool,
}

/// What the walk found.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub leaves: Vec<Leaf>,
    /// The value of the whole: `None` where it depends on something missing.
    pub truth: Option<bool>,
    /// The records that stand in the tree.
    pub taken: HashSet<usize>,
    /// A record was expected where there is none, or a value also steers something outside the tree: a miss cannot be
    /// judged by the tree.
    pub unsure: bool,
}

pub(super) fn walk(program: &Program, place: &ClosurePlace, made: &[Record], result: Option<bool>) -> Tree {
    let Some((file, body)) = program.body(place) else { return Tree { unsure: true, ..Tree::default() } };
    let misses = made.iter().any(|r| matches!(r.outcome, Outcome::Missing(_)));
    let mut walk = Walk {
        program,
        made,
        misses,
        at: 0,
        tree: Tree::default(),
        shown: HashSet::new(),
        quiet: 0,
        statements: false,
        depth: 0,
        nodes: 0,
    };
    let frame = Frame { file, body, in_closure: true, starts: RefCell::default() };
    let node = walk.function(&frame, result);
    walk.tree.truth = node.truth;
    walk.tree.unsure |= misses && walk.statements && walk.ambiguous();
    walk.tree
}

/// A function body that is being walked.
struct Frame<'p> {
    file: &'p Arc<str>,
    body: &'p [Stmt],
    in_closure: bool,
    /// Where the records of each `let` begin.
    starts: RefCell<HashMap<*const Stmt, usize>>,
}

/// What a part of the tree came to: what the script was told, and what is true.
#[derive(Clone, Copy)]
struct Node {
    told: Option<bool>,
    truth: Option<bool>,
}

impl Node {
    fn of(value: Option<bool>) -> Self {
        Self { told: value, truth: value }
    }
}

struct Walk<'p> {
    program: &'p Program,
    made: &'p [Record],
    /// Something was missing: the tree has to account for it.
    misses: bool,
    at: usize,
    tree: Tree,
    /// Records that have a leaf.
    shown: HashSet<usize>,
    /// Above 0 only the cursor moves and records are taken.
    quiet: usize,
    /// Something else than `let` stands before a last expression: a condition, a loop, an early `return`.
    statements: bool,
    depth: usize,
    nodes: usize,
}

/// The body without statements.
const NOTHING: Stmt = Stmt::Noop(Position::NONE);

/// The `let` that a name means, among the statements before.
pub(super) fn find_let<'p>(before: &[&'p Stmt], name: &str) -> Option<(&'p Expr, usize)> {
    before.iter().enumerate().rev().find_map(|(i, statement)| match statement {
        Stmt::Var(var, ..) if var.0.name == name => Some((&var.1, i)),
        _ => None,
    })
}

/// The method call that a chain ends with: `a.b.c()`.
pub(super) fn last_method(e: &Expr) -> Option<(&FnCallExpr, Position)> {
    match e {
        Expr::MethodCall(call, position) => Some((call, *position)),
        Expr::Dot(chain, ..) => last_method(&chain.rhs),
        Expr::Index(chain, flags, _) if !flags.contains(ASTFlags::BREAK) => last_method(&chain.rhs),
        _ => None,
    }
}

/// Where the last property or index of a chain is read: Rhai gives its `.` or `[`.
fn last_property(e: &Expr) -> Option<Position> {
    match e {
        Expr::Dot(chain, _, position) => match &chain.rhs {
            Expr::Property(..) => Some(*position),
            rest => last_property(rest),
        },
        Expr::Index(chain, flags, position) => {
            let deeper = if flags.contains(ASTFlags::BREAK) { None } else { last_property(&chain.rhs) };
            deeper.or(Some(*position))
        }
        _ => None,
    }
}

impl<'p> Walk<'p> {
    fn function(&mut self, frame: &Frame<'p>, known: Option<bool>) -> Node {
        // After an early `return` the result says nothing about the last expression.
        let (_, before) = frame.body.split_last().unwrap_or((&NOTHING, &[]));
        let returns = contains(before, |node| matches!(node, ASTNode::Stmt(Stmt::Return(..))));
        self.block(frame, frame.body, &[], known.filter(|_| !returns))
    }

    fn block(&mut self, frame: &Frame<'p>, block: &'p [Stmt], outer: &[&'p Stmt], known: Option<bool>) -> Node {
        let Some(last) = block.iter().rposition(|s| !s.is_noop()) else { return Node::of(known) };
        let before: Vec<&Stmt> = outer.iter().copied().chain(&block[..last]).collect();
        for i in outer.len()..before.len() {
            self.statement(frame, &before, i);
        }
        self.last(frame, &block[last], &before, known)
    }

    /// A statement before the last one. The comparisons of a `let` are part of the tree where it is read there; where a
    /// short-circuit left it unread, its misses bear on nothing, provided that nothing else reads it.
    fn statement(&mut self, frame: &Frame<'p>, before: &[&'p Stmt], i: usize) {
        let Stmt::Var(var, ..) = before[i] else {
            self.statements |= !matches!(before[i], Stmt::Noop(_) | Stmt::Share(_) | Stmt::Import(..));
            return;
        };
        frame.starts.borrow_mut().insert(std::ptr::from_ref(before[i]), self.at);
        let taken = self.misses.then(|| self.tree.taken.clone());
        let unsure = self.tree.unsure;
        self.quiet += 1;
        self.expr(frame, &var.1, &before[..i], None);
        self.quiet -= 1;
        self.tree.unsure = unsure;
        if let Some(taken) = taken
            && used_elsewhere(frame.body, &var.0.name)
        {
            self.tree.taken = taken;
        }
    }

    fn last(&mut self, frame: &Frame<'p>, last: &'p Stmt, before: &[&'p Stmt], known: Option<bool>) -> Node {
        match last {
            Stmt::Expr(e) => self.expr(frame, e, before, known),
            Stmt::Return(Some(e), flags, _) if !flags.contains(ASTFlags::BREAK) => self.expr(frame, e, before, known),
            Stmt::FnCall(call, position) => self.call(frame, call, *position, None, before, known),
            Stmt::Block(block) => self.block(frame, block.statements(), before, known),
            Stmt::If(flow, _) => {
                let condition = self.expr(frame, &flow.expr, before, None);
                let Some(told) = condition.told else { return Node::of(known) };
                let branch = if told { &flow.body } else { &flow.branch };
                let mut node = self.block(frame, branch.statements(), before, known);
                if condition.truth.is_none() {
                    node.truth = None;
                }
                node
            }
            _ => Node::of(known),
        }
    }

    fn expr(&mut self, frame: &Frame<'p>, e: &'p Expr, before: &[&'p Stmt], known: Option<bool>) -> Node {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            self.tree.unsure = true;
            return Node::of(known);
        }
        match e {
            Expr::And(parts, _) => self.junction(frame, parts, before, known, false),
            Expr::Or(parts, _) => self.junction(frame, parts, before, known, true),
            Expr::BoolConstant(bool, _) => Node::of(Some(*bool)),
            Expr::Stmt(block) => self.block(frame, block.statements(), before, known),
            Expr::FnCall(call, position) => self.call(frame, call, *position, Some(e), before, known),
            Expr::Variable(variable, ..) if variable.2.is_empty() => {
                self.variable(frame, e, &variable.1, before, known)
            }
            _ => match last_method(e) {
                Some((call, position)) => self.call(frame, call, position, Some(e), before, known),
                None => match last_property(e).and_then(|position| self.find(frame.file, position)) {
                    Some(k) => self.leaf(frame, self.made[k].position, k, &[e]),
                    None => self.opaque(frame, e, e.start_position(), known),
                },
            },
        }
    }

    /// `&&` (which ends at the first false) and `||` (at the first true).
    fn junction(
        &mut self,
        frame: &Frame<'p>,
        parts: &'p [Expr],
        before: &[&'p Stmt],
        known: Option<bool>,
        ends_at: bool,
    ) -> Node {
        let mut truth = Some(!ends_at);
        let mut all_told = true;
        for (i, part) in parts.iter().enumerate() {
            let known = match known {
                Some(known) if known != ends_at => Some(known),
                Some(known) if all_told && i + 1 == parts.len() => Some(known),
                _ => None,
            };
            let node = self.expr(frame, part, before, known);
            truth = match (truth, node.truth) {
                (Some(t), _) | (_, Some(t)) if t == ends_at => Some(ends_at),
                (None, _) | (_, None) => None,
                _ => Some(!ends_at),
            };
            match node.told {
                Some(told) if told == ends_at => return Node { told: Some(ends_at), truth },
                Some(_) => (),
                None => all_told = false,
            }
        }
        Node { told: if all_told { Some(!ends_at) } else { known }, truth }
    }

    fn variable(
        &mut self,
        frame: &Frame<'p>,
        e: &'p Expr,
        name: &str,
        before: &[&'p Stmt],
        known: Option<bool>,
    ) -> Node {
        let assigned = || {
            contains(frame.body, |node| match node {
                ASTNode::Stmt(Stmt::Assignment(x)) => matches!(&x.1.lhs, Expr::Variable(v, ..) if v.1 == name),
                _ => false,
            })
        };
        match find_let(before, name) {
            Some((value, i)) if !assigned() => {
                // Its comparisons were made before those that the cursor has passed.
                let (at, seen) = (self.at, self.tree.leaves.len());
                let start = frame.starts.borrow().get(&std::ptr::from_ref(before[i])).copied();
                self.at = start.unwrap_or(at);
                let node = self.expr(frame, value, &before[..i], known);
                self.at = self.at.max(at);
                let missing =
                    |leaf: &Leaf| leaf.record.is_some_and(|k| matches!(self.made[k].outcome, Outcome::Missing(_)));
                if self.tree.leaves[seen..].iter().any(missing) && used_elsewhere(frame.body, name) {
                    self.tree.unsure = true;
                }
                node
            }
            _ => self.opaque(frame, e, e.position(), known),
        }
    }

    fn call(
        &mut self,
        frame: &Frame<'p>,
        call: &'p FnCallExpr,
        position: Position,
        e: Option<&'p Expr>,
        before: &[&'p Stmt],
        known: Option<bool>,
    ) -> Node {
        if let ("!", [inner]) = (call.name.as_str(), &*call.args) {
            let leaves = self.tree.leaves.len();
            let node = self.expr(frame, inner, before, known.map(|known| !known));
            // `x !in y` is a `!` at the place of its `in`.
            if let Expr::FnCall(_, inner) = inner
                && *inner == position
                && let Some(leaf) = self.tree.leaves.get_mut(leaves)
            {
                leaf.not_in = true;
            }
            return Node { told: node.told.map(|told| !told), truth: node.truth.map(|truth| !truth) };
        }
        let called = self.program.function(frame.file, &call.namespace, &call.name, call.args.len());
        if let Some((file, body)) = called {
            if self.depth >= MOST_CALLS {
                self.tree.unsure = true;
                return Node::of(known);
            }
            self.depth += 1;
            let frame = Frame { file, body, in_closure: false, starts: RefCell::default() };
            let node = self.function(&frame, known);
            self.depth -= 1;
            return node;
        }
        if let Some(k) = self.find(frame.file, position) {
            return match e {
                Some(e) => self.leaf(frame, position, k, &[e]),
                None => self.leaf(frame, position, k, &call.args.iter().collect::<Vec<_>>()),
            };
        }
        if records(&call.name) {
            // It was not evaluated: an early `return`.
            self.tree.unsure = true;
            return Node::of(known);
        }
        match e {
            Some(e) => self.opaque(frame, e, position, known),
            None => self.silent(frame, position, known, Vec::new()),
        }
    }

    /// The next record that was made at a place.
    fn find(&self, file: &str, position: Position) -> Option<usize> {
        let after = self.made.get(self.at..)?;
        let found = after.iter().position(|r| r.position == position && r.file.as_deref().unwrap_or("") == file)?;
        Some(self.at + found)
    }

    /// A part that has a record; `within` is what was evaluated for it.
    fn leaf(&mut self, frame: &Frame<'p>, position: Position, k: usize, within: &[&Expr]) -> Node {
        let record = &self.made[k];
        let mut inner = if self.quiet > 0 { Vec::new() } else { self.top_level(self.at, record.from) };
        if !inner.is_empty() {
            let mut places = HashSet::new();
            for e in within {
                self.places(frame.file, e, &mut places, 0);
            }
            inner.retain(|i| self.stands_in(*i, &places));
        }
        self.at = k + 1;
        self.tree.taken.insert(k);
        if self.quiet == 0 && self.shown.insert(k) {
            self.tree.leaves.push(Leaf {
                file: frame.file.clone(),
                position,
                record: Some(k),
                not_in: false,
                inner,
                value: None,
                in_closure: frame.in_closure,
            });
        }
        let truth = match record.outcome {
            Outcome::Known(bool) => Some(bool),
            Outcome::Missing(_) | Outcome::Group => None,
        };
        Node { told: Some(record.answered), truth }
    }

    /// A property, a variable, a native that records nothing: what its closures recorded follows the cursor.
    fn opaque(&mut self, frame: &Frame<'p>, e: &'p Expr, position: Position, known: Option<bool>) -> Node {
        let mut inner = Vec::new();
        if self.quiet == 0 && self.at < self.made.len() {
            let mut places = HashSet::new();
            self.places(frame.file, e, &mut places, 0);
            let mut end = self.at;
            while end < self.made.len()
                && self.made[end..].iter().any(|r| r.from <= end)
                && self.stands_in(end, &places)
            {
                end += 1;
            }
            inner = self.top_level(self.at, end);
            self.at = end;
        }
        self.silent(frame, position, known, inner)
    }

    fn silent(&mut self, frame: &Frame<'p>, position: Position, known: Option<bool>, inner: Vec<usize>) -> Node {
        let leaf = Leaf {
            file: frame.file.clone(),
            position,
            record: None,
            not_in: false,
            inner,
            value: known,
            in_closure: frame.in_closure,
        };
        if self.quiet == 0 {
            self.tree.leaves.push(leaf);
        }
        Node::of(known)
    }

    /// Whether a record that was taken may be one of another turn or call at the same place.
    fn ambiguous(&self) -> bool {
        let mut seen = HashMap::new();
        for (k, record) in self.made.iter().enumerate() {
            let (count, taken) = seen.entry((&record.file, record.position)).or_insert((0, false));
            *count += 1;
            *taken |= self.tree.taken.contains(&k);
        }
        seen.values().any(|(count, taken)| *taken && *count > 1)
    }

    fn stands_in(&self, k: usize, places: &HashSet<(Arc<str>, Position)>) -> bool {
        let record = &self.made[k];
        places.contains(&(record.file.clone().unwrap_or_else(|| "".into()), record.position))
    }

    /// The records from `begin` to `end` that were not made inside another of them.
    fn top_level(&self, begin: usize, end: usize) -> Vec<usize> {
        top_level(self.made, begin, end)
    }

    /// Where the calls of an expression stand, with those of the closures and script functions in it.
    fn places(&self, file: &Arc<str>, e: &Expr, places: &mut HashSet<(Arc<str>, Position)>, depth: usize) {
        let mut called = Vec::new();
        e.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
            if let Some(node) = path.last() {
                self.place(file, node, places, &mut called);
            }
            true
        });
        self.places_of(called, places, depth);
    }

    fn places_of(&self, called: Called<'p>, places: &mut HashSet<(Arc<str>, Position)>, depth: usize) {
        if depth >= 8 {
            return;
        }
        for (file, bodies) in called {
            let mut called = Vec::new();
            for body in bodies {
                contains(body, |node| {
                    self.place(&file, node, places, &mut called);
                    false
                });
            }
            self.places_of(called, places, depth + 1);
        }
    }

    fn place(
        &self,
        file: &Arc<str>,
        node: &ASTNode,
        places: &mut HashSet<(Arc<str>, Position)>,
        called: &mut Called<'p>,
    ) {
        match node {
            ASTNode::Expr(Expr::FnCall(call, position) | Expr::MethodCall(call, position))
            | ASTNode::Stmt(Stmt::FnCall(call, position)) => {
                let new = places.insert((file.clone(), *position));
                if let Some((file, body)) = self.program.function(file, &call.namespace, &call.name, call.args.len())
                    && new
                {
                    called.push((file.clone(), vec![body]));
                }
            }
            ASTNode::Expr(Expr::DynamicConstant(value, _)) => {
                let closure = |value: &Dynamic| value.read_lock::<FnPtr>().map(|f| f.fn_name().to_owned());
                if let Some(name) = closure(value) {
                    called.push((file.clone(), self.program.bodies(file, &name).collect()));
                }
            }
            _ => (),
        }
    }
}

type Called<'p> = Vec<(Arc<str>, Vec<&'p [Stmt]>)>;

/// The records from `begin` to `end` that were not made inside another of them.
pub(super) fn top_level(made: &[Record], begin: usize, end: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut next = end.min(made.len());
    while next > begin {
        let k = next - 1;
        found.push(k);
        next = made[k].from.min(k);
    }
    found.reverse();
    found
}

/// Whether a node of these statements answers true.
fn contains(body: &[Stmt], mut wanted: impl FnMut(&ASTNode) -> bool) -> bool {
    let mut found = false;
    for statement in body {
        statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
            found = found || path.last().is_some_and(&mut wanted);
            !found
        });
    }
    found
}

/// Whether a variable does more than being a part of the boolean tree.
fn used_elsewhere(body: &[Stmt], name: &str) -> bool {
    let inside = variables_in_tree(body);
    contains(body, |node| match node {
        ASTNode::Expr(Expr::Variable(v, _, position)) => v.1 == name && !inside.contains(position),
        _ => false,
    })
}

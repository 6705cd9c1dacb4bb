//! From records to observations: source text, expected and observed side, what was compared inside.

use std::collections::HashSet;

use rhai::{Dynamic, Engine, Position};
use serde_json::Value;

use super::missing::missing_of;
use super::program::{ClosurePlace, Program};
use super::record::{Outcome, Record};
use super::tree::{Leaf, Tree, top_level};
use super::value::shown;
use crate::model::{Observation, Place};
use crate::script::text::Side;

/// So many observations are shown of one evaluation, and so many inside one.
const MOST: usize = 64;
const MOST_INNER: usize = 12;

pub(super) struct Explain<'e> {
    pub program: &'e Program,
    pub engine: &'e Engine,
    pub closure: &'e ClosurePlace,
    pub made: &'e [Record],
}

impl Explain<'_> {
    /// The leaves of the tree, or, where an early `return` left none, everything that was recorded.
    pub fn tree(&self, tree: &Tree) -> Vec<Observation> {
        let in_tree = !tree.taken.is_empty() || self.made.is_empty();
        if in_tree && !tree.leaves.is_empty() {
            return tree.leaves.iter().take(MOST).map(|leaf| self.leaf(leaf)).collect();
        }
        let remaining = top_level(self.made, 0, self.made.len());
        let compared = remaining.into_iter().filter(|k| !self.made[*k].is_property());
        compared.take(MOST_INNER).map(|k| self.record(k, true)).collect()
    }

    fn leaf(&self, leaf: &Leaf) -> Observation {
        let mut observation = match leaf.record {
            Some(k) => self.record(k, leaf.in_closure),
            None => self.silent(leaf),
        };
        if leaf.not_in {
            observation.operator = "!in".into();
            observation.holds = observation.holds.map(|holds| !holds);
        }
        let inner = leaf.inner.iter().take(MOST_INNER).map(|k| self.record(*k, leaf.in_closure));
        observation.inner.splice(0..0, inner);
        observation
    }

    fn silent(&self, leaf: &Leaf) -> Observation {
        let text = self.program.text(self.engine, &leaf.file).and_then(|text| text.around(leaf.position));
        Observation {
            place: Some(place(&leaf.file, leaf.position)),
            expression: text.map(|around| around.text.to_owned()).unwrap_or_default(),
            operator: String::new(),
            expected: None,
            observed: leaf.value.map(Value::Bool),
            holds: leaf.value,
            reason: None,
            inner: Vec::new(),
        }
    }

    fn record(&self, k: usize, in_closure: bool) -> Observation {
        let record = &self.made[k];
        let file = record.file.as_ref().unwrap_or(&self.closure.file);
        let around = self.program.text(self.engine, file).and_then(|text| text.around(record.position));
        let is_call = around.as_ref().is_some_and(|around| around.is_call);
        let operator = if is_call && *record.operator == *"in" { "contains" } else { &record.operator };
        let (expected, observed) = match &record.sides {
            // A bool that was read stands for itself.
            None if record.is_property() => (None, Some(Value::Bool(record.answered))),
            None => (None, None),
            Some((left, right)) if is_call => {
                // `list.contains(x)`: the list was seen, its argument expected.
                let swapped = operator == "contains";
                let (seen, expected) = if swapped { (right, left) } else { (left, right) };
                (side(expected), side(seen))
            }
            Some((left, right)) => {
                let fixed = |side: &Side| match side {
                    Side::Literal => true,
                    Side::Variable(name) => in_closure && self.closure.captures.contains(name),
                    Side::Other => false,
                };
                let left_is_expected = around.as_ref().is_some_and(|a| fixed(&a.left) && !fixed(&a.right));
                if left_is_expected { (side(left), side(right)) } else { (side(right), side(left)) }
            }
        };
        let mut reason = record.extra.as_ref().and_then(|extra| extra.reason.clone());
        let holds = match &record.outcome {
            Outcome::Known(bool) => Some(*bool),
            Outcome::Missing(text) => {
                reason.get_or_insert_with(|| text.clone());
                None
            }
            Outcome::Group => None,
        };
        Observation {
            place: Some(place(file, record.position)),
            expression: around.map(|around| around.text.to_owned()).unwrap_or_default(),
            operator: operator.into(),
            expected,
            observed,
            holds,
            reason,
            inner: self.inside(record),
        }
    }

    /// What was compared for the elements worth showing, each with the element's name.
    fn inside(&self, record: &Record) -> Vec<Observation> {
        let Some(extra) = &record.extra else { return Vec::new() };
        let mut inner = extra.ready.clone();
        for (name, from, to) in &extra.elements {
            for k in top_level(self.made, *from, *to) {
                let mut observation = self.record(k, true);
                observation.reason = Some(match observation.reason.take() {
                    Some(reason) => format!("{name}: {reason}"),
                    None => name.clone(),
                });
                inner.push(observation);
            }
        }
        inner.truncate(MOST_INNER);
        inner
    }

    /// The first miss that the tree does not account for.
    pub fn unaccounted(&self, taken: &HashSet<usize>) -> Option<String> {
        let mut made = self.made.iter().enumerate();
        made.find_map(|(k, record)| match &record.outcome {
            Outcome::Missing(text) if !record.absorbed && !taken.contains(&k) => Some(text.clone()),
            _ => None,
        })
    }
}

fn side(value: &Dynamic) -> Option<Value> {
    if missing_of(value).is_some() { None } else { Some(shown(value)) }
}

/// A place as the model has it; column 0 and line 0 where Rhai knows none.
pub(super) fn place(file: &str, position: Position) -> Place {
    let number = |n: Option<usize>| u32::try_from(n.unwrap_or(0)).unwrap_or(u32::MAX);
    Place::new(file, number(position.line()), number(position.position()))
}

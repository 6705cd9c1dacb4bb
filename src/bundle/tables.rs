//! Typed reading of TOML tables: every finding at once, each with its line and column.

use std::ops::Range;

use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::nearest;
use crate::model::{Finding, Place};

/// A document that is being read, and what was found in it.
pub(super) struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    pub(super) findings: Vec<Finding>,
}

/// One value of a document, called as it is in messages, e.g. `contexts.main.gate`.
#[derive(Clone)]
pub(super) struct Node<'t> {
    pub(super) name: String,
    key: Range<usize>,
    value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, findings: vec![] }
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place::new(self.file, number(line), number(column))
    }

    pub(super) fn error(&mut self, rule: &str, span: Range<usize>, message: String, help: Option<String>) {
        let mut finding = Finding::error(rule, message).at(self.place(span));
        finding.help.extend(help);
        self.findings.push(finding);
    }

    /// A finding about a node's value.
    pub(super) fn wrong(&mut self, node: &Node<'_>, message: &str) {
        self.error("config-value", node.value.span(), format!("`{}` {message}", node.name), None);
    }

    /// A finding about a node's key.
    pub(super) fn wrong_key(&mut self, node: &Node<'_>, message: &str, help: Option<String>) {
        self.error("config-value", node.key.clone(), format!("`{}` {message}", node.name), help);
    }

    fn expected(&mut self, node: &Node<'_>, what: &str) {
        let found = node.value.get_ref().type_str();
        self.wrong(node, &format!("must be {what}, and is {} {found}", article(found)));
    }

    /// The members of a table; names that are not among `known` are findings.
    pub(super) fn members(
        &mut self,
        at: &str,
        table: &'t DeTable<'t>,
        known: Option<&[&str]>,
    ) -> Vec<(String, Node<'t>)> {
        let mut out = vec![];
        for (key, value) in table {
            let name = key.get_ref().to_string();
            let node = Node {
                name: if at.is_empty() { name.clone() } else { format!("{at}.{name}") },
                key: key.span(),
                value,
            };
            if let Some(known) = known.filter(|known| !known.contains(&name.as_str())) {
                let near = nearest(&name, known.iter().copied());
                let help = match near.first() {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are: {}", known.join(", ")),
                };
                self.error("config-unknown-key", key.span(), format!("unknown key `{}`", node.name), Some(help));
            } else {
                out.push((name, node));
            }
        }
        out
    }

    /// The members of a node that has to be a table.
    pub(super) fn table(&mut self, node: &Node<'t>, known: Option<&[&str]>) -> Vec<(String, Node<'t>)> {
        if let DeValue::Table(table) = node.value.get_ref() {
            return self.members(&node.name, table, known);
        }
        self.expected(node, "a table");
        vec![]
    }

    pub(super) fn text(&mut self, node: &Node<'_>) -> Option<String> {
        match node.value.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => {
                self.wrong(node, "must not be empty");
                None
            }
            DeValue::String(text) => Some(text.to_string()),
            _ => {
                self.expected(node, "a text in quotes");
                None
            }
        }
    }

    /// A text that reads as something else, such as a duration.
    pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self, node: &Node<'_>) -> Option<T> {
        let text = self.text(node)?;
        text.parse().map_err(|error: T::Err| self.wrong(node, &format!("cannot be used: {error}"))).ok()
    }

    pub(super) fn flag(&mut self, node: &Node<'_>) -> Option<bool> {
        let flag = node.value.get_ref().as_bool();
        if flag.is_none() {
            self.expected(node, "true or false");
        }
        flag
    }

    pub(super) fn list(&mut self, node: &Node<'t>) -> Vec<Node<'t>> {
        let DeValue::Array(items) = node.value.get_ref() else {
            self.expected(node, "a list in brackets");
            return vec![];
        };
        let node = |(n, value): (usize, &'t Spanned<DeValue<'t>>)| Node {
            name: format!("{}[{n}]", node.name),
            key: value.span(),
            value,
        };
        items.iter().enumerate().map(node).collect()
    }

    pub(super) fn texts(&mut self, node: &Node<'t>) -> Vec<String> {
        self.list(node).iter().filter_map(|item| self.text(item)).collect()
    }

    /// Any value, as JSON.
    pub(super) fn json(&mut self, node: &Node<'t>) -> Option<Value> {
        let value = json(node.value.get_ref());
        if value.is_none() {
            self.wrong(node, "holds a number that JSON cannot hold");
        }
        value
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok()?.into(),
        DeValue::Float(number) => serde_json::Number::from_f64(number.as_str().parse().ok()?)?.into(),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect::<Option<_>>()?,
        DeValue::Table(table) => table
            .iter()
            .map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?)))
            .collect::<Option<serde_json::Map<_, _>>>()?
            .into(),
    })
}

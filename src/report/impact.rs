use std::fmt::Write as _;

use crate::object::edges::{Direction, Impact, Reached};

/// What is reached as a tree, each line with the field that shows why.
pub fn impact_tree(impact: &Impact) -> String {
    let mut text = String::new();
    for (place, root) in impact.reached.iter().enumerate().filter(|(_, reached)| reached.next_to.is_none()) {
        let _ = writeln!(text, "{}", named(root));
        below(impact, place, "", &mut text);
    }
    let reached = impact.reached.iter().filter(|reached| reached.depth > 0);
    let missing = reached.clone().filter(|reached| !reached.exists).count();
    let count = reached.count();
    let roots = impact.reached.len() - count;
    let it = if roots == 1 { "it" } else { "them" };
    let _ = match (count, impact.direction) {
        (0, Direction::Dependents) => writeln!(text, "nothing names {it}"),
        (0, Direction::Needs) => writeln!(text, "{} nothing", if roots == 1 { "it needs" } else { "they need" }),
        (n, Direction::Dependents) => writeln!(text, "{n} depend on {it}"),
        (n, Direction::Needs) => {
            let gone = if missing > 0 { format!(", {missing} of them not in the cluster") } else { String::new() };
            writeln!(text, "{} {n}{gone}", if roots == 1 { "it needs" } else { "they need" })
        }
    };
    text
}

fn below(impact: &Impact, of: usize, indent: &str, text: &mut String) {
    let next: Vec<usize> = (0..impact.reached.len()).filter(|at| impact.reached[*at].next_to == Some(of)).collect();
    for (n, place) in next.iter().enumerate() {
        let reached = &impact.reached[*place];
        let (branch, deeper) = if n + 1 == next.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let by = reached.by.as_deref().unwrap_or_default();
        let _ = writeln!(text, "{indent}{branch}{}  ({by})", named(reached));
        below(impact, *place, &format!("{indent}{deeper}"), text);
    }
}

fn named(reached: &Reached) -> String {
    format!("{}{}", reached.object, if reached.exists { "" } else { ", not in the cluster" })
}

/// What is reached as a graph for Graphviz: an arrow from what needs to what is needed.
/// <https://graphviz.org/doc/info/lang.html>
pub fn impact_dot(impact: &Impact) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = String::from("digraph impact {\n  rankdir=LR;\n  node [shape=box];\n");
    for reached in &impact.reached {
        let style = match (reached.depth, reached.exists) {
            (0, _) => " [style=bold]",
            (_, false) => " [style=dashed]",
            _ => "",
        };
        let object = quoted(&reached.object.to_string());
        let _ = writeln!(text, "  {object}{style};");
        if let (Some(next_to), Some(by)) = (reached.next_to, &reached.by) {
            let other = quoted(&impact.reached[next_to].object.to_string());
            let (from, to) = match impact.direction {
                Direction::Dependents => (object, other),
                Direction::Needs => (other, object),
            };
            let _ = writeln!(text, "  {from} -> {to} [label={}];", quoted(by));
        }
    }
    text.push_str("}\n");
    text
}

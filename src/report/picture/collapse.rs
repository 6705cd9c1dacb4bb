//! Fewer nodes: objects of one kind and namespace become one, then those of one kind, then the steps of a phase, until
//! the picture can be read.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, Node, NodeSort, Picture};

/// A picture of at most `most` nodes that says the same, with less detail the more there were.
pub(super) fn collapse(picture: &Picture, most: usize) -> Picture {
    let mut picture = picture.clone();
    let rules: [fn(&Node) -> Option<(String, String)>; 5] =
        [by_kind_and_namespace, by_kind, all_things, steps_of_a_phase, by_sort];
    for rule in rules {
        if picture.nodes.len() <= most {
            break;
        }
        picture = join(&picture, rule);
    }
    picture
}

/// The group's id and what it is called.
fn by_kind_and_namespace(node: &Node) -> Option<(String, String)> {
    let (kind, rest) = node.label.split_once('/').filter(|_| node.sort == NodeSort::Object)?;
    let namespace = rest.split_once('/').map(|(namespace, _)| namespace);
    let words = namespace.map_or_else(|| kind.to_string(), |namespace| format!("{kind}/{namespace}"));
    Some((format!("{words}:{}:{:?}", node.touched, node.exists), words))
}

fn by_kind(node: &Node) -> Option<(String, String)> {
    let (kind, _) = node.label.split_once('/').filter(|_| node.sort == NodeSort::Object)?;
    Some((format!("{kind}:{}", node.touched), kind.into()))
}

fn all_things(node: &Node) -> Option<(String, String)> {
    match node.sort {
        NodeSort::Object => Some((format!("objects:{}", node.touched), "objects".into())),
        NodeSort::Thing => Some((format!("things:{}", node.touched), "commands and files".into())),
        _ => None,
    }
}

fn steps_of_a_phase(node: &Node) -> Option<(String, String)> {
    let phase = node.id.strip_prefix("step:").and_then(|id| id.split_once('/')).map(|(phase, _)| phase)?;
    Some((format!("steps:{phase}"), "steps".into()))
}

fn by_sort(node: &Node) -> Option<(String, String)> {
    match node.sort {
        NodeSort::Phase => Some(("phases".into(), "phases".into())),
        NodeSort::Step => Some(("steps".into(), "steps".into())),
        NodeSort::Risk => Some(("risks".into(), "risks".into())),
        _ => None,
    }
}

fn join(picture: &Picture, rule: fn(&Node) -> Option<(String, String)>) -> Picture {
    let mut out = Picture::default();
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    let mut of: BTreeMap<&str, usize> = BTreeMap::new();
    for node in &picture.nodes {
        let group = rule(node);
        let new = |out: &mut Picture, id: String, label: String| {
            out.nodes.push(Node { id, label, stands_for: 0, ..node.clone() });
            out.nodes.len() - 1
        };
        let place = if let Some((id, words)) = &group {
            let known = groups.get(id).copied();
            known.unwrap_or_else(|| new(&mut out, format!("group:{id}"), words.clone()))
        } else {
            new(&mut out, node.id.clone(), node.label.clone())
        };
        groups.extend(group.as_ref().map(|(id, _)| (id.clone(), place)));
        let joined = &mut out.nodes[place];
        if joined.stands_for == 0 {
            // one alone keeps its name
            (joined.id, joined.label) = (node.id.clone(), node.label.clone());
        } else if let (1, Some((id, words))) = (joined.stands_for, group) {
            (joined.id, joined.label) = (format!("group:{id}"), words);
        }
        joined.stands_for += node.stands_for;
        joined.at_risk |= node.at_risk;
        joined.column = joined.column.min(node.column);
        of.insert(&node.id, place);
    }
    let mut seen: BTreeSet<(usize, usize, super::EdgeSort)> = BTreeSet::new();
    for edge in &picture.edges {
        let ends = (of[edge.from.as_str()], of[edge.to.as_str()]);
        // the first of several says why
        if ends.0 != ends.1 && seen.insert((ends.0, ends.1, edge.sort)) {
            let id = |place: usize| out.nodes[place].id.clone();
            out.edges.push(Edge { from: id(ends.0), to: id(ends.1), ..edge.clone() });
        }
    }
    out
}

use std::collections::{HashMap, HashSet, VecDeque};

use serde::Serialize;
use serde_json::Value;

use super::{
    Bond, LabelSelector, Link, Reach,
    fields::is_cluster_scoped,
    links,
    pods::{controller, pod_labels},
};
use crate::{
    model::ObjectRef,
    object::{head, path::text},
};

/// Which way edges are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To what depends on the object: what a change of it could break.
    Dependents,
    /// To what the object depends on.
    Needs,
}

/// What is reached from some objects, nearest first.
#[derive(Clone, Debug, Serialize)]
pub struct Impact {
    /// Which way.
    pub direction: Direction,
    /// The objects that it was asked for, then everything reached.
    pub reached: Vec<Reached>,
}

/// An object that is reached, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reached {
    /// Which.
    pub object: ObjectRef,
    /// Whether it was among the objects; one that is only named is missing, or was not looked at.
    pub exists: bool,
    /// How many edges away: 0 is what was asked for.
    pub depth: usize,
    /// The place in the list of the object that it is next to; none for what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_to: Option<usize>,
    /// The field that shows why. It stands in the one of the two that needs the other, or makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl Impact {
    /// From what was asked for to this one: the places in the list.
    pub fn path(&self, place: usize) -> Vec<usize> {
        let mut path: Vec<usize> = std::iter::successors(Some(place), |at| self.reached[*at].next_to).collect();
        path.reverse();
        path
    }
}

struct Node {
    object: ObjectRef,
    exists: bool,
}

/// An edge from an object to one that it needs, or back.
#[derive(Clone)]
struct Edge {
    to: usize,
    by: String,
}

/// Objects and what they need of each other.
pub struct Graph {
    nodes: Vec<Node>,
    needs: Vec<Vec<Edge>>,
    needed_by: Vec<Vec<Edge>>,
    /// Kind, namespace, name: the nodes of every group.
    places: HashMap<(String, Option<String>, String), Vec<usize>>,
}

/// Objects by one pair of their labels, to find those that a selector means.
#[derive(Default)]
struct Labelled<'a> {
    all: HashMap<Option<&'a str>, Vec<usize>>,
    pairs: HashMap<(Option<&'a str>, &'a str, &'a str), Vec<usize>>,
    labels: HashMap<usize, &'a Value>,
}

impl<'a> Labelled<'a> {
    fn add(&mut self, node: usize, namespace: Option<&'a str>, labels: &'a Value) {
        self.labels.insert(node, labels);
        for namespace in [namespace, None] {
            self.all.entry(namespace).or_default().push(node);
            for (key, value) in labels.as_object().into_iter().flatten() {
                if let Some(value) = value.as_str() {
                    self.pairs.entry((namespace, key, value)).or_default().push(node);
                }
            }
        }
    }

    fn selected(&self, namespace: Option<&'a str>, selector: &'a LabelSelector) -> impl Iterator<Item = usize> + '_ {
        let found = match selector.pair() {
            Some((key, value)) => self.pairs.get(&(namespace, key, value)),
            None => self.all.get(&namespace),
        };
        found.into_iter().flatten().copied().filter(|node| selector.matches(self.labels[node]))
    }
}

impl Graph {
    /// Joins objects. What they name and is not among them becomes a node that does not exist.
    pub fn of(objects: &[Value]) -> Self {
        let mut graph = Self { nodes: vec![], needs: vec![], needed_by: vec![], places: HashMap::new() };
        let mut uids: HashMap<&str, usize> = HashMap::new();
        let mut kinds: HashMap<(&str, &str), usize> = HashMap::new();
        for object in objects {
            let node = graph.add(head(object).full_reference(), true);
            if let Some(uid) = head(object).uid() {
                uids.insert(uid, node);
            }
            if head(object).kind() == "CustomResourceDefinition"
                && let (Some(group), Some(kind)) = (text(object, "spec.group"), text(object, "spec.names.kind"))
            {
                kinds.insert((group, kind), node);
            }
        }
        let (mut pods, mut services) = (Labelled::default(), Labelled::default());
        for (node, object) in objects.iter().enumerate() {
            let namespace = head(object).namespace();
            // what a workload makes is reached through the workload
            if controller(object).and_then(|uid| uids.get(uid)).is_none()
                && let Some(labels) = pod_labels(object)
            {
                pods.add(node, namespace, labels);
            }
            if head(object).kind() == "Service" {
                services.add(node, namespace, &object["metadata"]["labels"]);
            }
        }
        let read: Vec<Vec<Link>> = objects.iter().map(links).collect();
        for (node, object) in objects.iter().enumerate() {
            // a copy of the owner's references says nothing new
            let owner = controller(object).and_then(|uid| uids.get(uid)).copied();
            let known: HashSet<&Reach> =
                owner.map(|owner| read[owner].iter().map(|link| &link.to).collect()).unwrap_or_default();
            if let Some(kind) = kinds.get(&(head(object).group(), head(object).kind())) {
                graph.join(node, *kind, "kind");
            }
            for link in &read[node] {
                match &link.to {
                    Reach::One(to) => {
                        if !known.contains(&link.to) {
                            let other = graph.one(to);
                            let (from, to) = if link.bond == Bond::Needs { (node, other) } else { (other, node) };
                            graph.join(from, to, &link.by);
                        }
                    }
                    Reach::Pods { namespace, labels } => {
                        for to in pods.selected(namespace.as_deref(), labels).collect::<Vec<_>>() {
                            graph.join(node, to, &link.by);
                        }
                    }
                    Reach::Services { namespace, labels } => {
                        for to in services.selected(namespace.as_deref(), labels).collect::<Vec<_>>() {
                            graph.join(node, to, &link.by);
                        }
                    }
                }
            }
        }
        graph
    }

    fn add(&mut self, object: ObjectRef, exists: bool) -> usize {
        let node = self.nodes.len();
        let place = (object.kind.clone(), object.namespace.clone(), object.name.clone());
        self.places.entry(place).or_default().push(node);
        self.nodes.push(Node { object, exists });
        self.needs.push(vec![]);
        self.needed_by.push(vec![]);
        node
    }

    /// The node that a reference means: in its namespace, else without one; made where there is none.
    fn one(&mut self, to: &ObjectRef) -> usize {
        if let Some(node) = self.find(to) {
            return node;
        }
        let mut missing = to.clone();
        if is_cluster_scoped(&to.kind) {
            missing.namespace = None;
        }
        self.add(missing, false)
    }

    /// The node of an object, where it is among the objects or named by one.
    pub fn find(&self, object: &ObjectRef) -> Option<usize> {
        [object.namespace.clone(), None].into_iter().find_map(|namespace| {
            let place = (object.kind.clone(), namespace, object.name.clone());
            let fits = |node: &&usize| match (&object.group, &self.nodes[**node].object.group) {
                (Some(wanted), Some(group)) => wanted == group,
                _ => true,
            };
            self.places.get(&place)?.iter().find(fits).copied()
        })
    }

    /// An object as it is called here, with its group, where it is among the objects or named by one.
    pub fn known(&self, object: &ObjectRef) -> Option<&ObjectRef> {
        self.find(object).map(|node| &self.nodes[node].object)
    }

    /// Every edge: what needs, what it needs, and the field that shows why.
    pub fn edges(&self) -> impl Iterator<Item = (&ObjectRef, &ObjectRef, &str)> {
        self.nodes.iter().zip(&self.needs).flat_map(|(node, needs)| {
            needs.iter().map(|edge| (&node.object, &self.nodes[edge.to].object, edge.by.as_str()))
        })
    }

    /// At most three objects whose reference is like this one, the nearest first.
    pub fn nearest(&self, object: &ObjectRef) -> Vec<ObjectRef> {
        let wanted = object.to_string();
        let alike = |node: &Node| strsim::jaro_winkler(&node.object.to_string(), &wanted);
        let mut near: Vec<(f64, &ObjectRef)> =
            self.nodes.iter().map(|node| (alike(node), &node.object)).filter(|(score, _)| *score > 0.9).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        near.into_iter().map(|(_, object)| object.clone()).take(3).collect()
    }

    fn join(&mut self, from: usize, to: usize, by: &str) {
        if from == to || self.needs[from].iter().any(|edge| edge.to == to) {
            return;
        }
        self.needs[from].push(Edge { to, by: by.into() });
        self.needed_by[to].push(Edge { to: from, by: by.into() });
    }

    /// Everything that is reached from some objects, each by a shortest path. An object that nothing knows is there alone.
    pub fn impact(&self, of: &[ObjectRef], direction: Direction) -> Impact {
        let edges = match direction {
            Direction::Dependents => &self.needed_by,
            Direction::Needs => &self.needs,
        };
        let mut reached = vec![];
        let mut seen = HashSet::new();
        let mut queue = VecDeque::new();
        for object in of {
            let node = self.find(object);
            if node.is_none_or(|node| seen.insert(node)) {
                let exists = node.is_some_and(|node| self.nodes[node].exists);
                let object = node.map_or(object, |node| &self.nodes[node].object).clone();
                queue.extend(node.map(|node| (node, reached.len())));
                reached.push(Reached { object, exists, depth: 0, next_to: None, by: None });
            }
        }
        while let Some((node, place)) = queue.pop_front() {
            let depth = reached[place].depth + 1;
            for edge in &edges[node] {
                if seen.insert(edge.to) {
                    queue.push_back((edge.to, reached.len()));
                    let Node { object, exists } = &self.nodes[edge.to];
                    reached.push(Reached {
                        object: object.clone(),
                        exists: *exists,
                        depth,
                        next_to: Some(place),
                        by: Some(edge.by.clone()),
                    });
                }
            }
        }
        Impact { direction, reached }
    }
}

//! What a plan touches and what that reaches, as nodes and edges: phases, their steps, what the steps touch, what risks
//! say they affect, and what objects need of each other. The values of `plan -o json`, and the picture in `plan --html`.
//! `layout` gives each node its place, `collapse` joins what would be too many, `svg` draws.

mod collapse;
mod layout;
mod svg;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

pub use svg::svg;

use crate::{
    model::{ObjectRef, Phase, Plan, Risk, Touch, Verb, text::one_line},
    object::{
        edges::{Direction, Graph},
        head,
    },
};

/// Nodes and the edges between them. The order of both is the plan's.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Picture {
    /// What there is; ids are unique.
    pub nodes: Vec<Node>,
    /// What has to do with what.
    pub edges: Vec<Edge>,
}

/// Something in the picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    /// Its id: `phase:1`, `step:<step id>`, `object:<reference>`, `thing:<words>`, `risk:1`.
    pub id: String,
    /// What it is.
    pub sort: NodeSort,
    /// What it is called: a title, or an object's reference.
    pub label: String,
    /// Whether a step touches it.
    pub touched: bool,
    /// Whether a risk names it.
    pub at_risk: bool,
    /// Whether it is in the cluster; none where no cluster was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// How many it stands for, where several were joined.
    #[serde(skip)]
    stands_for: usize,
    /// Its column in the picture, from the left.
    #[serde(skip)]
    column: usize,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeSort {
    /// A phase.
    Phase,
    /// A step.
    Step,
    /// An object of the cluster.
    Object,
    /// A file, URL or command.
    Thing,
    /// A risk.
    Risk,
}

/// An edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edge {
    /// The node where it begins.
    pub from: String,
    /// The node where it ends.
    pub to: String,
    /// What it says.
    pub sort: EdgeSort,
    /// The verb of a touch, or the field that shows why; empty where the sort says it all.
    pub why: String,
}

/// What an edge says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeSort {
    /// A phase has a step.
    Has,
    /// A step touches an object or thing.
    Touches,
    /// An object needs another.
    Needs,
    /// A risk would affect an object.
    Affects,
}

impl EdgeSort {
    /// The verb between the two ends.
    pub fn word(self) -> &'static str {
        match self {
            Self::Has => "has",
            Self::Touches => "touches",
            Self::Needs => "needs",
            Self::Affects => "affects",
        }
    }
}

const PHASES: usize = 0;
const STEPS: usize = 1;
const TOUCHED: usize = 2;
const FARTHEST: usize = 7;
const AFFECTED: usize = 8;
const RISKS: usize = 9;

impl Picture {
    /// The picture of a plan. `manifests` are the objects that the bundle's files declare; `cluster` is everything that a
    /// context holds, where it was asked: then what depends on the touched objects is in it, too.
    pub fn of(plan: &Plan, manifests: Vec<Value>, cluster: Option<Vec<Value>>) -> Self {
        let mut drawing = Drawing::new(manifests, cluster);
        for (n, phase) in plan.phases.iter().enumerate() {
            drawing.phase(n, phase);
        }
        for (n, risk) in plan.risks.iter().enumerate() {
            drawing.risk(n, risk);
        }
        drawing.reach();
        drawing.columns();
        drawing.picture
    }

    /// The node with this id.
    pub fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

struct Drawing {
    picture: Picture,
    places: BTreeMap<String, usize>,
    /// The edges, to know them again.
    joined: BTreeSet<Edge>,
    graph: Graph,
    /// What the cluster holds, where it was asked.
    held: Option<BTreeSet<ObjectRef>>,
    /// The objects that the steps touch or risks name, as the graph knows them.
    roots: Vec<ObjectRef>,
}

impl Drawing {
    fn new(manifests: Vec<Value>, cluster: Option<Vec<Value>>) -> Self {
        let reference = |object: &Value| head(object).full_reference();
        let held: Option<BTreeSet<ObjectRef>> = cluster.as_ref().map(|objects| objects.iter().map(reference).collect());
        // a manifest says what the object will need; what the cluster has of it is what it needed before
        let planned: BTreeSet<ObjectRef> = manifests.iter().map(reference).collect();
        let mut all = manifests;
        all.extend(cluster.unwrap_or_default().into_iter().filter(|object| !planned.contains(&reference(object))));
        Self {
            picture: Picture::default(),
            places: BTreeMap::new(),
            joined: BTreeSet::new(),
            graph: Graph::of(&all),
            held,
            roots: vec![],
        }
    }

    fn add(&mut self, id: String, sort: NodeSort, label: &str, column: usize) -> usize {
        if let Some(place) = self.places.get(&id) {
            return *place;
        }
        let place = self.picture.nodes.len();
        self.places.insert(id.clone(), place);
        self.picture.nodes.push(Node {
            id,
            sort,
            label: one_line(label),
            touched: false,
            at_risk: false,
            exists: None,
            stands_for: 1,
            column,
        });
        place
    }

    fn join(&mut self, from: usize, to: usize, sort: EdgeSort, why: &str) {
        let id = |place: usize| self.picture.nodes[place].id.clone();
        let edge = Edge { from: id(from), to: id(to), sort, why: one_line(why) };
        if from != to && self.joined.insert(edge.clone()) {
            self.picture.edges.push(edge);
        }
    }

    fn phase(&mut self, n: usize, phase: &Phase) {
        let title = if phase.title.trim().is_empty() { "Steps" } else { phase.title.as_str() };
        let own = self.add(format!("phase:{}", n + 1), NodeSort::Phase, &format!("{}. {title}", n + 1), PHASES);
        for step in phase.steps() {
            let id = self.add(format!("step:{}", step.id), NodeSort::Step, &step.title, STEPS);
            self.join(own, id, EdgeSort::Has, "");
            for touch in &step.trial {
                let touched = self.touched(touch);
                self.join(id, touched, EdgeSort::Touches, &format!("{:?}", touch.verb).to_lowercase());
            }
            for text in &step.touches {
                let touched = match text.parse::<ObjectRef>() {
                    Ok(object) => self.root(&object),
                    Err(_) => self.add(format!("thing:{text}"), NodeSort::Thing, text, TOUCHED),
                };
                self.picture.nodes[touched].touched = true;
                self.join(id, touched, EdgeSort::Touches, "");
            }
        }
    }

    fn touched(&mut self, touch: &Touch) -> usize {
        let outside = matches!(touch.verb, Verb::Run | Verb::Post | Verb::Write | Verb::Commit | Verb::Module);
        let object = if outside { None } else { touch.target.parse::<ObjectRef>().ok() };
        let place = if let Some(mut object) = object {
            let group =
                touch.api_version.as_deref().and_then(|version| version.split_once('/')).map(|(group, _)| group);
            if object.group.is_none() && group.is_some() {
                object = object.in_group(group);
            }
            self.root(&object)
        } else {
            self.add(format!("thing:{}", touch.target), NodeSort::Thing, &touch.target, TOUCHED)
        };
        self.picture.nodes[place].touched = true;
        place
    }

    fn risk(&mut self, n: usize, risk: &Risk) {
        let id = self.add(format!("risk:{}", n + 1), NodeSort::Risk, &risk.text, RISKS);
        for text in &risk.affects {
            let affected = match text.parse::<ObjectRef>() {
                Ok(object) => self.root(&object),
                Err(_) => self.add(format!("thing:{text}"), NodeSort::Thing, text, AFFECTED),
            };
            self.picture.nodes[affected].at_risk = true;
            self.join(id, affected, EdgeSort::Affects, "");
        }
    }

    /// An object that the plan names.
    fn root(&mut self, object: &ObjectRef) -> usize {
        let known = self.known(object);
        if !self.roots.contains(&known) {
            self.roots.push(known.clone());
        }
        self.object(&known)
    }

    /// An object as the graph calls it, with its group.
    fn known(&self, object: &ObjectRef) -> ObjectRef {
        self.graph.known(object).unwrap_or(object).clone()
    }

    fn object(&mut self, object: &ObjectRef) -> usize {
        // people know kinds without their groups; the id tells them apart
        let short = ObjectRef { group: None, ..object.clone() };
        let place = self.add(format!("object:{object}"), NodeSort::Object, &short.to_string(), AFFECTED);
        if let Some(held) = &self.held {
            let is = held.contains(object) || object.group.is_none() && held.iter().any(|it| same(it, object));
            self.picture.nodes[place].exists = Some(is);
        }
        place
    }

    /// What the objects of the plan need, and what depends on them, however far away.
    fn reach(&mut self) {
        let mut within: BTreeSet<ObjectRef> = self.roots.iter().cloned().collect();
        let dependents = self.graph.impact(&self.roots, Direction::Dependents);
        within.extend(dependents.reached.into_iter().map(|reached| reached.object));
        let needs = self.graph.impact(&self.roots, Direction::Needs).reached;
        // that an object is in a namespace and of a kind is worth a line only where these are the plan's own
        let told = |by: &str| !matches!(by, "metadata.namespace" | "kind");
        let next = needs.into_iter().filter(|it| it.depth == 1 && it.by.as_deref().is_some_and(told));
        within.extend(next.map(|reached| reached.object));
        let edges: Vec<(ObjectRef, ObjectRef, String)> = self
            .graph
            .edges()
            .filter(|(from, to, by)| {
                within.contains(*from) && within.contains(*to) && (told(by) || self.roots.contains(to))
            })
            .map(|(from, to, by)| (from.clone(), to.clone(), by.to_string()))
            .collect();
        for (from, to, by) in edges {
            let (from, to) = (self.object(&from), self.object(&to));
            self.join(from, to, EdgeSort::Needs, &by);
        }
    }

    /// What is touched stands beside the steps; everything else as far to the right as it is away from that.
    fn columns(&mut self) {
        let ends: Vec<(usize, usize)> =
            self.picture.edges.iter().map(|edge| (self.places[&edge.from], self.places[&edge.to])).collect();
        let mut next: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (from, to) in ends {
            next.entry(from).or_default().push(to);
            next.entry(to).or_default().push(from);
        }
        let nodes = &mut self.picture.nodes;
        let mut front: Vec<usize> = (0..nodes.len()).filter(|place| nodes[*place].touched).collect();
        let mut seen: BTreeSet<usize> = front.iter().copied().collect();
        for place in &front {
            nodes[*place].column = TOUCHED;
        }
        let mut column = TOUCHED;
        while !front.is_empty() && column < FARTHEST {
            column += 1;
            let reached: BTreeSet<usize> =
                front.iter().flat_map(|place| next.get(place).into_iter().flatten().copied()).collect();
            front = reached.into_iter().filter(|place| is_thing(nodes[*place].sort) && seen.insert(*place)).collect();
            for place in &front {
                nodes[*place].column = column;
            }
        }
        // what only a risk names stands beside the risks
        for (place, node) in nodes.iter_mut().enumerate() {
            if is_thing(node.sort) && !seen.contains(&place) {
                node.column = AFFECTED;
            }
        }
    }
}

fn is_thing(sort: NodeSort) -> bool {
    matches!(sort, NodeSort::Object | NodeSort::Thing)
}

fn same(one: &ObjectRef, other: &ObjectRef) -> bool {
    (&one.kind, &one.namespace, &one.name) == (&other.kind, &other.namespace, &other.name)
}

#[cfg(test)]
mod tests;

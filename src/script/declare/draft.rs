use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    model::{Body, Finding, Gate, Item, Phase, Place, Plan, Step},
    script::{closure::Closure, declared::Setting, library::Library},
};

/// One declaration in progress.
pub(in crate::script) struct Declaring {
    pub(in crate::script) setting: Setting,
    pub(in crate::script) library: Arc<Library>,
    draft: Mutex<Draft>,
}

impl Declaring {
    pub(in crate::script) fn new(setting: Setting, library: Arc<Library>) -> Self {
        Self { setting, library, draft: Mutex::default() }
    }

    /// The draft. It is never held while a closure runs.
    pub(in crate::script) fn draft(&self) -> MutexGuard<'_, Draft> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the declaration: what it came to.
    pub(in crate::script) fn take(&self) -> Draft {
        std::mem::take(&mut *self.draft())
    }
}

/// What a step's `.within` speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Verify,
    Precheck,
    SkipIf,
    Undone,
}

/// Which item of a phase.
#[derive(Clone, Copy)]
enum Member {
    Step(usize),
    Gate(usize),
}

/// A plan while it grows. Handles in the script are indices into it.
#[derive(Default)]
pub(in crate::script) struct Draft {
    pub(in crate::script) plan: Plan,
    pub(in crate::script) closures: BTreeMap<Body, Closure>,
    pub(in crate::script) findings: Vec<Finding>,
    pub(super) steps: Vec<(Step, Option<Last>)>,
    pub(super) gates: Vec<Gate>,
    pub(super) phases: Vec<Phase>,
    members: Vec<Vec<Member>>,
    ids: HashMap<String, Option<Place>>,
}

impl Draft {
    /// The phase that the next step belongs to; one is made where none was declared.
    fn phase(&mut self) -> usize {
        if self.phases.is_empty() {
            self.open(Phase { title: "Steps".into(), goal: None, no_gate: None, items: vec![], place: None });
        }
        self.phases.len() - 1
    }

    pub(super) fn phase_title(&mut self) -> String {
        let phase = self.phase();
        self.phases[phase].title.clone()
    }

    pub(super) fn open(&mut self, phase: Phase) -> usize {
        self.phases.push(phase);
        self.members.push(vec![]);
        self.phases.len() - 1
    }

    pub(super) fn add_step(&mut self, step: Step) -> usize {
        let phase = self.phase();
        self.steps.push((step, None));
        self.members[phase].push(Member::Step(self.steps.len() - 1));
        self.steps.len() - 1
    }

    pub(super) fn add_gate(&mut self, gate: Gate) -> usize {
        let phase = self.phase();
        self.gates.push(gate);
        self.members[phase].push(Member::Gate(self.gates.len() - 1));
        self.gates.len() - 1
    }

    /// An id that nothing else has: a number is added where it is taken, and the place of the first is given back.
    pub(super) fn claim(&mut self, id: &str, place: &Place) -> (String, Option<Place>) {
        let first = match self.ids.get(id) {
            None => {
                self.ids.insert(id.into(), Some(place.clone()));
                return (id.into(), None);
            }
            Some(first) => first.clone(),
        };
        let free =
            (2..=usize::MAX).map(|n| format!("{id}-{n}")).find(|id| !self.ids.contains_key(id)).unwrap_or_default();
        self.ids.insert(free.clone(), Some(place.clone()));
        (free, first)
    }

    /// The plan with its phases in order.
    pub(in crate::script) fn assemble(&mut self) -> Plan {
        let mut steps: Vec<Option<Step>> = self.steps.drain(..).map(|(step, _)| Some(step)).collect();
        let mut gates: Vec<Option<Gate>> = self.gates.drain(..).map(Some).collect();
        let mut plan = std::mem::take(&mut self.plan);
        for (mut phase, members) in self.phases.drain(..).zip(self.members.drain(..)) {
            phase.items = members
                .into_iter()
                .filter_map(|member| match member {
                    Member::Step(at) => steps[at].take().map(Item::Step),
                    Member::Gate(at) => gates[at].take().map(Item::Gate),
                })
                .collect();
            plan.phases.push(phase);
        }
        plan.with_stop_gates()
    }
}

//! Simulated controllers: they move the status of objects to ready after a short delay, as a cluster's would.
//!
//! A kind says what its settled status is, as a function of what is in the store; the loop here compares that with what
//! is there, and after the delay writes it. So unfinished work is taken up again when a sandbox is opened.
//!
//! Workloads are as on a cluster: a Deployment makes `ReplicaSet`s, these make Pods, and only Pods take time; the status
//! of everything above follows from theirs. A fault of a workload reaches its Pods.

mod autoscaler;
mod claim;
mod cron_job;
mod daemon_set;
mod definition;
mod deployment;
mod desk;
mod endpoints;
mod events;
mod external_secret;
mod flux;
mod gateway;
mod helm_release;
mod job;
mod kustomization;
mod namespace;
mod pod;
mod quota;
mod replica_set;
mod revision;
mod route;
mod secret_store;
mod service;
mod source;
mod stateful_set;
mod template;
mod volsync;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::fault::{self, Faults};
use super::kinds::Registry;
use super::load;
use super::meta;
use super::store::{Event, Key, Store};
use crate::model::{Fault, FaultHow};
use desk::Desk;

/// How long controllers take from a change to its result; each object has its own time between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The least.
    pub shortest: Duration,
    /// The most.
    pub longest: Duration,
}

impl Default for Timing {
    /// Short, and long enough for a person to see progress.
    fn default() -> Self {
        Self { shortest: Duration::from_millis(300), longest: Duration::from_millis(800) }
    }
}

impl Timing {
    /// No delay at all, for tests.
    pub const INSTANT: Self = Self { shortest: Duration::ZERO, longest: Duration::ZERO };

    fn of(self, key: &Key) -> Duration {
        let sum = key.to_string().bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        self.shortest + self.longest.saturating_sub(self.shortest).mul_f64(f64::from(sum % 101) / 100.0)
    }
}

/// What is to become of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Settle,
    Fail(String),
    Stall,
}

impl Told {
    fn failure(&self) -> Option<&str> {
        match self {
            Self::Fail(message) => Some(message),
            Self::Settle | Self::Stall => None,
        }
    }
}

/// A part of the control plane that looks after one kind.
trait Controller: Send + Sync {
    fn resource(&self) -> &'static str;

    /// Which of its own objects a change of something else makes it look at.
    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key>;

    /// Looks at an object that may have changed; true when there is something to do after the delay.
    fn look(&self, desk: &Desk<'_>, key: &Key, object: &Arc<Value>, told: &Told) -> bool;

    /// Does it.
    fn act(&self, desk: &Desk<'_>, key: &Key, object: &Arc<Value>, told: &Told);

    /// Whether its objects are what their parts make of them: a stalled or flapping part is enough.
    fn is_sum(&self) -> bool {
        false
    }

    /// When it has to look at an object again though nothing changes.
    fn again(&self, _object: &Value) -> Option<Duration> {
        None
    }

    /// Whether its objects can be told not to become ready.
    fn can_fail(&self) -> bool {
        true
    }
}

/// A kind whose controller does no more than write a status, and other objects.
trait Simulated: Send + Sync {
    fn resource(&self) -> &'static str;

    /// The name under which it writes.
    fn manager(&self) -> &'static str {
        desk::MANAGER
    }

    /// Whether the object asks to be left alone.
    fn suspended(&self, _object: &Value) -> bool {
        false
    }

    /// Makes what has to exist beside it.
    fn tend(&self, _desk: &Desk<'_>, _object: &Value, _told: &Told) {}

    /// The status while a change is under way; `None` when nothing shows.
    fn progress(&self, _object: &Value) -> Option<Value> {
        None
    }

    /// The status in the end, failed when there is a fault; `None` while something else has to happen first.
    fn settled(&self, desk: &Desk<'_>, object: &Value, fault: Option<&str>) -> Option<Value>;

    /// See [`Controller::concerned`].
    fn concerned(&self, _desk: &Desk<'_>, _event: &Event) -> Vec<Key> {
        Vec::new()
    }

    /// See [`Controller::is_sum`].
    fn is_sum(&self) -> bool {
        false
    }

    /// See [`Controller::again`].
    fn again(&self, _object: &Value) -> Option<Duration> {
        None
    }

    /// See [`Controller::can_fail`].
    fn can_fail(&self) -> bool {
        true
    }
}

impl<T: Simulated> Controller for T {
    fn resource(&self) -> &'static str {
        Simulated::resource(self)
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        Simulated::concerned(self, desk, event)
    }

    fn look(&self, desk: &Desk<'_>, key: &Key, object: &Arc<Value>, told: &Told) -> bool {
        if meta::is_terminating(object) || self.suspended(object) {
            return false;
        }
        self.tend(desk, object, told);
        // what was just made beside it may have changed it
        let Some(object) = desk.store.get(key) else {
            return false;
        };
        if *told == Told::Stall {
            desk.write_status(key, self.manager(), self.progress(&object));
            return false;
        }
        let settled = self.settled(desk, &object, told.failure());
        if settled.as_ref() == Some(&object["status"]) {
            if let Some(message) = told.failure() {
                events::tell_failure(desk, self.manager(), &object, message, false);
            }
            return false;
        }
        if Simulated::is_sum(self) && told.failure().is_none() {
            desk.write_status(key, self.manager(), settled);
            return false;
        }
        desk.write_status(key, self.manager(), self.progress(&object));
        settled.is_some()
    }

    fn act(&self, desk: &Desk<'_>, key: &Key, object: &Arc<Value>, told: &Told) {
        if meta::is_terminating(object) || self.suspended(object) || *told == Told::Stall {
            return;
        }
        desk.write_status(key, self.manager(), self.settled(desk, object, told.failure()));
        if let (Some(message), Some(failed)) = (told.failure(), desk.store.get(key)) {
            events::tell_failure(desk, self.manager(), &failed, message, true);
        }
    }

    fn is_sum(&self) -> bool {
        Simulated::is_sum(self)
    }

    fn again(&self, object: &Value) -> Option<Duration> {
        Simulated::again(self, object)
    }

    fn can_fail(&self) -> bool {
        Simulated::can_fail(self)
    }
}

fn all() -> Vec<Box<dyn Controller>> {
    let mut all: Vec<Box<dyn Controller>> = vec![
        Box::new(namespace::Namespaces),
        Box::new(definition::Definitions),
        Box::new(claim::Claims),
        Box::new(quota::Quotas),
        Box::new(service::Services),
        Box::new(service::Ingresses),
        Box::new(endpoints::Endpoints),
        Box::new(cron_job::CronJobs),
        Box::new(autoscaler::Autoscalers),
        Box::new(job::Jobs),
        Box::new(deployment::Deployments),
        Box::new(replica_set::ReplicaSets),
        Box::new(stateful_set::StatefulSets),
        Box::new(daemon_set::DaemonSets),
        Box::new(pod::Pods),
        Box::new(secret_store::STORES),
        Box::new(secret_store::CLUSTER_STORES),
        Box::new(external_secret::ExternalSecrets),
        Box::new(kustomization::Kustomizations),
        Box::new(helm_release::HelmReleases),
        Box::new(gateway::GatewayClasses),
        Box::new(gateway::Gateways),
        Box::new(route::HTTP),
        Box::new(route::GRPC),
        Box::new(volsync::Sources),
    ];
    all.extend(source::ALL.iter().map(|source| Box::new(*source) as Box<dyn Controller>));
    all
}

/// The resources whose objects can be told not to become ready.
pub(crate) fn controlled() -> Vec<&'static str> {
    let mut resources: Vec<&str> =
        all().iter().filter(|controller| controller.can_fail()).map(|controller| controller.resource()).collect();
    resources.dedup();
    resources
}

/// Why a fault would never do anything.
pub(crate) fn trouble(registry: &Registry, fault: &Fault) -> Option<String> {
    fault::trouble(registry, &controlled(), fault)
}

/// Runs all controllers until the store is gone.
pub(crate) async fn run(store: Weak<Store>, timing: Timing, faults: Arc<Faults>) {
    let Some(first) = store.upgrade() else { return };
    let (mut changes, mut told) = (first.subscribe(), faults.subscribe());
    drop(first);
    let controllers = all();
    let mut round = Round { controllers, timing, faults, due: HashMap::new(), down: HashSet::new(), position: None };
    loop {
        {
            let Some(store) = store.upgrade() else { return };
            changes.borrow_and_update();
            if told.has_changed().unwrap_or(false) {
                told.borrow_and_update();
                round.position = None;
            }
            round.take_in(&store);
            if round.carry_out(&store) {
                continue;
            }
        }
        let next = round.due.values().map(|due| due.when).min();
        let nap = async move {
            match next {
                Some(next) => tokio::time::sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            _ = told.changed() => round.position = None,
            () = nap => {}
        }
    }
}

/// Something to be done at its time.
#[derive(Clone, Copy)]
struct Due {
    when: Instant,
    why: Why,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The object takes this long to settle.
    Settles,
    /// It flaps.
    Flips,
    /// Its controller asked for it.
    Again,
}

struct Round {
    controllers: Vec<Box<dyn Controller>>,
    timing: Timing,
    faults: Arc<Faults>,
    /// What is to be done, by controller and object.
    due: HashMap<(usize, Key), Due>,
    /// Flapping objects that are failing now.
    down: HashSet<(usize, Key)>,
    /// Up to where the events were read; `None` before the first look at everything.
    position: Option<u64>,
}

impl Round {
    fn take_in(&mut self, store: &Store) {
        let desk = Desk { store };
        let events = self.position.and_then(|position| store.since(position).ok());
        let Some((events, position)) = events else {
            // At the start, or after falling too far behind: everything may have changed.
            self.position = Some(store.list("", None).1);
            for number in 0..self.controllers.len() {
                for key in desk.keys(self.controllers[number].resource(), None) {
                    self.look(&desk, number, key);
                }
            }
            return;
        };
        self.position = Some(position);
        for event in &events {
            for number in 0..self.controllers.len() {
                let controller = &self.controllers[number];
                let mut keys = controller.concerned(&desk, event);
                if *event.key.resource == *controller.resource() && !event.removed && !keys.contains(&event.key) {
                    keys.push(event.key.clone());
                }
                for key in keys {
                    self.look(&desk, number, key);
                }
            }
        }
    }

    fn look(&mut self, desk: &Desk<'_>, number: usize, key: Key) {
        let controller = &self.controllers[number];
        let place = (number, key);
        let Some(object) = desk.store.get(&place.1).filter(|object| controller.is_sum() || !load::is_as_loaded(object))
        else {
            self.due.remove(&place);
            self.down.remove(&place);
            return;
        };
        let (told, flap) = self.told(desk, &place, &object);
        let now = Instant::now();
        if controller.look(desk, &place.1, &object, &told) {
            let due = Due { when: now + self.timing.of(&place.1), why: Why::Settles };
            let entry = self.due.entry(place).or_insert(due);
            if entry.why != Why::Settles {
                *entry = due;
            }
        } else if let Some(every) = flap.filter(|_| !controller.is_sum()) {
            let due = Due { when: now + every, why: Why::Flips };
            let entry = self.due.entry(place).or_insert(due);
            if entry.why != Why::Flips {
                *entry = due;
            }
        } else if let Some(after) = controller.again(&object) {
            self.due.insert(place, Due { when: now + after, why: Why::Again });
        } else {
            self.due.remove(&place);
        }
    }

    /// What is to become of an object now, and how often that changes.
    fn told(&self, desk: &Desk<'_>, place: &(usize, Key), object: &Value) -> (Told, Option<Duration>) {
        let faults = self.faults.now();
        if faults.is_empty() {
            return (Told::Settle, None);
        }
        let is_sum = self.controllers[place.0].is_sum();
        match fault_of(&faults, desk, &place.1, object) {
            None => (Told::Settle, None),
            Some(FaultHow::Fail(message)) => (Told::Fail(message), None),
            Some(_) if is_sum => (Told::Settle, None),
            Some(FaultHow::Stall) => (Told::Stall, None),
            Some(FaultHow::Flap(every)) if self.down.contains(place) => {
                (Told::Fail("told to flap by a fault".into()), Some(every))
            }
            Some(FaultHow::Flap(every)) => (Told::Settle, Some(every)),
        }
    }

    /// Does what is due; false when nothing was.
    fn carry_out(&mut self, store: &Store) -> bool {
        let desk = Desk { store };
        let now = Instant::now();
        let ready: Vec<((usize, Key), Why)> =
            self.due.iter().filter(|(_, due)| due.when <= now).map(|(what, due)| (what.clone(), due.why)).collect();
        for (place, why) in &ready {
            self.due.remove(place);
            if *why == Why::Flips && !self.down.remove(place) {
                self.down.insert(place.clone());
            }
            if *why != Why::Again
                && let Some(object) = store.get(&place.1)
            {
                let (told, _) = self.told(&desk, place, &object);
                self.controllers[place.0].act(&desk, &place.1, &object, &told);
            }
            if *why != Why::Settles {
                self.look(&desk, place.0, place.1.clone());
            }
        }
        !ready.is_empty()
    }
}

/// The fault of an object, or of what controls it.
fn fault_of(faults: &[Fault], desk: &Desk<'_>, key: &Key, object: &Value) -> Option<FaultHow> {
    let registry = desk.store.registry();
    let kind = registry.by_resource(&key.resource)?;
    if let Some(how) = fault::of(faults, kind, &key.namespace, &key.name) {
        return Some(how.clone());
    }
    let reference = desk::controller(object)?;
    let (sort, name) = (reference["kind"].as_str()?, reference["name"].as_str()?);
    let group = reference["apiVersion"].as_str()?.split_once('/').map_or("", |(group, _)| group);
    // a Secret of an ExternalSecret has no status: only workloads hand their faults down
    let kind = registry.of_group(group).find(|kind| kind.kind == sort && matches!(group, "apps" | "batch"))?;
    let above = Key::new(&kind.resource(), &key.namespace, name);
    fault_of(faults, desk, &above, &*desk.store.get(&above)?)
}

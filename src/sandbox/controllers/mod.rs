//! Simulated controllers: they move the status of objects to ready after a short delay, as a cluster's would.
//!
//! A kind says what its settled status is, as a function of what is in the store; the loop here compares that with what
//! is there, and after the delay writes it. So unfinished work is taken up again when a sandbox is opened.

mod deployment;
mod external_secret;
mod helm_release;
mod http_route;
mod namespace;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::apply::{self, Manager, Operation};
use super::fault::{Fault, FaultHow};
use super::meta;
use super::request::Place;
use super::status::ApiError;
use super::store::{Event, Key, Store};
use super::write;

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

/// What a controller may look at and change.
struct Desk<'a> {
    store: &'a Store,
}

/// A part of the control plane that looks after one kind.
trait Controller: Send + Sync {
    fn resource(&self) -> &'static str;

    /// Which of its own objects a change of something else makes it look at.
    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key>;

    /// Looks at an object that may have changed; true when there is something to do after the delay.
    fn look(&self, desk: &Desk<'_>, key: &Key, object: &Arc<Value>, fault: Option<&FaultHow>) -> bool;

    /// Does it.
    fn act(&self, desk: &Desk<'_>, key: &Key, object: &Arc<Value>, fault: Option<&FaultHow>);
}

/// A kind whose controller does no more than write a status, and other objects.
trait Simulated: Send + Sync {
    fn resource(&self) -> &'static str;

    /// The name under which it writes.
    fn manager(&self) -> &'static str;

    /// Whether the object asks to be left alone.
    fn suspended(&self, _object: &Value) -> bool {
        false
    }

    /// The status while a change is under way; `None` when nothing shows.
    fn progress(&self, object: &Value) -> Option<Value>;

    /// The status in the end, failed when there is a fault; `None` while something else has to happen first.
    fn settled(&self, desk: &Desk<'_>, object: &Value, fault: Option<&str>) -> Option<Value>;

    /// Objects that have to exist beside it.
    fn children(&self, _desk: &Desk<'_>, _object: &Value) -> Vec<Value> {
        Vec::new()
    }

    /// See [`Controller::concerned`].
    fn concerned(&self, _desk: &Desk<'_>, _event: &Event) -> Vec<Key> {
        Vec::new()
    }
}

impl<T: Simulated> Controller for T {
    fn resource(&self) -> &'static str {
        Simulated::resource(self)
    }

    fn concerned(&self, desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        Simulated::concerned(self, desk, event)
    }

    fn look(&self, desk: &Desk<'_>, key: &Key, object: &Arc<Value>, fault: Option<&FaultHow>) -> bool {
        if meta::is_terminating(object) || self.suspended(object) {
            return false;
        }
        let message = match fault {
            Some(FaultHow::Stall) => {
                desk.write_status(key, self.manager(), self.progress(object));
                return false;
            }
            Some(FaultHow::Fail(message)) => Some(message.as_str()),
            None => None,
        };
        if message.is_none() {
            for child in self.children(desk, object) {
                desk.apply(&child, self.manager());
            }
        }
        let settled = self.settled(desk, object, message);
        if settled.as_ref() == Some(&object["status"]) {
            return false;
        }
        desk.write_status(key, self.manager(), self.progress(object));
        settled.is_some()
    }

    fn act(&self, desk: &Desk<'_>, key: &Key, object: &Arc<Value>, fault: Option<&FaultHow>) {
        let message = match fault {
            Some(FaultHow::Fail(message)) => Some(message.as_str()),
            _ => None,
        };
        if !meta::is_terminating(object) && !self.suspended(object) && fault != Some(&FaultHow::Stall) {
            desk.write_status(key, self.manager(), self.settled(desk, object, message));
        }
    }
}

impl Desk<'_> {
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.store.get(&Key::new(resource, namespace, name))
    }

    fn list(&self, resource: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
        self.store.list(resource, namespace).0
    }

    /// Keys of all objects of a kind.
    fn keys(&self, resource: &str) -> Vec<Key> {
        let objects = self.list(resource, None);
        objects.iter().map(|object| Key::new(resource, meta::namespace(object), meta::name(object))).collect()
    }

    fn place(&self, resource: &str, namespace: &str, subresource: &str) -> Option<Place> {
        let kind = Arc::clone(self.store.registry().by_resource(resource)?);
        Some(Place {
            version: kind.stored.clone(),
            namespace: kind.namespaced.then(|| namespace.to_owned()),
            name: None,
            subresource: subresource.to_owned(),
            kind,
        })
    }

    /// Writes a status. An object that is gone, or a disk that is full, is met again at the next look.
    fn write_status(&self, key: &Key, manager: &str, status: Option<Value>) {
        let (Some(status), Some(place)) = (status, self.place(&key.resource, &key.namespace, "status")) else {
            return;
        };
        let manager = Manager {
            operation: Operation::Update,
            name: manager.to_owned(),
            subresource: "status".into(),
            api_version: place.api_version(),
        };
        let result = self.store.write(false, |tx| {
            let Some(old) = tx.get(key) else {
                return Ok(());
            };
            if old["status"] == status {
                return Ok(());
            }
            let mut new = (*old).clone();
            new["status"] = status;
            write::update(tx, &place, &old, new, Some(&manager)).map(|_| ())
        });
        report(key, result);
    }

    /// Makes an object be as given; what others set in it stays.
    fn apply(&self, config: &Value, manager: &str) {
        let registry = self.store.registry();
        let Some(kind) = registry.all().find(|kind| {
            config["kind"] == kind.kind.as_str() && config["apiVersion"] == kind.api_version(&kind.stored)
        }) else {
            return;
        };
        let Some(place) = self.place(&kind.resource(), meta::namespace(config), "") else {
            return;
        };
        let manager = Manager {
            operation: Operation::Apply,
            name: manager.to_owned(),
            subresource: String::new(),
            api_version: place.api_version(),
        };
        let key = place.key(meta::name(config));
        let result = self.store.write(false, |tx| {
            let old = tx.get(&key);
            let live = old.as_deref().cloned().unwrap_or_else(|| json!({}));
            let new = apply::applied(&place.kind, &live, config, &manager, true)?;
            match &old {
                Some(old) => write::update(tx, &place, old, new, None),
                None => write::insert(tx, &place, new, None),
            }
            .map(|_| ())
        });
        report(&key, result);
    }
}

fn report(key: &Key, result: Result<(), ApiError>) {
    if let Err(error) = result {
        tracing::debug!(%key, status = %error.body(), "a sandbox controller could not write");
    }
}

/// Runs all controllers until the store is gone.
pub(crate) async fn run(store: Weak<Store>, timing: Timing, faults: Vec<Fault>) {
    let controllers: Vec<Box<dyn Controller>> = vec![
        Box::new(namespace::Namespaces),
        Box::new(external_secret::ExternalSecrets),
        Box::new(helm_release::HelmReleases),
        Box::new(http_route::HttpRoutes),
        Box::new(deployment::Deployments),
    ];
    let Some(first) = store.upgrade() else { return };
    let mut changes = first.subscribe();
    let mut round = Round { controllers, timing, faults, due: HashMap::new(), position: None };
    drop(first);
    loop {
        {
            let Some(store) = store.upgrade() else { return };
            changes.borrow_and_update();
            round.take_in(&store);
            if round.carry_out(&store) {
                continue;
            }
        }
        let next = round.due.values().min().copied();
        let nap = async move {
            match next {
                Some(next) => tokio::time::sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = nap => {}
        }
    }
}

struct Round {
    controllers: Vec<Box<dyn Controller>>,
    timing: Timing,
    faults: Vec<Fault>,
    /// What is to be done, by controller and object.
    due: HashMap<(usize, Key), Instant>,
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
                for key in desk.keys(self.controllers[number].resource()) {
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
        let Some(object) = desk.store.get(&key) else {
            return;
        };
        let fault = fault_of(&self.faults, desk, &key);
        if self.controllers[number].look(desk, &key, &object, fault) {
            let when = Instant::now() + self.timing.of(&key);
            self.due.entry((number, key)).or_insert(when);
        } else {
            self.due.remove(&(number, key));
        }
    }

    /// Does what is due; false when nothing was.
    fn carry_out(&mut self, store: &Store) -> bool {
        let desk = Desk { store };
        let now = Instant::now();
        let ready: Vec<(usize, Key)> =
            self.due.iter().filter(|(_, when)| **when <= now).map(|(what, _)| what.clone()).collect();
        for (number, key) in &ready {
            self.due.remove(&(*number, key.clone()));
            if let Some(object) = store.get(key) {
                let fault = fault_of(&self.faults, &desk, key);
                self.controllers[*number].act(&desk, key, &object, fault);
            }
        }
        !ready.is_empty()
    }
}

fn fault_of<'a>(faults: &'a [Fault], desk: &Desk<'_>, key: &Key) -> Option<&'a FaultHow> {
    let registry = desk.store.registry();
    let kind = registry.by_resource(&key.resource)?;
    faults.iter().find(|fault| fault.hits(kind, &key.namespace, &key.name)).map(|fault| &fault.how)
}

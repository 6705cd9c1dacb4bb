//! How a command is held to its context: the kubeconfig, talosconfig or project that it gets, the nodes that it may name;
//! and what a context is that has no cluster.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{Call, Door, EffectError, Sort};
use crate::{
    cluster::Selector,
    event::Cancel,
    model::Identity,
    object::{path::text, yaml},
    process::{
        self, Command, Ended, Environment, Hooks, Reachable,
        rules::{Class, Reach},
    },
};

/// How long gcloud may take to say which project it is.
const PROJECT: Duration = Duration::from_secs(30);

/// What a context is instead of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// A GCP project, by its id.
    Project(String),
    /// A Git repository, by its remote.
    Repository(String),
}

/// The current context of a talosconfig: its name and endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TalosContext {
    name: String,
    endpoints: Vec<String>,
}

impl Call {
    /// What the command reaches its context by, and the name that it is given; refused where it names a node of another
    /// cluster, or where the context does not say what its tool is to reach.
    pub(super) fn held(&self, class: &Class) -> Result<(Reachable, Option<String>), EffectError> {
        let door = self.door("cmd")?;
        let name = &door.parts.target.name;
        let mut reach = Reachable::default();
        let refused = |message: String, help: String| Err(EffectError::new(Sort::Refused, message).help(help));
        match class.reach {
            Reach::None => Ok((reach, None)),
            Reach::Kubeconfig => {
                let private = door.kubeconfig()?;
                if !private.is_unchanged() {
                    let message = format!(
                        "the run's own kubeconfig was written anew by a command, and may lead elsewhere than to context {name}"
                    );
                    return Err(self.ran_into(
                        EffectError::new(Sort::Identity, message)
                            .help("leave out the command that does so, then resume: a resume writes it as it was"),
                    ));
                }
                reach.kubeconfig = Some(private.path());
                Ok((reach, Some(private.context().to_owned())))
            }
            // it asks no node
            Reach::Talosconfig if class.nodes.is_empty() => Ok((reach, None)),
            Reach::Talosconfig => {
                let Some(path) = &door.parts.talosconfig else {
                    return refused(
                        format!("context {name} has no talosconfig, so that talosctl would reach no node of it"),
                        format!("[contexts.{name}] talosconfig = \"PATH\""),
                    );
                };
                let now = talos_context(path)?;
                let first = door.talos.get_or_init(|| now.clone());
                if *first != now {
                    let message = format!(
                        "the talosconfig {} says another context or other endpoints than when it was first used: {first}, now {now}",
                        path.display()
                    );
                    let help = format!("talosctl config context {}, then resume", first.name);
                    return Err(self.ran_into(EffectError::new(Sort::Identity, message).help(help)));
                }
                self.own_nodes(door, &now.endpoints, class)?;
                reach.talosconfig = Some(path.clone());
                // whatever its current one is by then
                Ok((reach, Some(now.name)))
            }
            Reach::Project => {
                let Some(Elsewhere::Project(project)) = &door.parts.elsewhere else {
                    return refused(
                        format!("context {name} has no GCP project, so that gcloud would take the one of this account"),
                        format!("[contexts.{name}.target] project = \"PROJECT\""),
                    );
                };
                reach.project = Some(project.clone());
                Ok((reach, Some(project.clone())))
            }
        }
    }

    /// Refuses a node or endpoint that is not one of the pinned cluster's.
    fn own_nodes(&self, door: &Door, endpoints: &[String], class: &Class) -> Result<(), EffectError> {
        let mut own: BTreeSet<String> = endpoints.iter().cloned().collect();
        let cluster = door.cluster()?;
        let listed = self.outlast(|patience| cluster.list("Node", None, &Selector::default(), patience));
        for node in listed.map_err(|error| self.ran_into(error.into()))?.items {
            own.extend(text(&node, "metadata.name").map(ToOwned::to_owned));
            let addresses = node["status"]["addresses"].as_array();
            own.extend(addresses.into_iter().flatten().filter_map(|a| Some(text(a, "address")?.to_owned())));
        }
        let Some(other) = class.nodes.iter().find(|node| !own.contains(*node)) else { return Ok(()) };
        let shown = own.iter().take(12).cloned().collect::<Vec<_>>().join(", ");
        let message =
            format!("{other} is no node of context {} and no endpoint of its talosconfig", door.target().name);
        Err(self.ran_into(EffectError::new(Sort::Identity, message).help(format!("its nodes and endpoints: {shown}"))))
    }
}

/// A talosconfig's own context.
fn talos_context(path: &std::path::Path) -> Result<TalosContext, EffectError> {
    let shown = path.display().to_string();
    let bad = |why: String| EffectError::new(Sort::Refused, format!("the talosconfig {shown} cannot be used: {why}"));
    let file = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let documents = yaml::documents(&file, &shown).map_err(|error| bad(error.to_string()))?;
    let config = documents.into_iter().next().map(|document| document.value).unwrap_or_default();
    let name = text(&config, "context").ok_or_else(|| bad("it names no current context".into()))?;
    let own = &config["contexts"][name];
    if !own.is_object() {
        return Err(bad(format!("it has no context {name}, which it says is the current one")));
    }
    let endpoints = own["endpoints"].as_array().into_iter().flatten();
    let endpoints = endpoints.filter_map(|endpoint| endpoint.as_str().map(ToOwned::to_owned)).collect();
    Ok(TalosContext { name: name.to_owned(), endpoints })
}

impl std::fmt::Display for TalosContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.endpoints.join(", "))
    }
}

impl Door {
    /// Which project or repository a context without a cluster is.
    pub(super) fn identity_elsewhere(&self, elsewhere: &Elsewhere, cancel: &Cancel) -> Result<Identity, EffectError> {
        let identity =
            |uid: String, server: String| Identity { uid, server, ca: None, version: String::new(), nodes: vec![] };
        match elsewhere {
            Elsewhere::Repository(remote) => Ok(identity(remote.clone(), remote.clone())),
            Elsewhere::Project(project) => {
                Ok(identity(format!("project {}", self.project_number(project, cancel)?), format!("project {project}")))
            }
        }
    }

    fn project_number(&self, project: &str, cancel: &Cancel) -> Result<String, EffectError> {
        let argv = ["gcloud", "projects", "describe", project, "--format=value(projectNumber)"].map(String::from);
        let reach = Reachable { project: Some(project.into()), ..Reachable::default() };
        let env = Environment::new(self.parts.environment.iter().cloned(), &self.parts.env, &reach);
        let mut command = Command::new(&argv, env.variables());
        command.timeout = Some(PROJECT);
        let begun = Instant::now();
        let mut hooks = Hooks {
            on_start: &mut |_| Ok(()),
            on_line: None,
            filter: &|text| self.parts.scrubber.scrub(text).into_owned(),
            on_cancel: Some(&|wake| Box::new(cancel.on_cancel(wake))),
        };
        let what = format!("which project {project} is, could not be asked");
        let done = process::run(&command, &mut hooks)
            .map_err(|error| EffectError::new(Sort::Unreachable, format!("{what}: {error}")))?;
        let number = done.stdout.trim();
        if done.ended == Ended::Exited(0) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(number.into());
        }
        let last = done.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("gcloud gave no number");
        let took = begun.elapsed().as_secs();
        Err(EffectError::new(Sort::Unreachable, format!("{what}: {last} (after {took} s)"))
            .help("gcloud auth login, as an account that may see the project"))
    }
}

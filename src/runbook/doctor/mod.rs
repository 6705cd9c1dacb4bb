//! What runs would stand on, looked at without a run: this machine (`machine`), each context, and the UIDs that contexts
//! are pinned to (`pin`).

mod machine;
mod pin;

use std::{path::Path, sync::Arc};

use super::{Error, ErrorKind, Runbook, connect::Way};
use crate::{
    bundle::{self, Bundle, Config, StoreIn},
    cluster::{Cluster, NAMESPACE, Patience, Wish},
    event::Cancel,
    model::{Checkup, ContextDiagnosis, Diagnosis, Health, Identity},
    run::Connect as _,
};

/// How long a context may take to answer each question.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(15);
/// From here on a clock is off.
const SKEW: i64 = 30;

impl Runbook {
    /// Looks at this machine and at contexts of the `runbook.toml` found upwards from `folder`: those that are named, else
    /// all of them. Changes nothing.
    ///
    /// # Errors
    /// `runbook.toml` is refused, or has no such context. What is wrong with a context is part of the answer.
    pub fn doctor(&self, folder: impl AsRef<Path>, contexts: &[String], cancel: &Cancel) -> Result<Diagnosis, Error> {
        let config = self.config_for_doctor(folder.as_ref())?;
        let ways = self.ways(config.as_ref(), contexts)?;
        let mut machine = machine::look(&self.inner, config.as_deref());
        if config.is_none() {
            let none = "there is none here or above, so that no run can name a context";
            machine.insert(
                0,
                Checkup::is(Health::Warning, "runbook.toml", none)
                    .help("[contexts.NAME] in a runbook.toml beside the playbooks"),
            );
        }
        let mut diagnosed: Vec<ContextDiagnosis> = ways.iter().map(|way| context(way, cancel)).collect();
        one_cluster(config.as_deref(), &mut diagnosed);
        Ok(Diagnosis { machine, contexts: diagnosed })
    }

    fn config_for_doctor(&self, folder: &Path) -> Result<Option<Arc<Config>>, Error> {
        let config = Config::find(folder, self.inner.config.as_deref())
            .map_err(|error| Error::new(ErrorKind::Usage, "the configuration is refused").findings_are(error.0))?;
        Ok(config.map(Arc::new))
    }

    /// The contexts that are named, else all.
    fn ways(&self, config: Option<&Arc<Config>>, named: &[String]) -> Result<Vec<Way>, Error> {
        let all = || config.iter().flat_map(|config| config.contexts.keys().cloned()).collect();
        let names: Vec<String> = if named.is_empty() { all() } else { named.to_vec() };
        let bundle = Arc::new(Bundle::in_memory("", ""));
        let way = |context: String| {
            let way = Way::new(&self.inner, bundle.clone(), config.cloned(), &context);
            way.context().map(|_| ())?;
            Ok(way)
        };
        names.into_iter().map(way).collect()
    }
}

fn context(way: &Way, cancel: &Cancel) -> ContextDiagnosis {
    let mut found = ContextDiagnosis { name: way.context.clone(), identity: None, wrong: false, checkups: vec![] };
    if let Ok(declared) = way.context() {
        look(way, declared, cancel, &mut found);
        found.checkups.extend(rules(declared));
    }
    found
}

fn look(way: &Way, declared: &bundle::Context, cancel: &Cancel, found: &mut ContextDiagnosis) {
    let add = |checkup: Checkup, found: &mut ContextDiagnosis| found.checkups.push(checkup);
    let failed =
        |name: &str, message: String, help: Vec<String>| Checkup { help, ..Checkup::is(Health::Failed, name, message) };
    let connected = match way.connect() {
        Ok(connected) => connected,
        Err(ended) => return add(failed("kube-context", ended.message, ended.help), found),
    };
    let (real, cluster) = (!declared.sandbox, declared.target.is_empty());
    if real && cluster {
        let name = declared.kube_context.as_deref().unwrap_or(&declared.name);
        let file = declared.kubeconfig.as_ref().map_or_else(String::new, |file| format!(" in {}", file.display()));
        add(Checkup::ok("kube-context", format!("{name}{file}")), found);
    }
    let identity = match connected.door.identity(cancel) {
        Ok(identity) => identity,
        Err(error) => {
            let mut help = error.help;
            help.extend(connected.door.asked_at().map(|server| format!("it was asked for at {server}")));
            return add(failed("reached", error.message, help), found);
        }
    };
    found.identity.clone_from(&identity);
    if let Some(identity) = &identity {
        let nodes = identity.nodes.len();
        let nodes =
            if nodes > 0 { format!(", {nodes} node{}", if nodes == 1 { "" } else { "s" }) } else { String::new() };
        add(Checkup::ok("reached", format!("{} {}{nodes}", identity.server, identity.version)), found);
        if real {
            let (checkup, wrong) = pinned(declared, identity);
            found.wrong = wrong;
            add(checkup, found);
        }
    }
    if !real || !cluster {
        return;
    }
    let Ok(cluster) = connected.door.cluster() else { return };
    let patience = || Patience { cancel: cancel.clone(), ..Patience::of(PATIENCE) };
    add(
        match cluster.account(&patience()) {
            Ok(account) => Checkup::ok("account", way.inner.scrubber.scrub(&account)),
            Err(error) => Checkup::is(Health::Warning, "account", format!("the server does not say: {error}")),
        },
        found,
    );
    if let Some(skew) = connected.door.clock_skew() {
        let seconds = skew.as_secs();
        let way = if seconds >= 0 { "ahead of" } else { "behind" };
        let text = format!("this machine's is {} s {way} the API server's", seconds.abs());
        add(
            if seconds.abs() > SKEW {
                Checkup::is(Health::Warning, "clock", text)
                    .help("set the clock, e.g. with NTP: timedatectl set-ntp true")
            } else {
                Checkup::ok("clock", text)
            },
            found,
        );
    }
    add(places(declared, cluster, &patience()), found);
}

/// Whether it is the cluster that the context is pinned to, and whether it is not.
fn pinned(declared: &bundle::Context, identity: &Identity) -> (Checkup, bool) {
    let (name, uid) = (&declared.name, &identity.uid);
    match &declared.uid {
        Some(pin) if pin == uid => (Checkup::ok("identity", format!("{uid}, as it is pinned")), false),
        Some(pin) => {
            let text = format!("it is not the cluster that it is pinned to: it is {uid}, runbook.toml says {pin}");
            let help = format!("if it was rebuilt: runbook doctor --pin --replace --context {name}");
            (Checkup::is(Health::Failed, "identity", text).help(help), true)
        }
        None => {
            let text = format!("{uid}; it is not pinned, so that another cluster of this name would be taken for it");
            (
                Checkup::is(Health::Warning, "identity", text).help(format!("runbook doctor --pin --context {name}")),
                false,
            )
        }
    }
}

/// Whether runs can keep their places where the context wants them.
fn places(declared: &bundle::Context, cluster: &Cluster, patience: &Patience) -> Checkup {
    if declared.store() == StoreIn::Local {
        return Checkup::ok("places", "in the state folder: runs of this machine know each other");
    }
    let mut missing = vec![];
    for (kind, verbs) in [("Lease", ["get", "create", "update"]), ("ConfigMap", ["get", "create", "update"])] {
        let resource = match cluster.resolve_kind(kind, patience) {
            Ok(resource) => resource,
            Err(error) => return Checkup::is(Health::Failed, "places", error.to_string()),
        };
        for verb in verbs {
            let wish = Wish { verb: verb.into(), namespace: Some(NAMESPACE.into()), ..Wish::default() };
            match cluster.may(&resource, &wish, patience) {
                Ok(answer) if answer.allowed => {}
                Ok(_) => missing.push(format!("{verb} {}", resource.plural)),
                Err(error) => return Checkup::is(Health::Failed, "places", error.to_string()),
            }
        }
    }
    if missing.is_empty() {
        return Checkup::ok("places", "in the cluster: runs of all machines know each other");
    }
    let text = format!("in the cluster, where this account may not {} in {}", missing.join(", "), NAMESPACE);
    Checkup::is(Health::Failed, "places", text)
        .help(format!("grant it that, or write [contexts.{}] store = \"local\"", declared.name))
}

/// The rules that `runbook.toml` sets for a context, and the files that it names.
fn rules(declared: &bundle::Context) -> Vec<Checkup> {
    let mut found = vec![];
    if let Some(path) = &declared.talosconfig {
        let text = path.display().to_string();
        found.push(if path.is_file() {
            Checkup::ok("talosconfig", text)
        } else {
            Checkup::is(Health::Failed, "talosconfig", format!("{text} is not there"))
        });
    }
    let mut rules = vec![];
    if let Some(class) = declared.gate {
        rules.push(format!("gates are at least {class}"));
    }
    if let Some(required) = &declared.requires {
        let age = declared.max_age.map(|age| format!(", for {age}")).unwrap_or_default();
        let soak = declared.soak.map(|soak| format!(", {soak} after it")).unwrap_or_default();
        rules.push(format!("verified on {required} first{age}{soak}"));
    }
    if let Some(window) = &declared.window {
        rules.push(format!("changes {window}"));
    }
    if !declared.hosts.is_empty() {
        rules.push(format!("hosts {}", declared.hosts.join(", ")));
    }
    let text = if rules.is_empty() { "none".to_owned() } else { format!("{} (runbook.toml)", rules.join("; ")) };
    found.push(Checkup::ok("rules", text));
    found
}

/// Two contexts that are one cluster, or staging first says nothing.
fn one_cluster(config: Option<&Config>, contexts: &mut [ContextDiagnosis]) {
    let pins = config.iter().flat_map(|config| config.contexts.values());
    let mut known: Vec<(String, String)> =
        pins.filter_map(|context| Some((context.name.clone(), context.uid.clone()?))).collect();
    known.extend(
        contexts.iter().filter_map(|context| Some((context.name.clone(), context.identity.as_ref()?.uid.clone()))),
    );
    for context in contexts {
        let Some(identity) = &context.identity else { continue };
        let same = known.iter().find(|(name, uid)| *name != context.name && *uid == identity.uid);
        let Some((other, uid)) = same else { continue };
        context.wrong = true;
        let text = format!("contexts {} and {other} are one cluster: {uid}", context.name);
        let help = format!("look at kube-context and kubeconfig of [contexts.{}] and [contexts.{other}]", context.name);
        context.checkups.push(Checkup::is(Health::Failed, "identity", text).help(help));
    }
}

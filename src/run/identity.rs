use super::{
    bind::{Connect, Connected},
    start::{Ended, interrupted},
};
use crate::{
    event::{Cancel, Store},
    model::{ExitCode, Identity},
};

/// Which cluster it is, and whether it is the one that the context is pinned to.
pub fn who(connected: &Connected, cancel: &Cancel) -> Result<Option<Identity>, Box<Ended>> {
    let context = &connected.target.name;
    let identity = connected.door.identity(cancel).map_err(|error| {
        let exit = if cancel.is_cancelled() { interrupted(cancel) } else { ExitCode::PreflightFailed };
        let mut ended = Ended::new(exit, format!("context {context}: {}", error.message));
        ended.help = error.help;
        if let Some(server) = connected.door.asked_at() {
            ended.help.push(format!("it was asked for at {server}"));
        }
        Box::new(ended)
    })?;
    match (&connected.pinned, &identity) {
        (Some(pinned), Some(identity)) if *pinned != identity.uid => Err(Box::new(
            Ended::new(
                ExitCode::WrongContext,
                format!(
                    "context {context} is not the cluster that it is pinned to: kube-system has UID {}, runbook.toml says {pinned}",
                    identity.uid
                ),
            )
            .help(format!("if it was rebuilt, put the new UID into [contexts.{context}] uid")),
        )),
        _ => Ok(identity),
    }
}

/// Connects to another context than the run's, which is looked at and never changed, as a run on it would. `here` is the
/// run's own cluster, which it cannot be.
pub(super) fn elsewhere(
    connect: &dyn Connect,
    here: (&str, Option<&Identity>),
    cancel: &Cancel,
) -> Result<(Connected, Option<Identity>), Box<Ended>> {
    let connected = connect.connect().map_err(Box::new)?;
    let identity = who(&connected, cancel)?;
    if let (name, Some(own)) = here
        && let Some(other) = identity.as_ref().filter(|other| other.uid == own.uid)
    {
        return Err(one_cluster(name, &connected.target.name, &other.uid));
    }
    Ok((connected, identity))
}

/// Refuses a context that is the cluster of another one: of one that is pinned to it, or, where this one is not pinned, of
/// one whose last run with the same `runbook.toml` was there.
pub(super) fn refuse_shared(
    connected: &Connected,
    identity: Option<&Identity>,
    store: &dyn Store,
    config: Option<&str>,
) -> Result<(), Box<Ended>> {
    let Some(identity) = identity else { return Ok(()) };
    let here = &connected.target.name;
    let pinned = |(_, pin): &&(String, Option<String>)| pin.as_ref() == Some(&identity.uid);
    if let Some((other, _)) = connected.others.iter().find(pinned) {
        return Err(one_cluster(here, other, &identity.uid));
    }
    // of a context that is pinned to what it is, no run of another one says anything new
    let unpinned: Vec<&String> =
        connected.others.iter().filter(|(_, pin)| pin.is_none()).map(|(name, _)| name).collect();
    if connected.pinned.is_some() || unpinned.is_empty() {
        return Ok(());
    }
    // what the store cannot say now, it says when the run begins
    let runs = store.runs().unwrap_or_default().into_iter().filter_map(|(_, state)| state.ok());
    let mut seen = vec![];
    for state in runs.filter(|state| state.config.as_deref() == config) {
        let (Some(target), Some(then)) = (&state.target, &state.identity) else { continue };
        if target.sandbox || !unpinned.contains(&&target.name) || seen.contains(&target.name) {
            continue;
        }
        if then.uid == identity.uid {
            let ended = *one_cluster(here, &target.name, &then.uid);
            let help = format!(
                "if {here} is meant and {} is another one by now: runbook doctor --pin --context {here}",
                target.name
            );
            return Err(Box::new(ended.help(help)));
        }
        seen.push(target.name.clone());
    }
    Ok(())
}

/// Two contexts are two clusters, or staging first says nothing.
fn one_cluster(context: &str, other: &str, uid: &str) -> Box<Ended> {
    Box::new(
        Ended::new(
            ExitCode::WrongContext,
            format!("contexts {context} and {other} are one cluster: kube-system has UID {uid} in both"),
        )
        .help(format!("look at kube-context and kubeconfig of [contexts.{context}] and [contexts.{other}]")),
    )
}

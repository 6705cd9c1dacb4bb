use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::BodyExt as _;
use serde_json::Value;

use super::{
    Shared, kept,
    state::{Items, Key, Phase, State, Wanted},
};
use crate::{
    cluster::{
        ClusterError, Inner, Resource,
        error::from_status,
        read::{METADATA, METADATA_EVENTS, list_call, place},
        wire::Call,
    },
    object::path::{int, text},
};

/// First and longest pause before a broken watch is listed again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// First and longest pause between two lists of what may not be watched.
const POLL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// The server ends a watch after this many seconds; it is opened again where it ended.
const WATCH_SECONDS: u64 = 290;
/// A watch that says nothing for this long, not even that it ends, is dead.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS + 15);

/// Lists what the key stands for, keeping what is wanted.
pub(super) async fn list(
    inner: &Inner,
    resource: &Resource,
    key: &Key,
    accept: &'static str,
    wanted: &Wanted,
) -> Result<(Items, String), ClusterError> {
    let mut items = Items::new();
    let namespace = key.namespace.as_deref();
    let version = inner
        .list(resource, namespace, &key.selector, accept, |object| {
            let place = place(&object);
            if wanted.has(&place) {
                items.insert(place, kept(object));
            }
        })
        .await?;
    Ok((items, version))
}

/// Keeps one entry up to date until it is stopped.
pub(super) struct Follower {
    pub inner: Arc<Inner>,
    pub shared: Arc<Shared>,
    pub key: Key,
    pub resource: Arc<Resource>,
    pub accept: &'static str,
    pub id: u64,
}

/// How a watch ended.
enum End {
    /// The server closed it: goes on from here.
    Closed(String),
    /// It has to be listed again.
    Lost(ClusterError),
    /// It may not be watched.
    Refused(ClusterError),
    /// Nobody reads it any more.
    Stopped,
}

impl Follower {
    pub(super) async fn run(self, mut version: String) {
        let mut pause = BACKOFF.0;
        loop {
            let opened = Instant::now();
            let end = self.watch(version.clone()).await;
            // one that lived for a while starts anew with the shortest pause
            if opened.elapsed() > BACKOFF.1 {
                pause = BACKOFF.0;
            }
            match end {
                End::Stopped => return,
                End::Refused(error) => return self.poll(&error).await,
                End::Closed(last) => {
                    version = last;
                    if self
                        .with(|_, state| state.entries.get_mut(&self.key).map(|entry| entry.phase = Phase::Connecting))
                        .is_none()
                    {
                        return;
                    }
                    if opened.elapsed() < BACKOFF.1 {
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(BACKOFF.1);
                    }
                }
                End::Lost(error) => {
                    let gone = matches!(error, ClusterError::Gone { .. });
                    if !gone && !self.broke(error) {
                        return;
                    }
                    // a watch that was open until it got too old is listed again at once
                    if !gone || opened.elapsed() < BACKOFF.0 {
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(BACKOFF.1);
                    }
                    match self.list_again(&mut pause).await {
                        Some(listed) => version = listed,
                        None => return,
                    }
                }
            }
        }
    }

    /// Lists until it succeeds; none when nobody reads it any more.
    async fn list_again(&self, pause: &mut Duration) -> Option<String> {
        loop {
            let wanted = self.with(|_, state| state.entries.get(&self.key).map(|entry| entry.wanted.clone()))??;
            match list(&self.inner, &self.resource, &self.key, self.accept, &wanted).await {
                Ok((items, version)) => {
                    self.replace(items, version.clone(), Phase::Connecting)?;
                    return Some(version);
                }
                Err(error) => {
                    if !self.broke(error) {
                        return None;
                    }
                    tokio::time::sleep(*pause).await;
                    *pause = (*pause * 2).min(BACKOFF.1);
                }
            }
        }
    }

    /// Lists again and again, where there is no permission to watch.
    async fn poll(&self, error: &ClusterError) {
        let note = format!("{} cannot be watched, so it is listed again and again ({error})", self.resource.kind);
        let noted = self.with(|shared, state| {
            if !state.notes.contains(&note) {
                state.notes.push(note.clone());
            }
            if let Some(entry) = state.entries.get_mut(&self.key) {
                entry.phase = Phase::Polling;
            }
            self.settled(shared, state);
        });
        let mut pause = POLL.0;
        let mut going = noted;
        while going.is_some() {
            tokio::time::sleep(pause).await;
            let Some(wanted) =
                self.with(|_, state| state.entries.get(&self.key).map(|entry| entry.wanted.clone())).flatten()
            else {
                return;
            };
            going = match list(&self.inner, &self.resource, &self.key, self.accept, &wanted).await {
                Ok((items, version)) => self.replace(items, version, Phase::Polling).map(|changed| {
                    pause = if changed { POLL.0 } else { (pause * 3 / 2).min(POLL.1) };
                }),
                Err(error) => self.broke(error).then_some(()),
            };
        }
    }

    async fn watch(&self, mut version: String) -> End {
        let mut call = list_call(&self.resource, self.key.namespace.as_deref(), &self.key.selector)
            .query("watch", "1")
            .query("allowWatchBookmarks", "true")
            .query("timeoutSeconds", WATCH_SECONDS.to_string())
            .query("resourceVersion", &version);
        call.accept = if self.accept == METADATA { METADATA_EVENTS } else { self.accept };
        let response = match self.inner.open(&mut call).await {
            Ok(response) => response,
            Err(error @ (ClusterError::Forbidden { .. } | ClusterError::Rejected { code: 405, .. })) => {
                return End::Refused(error);
            }
            Err(error) => return End::Lost(self.inner.unserved(error)),
        };
        if self.live().is_none() {
            return End::Stopped;
        }
        let lost = |message: String| {
            End::Lost(ClusterError::Unreachable { what: call.what.text.clone(), message, sent: true })
        };
        let mut body = response.into_body();
        let mut line = Vec::new();
        loop {
            let frame = match tokio::time::timeout(SILENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return End::Closed(version),
                Ok(Some(Err(error))) => return lost(format!("the watch broke off: {error}")),
                Err(_) => return lost(format!("the watch was silent for {} s", SILENCE.as_secs())),
            };
            let Ok(data) = frame.into_data() else { continue };
            let mut rest = data.as_ref();
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                line.extend_from_slice(&rest[..end]);
                rest = &rest[end + 1..];
                let event = serde_json::from_slice::<Value>(&line);
                line.clear();
                let Ok(event) = event else { return lost("it sent an event that is not JSON".into()) };
                match self.event(event, &call) {
                    Ok(seen) => version = seen.unwrap_or(version),
                    Err(end) => return end,
                }
            }
            line.extend_from_slice(rest);
        }
    }

    /// Takes one event in; gives its resourceVersion.
    fn event(&self, mut event: Value, call: &Call) -> Result<Option<String>, End> {
        let kind = text(&event, "type").unwrap_or_default().to_owned();
        let object = event.get_mut("object").map(Value::take).unwrap_or_default();
        if kind == "ERROR" {
            let code = int(&object, "code").and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
            return Err(End::Lost(from_status(code, &object, &call.what)));
        }
        let version = text(&object, "metadata.resourceVersion").map(ToOwned::to_owned);
        let place = place(&object);
        self.with(|shared, state| {
            let definitions = state.definitions.as_ref() == Some(&self.key);
            let Some(entry) = state.entries.get_mut(&self.key) else { return };
            if let Some(version) = &version {
                entry.version.clone_from(version);
            }
            if kind == "BOOKMARK" || !entry.wanted.has(&place) {
                return;
            }
            if kind == "DELETED" {
                entry.items.remove(&place);
            } else {
                entry.items.insert(place, kept(object));
            }
            if definitions {
                state.definition_event();
            }
            shared.bump(state);
        })
        .ok_or(End::Stopped)?;
        Ok(version)
    }

    fn live(&self) -> Option<()> {
        self.with(|shared, state| {
            state.reached();
            if let Some(entry) = state.entries.get_mut(&self.key) {
                entry.phase = Phase::Live;
            }
            self.settled(shared, state);
        })
    }

    /// Wakes an evaluation that held but could not count, now that it can.
    #[allow(clippy::unused_self, reason = "a step of this follower")]
    fn settled(&self, shared: &Shared, state: &mut State) {
        if state.wants_sync && state.in_sync() {
            shared.bump(state);
        }
    }

    /// Keeps what was listed again; whether it differs. None when nobody reads it any more.
    fn replace(&self, items: Items, version: String, phase: Phase) -> Option<bool> {
        self.with(|shared, state| {
            state.reached();
            let definitions = state.definitions.as_ref() == Some(&self.key);
            let Some(entry) = state.entries.get_mut(&self.key) else { return false };
            let failed = matches!(entry.phase, Phase::Broken(_));
            let same = entry.items.len() == items.len() && entry.items.iter().zip(&items).all(|(a, b)| a == b);
            entry.items = items;
            entry.version = version;
            entry.phase = phase;
            if definitions && !same {
                state.definition_event();
            }
            // an error that went is news as well
            if !same || failed {
                shared.bump(state);
            }
            !same
        })
    }

    /// Says that it is not as the server has it; false when nobody reads it any more.
    fn broke(&self, error: ClusterError) -> bool {
        self.with(|shared, state| {
            state.lost(&error);
            let Some(entry) = state.entries.get_mut(&self.key) else { return };
            // that nobody answers any more is news too: what was read last is not known to be so now
            let news = !matches!(entry.phase, Phase::Broken(_));
            entry.phase = Phase::Broken(error);
            if news {
                shared.bump(state);
            }
        })
        .is_some()
    }

    /// Works on the state, if this follower's entry is still its own.
    fn with<T>(&self, work: impl FnOnce(&Shared, &mut State) -> T) -> Option<T> {
        let mut state = self.shared.lock();
        if state.entries.get(&self.key).is_none_or(|entry| entry.id != self.id) {
            return None;
        }
        Some(work(&self.shared, &mut state))
    }
}

//! Watches: a stream of what changed after a version, one JSON line per event.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Body;
use super::meta;
use super::read::{self, Form};
use super::request::{Call, Place};
use super::selector::Selector;
use super::status::ApiError;
use super::store::{Event, Store};
use super::table;

/// How often a quiet watch says how far it has come, when the client asked for that.
const BOOKMARK: Duration = Duration::from_mins(1);
/// How long a watch lasts when the client does not say.
const LONGEST: Duration = Duration::from_hours(1);

struct Watch {
    store: Arc<Store>,
    changes: watch::Receiver<u64>,
    view: View,
    /// Everything up to this version was sent.
    position: u64,
    first: Option<Vec<u8>>,
    deadline: Instant,
    bookmark: Option<Instant>,
    ended: bool,
}

/// What a watch sees of the events.
struct View {
    place: Place,
    resource: String,
    selector: Selector,
    form: Form,
    /// How much of the object a row of a table carries, when tables are wanted.
    table: Option<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    sort: &'a str,
    object: &'a Value,
}

/// Starts a watch; the answer's body ends at the timeout.
pub(crate) fn start(store: &Arc<Store>, place: &Place, call: &Call) -> Result<Body, ApiError> {
    let mut fields = call.query.text("fieldSelector").to_owned();
    if let Some(name) = &place.name {
        fields = format!("metadata.name={name}");
    }
    let selector = Selector::parse(&place.kind, call.query.text("labelSelector"), &fields)?;
    let table = table::wanted(call).then(|| call.query.text("includeObject").to_owned());
    let view = View { place: place.clone(), resource: place.kind.resource(), selector, form: Form::of(call), table };
    let bookmarks = call.query.flag("allowWatchBookmarks");
    // Before the list is read, so that no change falls between the two.
    let changes = store.subscribe();
    read::options_fit(call, true)?;
    let asked = read::watched_from(call)?;
    let initial = call.query.flag("sendInitialEvents");
    let silent = call.query.all("sendInitialEvents").next().is_some() && !initial;
    let (position, first) = if silent && asked == 0 {
        (store.list("", None).1, Vec::new())
    } else if asked == 0 || initial {
        view.everything(store, initial && bookmarks)
    } else {
        (asked, Vec::new())
    };
    let seconds = call.query.text("timeoutSeconds").parse().map_or(LONGEST, Duration::from_secs).min(LONGEST);
    let now = Instant::now();
    let watch = Watch {
        store: Arc::clone(store),
        changes,
        view,
        position,
        first: Some(first),
        deadline: now + seconds,
        bookmark: bookmarks.then_some(now + BOOKMARK),
        ended: false,
    };
    let chunks = stream::unfold(watch, |mut watch| async move {
        let chunk = watch.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(chunk))), watch))
    });
    Ok(StreamBody::new(chunks).boxed_unsync())
}

impl View {
    /// All matching objects as additions, and the version they are at.
    fn everything(&self, store: &Store, end_marked: bool) -> (u64, Vec<u8>) {
        let (objects, version) = store.list(&self.resource, self.place.namespace.as_deref());
        let mut out = Vec::new();
        for object in objects.iter().filter(|object| self.selector.matches(object)) {
            line(&mut out, "ADDED", &self.shown(object));
        }
        if end_marked {
            line(&mut out, "BOOKMARK", &self.bookmark(version, true));
        }
        (version, out)
    }

    fn shown<'a>(&self, object: &'a Value) -> Cow<'a, Value> {
        match &self.table {
            Some(include) => {
                let metadata = json!({"resourceVersion": meta::resource_version(object)});
                Cow::Owned(table::table(&self.place, include, &metadata, &[object]))
            }
            None => read::shown(&self.place, self.form, object),
        }
    }

    fn bookmark(&self, version: u64, end_of_initial: bool) -> Value {
        let mut mark = json!({
            "kind": self.place.kind.kind, "apiVersion": self.place.api_version(),
            "metadata": {"resourceVersion": version.to_string()},
        });
        if end_of_initial {
            mark["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        mark
    }

    /// Writes an event as this watch sees it: entering the selection is an addition, leaving it a deletion.
    fn write(&self, out: &mut Vec<u8>, event: &Event) {
        if *event.key.resource != *self.resource
            || self.place.namespace.as_deref().is_some_and(|ns| *event.key.namespace != *ns)
        {
            return;
        }
        let before = event.old.as_deref().is_some_and(|old| self.selector.matches(old));
        let after = !event.removed && self.selector.matches(&event.new);
        let sort = match (before, after) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return,
        };
        if sort == "DELETED" && !event.removed {
            // It only left the selection: the client knew it as it was before, but at this version.
            let mut last = event.old.as_deref().cloned().unwrap_or_default();
            meta::metadata_mut(&mut last).insert("resourceVersion".into(), event.version.to_string().into());
            line(out, sort, &self.shown(&last));
        } else {
            line(out, sort, &self.shown(&event.new));
        }
    }
}

fn line(out: &mut Vec<u8>, sort: &str, object: &Value) {
    // Values always have a JSON form, so nothing is lost here.
    if serde_json::to_writer(&mut *out, &Line { sort, object }).is_ok() {
        out.push(b'\n');
    }
}

impl Watch {
    /// The next lines; `None` when the watch is over.
    async fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Some(first);
        }
        while !self.ended {
            self.changes.borrow_and_update();
            match self.store.since(self.position) {
                Err(oldest) => {
                    self.ended = true;
                    let mut out = Vec::new();
                    line(&mut out, "ERROR", &ApiError::expired(self.position, oldest).body());
                    return Some(out);
                }
                Ok((events, version)) => {
                    let mut out = Vec::new();
                    for event in &events {
                        self.view.write(&mut out, event);
                    }
                    self.position = version;
                    if !out.is_empty() {
                        return Some(out);
                    }
                }
            }
            let until = self.bookmark.map_or(self.deadline, |due| due.min(self.deadline));
            tokio::select! {
                changed = self.changes.changed() => self.ended = changed.is_err(),
                () = tokio::time::sleep_until(until) => {
                    self.ended = Instant::now() >= self.deadline;
                    if let Some(due) = &mut self.bookmark {
                        *due = Instant::now() + BOOKMARK;
                        let mut out = Vec::new();
                        line(&mut out, "BOOKMARK", &self.view.bookmark(self.position, false));
                        return Some(out);
                    }
                }
            }
        }
        None
    }
}

//! Changes of one object: patch, scale, restart, annotate, label, cordon, uncordon.

use serde_json::{Map, Value, json};

use super::{ChangeOptions, apply::answer_of, parse, uncertain};
use crate::{
    cluster::{ApplyOptions, Cluster, ClusterError, PatchKind, unchanged},
    effect::{
        Call, EffectError, Mode, Sort, Wanted, Wanting,
        ledger::{Answer, Intent},
    },
    event::{Applied, Before, Outcome, Sent},
    model::{ObjectRef, Place, Touch, Verb},
    object,
};

/// A change of one object that is there.
pub(super) struct Change<'a> {
    pub native: &'a str,
    pub verb: Verb,
    pub reference: &'a str,
    /// What is sent.
    pub input: Value,
    /// The fields that come out other than they are, as a merge patch.
    pub wanted: Value,
    pub idempotent: bool,
    /// Why there is no automatic way back.
    pub no_way_back: Option<&'a str>,
    pub options: &'a ChangeOptions,
    pub place: Option<Place>,
}

impl<'a> Change<'a> {
    /// Fields that are set, however often it is sent, and that go back to what they were.
    fn fields(
        native: &'a str,
        verb: Verb,
        reference: &'a str,
        wanted: &Value,
        options: &'a ChangeOptions,
        place: Option<Place>,
    ) -> Self {
        let (input, wanted) = (wanted.clone(), wanted.clone());
        Self { native, verb, reference, input, wanted, idempotent: true, no_way_back: None, options, place }
    }
}

impl Call {
    /// Patches an object: a map is merged into it, a list is a JSON patch, and `strategic` merges lists by their keys.
    pub fn k8s_patch(
        &self,
        reference: &str,
        patch: &Value,
        strategic: bool,
        options: &ChangeOptions,
        place: Option<Place>,
    ) -> Result<Value, EffectError> {
        let kind = match patch {
            Value::Array(_) => PatchKind::Json,
            Value::Object(_) if strategic => PatchKind::Strategic,
            Value::Object(_) => PatchKind::Merge,
            other => {
                let message = format!("`k8s::patch` takes a map to merge or a list of operations, not {other}");
                return Err(EffectError::new(Sort::Argument, message));
            }
        };
        let change = Change {
            native: "k8s::patch",
            verb: Verb::Patch,
            reference,
            input: json!([patch, strategic]),
            wanted: if kind == PatchKind::Json { of_operations(patch)? } else { patch.clone() },
            idempotent: false,
            no_way_back: None,
            options,
            place,
        };
        self.change(change, |cluster, object, _| {
            cluster.patch(object, None, kind, patch, &ApplyOptions::default(), &self.patience())
        })
    }

    /// Sets the number of replicas.
    pub fn k8s_scale(
        &self,
        reference: &str,
        replicas: u32,
        options: &ChangeOptions,
        place: Option<Place>,
    ) -> Result<Value, EffectError> {
        let wanted = json!({ "spec": { "replicas": replicas } });
        let change = Change::fields("k8s::scale", Verb::Scale, reference, &wanted, options, place);
        self.change(change, |cluster, object, _| {
            let (merge, by) = (PatchKind::Merge, ApplyOptions::default());
            cluster.patch(object, Some("scale"), merge, &wanted, &by, &self.patience()).map_err(
                |error| match error {
                    ClusterError::NotServed { .. } => {
                        ClusterError::Object { message: format!("{object}: this kind has no replicas to set") }
                    }
                    other => other,
                },
            )?;
            // the answer was the scale, not the object
            let found = cluster.get(object, &self.patience())?;
            found.ok_or_else(|| ClusterError::NotFound { what: format!("scale {object}") })
        })
    }

    /// Starts new pods for a workload, as `kubectl rollout restart` does; sent twice, it is one restart.
    pub fn k8s_restart(
        &self,
        reference: &str,
        options: &ChangeOptions,
        place: Option<Place>,
    ) -> Result<Value, EffectError> {
        let native = "k8s::restart";
        let kind = parse(reference)?.kind;
        let stamp = |at: &str| {
            json!({ "spec": { "template": { "metadata": {
                "annotations": { "kubectl.kubernetes.io/restartedAt": at } } } } })
        };
        let change = Change {
            native,
            verb: Verb::Restart,
            reference,
            input: json!("restart"),
            wanted: stamp("when it is sent"),
            idempotent: true,
            no_way_back: Some("the pods that were there are gone"),
            options,
            place,
        };
        self.change(change, |cluster, object, sent| {
            let resource = cluster.resolve(object, &self.patience())?;
            if !matches!(resource.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet") {
                let message = format!(
                    "{kind} cannot be restarted: only Deployments, StatefulSets and DaemonSets have pods to replace"
                );
                return Err(ClusterError::Object { message });
            }
            let at = sent.at.unwrap_or_else(jiff::Timestamp::now);
            let patch = stamp(&format!("{at:.0}"));
            cluster.merge_patch(object, &patch, &ApplyOptions::default(), &self.patience())
        })
    }

    /// Sets and, with a `()`, removes labels.
    pub fn k8s_label(
        &self,
        reference: &str,
        labels: &Map<String, Value>,
        options: &ChangeOptions,
        place: Option<Place>,
    ) -> Result<Value, EffectError> {
        self.mark("k8s::label", Verb::Label, "labels", reference, labels, options, place)
    }

    /// Sets and, with a `()`, removes annotations.
    pub fn k8s_annotate(
        &self,
        reference: &str,
        annotations: &Map<String, Value>,
        options: &ChangeOptions,
        place: Option<Place>,
    ) -> Result<Value, EffectError> {
        self.mark("k8s::annotate", Verb::Annotate, "annotations", reference, annotations, options, place)
    }

    #[allow(clippy::too_many_arguments, reason = "what the two natives differ in, beside their own arguments")]
    fn mark(
        &self,
        native: &str,
        verb: Verb,
        field: &str,
        reference: &str,
        marks: &Map<String, Value>,
        options: &ChangeOptions,
        place: Option<Place>,
    ) -> Result<Value, EffectError> {
        if let Some((key, value)) = marks.iter().find(|(_, value)| !value.is_string() && !value.is_null()) {
            let message = format!("`{native}`: {key} is {value}; its value is a text, or () to remove it");
            return Err(EffectError::new(Sort::Argument, message));
        }
        let wanted = json!({ "metadata": { field: marks } });
        let change = Change::fields(native, verb, reference, &wanted, options, place);
        self.change(change, |cluster, object, _| {
            cluster.merge_patch(object, &wanted, &ApplyOptions::default(), &self.patience())
        })
    }

    /// Lets no new pods onto a node, or lets them again.
    pub fn k8s_cordon(&self, node: &str, cordoned: bool, place: Option<Place>) -> Result<Value, EffectError> {
        let (native, verb) = if cordoned { ("k8s::cordon", Verb::Cordon) } else { ("k8s::uncordon", Verb::Uncordon) };
        let reference = node_reference(native, node)?;
        // a node that may be used has no such field
        let unschedulable = if cordoned { Value::Bool(true) } else { Value::Null };
        let wanted = json!({ "spec": { "unschedulable": unschedulable } });
        let options = ChangeOptions::default();
        let change = Change::fields(native, verb, &reference, &wanted, &options, place);
        self.change(change, |cluster, object, _| {
            cluster.merge_patch(object, &wanted, &ApplyOptions::default(), &self.patience())
        })
    }

    /// Sends one change of an object that is there: journaled before and after, refused where a controller keeps it.
    pub(super) fn change(
        &self,
        change: Change<'_>,
        send: impl FnOnce(&Cluster, &ObjectRef, &Sent) -> Result<Value, ClusterError>,
    ) -> Result<Value, EffectError> {
        let Change { native, reference, .. } = change;
        self.allow(native, Mode::Change)?;
        change.options.check(native)?;
        let parsed = parse(reference)?;
        Self::refuse_stand_in(native, "a value", &change.input)?;
        if ["secret", "secrets"].contains(&parsed.kind.to_lowercase().as_str()) {
            self.learn_change(&change.wanted, &change.input);
        }
        if let Some(trial) = &self.trial {
            let mut touch = Touch::new(change.verb, reference);
            touch.way_back = change.no_way_back.is_none();
            touch.remark = change.no_way_back.map(Into::into);
            touch.despite_owner.clone_from(&change.options.despite_owner);
            trial.touch(touch);
            let patch = match (native, &change.input) {
                ("k8s::patch", Value::Array(parts)) if parts.len() == 2 => {
                    let kind = match (&parts[0], &parts[1]) {
                        (Value::Array(_), _) => PatchKind::Json,
                        (_, Value::Bool(true)) => PatchKind::Strategic,
                        _ => PatchKind::Merge,
                    };
                    (kind, parts[0].clone())
                }
                _ => (PatchKind::Merge, change.wanted.clone()),
            };
            let subresource = (change.verb == Verb::Scale).then_some("scale");
            let wanting = Wanting::Fields { fields: change.wanted, patch, subresource };
            trial.want(Wanted {
                despite_owner: change.options.despite_owner.clone(),
                ..Wanted::new(native, parsed, wanting, change.place)
            });
            return Ok(json!({ "object": reference, "changed": true }));
        }
        let cluster = self.door(native)?.cluster()?;
        let intent = Intent {
            native: native.into(),
            targets: vec![reference.into()],
            input: self.digest_of(change.input),
            idempotent: change.idempotent,
            place: change.place,
        };
        self.ledger(native)?.perform(
            intent,
            || {
                let live = self.outlast(|patience| cluster.get(&parsed, patience))?;
                let live = live.ok_or_else(|| self.absent(native, cluster, &parsed))?;
                self.learn(&live);
                self.refuse_kept(native, cluster, &live, Some(&change.wanted), change.options)?;
                Ok(vec![Before { object: reference.into(), image: Some(object::image(&live)) }])
            },
            |sent| match send(cluster, &parsed, sent) {
                Ok(after) => {
                    let was = sent.before.first().and_then(|before| before.image.as_ref());
                    let same = was.is_some_and(|was| unchanged(was, &after));
                    let outcome = if same { Outcome::Unchanged } else { Outcome::Applied };
                    let after_image = Some(object::image(&after));
                    let result = Applied { target: reference.into(), outcome, message: None, after: after_image };
                    Ok(Answer { results: vec![result], output: answer_of(&after, !same), error: None })
                }
                Err(error) if error.may_have_happened() => Err(uncertain(native, reference, &error.into())),
                Err(error) => {
                    let error = EffectError { sort: Sort::Failed, ..error.into() };
                    let message = Some(error.message.clone());
                    let result = Applied { target: reference.into(), outcome: Outcome::Failed, message, after: None };
                    Ok(Answer { results: vec![result], output: Value::Null, error: Some(error) })
                }
            },
        )
    }

    /// What to say of an object that has to be there and is not.
    pub(super) fn absent(&self, native: &str, cluster: &Cluster, reference: &ObjectRef) -> EffectError {
        let message = format!("{native}: {reference} does not exist; nothing was changed");
        let error = EffectError::new(Sort::Failed, message);
        match self.nearest(cluster, reference) {
            Some(nearest) => error.help(nearest),
            None => error,
        }
    }

    /// `did you mean …?`, from the names that there are; none where there is none or they may not be listed.
    pub(super) fn nearest(&self, cluster: &Cluster, reference: &ObjectRef) -> Option<String> {
        let names = cluster.nearest(reference, &self.patience()).ok()?;
        let shown = names.iter().map(|name| {
            let near = ObjectRef { name: name.clone(), ..reference.clone() };
            format!("`{near}`")
        });
        let shown = shown.collect::<Vec<_>>();
        (!shown.is_empty()).then(|| format!("did you mean {}?", shown.join(" or ")))
    }
}

/// `Node/name` of a node's name or reference.
pub(super) fn node_reference(native: &str, node: &str) -> Result<String, EffectError> {
    match node.split_once('/') {
        None if !node.is_empty() => Ok(format!("Node/{node}")),
        Some((kind, name))
            if ["node", "nodes", "no"].contains(&kind.to_lowercase().as_str()) && !name.contains('/') =>
        {
            Ok(format!("Node/{name}"))
        }
        _ => Err(EffectError::new(
            Sort::Argument,
            format!("`{native}` takes a node's name or \"Node/name\", not \"{node}\""),
        )),
    }
}

/// What a JSON patch comes to, as far as a merge patch can say it.
fn of_operations(patch: &Value) -> Result<Value, EffectError> {
    let mut wanted = json!({});
    for operation in patch.as_array().into_iter().flatten() {
        let (Some(op), Some(path)) = (operation["op"].as_str(), operation["path"].as_str()) else {
            let message =
                format!("`k8s::patch`: a JSON patch is a list of #{{ op, path, value }}, and this is {operation}");
            return Err(EffectError::new(Sort::Argument, message));
        };
        if op == "test" {
            continue;
        }
        let parts: Vec<String> =
            path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
        // a list is one whole to a merge patch
        let end = parts.iter().position(|part| part == "-" || part.bytes().all(|b| b.is_ascii_digit()));
        let mut at = &mut wanted;
        for part in &parts[..end.unwrap_or(parts.len())] {
            if !at.is_object() {
                *at = json!({});
            }
            at = &mut at[part.as_str()];
        }
        *at = if end.is_none() && op != "remove" { operation["value"].clone() } else { json!("changed") };
    }
    Ok(wanted)
}

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    cluster::{self, Cluster, ClusterError, Selector},
    effect::{Call, EffectError},
    object,
};

/// More objects of one kind and namespace than this are read with one list.
const MANY: usize = 8;
/// How long a server that does not answer is waited for before an effect.
const OUTLAST: Duration = Duration::from_secs(15);

impl Call {
    /// What is there before an apply, with its field managers: one read per object, or one list where many are of one kind and namespace.
    pub(super) fn there(&self, cluster: &Cluster, objects: &[Value]) -> Result<Vec<Option<Value>>, EffectError> {
        let mut lists: BTreeMap<(String, Option<String>), Option<Vec<Value>>> = BTreeMap::new();
        let group = |object: &Value| {
            let full = object::head(object).full_reference();
            let kind = full.group.as_ref().map_or(full.kind.clone(), |group| format!("{}.{group}", full.kind));
            (kind, full.namespace)
        };
        for object in objects {
            lists.entry(group(object)).or_default();
        }
        for (key, list) in &mut lists {
            if objects.iter().filter(|object| group(object) == *key).count() > MANY {
                let (kind, namespace) = key;
                let every = Selector::default();
                *list = match self.outlast(|patience| cluster.list(kind, namespace.as_deref(), &every, patience)) {
                    Ok(listed) => Some(listed.items),
                    Err(error) if is_made_here(&error, objects) => Some(vec![]),
                    Err(error) => return Err(error.into()),
                };
            }
        }
        let mut all = Vec::with_capacity(objects.len());
        for object in objects {
            let reference = object::reference(object);
            let found = match lists.get(&group(object)).and_then(Option::as_ref) {
                Some(list) => list.iter().find(|known| object::reference(known) == reference).cloned(),
                None => match self.outlast(|patience| cluster.get(&object::head(object).full_reference(), patience)) {
                    Ok(found) => found,
                    Err(error) if is_made_here(&error, objects) => None,
                    Err(error) => return Err(error.into()),
                },
            };
            all.push(found);
        }
        Ok(all)
    }

    /// Reads what an effect needs to know before it is sent. A server that is busy for a moment is waited for: nothing
    /// was sent yet, so asking again is safe.
    pub(super) fn outlast<T>(
        &self,
        read: impl Fn(&cluster::Patience) -> Result<T, ClusterError>,
    ) -> Result<T, ClusterError> {
        let patience = self.patience();
        let end = Instant::now() + OUTLAST;
        let end = patience.deadline.map_or(end, |deadline| end.min(deadline));
        let mut pause = Duration::from_millis(100);
        loop {
            match read(&patience) {
                Err(error) if error.is_unreachable() && Instant::now() + pause < end && !self.cancel.is_cancelled() => {
                    self.cancel.wait(pause);
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                other => return other,
            }
        }
    }
}

/// Whether a read failed only because its namespace or kind is about to be made.
fn is_made_here(error: &ClusterError, objects: &[Value]) -> bool {
    match error {
        ClusterError::NamespaceMissing { .. } => true,
        ClusterError::NotServed { .. } => objects.iter().any(|o| object::head(o).kind() == "CustomResourceDefinition"),
        _ => false,
    }
}

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    cluster::{Cluster, ClusterError, Selector},
    effect::{Call, EffectError},
    object,
};

/// More objects of one kind and namespace than this are read with one list.
const MANY: usize = 8;

impl Call {
    /// What is there before an apply, with its field managers: one read per object, or one list where many are of one kind and namespace.
    pub(super) fn there(&self, cluster: &Cluster, objects: &[Arc<Value>]) -> Result<Vec<Option<Value>>, EffectError> {
        let group = |object: &Value| {
            let full = object::head(object).full_reference();
            let kind = full.group.as_ref().map_or(full.kind.clone(), |group| format!("{}.{group}", full.kind));
            (kind, full.namespace)
        };
        let groups: Vec<_> = objects.iter().map(|object| group(object)).collect();
        let mut sizes: BTreeMap<&(String, Option<String>), usize> = BTreeMap::new();
        for group in &groups {
            *sizes.entry(group).or_default() += 1;
        }
        let mut listed: HashMap<(&(String, Option<String>), String), Value> = HashMap::new();
        for (&key, _) in sizes.iter().filter(|(_, size)| **size > MANY) {
            let (kind, namespace) = key;
            let every = Selector::default();
            let items = match self.outlast(|patience| cluster.list(kind, namespace.as_deref(), &every, patience)) {
                Ok(listed) => listed.items,
                Err(error) if is_made_here(&error, objects) => vec![],
                Err(error) => return Err(error.into()),
            };
            listed.extend(items.into_iter().map(|item| ((key, object::head(&item).name().to_owned()), item)));
        }
        let mut all = Vec::with_capacity(objects.len());
        for (object, group) in objects.iter().zip(&groups) {
            if sizes[group] > MANY {
                all.push(listed.get(&(group, object::head(object).name().to_owned())).cloned());
                continue;
            }
            all.push(match self.outlast(|patience| cluster.get_like(object, patience)) {
                Ok(found) => found,
                Err(error) if is_made_here(&error, objects) => None,
                Err(error) => return Err(error.into()),
            });
        }
        Ok(all)
    }
}

/// Whether a read failed only because its namespace or kind is about to be made.
fn is_made_here(error: &ClusterError, objects: &[Arc<Value>]) -> bool {
    match error {
        ClusterError::NamespaceMissing { .. } => true,
        ClusterError::NotServed { .. } => objects.iter().any(|o| object::head(o).kind() == "CustomResourceDefinition"),
        _ => false,
    }
}

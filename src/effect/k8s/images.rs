use std::collections::BTreeMap;

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
                None => match self.outlast(|patience| cluster.get_like(object, patience)) {
                    Ok(found) => found,
                    Err(error) if is_made_here(&error, objects) => None,
                    Err(error) => return Err(error.into()),
                },
            };
            all.push(found);
        }
        Ok(all)
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

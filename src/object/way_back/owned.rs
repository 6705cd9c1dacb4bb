//! Which fields a field manager set: for an effect whose answer is not known.

use serde_json::Value;

use crate::object::path::at;

/// Whether `manager` set the field at `path` of the object as it is now, by its managedFields. The empty path asks
/// whether it set anything.
pub fn owned(object: &Value, manager: &str, path: &[String]) -> bool {
    let entries = at(object, "metadata.managedFields").and_then(Value::as_array);
    let own = entries.into_iter().flatten().filter(|entry| entry["manager"] == manager);
    own.filter_map(|entry| entry.get("fieldsV1"))
        .any(|fields| path.iter().try_fold(fields, |fields, key| fields.get(format!("f:{key}"))).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_belongs_to_the_manager_that_set_it() {
        let object = json!({ "metadata": { "managedFields": [
            { "manager": "runbook", "operation": "Apply", "fieldsV1": { "f:data": { "f:a.b": {} } } },
            { "manager": "runbook", "operation": "Update", "fieldsV1": { "f:data": { "f:c": {} } } },
            { "manager": "other", "operation": "Apply", "fieldsV1": { "f:data": { "f:d": {} } } },
        ] } });
        let is = |keys: &[&str]| owned(&object, "runbook", &keys.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(is(&[]) && is(&["data", "a.b"]));
        assert!(is(&["data", "c"]) && !is(&["data", "d"]));
        assert!(!owned(&json!({}), "runbook", &[]));
    }
}

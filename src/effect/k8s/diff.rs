use serde_json::{Value, json};

use super::{Source, manifest};
use crate::{
    cluster::{ApplyOptions, ClusterError},
    effect::{Call, EffectError, Mode, Sort},
    model::Read,
    object,
};

impl Call {
    /// What an apply would change, asked with a dry run: `#{ differs, objects: [#{ object, exists, fields: [#{ path, before,
    /// after }], error }] }`. Of a Secret's values only that they differ.
    pub fn k8s_diff(&self, source: &Source) -> Result<Value, EffectError> {
        let native = "k8s::diff";
        self.allow(native, Mode::Read)?;
        let objects = manifest::objects(self, native, source)?;
        for manifest::Manifest { object, .. } in &objects {
            self.read(Read::Object(object::reference(object).to_string()));
        }
        if self.is_blind() {
            return Err(EffectError::new(Sort::Unseen, "what an apply would change is not known in a trial"));
        }
        let cluster = self.door(native)?.cluster()?;
        self.read(Read::Polled(format!("diff of {}", object::reference(&objects[0].object))));
        let dry_run = ApplyOptions { dry_run: true, force: true, ..ApplyOptions::default() };
        let mut shown = vec![];
        let mut differs = false;
        for manifest::Manifest { object: wanted, .. } in &objects {
            let reference = object::reference(wanted).to_string();
            let full = object::head(wanted).full_reference();
            let live = match self.outlast(|patience| cluster.get(&full, patience)) {
                Ok(live) => live,
                // its kind comes with another document, or not at all: the dry run says so
                Err(ClusterError::NotServed { .. }) => None,
                Err(error) => return Err(self.ran_into(error.into())),
            };
            let after = match cluster.apply(wanted, &dry_run, &self.patience()) {
                Ok(after) => Ok(after),
                Err(error) => {
                    let error = EffectError::from(error);
                    if error.sort.is_final() {
                        return Err(self.ran_into(error));
                    }
                    Err(error.message)
                }
            };
            let entry = match (&live, after) {
                (Some(live), Ok(after)) => {
                    let fields: Vec<Value> = object::diff(live, &after)
                        .into_iter()
                        .map(|field| json!({ "path": field.path, "before": field.before, "after": field.after }))
                        .collect();
                    differs |= !fields.is_empty();
                    json!({ "object": reference, "exists": true, "fields": fields })
                }
                (None, Ok(_)) => {
                    differs = true;
                    json!({ "object": reference, "exists": false, "fields": [] })
                }
                (live, Err(error)) => {
                    differs = true;
                    json!({ "object": reference, "exists": live.is_some(), "fields": [], "error": error })
                }
            };
            shown.push(entry);
        }
        Ok(json!({ "differs": differs, "objects": shown }))
    }
}

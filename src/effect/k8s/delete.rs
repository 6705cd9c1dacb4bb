use serde_json::{Value, json};

use super::{ChangeOptions, Source, apply::shown, manifest, parse, uncertain};
use crate::{
    cluster::DeleteOptions,
    effect::{
        Call, EffectError, Mode, Wanted, Wanting,
        ledger::{Answer, Intent},
    },
    event::{Applied, Before, Outcome},
    model::{Digest, Place, Touch, Verb},
    object,
};

impl Call {
    /// Deletes an object by its uid, or every object of a manifest in the bundle, the last first, an effect each; absent
    /// already is fine.
    pub fn k8s_delete(
        &self,
        reference: &str,
        options: &ChangeOptions,
        place: Option<Place>,
    ) -> Result<Value, EffectError> {
        let native = "k8s::delete";
        if manifest::is_named_by(self, reference) {
            let objects = self.references(native, Mode::Change, reference)?;
            let deleted = objects.iter().rev().map(|object| self.k8s_delete(object, options, place.clone()));
            return Ok(shown(deleted.collect::<Result<_, _>>()?));
        }
        self.allow(native, Mode::Change)?;
        options.check(native)?;
        let parsed = parse(reference)?;
        if let Some(trial) = &self.trial {
            let mut touch = Touch::new(Verb::Delete, reference);
            touch.remark = Some("a deleted object does not come back by itself".into());
            touch.despite_owner.clone_from(&options.despite_owner);
            trial.touch(touch);
            trial.want(Wanted {
                despite_owner: options.despite_owner.clone(),
                ..Wanted::new(native, parsed, Wanting::Deleted, place)
            });
            return Ok(json!({ "object": reference, "deleted": true }));
        }
        let cluster = self.door(native)?.cluster()?;
        let intent = Intent {
            native: native.into(),
            targets: vec![reference.into()],
            input: Digest::of(reference),
            idempotent: true,
            place,
        };
        self.ledger(native)?.perform(
            intent,
            || {
                let found = self.outlast(|patience| cluster.get(&parsed, patience))?;
                if let Some(live) = &found {
                    self.refuse_kept(native, cluster, live, None, options)?;
                }
                Ok(vec![Before { object: reference.into(), image: found.map(|object| object::image(&object)) }])
            },
            |sent| {
                // the object that was there when the effect was first journaled, not one that was made since
                let uid =
                    sent.before.first().and_then(|b| b.image.as_ref()?["metadata"]["uid"].as_str().map(String::from));
                let (outcome, error) = match uid {
                    None => (Outcome::Unchanged, None),
                    Some(uid) => {
                        let how = DeleteOptions { uid: Some(uid), dry_run: false };
                        match cluster.delete(&parsed, &how, &self.patience()) {
                            Ok(Some(_)) => (Outcome::Applied, None),
                            Ok(None) => (Outcome::Unchanged, None),
                            Err(error) if error.may_have_happened() => {
                                return Err(uncertain(native, reference, &error.into()));
                            }
                            Err(error) => (Outcome::Failed, Some(EffectError::from(error))),
                        }
                    }
                };
                let message = error.as_ref().map(ToString::to_string);
                Ok(Answer {
                    results: vec![Applied { target: reference.into(), outcome, message, after: None }],
                    output: json!({ "object": reference, "deleted": outcome == Outcome::Applied }),
                    error,
                })
            },
        )
    }

    /// The objects of a manifest in the bundle.
    pub(super) fn references(&self, native: &str, needs: Mode, path: &str) -> Result<Vec<String>, EffectError> {
        self.allow(native, needs)?;
        let objects = manifest::objects(self, native, &Source::Text(path.into()))?;
        Ok(objects.iter().map(|manifest| object::reference(&manifest.object).to_string()).collect())
    }
}

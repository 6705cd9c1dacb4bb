use serde_json::Value;

use super::ChangeOptions;
use crate::{
    cluster::Cluster,
    effect::{Call, EffectError, Sort},
    object::{self, kept},
};

impl Call {
    /// Refuses to change what a controller keeps: Flux, Helm, Argo CD, an owner. `wanted` is the object or merge patch; none
    /// for a delete. What its keeper does not put back may be changed, and all of it while that is suspended.
    pub(super) fn refuse_kept(
        &self,
        native: &str,
        cluster: &Cluster,
        live: &Value,
        wanted: Option<&Value>,
        options: &ChangeOptions,
    ) -> Result<(), EffectError> {
        if options.despite_owner.is_some() {
            return Ok(());
        }
        let Some(keeper) = kept::keeper(live) else { return Ok(()) };
        let Some(what) = keeper.undoes(live, wanted) else { return Ok(()) };
        if let Some(source) = &keeper.source {
            let found = self.outlast(|patience| cluster.get(source, patience));
            if found.is_ok_and(|found| found.is_some_and(|source| source["spec"]["suspend"] == true)) {
                return Ok(());
            }
        }
        let reference = object::reference(live);
        let message =
            format!("{reference} is kept by {} ({}): {what}; nothing was changed", keeper.tool(), keeper.name);
        Err(EffectError::new(Sort::Refused, message)
            .help(keeper.lasts())
            .help(format!("or change it all the same: {native}(…, #{{ despite_owner: \"reason\" }})")))
    }
}

use rhai::{Dynamic, Map, Module, NativeCallContext};

use super::{
    add,
    scene::{Out, Scene},
};
use crate::script::call;

pub(super) fn register(module: &mut Module) {
    add(module, "context", context);
}

/// The context that the plan is declared for; without one, the plan's first, so that a plan can be read offline.
fn context(native: NativeCallContext) -> Out<Dynamic> {
    // in a closure it is what it was while declaring: capture it
    if call::current(&native).is_some() {
        return Err(crate::script::ScriptError::new(
            crate::script::ErrorKind::Mode,
            "`context()` is asked outside closures",
        )
        .at(crate::script::engine::here(&native))
        .help("write `let here = context();` above, and use `here.name` in the closure")
        .raise());
    }
    let scene = Scene::enter(native, "context")?;
    let (name, tier) = if let Some(target) = &scene.declaring.setting.context {
        (target.name.clone(), target.tier.clone())
    } else {
        let first = scene.draft().plan.contexts.first().cloned().unwrap_or_else(|| "any".into());
        let tier = scene.declaring.setting.tier(&first);
        (first, tier)
    };
    Ok(Dynamic::from_map(Map::from([("name".into(), name.into()), ("tier".into(), tier.into())])))
}

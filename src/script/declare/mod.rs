//! The declarations of the language: what a playbook calls to say what is planned. Nothing here has an effect.
//! A declaration that cannot stand is a finding, and declaring goes on, so that everything is reported together.

mod context;
mod discover;
mod draft;
mod files;
mod gate;
mod param;
mod phase;
mod plan;
mod scene;
mod step;
mod thinking;

use std::sync::OnceLock;

use rhai::{FuncRegistration, Module, RhaiNativeFunc, Shared, Variant};

pub use discover::{Answer, Discover};
pub(super) use draft::Declaring;
pub(crate) use scene::arguments;
pub(super) use scene::{DeclarationTag, Scene};
pub(super) use step::StepHandle;

/// All declarations, built once.
pub(super) fn module() -> Shared<Module> {
    static MODULE: OnceLock<Shared<Module>> = OnceLock::new();
    MODULE
        .get_or_init(|| {
            let mut module = Module::new();
            plan::register(&mut module);
            param::register(&mut module);
            context::register(&mut module);
            files::register(&mut module);
            discover::register(&mut module);
            thinking::register(&mut module);
            phase::register(&mut module);
            gate::register(&mut module);
            step::register(&mut module);
            module.build_index();
            module.into()
        })
        .clone()
}

/// Adds a function or method.
fn add<A: 'static, const N: usize, const X: bool, R: Variant + Clone, const F: bool, FUNC>(
    module: &mut Module,
    name: &str,
    function: FUNC,
) where
    FUNC: RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
{
    // handles are numbers: a method on a constant handle changes the draft, not the handle
    FuncRegistration::new(name).with_purity(true).set_into_module(module, function);
}

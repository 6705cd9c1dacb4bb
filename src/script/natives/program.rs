//! The natives of a program that embeds runbook: its functions over JSON values as functions of scripts.

use std::{any::TypeId, sync::Arc};

use rhai::{Dynamic, FuncRegistration, Module, NativeCallContext, RhaiFunc, Shared};

use super::{
    Out,
    world::{World, raise, refused},
};
use crate::{
    effect::{self, Cancel, Function, Mode},
    script::{engine::here, observe},
};

/// A native takes this many arguments at most.
const MOST: usize = 8;

pub(super) fn module(program: &effect::Module) -> Module {
    let mut module = Module::new();
    for function in program.functions() {
        let title = function.name();
        for count in 0..=MOST {
            let (name, function) = (program.name().to_string(), function.clone());
            let native = move |context: Option<NativeCallContext>, arguments: &mut [&mut Dynamic]| -> Out<Dynamic> {
                let context = context.ok_or("a native is called by a script")?;
                call(&context, &name, &function, arguments)
            };
            let native =
                RhaiFunc::Pure { func: Shared::new(native), has_context: true, is_pure: false, is_volatile: true };
            let types = vec![TypeId::of::<Dynamic>(); count];
            FuncRegistration::new(title).set_into_module_raw(&mut module, types, native);
        }
    }
    module
}

fn call(
    context: &NativeCallContext,
    module: &str,
    function: &Function,
    arguments: &mut [&mut Dynamic],
) -> Out<Dynamic> {
    let native = format!("{module}::{}", function.name());
    let (call, place, values) = if function.needs() == Mode::Declare {
        let place = here(context);
        // what it makes of a secret would be plain text
        let plain = |argument: &&mut Dynamic| {
            observe::from_dynamic(argument)
                .map_err(|why| refused(&place, &native, &format!("takes plain values: {why}")))
        };
        let values = arguments.iter().map(plain).collect::<Out<Vec<_>>>()?;
        (Arc::new(effect::Call::new(Mode::Declare, None, Cancel::new())), place, values)
    } else {
        let world = World::enter(context, &native, function.needs())?;
        let open = |argument: &&mut Dynamic| {
            world.data(argument).map_err(|why| world.refuse(&native, &format!("takes plain values: {why}")))
        };
        let values = arguments.iter().map(open).collect::<Out<Vec<_>>>()?;
        (world.call, world.place, values)
    };
    let answer =
        call.module_call(module, function, &values, Some(place.clone())).map_err(|error| raise(&place, error))?;
    Ok(observe::to_dynamic(answer, &native))
}

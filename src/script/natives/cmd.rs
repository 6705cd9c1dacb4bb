//! `cmd`: commands that have a rule or are declared; arguments as a list, never a shell's line.

use rhai::{Array, Dynamic, Module, NativeCallContext};
use serde_json::json;

use super::{
    Out, entry,
    world::{World, raise},
};
use crate::{
    effect::Mode,
    script::observe::{self, Obj},
};

pub(super) fn module() -> Module {
    let mut module = Module::new();
    entry(&mut module, "read", read);
    entry(&mut module, "run", run);
    module
}

/// `cmd::read(["kubectl", "get", "nodes"])`: `#{ status, stdout, stderr, json }` of a command that only reads. Another
/// status than 0 is an answer.
fn read(context: NativeCallContext, argv: Array) -> Out<Dynamic> {
    let native = "cmd::read";
    let world = World::enter(&context, native, Mode::Read)?;
    let argv = arguments(&world, native, &argv)?;
    let answer = world.call.cmd_read(&argv).map_err(|error| raise(&world.place, error))?;
    let value = json!({
        "status": answer.status,
        "json": serde_json::from_str::<serde_json::Value>(&answer.stdout).ok(),
        "stdout": answer.stdout,
        "stderr": answer.stderr,
    });
    Ok(Dynamic::from(Obj::new(value, argv.join(" "))))
}

/// `cmd::run([…])`: runs a command that changes something; another status than 0 fails the step.
fn run(context: NativeCallContext, argv: Array) -> Out<Dynamic> {
    let native = "cmd::run";
    let world = World::enter(&context, native, Mode::Change)?;
    let argv = arguments(&world, native, &argv)?;
    let answer = world.call.cmd_run(&argv, Some(world.place.clone())).map_err(|error| raise(&world.place, error))?;
    Ok(observe::to_dynamic(answer, "what the command did"))
}

fn arguments(world: &World, native: &str, argv: &Array) -> Out<Vec<String>> {
    if argv.is_empty() {
        return Err(world.refuse(native, "takes the tool and its arguments as a list of texts, and this one is empty"));
    }
    argv.iter().map(|argument| world.text(native, "each argument", argument)).collect()
}

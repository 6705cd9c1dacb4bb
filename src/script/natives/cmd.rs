//! `cmd`: commands that have a rule or are declared; arguments as a list, never a shell's line.

use rhai::{Array, Dynamic, Map, Module, NativeCallContext};
use serde_json::json;

use super::{
    Out, entry,
    world::{World, raise},
};
use crate::{
    effect::{CommandInput, Mode},
    redact::Secret,
    script::observe::{self, Obj},
};

pub(super) fn module() -> Module {
    let mut module = Module::new();
    entry(&mut module, "read", |context: NativeCallContext, argv: Array| read(&context, &argv, None));
    entry(&mut module, "read", |context: NativeCallContext, argv: Array, input: Map| {
        read(&context, &argv, Some(&input))
    });
    entry(&mut module, "run", |context: NativeCallContext, argv: Array| run(&context, &argv, None));
    entry(&mut module, "run", |context: NativeCallContext, argv: Array, input: Map| run(&context, &argv, Some(&input)));
    module
}

/// `cmd::read(["kubectl", "get", "nodes"])`: `#{ status, stdout, stderr, json, secret }` of a command that only reads. Another
/// status than 0 is an answer. A second argument, `#{ env: #{ NAME: value }, stdin: value }`, is where secrets go.
/// With `secret: true`, what was printed is secret by type (Secrets, machine configs and their diffs, values of a release,
/// what `secret = [["-d"]]` of `[tools.NAME]` declares): each text is a secret, and so is each value of `json`.
///
/// ```rhai
/// .verify("the file has the new key", || "password" in cmd::read(["sops", "-d", "secret.json"]).json.data)
/// .verify("the disk is encrypted", || cmd::read(["talosctl", "-n", node, "get", "mc", "-o", "yaml"]).stdout.contains("luks2"))
/// ```
fn read(context: &NativeCallContext, argv: &Array, input: Option<&Map>) -> Out<Dynamic> {
    let native = "cmd::read";
    let world = World::enter(context, native, Mode::Read)?;
    let argv = arguments(&world, native, argv)?;
    let input = given(&world, native, input)?;
    let answer = world.call.cmd_read(&argv, &input).map_err(|error| raise(&world.place, error))?;
    let value = json!({
        "status": answer.status,
        "json": serde_json::from_str::<serde_json::Value>(&answer.stdout).ok(),
        "stdout": answer.stdout,
        "stderr": answer.stderr,
        "secret": answer.secret,
    });
    Ok(Dynamic::from(Obj::new(value, argv.join(" "))))
}

/// `cmd::run([…])`: runs a command that changes something; another status than 0 fails the step with the last lines that it said;
/// `runbook show RUN --commands` prints all of it. Of what is secret by type nothing is kept.
fn run(context: &NativeCallContext, argv: &Array, input: Option<&Map>) -> Out<Dynamic> {
    let native = "cmd::run";
    let world = World::enter(context, native, Mode::Change)?;
    let argv = arguments(&world, native, argv)?;
    let input = given(&world, native, input)?;
    let answer =
        world.call.cmd_run(&argv, &input, Some(world.place.clone())).map_err(|error| raise(&world.place, error))?;
    Ok(observe::to_dynamic(answer, "what the command did"))
}

fn given(world: &World, native: &str, input: Option<&Map>) -> Out<CommandInput> {
    let mut given = CommandInput::default();
    for (key, value) in input.into_iter().flatten() {
        match (key.as_str(), value.read_lock::<Map>()) {
            ("stdin", _) => given.stdin = Some(world.opened(native, "stdin", value)?),
            ("env", Some(variables)) => {
                for (name, value) in variables.iter() {
                    given.env.push((name.to_string(), world.opened(native, &format!("the variable {name}"), value)?));
                }
            }
            _ => return Err(world.refuse(native, &format!("has no option `{key}`: it takes env, a map, and stdin"))),
        }
    }
    Ok(given)
}

fn arguments(world: &World, native: &str, argv: &Array) -> Out<Vec<String>> {
    if argv.is_empty() {
        return Err(world.refuse(native, "takes the tool and its arguments as a list of texts, and this one is empty"));
    }
    if argv.iter().any(Dynamic::is::<Secret>) {
        // other processes see arguments
        return Err(world.refuse(
            native,
            "takes no secret as an argument: give it as #{ env: #{ NAME: secret } } or #{ stdin: secret }",
        ));
    }
    argv.iter().map(|argument| world.text(native, "each argument", argument)).collect()
}

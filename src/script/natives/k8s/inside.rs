//! What happens inside the cluster because of a change: pods that go, commands and jobs that run.

use rhai::{Dynamic, Map, NativeCallContext};

use crate::{
    effect::{DrainOptions, ExecInput, Mode},
    script::{
        natives::{
            Out,
            world::{World, raise},
        },
        observe,
    },
};

/// `k8s::drain(node)`, `k8s::drain(node, #{ unmanaged, empty_dirs })`: cordons a node and evicts its pods, disruption budgets
/// kept, until they are gone; pods of a `DaemonSet` stay. Pods that nothing brings back, or that lose what is in an `emptyDir`,
/// stop it before anything is changed, unless the option allows it. The step's `.timeout` bounds it.
///
/// ```rhai
/// step("Drain node-a").change(|| k8s::drain("node-a", #{ empty_dirs: true })).timeout("20m")
///     .verify("it is cordoned", || k8s::get("Node/node-a").spec.unschedulable == true)
///     .undo(|| k8s::uncordon("node-a"));
/// ```
pub(super) fn drain(context: &NativeCallContext, node: &Dynamic, options: Option<&Map>) -> Out<Dynamic> {
    let native = "k8s::drain";
    let world = World::enter(context, native, Mode::Change)?;
    let node = world.text(native, "a node", node)?;
    world.known(native, options, &["unmanaged", "empty_dirs"])?;
    let options = DrainOptions {
        unmanaged: world.bool_option(native, options, "unmanaged")?,
        empty_dirs: world.bool_option(native, options, "empty_dirs")?,
    };
    let output = world.call.k8s_drain(&node, &options, Some(world.place.clone()));
    Ok(observe::to_dynamic(output.map_err(|error| raise(&world.place, error))?, "what was drained"))
}

/// `k8s::exec(ref, [program, arguments…])`, with `#{ container, stdin, reads }`: runs a command in a pod's container; gives
/// `#{ status, stdout, stderr }`. Another status than 0 fails the step. Secrets go by `stdin`. With `reads: true` the
/// playbook says that the command changes nothing: it may stand wherever something is read, and its status is an answer.
///
/// ```rhai
/// .change(|| k8s::exec("Pod/db/postgres-0", ["psql", "-c", "CHECKPOINT"]))
/// assume("the export is empty", "medium", || k8s::exec("Pod/db/toolbox", ["ls", "-A", "/export"], #{ reads: true }).stdout == "")
/// ```
pub(super) fn exec(
    context: &NativeCallContext,
    reference: &Dynamic,
    command: &Dynamic,
    options: Option<&Map>,
) -> Out<Dynamic> {
    let native = "k8s::exec";
    // whether it changes something, its options say: the door refuses that where something is only read
    let world = World::enter(context, native, Mode::Read)?;
    let reference = world.reference(native, reference)?;
    let argv = world.argv(native, command)?;
    world.known(native, options, &["container", "stdin", "reads"])?;
    let stdin = options.and_then(|options| options.get("stdin"));
    let input = ExecInput {
        container: world.text_option(native, options, "container")?,
        stdin: stdin.map(|stdin| world.opened(native, "stdin", stdin)).transpose()?,
        reads: world.bool_option(native, options, "reads")?,
    };
    let output = world.call.k8s_exec(&reference, &argv, &input, Some(world.place.clone()));
    let label = format!("what `{}` did in {reference}", argv.join(" "));
    Ok(observe::to_dynamic(output.map_err(|error| raise(&world.place, error))?, &label))
}

/// `k8s::job(source)`: makes a Job from a file, YAML text or a map, waits until it is complete and gives `#{ object, succeeded,
/// log }`. A Job that fails, fails the step with the reason and the last line that it logged. The step's `.timeout` bounds it.
///
/// ```rhai
/// step("Migrate the schema").change(|| k8s::job("manifests/migrate.yaml")).timeout("30m")
///     .verify("it is complete", || k8s::ready("Job/web/migrate"))
///     .irreversible("the old schema is gone; the backup of this morning has it");
/// ```
pub(super) fn job(context: NativeCallContext, source: Dynamic) -> Out<Dynamic> {
    let native = "k8s::job";
    let world = World::enter(&context, native, Mode::Change)?;
    let source = world.source(native, &source)?;
    let output = world.call.k8s_job(&source, Some(world.place.clone()));
    Ok(observe::to_dynamic(output.map_err(|error| raise(&world.place, error))?, "what the job did"))
}

//! Taking runs back on a cluster that keeps their places: `store = "cluster"`.

use serde_json::Value;

use super::{
    World, eventually,
    locks::{TOML, copy, exists, lease, scoped, signal, with_gate, write},
};
use crate::apiserver::{self, Cluster};

const NEVER: &str = ".verify(\"never\", || false).within(\"200ms\")";

/// A change that is verified.
fn change(ns: &str, name: &str) -> String {
    format!("{}.verify(\"it is there\", || {})", write(ns, name), exists(ns, name))
}

/// Three changes. That the second is taken back is seen once a signal came; `first` is said of the first, `last` of the last.
fn slow_to_undo(ns: &str, first: &str, last: &str) -> String {
    let signal = exists(ns, "signal");
    let items = format!(
        "{}{first};\n{}.undone(\"the signal came\", || {signal}).within(\"3m\");\n{}{last};\n",
        change(ns, "first"),
        change(ns, "second"),
        change(ns, "third"),
    );
    scoped(ns, "\"staging\"", &exists(ns, "third"), &items)
}

fn there(server: &Cluster, ns: &str) -> Vec<&'static str> {
    let names = ["first", "second", "third"];
    names.into_iter().filter(|name| server.get(&format!("ConfigMap/{ns}/{name}")).is_some()).collect()
}

/// What a run has on the cluster: its objects, its Lease, how far its journal is and what it verified, each in its version.
fn versions(server: &Cluster, ns: &str, run: &str) -> Vec<(String, Value)> {
    let of_run = format!("?labelSelector=runbook/run%3D{run}");
    let lists = [
        format!("/api/v1/namespaces/{ns}/configmaps"),
        format!("/api/v1/namespaces/runbook-system/configmaps{of_run}"),
        format!("/apis/coordination.k8s.io/v1/namespaces/runbook-system/leases{of_run}"),
    ];
    let items = lists.into_iter().flat_map(|list| server.client().read(&list)["items"].as_array().unwrap().clone());
    let version = |item: Value| {
        (item["metadata"]["name"].as_str().unwrap().to_owned(), item["metadata"]["resourceVersion"].clone())
    };
    let versions: Vec<_> = items.map(version).collect();
    assert!(versions.len() > 2, "{versions:?}");
    versions
}

/// Waits until an undo has begun to take this step back, and its object is gone.
fn takes_back(server: &Cluster, world: &World, machine: &str, run: &str, ns: &str, name: &str) {
    let step = format!("one/write-{name}");
    let begun = || world.journal_on(machine, run).of("undo.step.started").iter().any(|p| p["step"] == step.as_str());
    eventually("it is taken back", || (begun() && !there(server, ns).contains(&name)).then_some(()));
}

#[test]
fn an_undo_has_the_place_while_it_works_and_gives_it_up_once_the_run_is_closed() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("taken-back");
    let world = World::new(TOML, &[("staging", server)]);
    world.file("p.rhai", &slow_to_undo(&ns, "", NEVER));
    world.run("run p.rhai --context staging").exits(10);
    let run = world.new_run(&[]);
    assert!(lease(server, &run).unwrap()["metadata"]["annotations"].to_string().contains("stopped"));

    // a dry run writes nothing, on the cluster or here
    let (before, lines) = (versions(server, &ns, &run), world.journal(&run).0.len());
    let plan = world.run(&format!("undo {run} --dry-run"));
    plan.exits(0);
    assert!(
        plan.out.contains("3 steps, nothing has been sent") && plan.out.contains("all of it goes back"),
        "{plan:?}"
    );
    assert_eq!((versions(server, &ns, &run), world.journal(&run).0.len()), (before, lines));

    let live = world.start(&format!("undo {run} --reason 'it never worked'"));
    takes_back(server, &world, "state", &run, &ns, "second");
    let renewed = || lease(server, &run).unwrap()["spec"]["renewTime"].clone();
    let first = renewed();
    world
        .run_on("other", "run p.rhai --context staging")
        .exits(30)
        .says(&format!("run {run} has its place on staging"))
        .says("its process is running");
    world.run(&format!("undo {run}")).exits(30);
    eventually("its Lease is renewed", || (renewed() != first).then_some(()));
    assert_eq!(there(server, &ns), ["first"]);
    signal(server, &ns);
    live.ends().exits(0).says("undone: it was taken back");
    assert!(there(server, &ns).is_empty() && lease(server, &run).is_none());
    world.run(&format!("undo {run}")).exits(2).says("was taken back already");
    // the place is free for other machines
    world.run_on("other", "run p.rhai --context staging").exits(10);
}

#[test]
fn a_run_that_is_taken_back_to_a_step_keeps_its_place_and_goes_on_from_there() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("to-a-step");
    let world = World::new(TOML, &[("staging", server)]);
    world.file("p.rhai", &slow_to_undo(&ns, "", ""));
    signal(server, &ns);
    world.run("run p.rhai --context staging").exits(0);
    let run = world.new_run(&[]);
    assert!(lease(server, &run).is_none(), "it is closed");
    world.run(&format!("undo {run} --to 'Write second'")).exits(0).says("what was done before it stands");
    assert_eq!(there(server, &ns), ["first"]);
    assert!(lease(server, &run).is_some(), "it is open again");
    world
        .run_on("other", "run p.rhai --context staging")
        .exits(30)
        .says("it stopped: taken back to step one/write-second");
    world.run(&format!("undo {run} --to 'Write third'")).exits(2).says("that step was taken back already");
    world.run(&format!("resume {run}")).exits(0);
    assert_eq!(there(server, &ns), ["first", "second", "third"]);
    assert!(lease(server, &run).is_none());
    world.run(&format!("undo {run}")).exits(0);
    assert!(there(server, &ns).is_empty() && lease(server, &run).is_none());
}

#[test]
fn holds_are_given_back_and_the_run_waits_in_its_place_as_before() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("holds");
    let world = World::new(TOML, &[("staging", server)]);
    let hold = format!("{}.until(\"run\");\n", change(&ns, "third"));
    let text = with_gate(&ns)
        .replace("phase(\"One\").goal(\"it is there\");\n", &format!("phase(\"One\").goal(\"it is there\");\n{hold}"));
    world.file("p.rhai", &text);
    world.run("run p.rhai --context staging").exits(20);
    let run = world.new_run(&[]);
    let before = versions(server, &ns, &run);
    world.run(&format!("undo {run} --holds --dry-run")).exits(0);
    assert_eq!(versions(server, &ns, &run), before);
    world.run(&format!("undo {run} --holds")).exits(0);
    assert_eq!(there(server, &ns), ["first"]);
    world
        .run_on("other", "run p.rhai --context staging")
        .exits(30)
        .says("it waits: gate \"Go on?\" waits for a decision");
    world.run(&format!("undo {run} --holds")).exits(2).says("holds nothing");
    world.run(&format!("undo {run}")).exits(0);
    assert!(there(server, &ns).is_empty() && lease(server, &run).is_none());
}

#[test]
fn a_copy_of_a_run_that_is_behind_takes_nothing_back() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("behind-undo");
    let world = World::new(TOML, &[("staging", server)]);
    world.file("p.rhai", &slow_to_undo(&ns, "", ""));
    signal(server, &ns);
    world.run("run p.rhai --context staging").exits(0);
    let run = world.new_run(&[]);
    copy(&world.machine("state"), &world.machine("done"));
    world.run(&format!("undo {run} --to 'Write third'")).exits(0);
    copy(&world.machine("state"), &world.machine("stopped"));
    let (before, lines) = (versions(server, &ns, &run), world.journal_on("done", &run).0.len());
    for options in ["", " --dry-run", " --to 'Write second'", " --break-lock 'it is mine'"] {
        world
            .run_on("done", &format!("undo {run}{options}"))
            .exits(30)
            .says(&format!("this copy of run {run} is behind: its journal ends with line {lines} ("))
            .says("the one on ")
            .says("nothing was changed");
    }
    assert_eq!(versions(server, &ns, &run), before);
    assert_eq!(world.journal_on("done", &run).0.len(), lines);
    world.run(&format!("undo {run}")).exits(0);
    // the one that knows of no end is told of it, the one that knows of another end is behind
    world.run_on("stopped", &format!("undo {run}")).exits(30).says("is closed; this copy of it does not know that");
    world.run_on("done", &format!("undo {run}")).exits(30).says("is behind");
    assert!(there(server, &ns).is_empty() && lease(server, &run).is_none());
}

#[test]
fn a_run_that_has_its_place_no_more_waits_for_the_one_that_has_it_before_it_is_taken_back() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("waits-undo");
    let world = World::new(TOML, &[("staging", server)]);
    world.file("p.rhai", &slow_to_undo(&ns, "", ""));
    world.file("q.rhai", &with_gate(&ns));
    signal(server, &ns);
    world.run("run p.rhai --context staging").exits(0);
    let run = world.new_run(&[]);
    world.run_on("other", "run q.rhai --context staging").exits(20);
    let lines = world.journal(&run).0.len();
    world.run(&format!("undo {run}")).exits(30).says("has its place on staging").says("--break-lock");
    assert_eq!(world.journal(&run).0.len(), lines, "it is done as before");
    assert_eq!(there(server, &ns), ["first", "second", "third"]);
    // by force, and the reason is on record
    world.run(&format!("undo {run} --break-lock 'q can wait'")).exits(0);
    assert_eq!(world.journal(&run).of("lock.broken")[0]["reason"], "q can wait");
    assert!(there(server, &ns).is_empty() && lease(server, &run).is_none());
    let other = std::fs::read_dir(world.machine("other").join("runs")).unwrap().next().unwrap().unwrap().file_name();
    let other = other.to_str().unwrap();
    world.run_on("other", &format!("approve {other}")).exits(0);
    world.run_on("other", &format!("resume {other}")).exits(10).says("was true and is not any more");
}

#[test]
fn an_undo_whose_lease_is_deleted_stops_before_its_next_way_back() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("deleted-undo");
    let world = World::new(TOML, &[("staging", server)]);
    // by itself or by a closure
    let closure = format!(".undo(|| k8s::delete(\"ConfigMap/{ns}/first\"))");
    for (n, first) in ["", &closure].into_iter().enumerate() {
        let known = world.runs();
        world.file("p.rhai", &slow_to_undo(&ns, first, ""));
        world.run("run p.rhai --context staging").exits(0);
        let run = world.new_run(&known);
        let live = world.start(&format!("undo {run}"));
        takes_back(server, &world, "state", &run, &ns, "second");
        let name = lease(server, &run).unwrap()["metadata"]["name"].as_str().unwrap().to_owned();
        server.client().delete(&format!("Lease/runbook-system/{name}"));
        // a renewal is believed for a second, which is what an object that is deleted by hand may cost
        std::thread::sleep(std::time::Duration::from_millis(1200));
        signal(server, &ns);
        live.ends()
            .exits(30)
            .says(&format!("Lease/runbook-system/{name} was deleted"))
            .says(&format!("nothing more is changed before it has its place again: runbook undo {run}"));
        assert_eq!(there(server, &ns), ["first"], "{n}");
        assert_eq!(world.journal(&run).of("run.failed")[0]["failure"]["kind"], "lock");
        world.run(&format!("resume {run}")).exits(41).says("is being taken back");
        world.run(&format!("undo {run}")).exits(0);
        assert!(there(server, &ns).is_empty());
        server.client().delete(&format!("ConfigMap/{ns}/signal"));
    }
}

#[test]
fn an_undo_whose_place_is_taken_by_force_stops_before_its_next_way_back() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("forced-undo");
    let world = World::new(TOML, &[("staging", server)]);
    world.file("p.rhai", &slow_to_undo(&ns, "", ""));
    let items = format!("{}.verify(\"never\", || false).within(\"200ms\");", write(&ns, "urgent"));
    world.file("q.rhai", &scoped(&ns, "\"staging\"", &exists(&ns, "urgent"), &items));
    world.run("run p.rhai --context staging").exits(0);
    let run = world.new_run(&[]);
    let live = world.start(&format!("undo {run}"));
    takes_back(server, &world, "state", &run, &ns, "second");
    world.run_on("other", "run q.rhai --context staging --break-lock 'the site is down'").exits(20);
    signal(server, &ns);
    live.ends().exits(30).says("took its place by force: \"the site is down\"").says(&format!("runbook undo {run}"));
    assert_eq!(there(server, &ns), ["first"]);
    world.run(&format!("undo {run}")).exits(30).says("has its place on staging");
    assert_eq!(there(server, &ns), ["first"]);
    world.run(&format!("undo {run} --break-lock 'it is up again'")).exits(0);
    assert!(there(server, &ns).is_empty());
}

#[test]
fn an_undo_goes_on_on_another_machine_with_the_state_folder_and_after_its_process_was_killed() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("moved");
    let world = World::new(TOML, &[("staging", server)]);
    world.file("p.rhai", &slow_to_undo(&ns, "", NEVER));
    world.run("run p.rhai --context staging").exits(10);
    let run = world.new_run(&[]);
    // the folder alone: neither the playbook nor its configuration are there
    std::fs::rename(world.machine("state"), world.machine("moved")).unwrap();
    for name in ["p.rhai", "runbook.toml"] {
        std::fs::remove_file(world.path(name)).unwrap();
    }
    let live = world.start_on("moved", &format!("undo {run}"));
    takes_back(server, &world, "moved", &run, &ns, "second");
    live.kill();
    world.file("runbook.toml", TOML);
    world.file("q.rhai", &with_gate(&ns));
    world.run_on("other", "run q.rhai --context staging").exits(30).says(&format!("run {run} has its place"));
    std::fs::remove_file(world.path("runbook.toml")).unwrap();
    assert!(world.run_on("moved", "runs").out.contains(&format!("runbook undo {run}")));
    signal(server, &ns);
    world.run_on("moved", &format!("undo {run}")).exits(0);
    assert!(there(server, &ns).is_empty() && lease(server, &run).is_none());
    let journal = world.journal_on("moved", &run);
    let third = journal.of("undo.step.started").iter().filter(|p| p["step"] == "one/write-third").count();
    assert_eq!(third, 1, "what was taken back is not taken back again");
}

#[test]
fn what_was_taken_back_on_staging_counts_on_no_machine_until_it_is_verified_again() {
    let Some(clusters) = apiserver::shared() else { return };
    let (staging, main) = (clusters.staging(), clusters.main());
    let ns = staging.namespace("withdrawn");
    main.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {ns}}}}}"));
    let toml = format!("{TOML}[contexts.main]\nrequires = \"staging\"\n");
    let world = World::new(&toml, &[("staging", staging), ("main", main)]);
    let items = format!("{};\n{};\n", change(&ns, "first"), change(&ns, "second"));
    world.file("p.rhai", &scoped(&ns, "\"staging\", \"main\"", &exists(&ns, "first"), &items));
    world.run("run p.rhai --context staging").exits(0);
    let run = world.new_run(&[]);
    copy(&world.machine("state"), &world.machine("copy"));
    let on_main = "run p.rhai --context main";
    world.run_on("other", on_main).exits(0);
    world.run(&format!("undo {run} --to 'Write second'")).exits(0);
    let refused = || {
        world.run(on_main).exits(13).says("wants this playbook verified on staging first");
        for machine in ["copy", "other"] {
            world.run_on(machine, on_main).exits(13).says(&format!("run {run} was taken back since"));
        }
    };
    refused();
    world.run(&format!("resume {run}")).exits(0);
    world.run_on("other", on_main).exits(0);
    world.run(&format!("undo {run}")).exits(0);
    refused();
}

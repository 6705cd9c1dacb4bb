//! One run that changes per cluster: a run that is not closed keeps its place.

use crate::program::{GREET, TWO, World};

#[test]
fn a_second_run_on_the_same_cluster_is_refused_and_told_which_waits() {
    let world = World::with(TWO);
    world.go().exits(20);
    let first = world.only();
    world.playbook("q", GREET);
    world
        .run("run q.rhai --context staging")
        .exits(30)
        .says(&format!("run {first} has its place on staging since 20"))
        .says("it waits: gate \"Was anybody annoyed?\" waits for a decision; nothing was changed")
        .says(&format!("runbook resume {first}"))
        .says(&format!("runbook abandon {first} --reason"));
    assert_eq!(world.runs(), [first]);
    // another cluster is another place
    world.run("run q.rhai --context main").exits(0);
}

#[test]
fn an_abandoned_run_gives_its_place_up_and_says_what_it_leaves() {
    let world = World::with(TWO);
    world.go().exits(20);
    let first = world.only();
    world.run(&format!("abandon {first}")).exits(2).says("--reason");
    world
        .run(&format!("abandon {first} --reason 'the window is over'"))
        .exits(0)
        .prints("what these steps changed stays")
        .prints("one/greet");
    world.run(&format!("show {first}")).exits(0).prints("the window is over");
    world.run(&format!("abandon {first} --reason again")).exits(2).says("is closed");
    world.go().exits(20);
    assert_eq!(world.runs().len(), 2);
}

#[test]
fn a_run_that_is_being_run_is_not_taken_over() {
    let world = World::with(
        "step(\"Wait\").verify(\"it comes\", || k8s::exists(\"ConfigMap/default/hello\")).within(\"5m\");\n",
    );
    let mut live = world.start("run p.rhai --context staging");
    live.waits_for("it comes: ");
    let run = world.only();
    world
        .run(&format!("abandon {run} --reason x"))
        .exits(30)
        .says(&run)
        .says(&format!("pid {}", live.pid().as_raw_nonzero()));
    world.run("runs").exits(0).prints("running");
    live.signal(rustix::process::Signal::INT);
    live.ends().exits(130);
    world.run(&format!("abandon {run} --reason x")).exits(0).prints("it changed nothing");
}

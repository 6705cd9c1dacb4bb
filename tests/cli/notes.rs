//! What was noticed while a run went on is kept and shown again.

use crate::program::{TWO, World};

#[test]
fn a_note_is_shown_at_the_next_gate_in_show_and_in_the_record() {
    let world = World::with(&format!(
        "{TWO}step(\"Never\").change(|| k8s::apply(\"cm.yaml\"))\n    .verify(\"no\", || k8s::exists(\"ConfigMap/default/never\")).within(\"0s\");\n"
    ));
    world.go().exits(20);
    let run = world.only();
    world.run(&format!("note {run} 'the pager was quiet'")).exits(0).prints(&run);
    world.run(&format!("resume {run}")).exits(20).says("note: the pager was quiet");
    world.run(&format!("show {run}")).exits(0).prints("the pager was quiet");
    world.run(&format!("approve {run}")).exits(0);
    world.run(&format!("resume {run}")).exits(10);
    for kind in ["md", "json"] {
        let records = world.records(kind);
        assert!(records.len() == 1 && records[0].contains("the pager was quiet"), "{records:?}");
    }
}

#[test]
fn a_run_is_found_by_a_unique_part_of_its_name() {
    let world = World::with(TWO);
    world.go().exits(20);
    let run = world.only();
    let part = &run[run.len() - 6..];
    world.run(&format!("note {part} 'found'")).exits(0).prints(&run);
    world.run(&format!("abandon {part} --reason over")).exits(0);
    world.go().exits(20);
    world.run("show p-").exits(2).says(&run).says("could be");
}

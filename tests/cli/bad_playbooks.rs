//! What is wrong in a playbook or its files: refused with its place and what to write, and nothing changed.

use rustix::process::Signal;

use crate::program::{GREET, PLAN, World};

/// A step that changes something and is verified by this closure.
fn verified_by(closure: &str) -> World {
    World::with(&format!(
        "step(\"Greet\").change(|| k8s::apply(\"cm.yaml\"))\n    .verify(\"it is so\", {closure}).within(\"1s\");\n"
    ))
}

fn changed_by(closure: &str) -> World {
    World::with(&format!(
        "step(\"Greet\")\n    .change({closure})\n    .verify(\"it is so\", || k8s::exists(\"ConfigMap/default/hello\"));\n"
    ))
}

#[test]
fn a_missing_playbook_is_named_with_the_nearest_one() {
    let world = World::with(GREET);
    world.run("run q.rhai --context staging").exits(2).says("there is no file `q.rhai`; did you mean `p.rhai`?");
    world.run("check nowhere/at/all.rhai").exits(2).says("nowhere/at/all.rhai");
    world.nothing_changed();
    assert!(world.runs().is_empty());
}

#[test]
fn a_folder_is_no_playbook() {
    let world = World::with(GREET);
    world.run("run . --context staging").exits(2).says("`.` is a folder: name a playbook in it, such as ./p.rhai");
}

#[test]
fn an_unreadable_playbook_is_named_with_what_is_wrong() {
    let world = World::new();
    world.file("p.rhai", [b'l', b'e', b't', b'\n', 0xff, 0xfe]);
    world.go().exits(2).says("`p.rhai` is not UTF-8 text (line 2)");
    std::fs::remove_file(world.path("p.rhai")).unwrap();
    // root reads every file, so what nobody can read is a link in a circle
    std::os::unix::fs::symlink("p.rhai", world.path("p.rhai")).unwrap();
    world.go().exits(2).says("p.rhai");
    assert!(world.runs().is_empty());
}

#[test]
fn a_syntax_error_has_its_place_and_excerpt() {
    let world = World::with("step(\"Greet\".verify(|| true);\n");
    world
        .go()
        .exits(13)
        .says("error[syntax]")
        .says("--> p.rhai:5:")
        .says("step(\"Greet\".verify")
        .says("nothing was changed");
    world.run("check p.rhai").exits(13).says("--> p.rhai:5:").prints("not ready");
    assert!(world.runs().is_empty());
}

#[test]
fn a_typo_in_a_natives_name_is_found_before_the_run() {
    let world = changed_by("|| k8s::aply(\"cm.yaml\")");
    world.go().exits(13).says("`k8s::aply`").says("--> p.rhai:6:").says("did you mean `k8s::apply`?");
    world.nothing_changed();
    let world = verified_by("|| k8s::exist(\"ConfigMap/default/hello\")");
    world.go().exits(13).says("`k8s::exist`").says("--> p.rhai:6:").says("did you mean `k8s::exists`?");
    world.nothing_changed();
}

#[test]
fn a_native_called_while_declaring_says_where_it_belongs() {
    let world = World::with(&format!("k8s::apply(\"cm.yaml\");\n{GREET}"));
    world
        .go()
        .exits(13)
        .says("`k8s::apply` was called while the plan is declared")
        .says("--> p.rhai:5:")
        .says("step(\"…\").change(|| k8s::apply(…))");
    world.nothing_changed();
    assert!(world.runs().is_empty());
}

#[test]
fn a_mutating_native_in_a_verify_is_refused_before_the_steps_change() {
    let world = verified_by("|| k8s::delete(\"ConfigMap/default/hello\")");
    let ended = world.go();
    ended.says("`k8s::delete`").says("p.rhai:6:").says(".change(|| k8s::delete(…))");
    assert!([12, 13].contains(&ended.code), "{ended}");
    world.nothing_changed();
}

#[test]
fn a_verify_that_does_not_end_in_a_bool_says_what_it_ends_in() {
    let world = verified_by("|| k8s::get(\"ConfigMap/default/hello\")");
    world
        .go()
        .exits(10)
        .says("an assertion gives true or false; this one gave a value of type object")
        .says("end it with a comparison")
        .says("p.rhai:6:");
    world.everything_is_journaled("staging");
}

#[test]
fn a_comparison_of_mixed_types_fails_at_once_and_says_how_to_convert() {
    let world = verified_by("|| k8s::get(\"ConfigMap/default/hello\").data.greeting > 3");
    world
        .go()
        .exits(10)
        .says("cannot order a string (\"hello\") and an integer (3)")
        .says("parse_int(…)")
        .says("p.rhai:6:");
    world.everything_is_journaled("staging");
}

#[test]
fn a_missing_field_is_not_yet_with_its_path_and_at_timeout_the_nearest_name() {
    let world = verified_by("|| k8s::get(\"ConfigMap/default/hello\").data.greting == \"hello\"");
    world
        .go()
        .exits(10)
        .says("it is so: not yet")
        .says("did not hold within 1s")
        .says("`data.greting` of ConfigMap/default/hello is missing; did you mean `greeting`?")
        .says("expected \"hello\"")
        .says("observed nothing: the field or object is missing")
        .says("p.rhai:6:");
    world.everything_is_journaled("staging");
}

#[test]
fn a_closure_of_the_wrong_arity_says_how_to_write_it() {
    for world in [changed_by("|x| k8s::apply(\"cm.yaml\")"), verified_by("|x| true")] {
        world.go().exits(13).says("takes 1 argument, but runs without any").says("--> p.rhai:6:").says("write `|| …`");
        world.nothing_changed();
        assert!(world.runs().is_empty());
    }
}

#[test]
fn an_endless_loop_while_declaring_ends_after_ten_seconds_with_its_place() {
    let world = World::new();
    world.file("p.rhai", "let n = 0;\nloop { n += 1; }\n");
    let begun = std::time::Instant::now();
    world
        .run("check p.rhai")
        .exits(13)
        .says("not done after 10s")
        .says("--> p.rhai:2:")
        .says("a loop that does not end");
    assert!(begun.elapsed().as_secs() < 20, "the limit counts once: {:?}", begun.elapsed());
}

#[test]
fn ctrl_c_ends_an_endless_loop_at_once() {
    let world = World::new();
    world.file("p.rhai", format!("print(\"on its way\");\n{PLAN}{GREET}\nloop {{ }}\n"));
    let live = world.start("run p.rhai --context staging");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let begun = std::time::Instant::now();
    live.signal(Signal::INT);
    let ended = live.ends();
    ended.exits(130);
    assert!(begun.elapsed().as_secs() < 3, "{:?}", begun.elapsed());
    assert!(world.runs().is_empty());
}

#[test]
fn an_endless_loop_in_a_verify_ends_with_its_time() {
    let world = verified_by("|| { loop { } true }");
    world.go().says("p.rhai:6:");
    world.everything_is_journaled("staging");
}

#[test]
fn a_text_of_200_mb_is_over_the_limit() {
    let world = World::with(&format!("let s = \"x\";\nwhile s.len < 200000000 {{ s += s; }}\n{GREET}"));
    world.go().exits(13).says("a text is over its limit").says("--> p.rhai:6:").says("16 MiB");
    let world = changed_by("|| { let s = \"x\"; while s.len < 200000000 { s += s; } k8s::apply(\"cm.yaml\") }");
    let ended = world.go();
    ended.exits(13).says("a text is over its limit").says("p.rhai:6:").says("16 MiB");
    world.nothing_changed();
}

#[test]
fn a_command_with_no_rule_is_refused_with_the_rule_to_write() {
    let world = World::with(
        "step(\"Greet\")\n    .change(|| cmd::run([\"frobnicate\", \"--now\"])).undo(\"nothing\")\n    .verify(\"it is so\", || true);\n",
    );
    world.go().exits(13).says("no rule knows the tool `frobnicate`").says("--> p.rhai:6:").says("[tools.frobnicate]");
    assert!(world.runs().is_empty());
}

#[test]
fn a_shell_is_refused_in_a_verify_before_the_steps_change() {
    let world = verified_by("|| cmd::read([\"bash\", \"-c\", \"true\"]).ok");
    let ended = world.go();
    ended.says("`bash` can run anything").says("p.rhai:6:").says("[tools.bash]");
    assert!([12, 13].contains(&ended.code), "{ended}");
    world.nothing_changed();
}

#[test]
fn a_manifest_that_is_not_yaml_is_named_with_its_line() {
    for (text, words) in [
        ("a: b: c\n - x", "cm.yaml:1:5: mapping values are not allowed"),
        ("- 1\n- 2\n", "cm.yaml:1:1: the document is not a Kubernetes object but a sequence"),
        ("hello", "cm.yaml:1:1: the document is not a Kubernetes object but a text"),
        ("kind: ConfigMap\n", "cm.yaml:1:1: the document (ConfigMap) has no apiVersion"),
        ("", "nothing to apply"),
    ] {
        let world = World::with(GREET);
        world.file("cm.yaml", text);
        world.go().exits(13).says(words).says("--> p.rhai:5:").says("nothing was changed");
        world.nothing_changed();
        assert!(world.runs().is_empty());
    }
}

#[test]
fn a_manifest_that_is_missing_is_one_finding_with_the_nearest_name() {
    let world = changed_by("|| k8s::apply(\"cmm.yaml\")");
    world
        .go()
        .exits(13)
        .says("there is no file `cmm.yaml`; did you mean `cm.yaml`")
        .says("--> p.rhai:6:")
        .says("1 finding;");
    world.nothing_changed();
}

#[test]
fn a_playbook_that_is_not_ready_is_refused_with_all_that_is_missing() {
    let world = World::new();
    world.file("p.rhai", "plan(\"Say hello\").contexts([\"staging\"]);\nphase(\"One\");\nstep(\"Look\");\n");
    let ended = world.go();
    ended.exits(13).says("problem").says("outcome").says("verify").says("goal");
    assert!(world.runs().is_empty());
}

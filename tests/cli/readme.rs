//! What the README shows is what there is.

use std::{fs, path::Path};

use crate::program::World;

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_readmes_playbook_is_the_one_in_the_repository_and_runs() {
    let readme = file("README.md");
    let block = readme.split("```rhai\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(block, file("playbooks/hello.rhai"));
    let playbooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
    let world = World::new();
    world.run(&format!("run {} --context staging", playbooks.join("hello.rhai").display())).exits(0);
    assert_eq!(world.journal(&world.only()).of("step.verified").len(), 1);
}

#[test]
fn the_readme_names_every_verb_and_every_exit_code() {
    let readme = file("README.md");
    let help = World::new().run("--help");
    let verbs =
        help.exits(0).out.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // what a verb is for may go on in a line of its own, further in
    let verbs = verbs.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let verbs: Vec<&str> =
        verbs.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help").collect();
    assert!(verbs.len() > 10, "{verbs:?}");
    for verb in verbs {
        assert!(readme.contains(&format!("`{verb}`")), "the README does not name `{verb}`");
    }
    for code in ["0 done", "2 usage", "10 a verify", "20 waiting", "31 undeclared context", "40 outcome unknown"] {
        assert!(readme.contains(code), "the README does not name exit code {code}");
    }
}

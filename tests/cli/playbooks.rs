//! The playbooks that come with runbook, run as their first lines say.

use std::{fs, path::Path};

use crate::program::World;

/// A world with everything of the repository's folder `playbooks`.
fn world() -> World {
    let world = World::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
    let mut folders = vec![from.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&from).unwrap().to_str().unwrap();
                world.file(name, fs::read(&path).unwrap());
            }
        }
    }
    world
}

#[test]
fn rollout_image_rolls_a_workload_to_the_image_that_it_is_given() {
    let world = world();
    let run = "run rollout-image.rhai --context staging -p image=registry.k8s.io/pause:3.10";
    world.run(run).exits(0).says("the rollout is complete: holds");
    let journal = world.journal(&world.only());
    let patched = journal
        .of("effected")
        .into_iter()
        .find(|p| p["seq"] == 1 && p["step"].as_str().unwrap().contains("pause"))
        .unwrap();
    let after = &patched["results"][0]["after"]["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(after, "registry.k8s.io/pause:3.10");
    // a container that it does not have is said before anything is changed
    world.run(&format!("{run} -p container=other")).exits(11).says("it has a container other");
}

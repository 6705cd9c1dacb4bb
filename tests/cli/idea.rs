//! A problem that names a solution: one question, and the run goes on.

use crate::program::{GREET, World};

fn world(problem: &str) -> World {
    let world = World::with(GREET);
    let text = std::fs::read_to_string(world.path("p.rhai")).unwrap();
    world.file("p.rhai", text.replace("nobody was greeted", problem));
    world
}

#[test]
fn a_solution_in_the_place_of_the_problem_is_asked_about_once_and_kept_and_stops_nothing() {
    let world = world("Add a fallback ingress controller");
    let question = "What happens today, for whom, without this?";
    let check = world.run("check p.rhai");
    check.exits(0).says("the problem reads like a solution");
    assert!(check.out.contains("p.rhai: ready"), "{}", check.out);
    assert_eq!(check.err.matches(question).count(), 1, "{}", check.err);
    let plan = world.run("plan p.rhai");
    plan.exits(0);
    assert!(plan.out.contains("kept as candidate approach #1: \"Add a fallback ingress controller\""), "{}", plan.out);
    assert!(plan.out.contains("- [ ] Problem and outcome, not a solution"), "{}", plan.out);
    world.go().exits(0);
}

#[test]
fn a_problem_is_asked_nothing() {
    let check = world("Users can't access the app when Tailscale is down").run("check p.rhai");
    check.exits(0);
    assert!(!check.err.contains("What happens"), "{}", check.err);
}

//! Runs the deploy-app playbook on its sandbox, as `runbook run playbooks/deploy-app.rhai --context staging` does.
//!
//!     cargo run --example minimal --no-default-features

use runbook::{
    event::Gates,
    model::{Decision, GateCard, GateClass},
    runbook::{Error, Runbook},
};

struct Everyone;

impl Gates for Everyone {
    fn decide(&self, card: &GateCard, _elsewhere: &dyn Fn() -> bool) -> Decision {
        println!("gate: {}", card.question);
        Decision::Go { reason: Some("an example says yes to everything".into()) }
    }
}

fn main() -> Result<(), Error> {
    let state = std::env::temp_dir().join("runbook-example-minimal");
    let runbook = Runbook::builder().store(state).gates(GateClass::Any, Everyone).build()?;
    let run = runbook.load("playbooks/deploy-app.rhai")?.run("staging").start()?;
    for line in run.events() {
        println!("{} {}", line.n, line.kind);
    }
    println!("{}", run.wait().message);
    Ok(())
}

//! A run inside a tokio program that decides its gates by itself: on what they show, and only up to class `any`.
//!
//!     cargo run --example async

use runbook::{
    event::Gates,
    model::{Decision, Fact, GateCard, GateClass},
    runbook::{Error, Runbook},
};

/// Says go where every verify holds and nothing needs a person's acknowledgement.
struct Evidence;

impl Gates for Evidence {
    fn decide(&self, card: &GateCard, _elsewhere: &dyn Fn() -> bool) -> Decision {
        let verifies = card.facts.iter().filter(|fact| matches!(fact, Fact::Verify { .. })).count();
        if card.all_hold() && !card.needs_acknowledgement() {
            Decision::Go { reason: Some(format!("{verifies} verifies hold")) }
        } else {
            Decision::NotNow
        }
    }

    fn name(&self) -> &'static str {
        "evidence"
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let state = std::env::temp_dir().join("runbook-example-async");
    let runbook = Runbook::builder().store(state).gates(GateClass::Any, Evidence).build()?;
    let run = runbook.load("playbooks/deploy-app.rhai")?.run("staging").start()?;
    // the handle is a std future: any executor awaits it
    let ended = run.await;
    println!("{} ({})", ended.message, ended.exit);
    Ok(())
}

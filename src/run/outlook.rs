use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use super::{
    bind::{Connect, DISCOVER, Doors, tag},
    identity::who,
    preflight::{look_ahead, settle},
    start::Ended,
};
use crate::{
    effect::{Call, Mode},
    event::{Cancel, Clock, Settings},
    model::{Body, Digest, Discovery, ExitCode, Finding, Plan},
    script::{self, Answer, Discover, ScriptError},
};

/// A plan as a run would meet it on its context now.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The plan with discovered values, and with what a trial over the context saw that its steps touch.
    pub plan: Plan,
    /// The digest that a run of it would be bound with.
    pub digest: Digest,
    /// What check and preflight find, without the probes of its assumptions.
    pub findings: Vec<Finding>,
}

/// Declares a playbook on its context, asks each `discover` where it stands, and looks ahead as preflight does. Nothing is
/// changed, and no run begins.
///
/// # Errors
/// The context cannot be reached, or is another cluster than the pinned one.
pub fn outlook(
    connect: &Arc<dyn Connect>,
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    cancel: &Cancel,
) -> Result<Outlook, Box<Ended>> {
    let connected = connect.connect().map_err(|mut ended| {
        // there is no other cluster, only none
        ended.exit = ExitCode::PreflightFailed;
        Box::new(ended)
    })?;
    let identity = who(&connected, cancel)?;
    let now = clock.now();
    let mut declared = connect.declare(None, settings, now, cancel);
    if !declared.plan.discoveries.is_empty() {
        let exploring = Exploring {
            doors: Doors {
                here: connected.target.name.clone(),
                identity: identity.clone(),
                door: connected.door.clone(),
                connect: connect.clone(),
                elsewhere: Mutex::default(),
                cancel: cancel.clone(),
            },
            clock: clock.clone(),
        };
        declared = connect.declare(Some(Arc::new(exploring)), settings, now, cancel);
    }
    let digest = declared.plan.digest();
    let version = identity.as_ref().map(|identity| identity.version.as_str());
    let ahead = look_ahead(&declared, &connected.door, version, cancel, clock.as_ref());
    let mut plan = declared.plan.clone();
    for seen in ahead.steps {
        if let Some(step) = plan.step_mut(&seen.step) {
            step.trial = seen.touches;
            step.partly_known = seen.partly_known;
        }
    }
    let mut findings = declared.findings.clone();
    findings.extend(ahead.findings);
    settle(&mut findings);
    Ok(Outlook { plan, digest, findings })
}

/// Answers `discover` by asking, and keeps nothing.
struct Exploring {
    doors: Doors,
    clock: Arc<dyn Clock>,
}

impl Discover for Exploring {
    fn answer(
        &self,
        asked: &Discovery,
        ask: &mut dyn FnMut(script::Call) -> Result<serde_json::Value, ScriptError>,
    ) -> Result<Answer, ScriptError> {
        let found = self.doors.door(asked.context.as_deref()).and_then(|door| {
            let call = Call::new(Mode::Read, Some(door), self.doors.cancel.clone()).until(Instant::now() + DISCOVER);
            ask(tag(&Body::Discovery(asked.turn), &call, self.clock.as_ref())).map_err(|error| error.message)
        });
        Ok(match found {
            Ok(value) => Answer { value: self.doors.door.scrubbed(value), failed: None },
            Err(why) => Answer { value: serde_json::Value::Null, failed: Some(why) },
        })
    }
}

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Stop, executor::Run};
use crate::{
    effect::Watching,
    event::{Event, Failure, FailureKind, Gates, Message, RunState, Said},
    model::{
        Body, Confidence, Decision, Digest, ExitCode, Fact, Gate, GateCard, GateClass, GateId, Item, Span, StepId,
        Verdict,
    },
};

/// How long what was true before is waited for at most, while nobody answers what it reads.
const UNSEEN: Duration = Duration::from_mins(1);

/// How long an approval counts where a gate does not say.
const EXPIRES: Span = Span::seconds(3600);

impl Run {
    /// The stop before the first change. It passes by itself where nothing needs acknowledgement and the context asks
    /// for no class above `any`.
    pub fn start_gate(&mut self) -> Result<(), Stop> {
        let id = GateId::start();
        if self.with_state(|state| is_open(state, &id)) {
            return Ok(());
        }
        let facts = self.start_facts();
        let acknowledge = facts.iter().any(|fact| matches!(fact, Fact::Acknowledge { .. }));
        let class =
            if acknowledge || self.lowest > GateClass::Any { self.lowest.max(GateClass::Any) } else { GateClass::Auto };
        let (changed, done) = self.with_state(|state| (!state.changes.is_empty(), self.done(state)));
        let question = if changed {
            format!("Go on with \"{}\" on {} as it is now?", self.plan.title, self.target.name)
        } else {
            format!("Start \"{}\" on {}?", self.plan.title, self.target.name)
        };
        let card = self.card(&id, question, class, facts, EXPIRES, done, None);
        self.decide(card)
    }

    pub fn gate_unless_open(&mut self, gate: &Gate) -> Result<(), Stop> {
        if self.with_state(|state| is_open(state, &gate.id)) {
            return Ok(());
        }
        self.recorder().absorb()?;
        let mut facts = self.verifies_again()?;
        if let Some(failure) = regression(&facts) {
            let failure = Failure { place: gate.place.clone(), ..failure };
            return Err(Stop::Failed { failure: Box::new(failure), step: None });
        }
        for (n, show) in gate.shows.iter().enumerate() {
            let call = self.reading(None).until(Instant::now() + std::time::Duration::from_secs(30));
            let value = match self.call(&Body::Show(gate.id.clone(), n), None, &call) {
                Ok(value) => value,
                Err(_) if self.cancel.is_cancelled() => return Err(Stop::Cancelled),
                // what it would have shown is part of the evidence only when it can be seen
                Err(error) => serde_json::json!({ "error": error.message }),
            };
            facts.push(Fact::Shown { text: show.text.clone(), value });
        }
        facts.extend(self.with_state(|state| {
            let notes = state.notes.iter().map(|(_, _, text)| Fact::Known { text: format!("note: {text}") });
            Self::broken_facts(&state.broken, false).into_iter().chain(notes).collect::<Vec<_>>()
        }));
        facts.extend(self.held_and_repaired());
        let class = gate.class.unwrap_or_default().max(self.lowest);
        let rejected =
            self.with_state(|state| match state.gates.get(&gate.id).and_then(|gate| gate.decision.clone()) {
                Some(Decision::NoGo { reason }) => Some(reason.unwrap_or_else(|| "no words were left with it".into())),
                _ => None,
            });
        let done = self.with_state(|state| self.done(state));
        let expires = gate.expires.unwrap_or(EXPIRES);
        let card = self.card(&gate.id, gate.question.clone(), class, facts, expires, done, rejected);
        self.decide(card)
    }

    fn done(&self, state: &RunState) -> usize {
        self.plan.steps().filter(|step| state.is_done(&step.id)).count()
    }

    /// A stop for one verify that is to be waived, with what it says now.
    pub fn waiver_gate(&self, step: Option<&StepId>, verify: usize, text: &str, reason: &str) -> Result<(), Stop> {
        let of = step.map_or_else(|| "the outcome".to_owned(), |step| format!("step {step}"));
        let body = step.map_or(Body::Outcome(verify), |step| Body::Verify(step.clone(), verify));
        let look = self.look(&body, step, None, Instant::now())?;
        let facts = vec![
            Fact::Acknowledge { text: format!("it does not have to hold, because: {reason}") },
            Fact::Verify {
                step: step.map_or_else(|| "outcome".to_owned(), ToString::to_string),
                text: text.to_owned(),
                verdict: look.verdict,
                observations: look.observations,
                held_before: false,
                flaps: 0,
            },
        ];
        let id = GateId::new(format!("waive/{}/{verify}", step.map_or("outcome", StepId::as_str)));
        let question = format!("Waive the verify \"{text}\" of {of}?");
        let done = self.with_state(|state| self.done(state));
        let card = self.card(&id, question, self.lowest, facts, EXPIRES, done, None);
        self.decide(card)
    }

    /// Everything that the decision before the first change rests on.
    fn start_facts(&self) -> Vec<Fact> {
        self.with_state(|state| self.start_facts_in(state))
    }

    fn start_facts_in(&self, state: &RunState) -> Vec<Fact> {
        let mut facts = vec![];
        for risk in &self.plan.risks {
            if !risk.on.is_empty() && !risk.on.iter().any(|on| *on == self.target.name || *on == self.target.tier) {
                continue;
            }
            facts.push(match &risk.unknown_blast_radius {
                Some(why) => {
                    Fact::Acknowledge { text: format!("risk: {} - its blast radius is not known: {why}", risk.text) }
                }
                None => Fact::Known { text: format!("risk: {} - affects {}", risk.text, risk.affects.join(", ")) },
            });
        }
        for (n, assumption) in self.plan.assumptions.iter().enumerate() {
            let verdict = state.assumed.get(&n).and_then(|assumed| assumed.verdict);
            let words = verdict.map_or("has no probe", Verdict::words);
            let source = assumption.source.as_ref().map(|source| format!("; source: {source}")).unwrap_or_default();
            let impact = assumption.impact.as_ref().map(|impact| format!("; if it is not so: {impact}"));
            let text = format!(
                "assumption ({}): {} - {words}{source}{}",
                assumption.confidence,
                assumption.text,
                impact.unwrap_or_default()
            );
            let acknowledge = verdict.is_none() && assumption.confidence == Confidence::Low;
            facts.push(if acknowledge { Fact::Acknowledge { text } } else { Fact::Known { text } });
        }
        match &state.staged {
            crate::event::Staged::Skipped { reason } => {
                facts.push(Fact::Acknowledge { text: format!("the staging run is skipped: {reason}") });
            }
            crate::event::Staged::By { run, context, differences, again, .. } => {
                facts.push(Fact::Known { text: format!("verified on {context} by run {run}") });
                facts.extend(again.iter().map(|verify| Fact::Known {
                    text: format!("after its soak still so on {context}: {}", verify.text),
                }));
                facts.extend(
                    differences.iter().map(|text| Fact::Known { text: format!("differs from that run: {text}") }),
                );
            }
            crate::event::Staged::NotRequired => {}
        }
        facts.extend(Self::broken_facts(&state.broken, true));
        let staged = state.staged != crate::event::Staged::NotRequired;
        facts.extend(state.changes.iter().map(|change| {
            let text = format!("the playbook is changed: {change}");
            if staged {
                Fact::Acknowledge { text: format!("{text} (not verified by the staging run)") }
            } else {
                Fact::Known { text }
            }
        }));
        if let Some(findings) = &state.preflight {
            facts
                .extend(findings.iter().map(|finding| Fact::Known { text: format!("preflight: {}", finding.message) }));
        }
        facts
    }

    /// All verifies so far, evaluated again: a change that broke an earlier one is seen before anything more changes.
    pub fn verifies_again(&self) -> Result<Vec<Fact>, Stop> {
        let mut facts = vec![];
        let watching = Watching::new(self.door.clone());
        let done: Vec<_> = self.with_state(|state| {
            let done = self.plan.steps().filter(|step| state.stands(&step.id));
            done.map(|step| (step, state.steps[&step.id].verifies.clone())).collect()
        });
        let begun = Instant::now();
        for (step, results) in done {
            for (n, verify) in step.verifies.iter().enumerate() {
                if let Some(reason) = self.waived(Some(&step.id), &verify.text) {
                    let text = format!("verify \"{}\" of step {} is waived: {reason}", verify.text, step.id);
                    facts.push(Fact::Known { text });
                    continue;
                }
                let body = Body::Verify(step.id.clone(), n);
                // who does not answer is waited for as in the verify's own time, all of them together
                let until = begun + verify.within.duration().min(UNSEEN);
                let look = self.see(&body, &step.id, &watching, until)?;
                facts.push(Fact::Verify {
                    step: step.id.to_string(),
                    text: verify.text.clone(),
                    verdict: look.verdict,
                    observations: look.observations,
                    held_before: results.get(n).is_some_and(|result| result.held_before),
                    flaps: results.get(n).map_or(0, |result| result.flaps),
                });
            }
        }
        Ok(facts)
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one card")]
    fn card(
        &self,
        id: &GateId,
        question: String,
        class: GateClass,
        facts: Vec<Fact>,
        expires: Span,
        done: usize,
        rejected: Option<String>,
    ) -> GateCard {
        // what is asked for is the way to the next gate
        let mut next = vec![];
        let mut steps = 0;
        'items: for item in self.plan.phases.iter().flat_map(|phase| &phase.items) {
            match item {
                Item::Step(step) => {
                    steps += 1;
                    if steps > done {
                        next.push(step);
                    }
                }
                Item::Gate(gate) if gate.id != *id && !next.is_empty() => break 'items,
                Item::Gate(_) => {}
            }
        }
        let (run, plan, params) = self.with_state(|state| {
            let (plan, digest) = match &state.plan {
                Some((plan, digest)) => (&**plan, digest.clone()),
                None => (&*self.plan, self.plan.digest()),
            };
            let params: BTreeMap<_, _> =
                plan.params.iter().filter_map(|param| Some((param.name.clone(), param.value.clone()?))).collect();
            (state.run.clone(), digest, params)
        });
        GateCard {
            run: run.unwrap_or_else(|| crate::model::RunId::new("")),
            gate: id.clone(),
            question,
            class,
            target: self.target.clone(),
            identity: self.identity.clone(),
            plan,
            params,
            facts,
            touches: next.iter().flat_map(|step| step.trial.clone()).collect(),
            next: next.iter().map(|step| step.title.clone()).collect(),
            expires,
            rejected,
        }
    }

    /// Opens a gate with its evidence and finds out what is decided.
    fn decide(&self, card: GateCard) -> Result<(), Stop> {
        let digest = card.digest();
        self.append(&Event::GateOpened { card: Box::new(card.clone()), digest: digest.clone() })?;
        if card.class == GateClass::Auto && !card.needs_acknowledgement() && card.all_hold() {
            return self.decided(&card, &digest, Decision::Go { reason: None }, "auto", None);
        }
        let mut asked = false;
        loop {
            self.recorder().absorb()?;
            if let Some(end) = self.answered(&card, &digest) {
                return end;
            }
            if asked {
                break;
            }
            let elsewhere = || self.cancel.is_cancelled() || self.has_answer(&card.gate);
            for (_, broker) in self.crew.gates.iter().filter(|(class, _)| *class >= card.class) {
                let decision = broker.decide(&card, &elsewhere);
                self.go_on()?;
                if decision != Decision::NotNow {
                    return self.decided(&card, &digest, decision, broker.name(), None);
                }
            }
            asked = true;
        }
        self.waits(&card, format!("gate \"{}\" waits for a decision", card.question), ExitCode::Waiting)
    }

    fn has_answer(&self, id: &GateId) -> bool {
        let absorbed = self.recorder().absorb();
        absorbed.is_ok() && self.with_state(|state| answer(state, id).is_some())
    }

    /// What another process answered, where it did.
    fn answered(&self, card: &GateCard, digest: &Digest) -> Option<Result<(), Stop>> {
        let message = self.with_state(|state| answer(state, &card.gate))?;
        Some(match message.said {
            Said::Reject { reason, .. } => self.decided(card, digest, Decision::NoGo { reason }, "reject", message.by),
            // a class above `any` is not reached by an approval that any process can write
            Said::Approve { .. } if card.class > GateClass::Any => self.waits(
                card,
                format!("gate \"{}\" is of class {}, which `approve` does not open", card.question, card.class),
                ExitCode::Waiting,
            ),
            Said::Approve { digest: seen, .. } if seen != *digest => {
                let end = self.forget(card, digest);
                end.and_then(|()| {
                    self.waits(
                        card,
                        "what was approved is not what is there now: look at the fresh evidence".into(),
                        ExitCode::Waiting,
                    )
                })
            }
            Said::Approve { expires, .. } if expires < self.now() => {
                let end = self.forget(card, digest);
                end.and_then(|()| self.waits(card, format!("the approval expired at {expires}"), ExitCode::Expired))
            }
            Said::Approve { reason, .. } => self.decided(card, digest, Decision::Go { reason }, "approve", message.by),
            _ => return None,
        })
    }

    /// An approval that does not count is used up: the next one is made on fresh evidence.
    fn forget(&self, card: &GateCard, digest: &Digest) -> Result<(), Stop> {
        // a decision of its own kind, so that a reader sees that nobody said go on this evidence
        self.record(&Event::GateDecided {
            gate: card.gate.clone(),
            digest: digest.clone(),
            decision: Decision::NotNow,
            via: "approve".into(),
            by: None,
        })?;
        Ok(())
    }

    fn decided(
        &self,
        card: &GateCard,
        digest: &Digest,
        decision: Decision,
        via: &str,
        by: Option<String>,
    ) -> Result<(), Stop> {
        self.record(&Event::GateDecided {
            gate: card.gate.clone(),
            digest: digest.clone(),
            decision: decision.clone(),
            via: via.into(),
            by,
        })?;
        match decision {
            Decision::Go { .. } => Ok(()),
            Decision::NoGo { reason } => {
                let words = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                self.waits(card, format!("gate \"{}\" was rejected{words}", card.question), ExitCode::Rejected)
            }
            Decision::NotNow => self.waits(card, format!("gate \"{}\" waits", card.question), ExitCode::Waiting),
        }
    }

    fn waits(&self, card: &GateCard, reason: String, exit: ExitCode) -> Result<(), Stop> {
        self.go_on()?;
        Err(Stop::Waiting { reason, gate: Some(card.gate.clone()), step: None, exit })
    }
}

fn is_open(state: &RunState, id: &GateId) -> bool {
    state.gates.get(id).is_some_and(crate::event::GateState::is_open)
}

/// The last unused answer to a gate.
fn answer(state: &RunState, id: &GateId) -> Option<Message> {
    state
        .unused
        .iter()
        .rev()
        .find(|message| matches!(&message.said, Said::Approve { gate, .. } | Said::Reject { gate, .. } if gate == id))
        .cloned()
}

/// The first verify that was true and is not any more.
pub(super) fn regression(facts: &[Fact]) -> Option<Failure> {
    facts.iter().find_map(|fact| match fact {
        Fact::Verify { step, text, verdict, observations, .. } if !verdict.holds() => {
            let (kind, words) = match verdict {
                Verdict::Unknown => (FailureKind::Unknown, "was true and can not be seen now"),
                _ => (FailureKind::Regression, "was true and is not any more"),
            };
            let mut failure = Failure::new(kind, format!("verify \"{text}\" of step {step} {words}"));
            failure.verifies.push(crate::event::VerifyResult {
                text: text.clone(),
                verdict: *verdict,
                observations: observations.clone(),
                reason: None,
                evaluations: 1,
                took: Span::default(),
                flaps: 0,
                held_before: false,
            });
            Some(failure)
        }
        _ => None,
    })
}

/// A broker whose answer counts as this class at most.
pub(super) type Broker = (GateClass, Arc<dyn Gates>);

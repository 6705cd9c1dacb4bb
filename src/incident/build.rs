use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    AssumptionEntry, Changed, EvidenceEntry, GateEntry, Incident, Moment, Passed, SCHEMA, StepEntry, file_stem, gaps,
    questions, timeline,
};
use crate::{
    event::{Closed, Event, Failure, FailureKind, Life, Line, RunState, Sink, StepState, StepStatus},
    model::{
        Decision, Digest, Doing, ExitCode, GateId, StepId, Verdict, WayBack,
        text::{cut, one_line},
    },
};

/// Beyond this many moments the middle ones are left to the journal.
const MOST_MOMENTS: usize = 2_000;

/// Whether a run in this state asks for a record: it stopped, a gate was answered with a no-go, or it was given up after
/// something had changed.
pub fn due(state: &RunState) -> bool {
    match state.life {
        Life::Stopped | Life::Closed(Closed::Undone) => true,
        Life::Closed(Closed::Abandoned) => state.has_effects() || state.failure.is_some(),
        Life::Waiting => matches!(state.exit, Some(ExitCode::Rejected)),
        Life::Running | Life::Closed(Closed::Done) => false,
    }
}

/// The record of the run whose lines these are; none without its first line.
pub fn build<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Option<Incident> {
    let mut recorder = Recorder::default();
    lines.into_iter().for_each(|line| recorder.take(line));
    recorder.incident()
}

/// Takes a run's lines one by one, and gives its record at any time.
#[derive(Debug, Default)]
pub struct Recorder {
    state: RunState,
    moments: Vec<Moment>,
    left_out: usize,
    verdicts: BTreeMap<(Option<StepId>, usize), Verdict>,
    evidence: Vec<EvidenceEntry>,
    gates: BTreeMap<GateId, GateEntry>,
    order: Vec<GateId>,
    passed: Option<Passed>,
    /// The failure that the record is about, which a later success does not take away.
    failed: Option<(Timestamp, Option<StepId>, Failure)>,
    refused: Option<(Timestamp, GateId)>,
    cancelled: Option<(Timestamp, String)>,
    lost: Vec<String>,
}

impl Recorder {
    /// Takes the next line. One that cannot follow is named in the record, and does not stop it.
    pub fn take(&mut self, line: &Line) {
        let last = match &line.event {
            Some(Event::Observed { step, verify, verdict, .. }) => {
                self.verdicts.insert((step.clone(), *verify), *verdict)
            }
            Some(Event::StepStarted { .. }) => {
                self.verdicts.clear();
                None
            }
            _ => None,
        };
        if let Some(moment) = timeline::moment(line, last) {
            if self.moments.len() >= MOST_MOMENTS {
                // the beginning and the end tell more than the middle
                self.moments.remove(MOST_MOMENTS / 4);
                self.left_out += 1;
            }
            self.moments.push(moment);
        }
        if let Some(event) = &line.event {
            self.event(event, line.t);
        }
        if let Err(error) = self.state.take(line) {
            self.lost.push(error.to_string());
        }
    }

    fn event(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::StepFailed { step, failure } => self.failed = Some((at, Some(step.clone()), failure.clone())),
            Event::Failed { failure } => self.failed = Some((at, self.state.current.clone(), failure.clone())),
            Event::Cancelled { reason } => self.cancelled = Some((at, one_line(reason))),
            Event::StepVerified { step, verifies } if self.failed.is_none() => {
                let passed = verifies.iter().rfind(|verify| verify.verdict.holds());
                if let Some(verify) = passed {
                    self.passed = Some(Passed { step: step.clone(), verify: one_line(&verify.text), at });
                }
            }
            Event::GateOpened { card, digest } => {
                let facts = serde_json::to_string(&card.facts).unwrap_or_default();
                let notes = self.state.notes.iter().map(|(_, _, text)| one_line(text));
                let entry = GateEntry {
                    shown: at,
                    card: (**card).clone(),
                    digest: digest.clone(),
                    decision: None,
                    via: None,
                    not_shown: notes.filter(|text| !facts.contains(text.as_str())).collect(),
                };
                if self.gates.insert(card.gate.clone(), entry).is_none() {
                    self.order.push(card.gate.clone());
                }
            }
            Event::GateDecided { gate, decision, via, .. } => {
                if let Some(entry) = self.gates.get_mut(gate) {
                    entry.decision = Some(decision.clone());
                    entry.via = Some(one_line(via));
                }
                if matches!(decision, Decision::NoGo { .. }) {
                    self.refused = Some((at, gate.clone()));
                }
            }
            Event::Evidence { about, sort, source, value } => {
                if sort == "events" {
                    self.moments.extend(timeline::of_events(about, value));
                }
                let captured = !value.is_null() && value.get("error").is_none();
                self.evidence.push(EvidenceEntry {
                    at,
                    about: one_line(about),
                    sort: one_line(sort),
                    source: one_line(source),
                    captured,
                    value: value.clone(),
                    sha256: Digest::of_json(value),
                });
            }
            _ => {}
        }
    }

    /// What the lines so far fold to.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// The record; none before the run's first line.
    pub fn incident(&self) -> Option<Incident> {
        let state = &self.state;
        let (run, started) = (state.run.clone()?, state.started?);
        let (detected, step, symptom) = self.symptom();
        let failure = self.failed.as_ref().map(|(_, _, failure)| failure.clone());
        let mut timeline = self.moments.clone();
        timeline.sort_by_key(|moment| moment.at);
        if self.left_out > 0 {
            let at = timeline.get(MOST_MOMENTS / 4).map_or(started, |moment| moment.at);
            let text = format!("{} moments more, in the journal", self.left_out);
            timeline.insert(MOST_MOMENTS / 4, Moment { at, source: "journal".into(), text });
        }
        let plan = state.plan.as_ref();
        let mut incident = Incident {
            schema: SCHEMA,
            id: file_stem(detected.unwrap_or(started), &symptom, &run),
            status: "captured".into(),
            near_miss: failure.is_none() && self.cancelled.is_none() && !matches!(state.life, Life::Running),
            fingerprint: Digest::of(""),
            run,
            playbook: state.playbook.clone(),
            title: state.title.clone(),
            bundle: state.bundle.clone(),
            plan: plan.map(|(_, digest)| digest.clone()),
            context: state.target.as_ref().map(|target| target.name.clone()).unwrap_or_default(),
            tier: state.target.as_ref().map(|target| target.tier.clone()).unwrap_or_default(),
            sandbox: state.target.as_ref().is_some_and(|target| target.sandbox),
            cluster: state.identity.as_ref().map(|id| format!("{} ({})", id.uid, id.version)),
            staged: state.staged.clone(),
            started,
            detected,
            ended: state.updated,
            failure,
            exit: state.exit,
            steps: self.steps(),
            last_passing: self.passed.clone(),
            timeline,
            assumptions: self.assumptions(),
            gates: self.order.iter().filter_map(|id| self.gates.get(id).cloned()).collect(),
            gaps: vec![],
            changed: self.changed(),
            resources: vec![],
            evidence: self.evidence.clone(),
            suggestions: vec![],
            went_well: vec![],
            lucky: vec![],
            questions: vec![],
            unknown: state.unknown.clone(),
            step,
            symptom,
        };
        incident.resources = self.resources(&incident);
        incident.fingerprint = fingerprint(&incident);
        incident.gaps = gaps::gaps(&incident, plan.map(|(plan, _)| &**plan), &self.lost);
        incident.suggestions = gaps::suggestions(&incident);
        incident.went_well = gaps::went_well(&incident);
        incident.lucky = gaps::lucky(&incident);
        incident.questions = questions::choose(&incident);
        Some(incident)
    }

    /// When, at which step, what was seen.
    fn symptom(&self) -> (Option<Timestamp>, Option<StepId>, String) {
        if let Some((at, step, failure)) = &self.failed {
            let not = failure.verifies.iter().find(|verify| !verify.verdict.holds());
            let text = match (failure.kind, not) {
                (FailureKind::Verify | FailureKind::Regression | FailureKind::Unknown, Some(verify)) => {
                    format!("\"{}\" {}", one_line(&verify.text), verdict(verify.verdict))
                }
                _ => cut(&failure.gist(), 160),
            };
            return (Some(*at), step.clone(), text);
        }
        if let Some((at, gate)) = &self.refused {
            let question = self.gates.get(gate).map(|entry| one_line(&entry.card.question)).unwrap_or_default();
            return (Some(*at), None, format!("no-go at the gate \"{question}\""));
        }
        let step = self.state.current.clone();
        let during = step.as_ref().map(|step| format!(" during step {step}")).unwrap_or_default();
        if let Some((at, reason)) = &self.cancelled {
            return (Some(*at), step, format!("the run was cancelled by {reason}{during}"));
        }
        let text = match (&self.state.life, &self.state.reason) {
            (Life::Running, _) => format!("the run's process ended without a last line{during}"),
            (Life::Closed(Closed::Abandoned), _) => format!("the run was abandoned{during}"),
            (Life::Closed(Closed::Undone), _) => "the run was undone".into(),
            (Life::Closed(Closed::Done), _) => "noticed after a run that ended well".into(),
            (_, Some(reason)) => one_line(reason),
            (_, None) => format!("the run stopped{during}"),
        };
        (self.state.updated, step, text)
    }

    fn steps(&self) -> Vec<StepEntry> {
        let plan = self.state.plan.as_ref().map(|(plan, _)| plan);
        let entry = |step: &crate::model::Step| {
            let state = self.state.steps.get(&step.id);
            let word = match state.map(|state| state.status) {
                Some(StepStatus::Verified) => "verified",
                Some(StepStatus::Undone) => "taken back",
                Some(_) => "not verified",
                None => "not reached",
            };
            StepEntry {
                id: step.id.clone(),
                title: step.title.clone(),
                state: word.into(),
                skipped: state.and_then(|state| state.skipped.clone()),
                verifies: state.map(|state| state.verifies.clone()).unwrap_or_default(),
            }
        };
        plan.map(|plan| plan.steps().map(entry).collect()).unwrap_or_default()
    }

    fn assumptions(&self) -> Vec<AssumptionEntry> {
        let Some((plan, _)) = &self.state.plan else { return vec![] };
        let entry = |(index, assumed): (usize, &crate::model::Assumption)| {
            let probed = self.state.assumed.get(&index);
            let verdict = probed.and_then(|probed| probed.verdict);
            let reality = probed.zip(verdict).map(|(probed, verdict)| match &probed.reality {
                _ if verdict.holds() => "as assumed".into(),
                Some(reality) => one_line(reality),
                None => {
                    let seen = timeline::seen(verdict, &probed.observations, None);
                    format!("{}{seen}", verdict.words())
                }
            });
            AssumptionEntry {
                text: assumed.text.clone(),
                confidence: assumed.confidence,
                source: assumed.source.clone(),
                probe: assumed.probe,
                verdict,
                reality,
                impact: assumed.impact.clone(),
            }
        };
        plan.assumptions.iter().enumerate().map(entry).collect()
    }

    fn changed(&self) -> Vec<Changed> {
        let Some((plan, _)) = &self.state.plan else { return vec![] };
        let mut out = Vec::new();
        for step in plan.steps() {
            let Some(state) = self.state.steps.get(&step.id) else { continue };
            out.extend(effects(step, state));
        }
        out
    }

    fn resources(&self, incident: &Incident) -> Vec<String> {
        let plan = self.state.plan.as_ref().map(|(plan, _)| plan);
        let step = plan.zip(incident.step.as_ref()).and_then(|(plan, id)| plan.step(id));
        let touched = step.into_iter().flat_map(|step| &step.trial).map(|touch| one_line(&touch.target));
        let sent = incident.changed.iter().filter(|changed| step.is_none_or(|step| step.id == changed.step));
        let sent = sent.flat_map(|changed| changed.targets.iter().map(|(target, _)| one_line(target)));
        let mut out: Vec<String> = touched.chain(sent).collect();
        out.sort();
        out.dedup();
        out
    }
}

impl Sink for Recorder {
    fn line(&mut self, line: &Line) {
        self.take(line);
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unknown => "is not known",
        verdict => verdict.words(),
    }
}

fn effects(step: &crate::model::Step, state: &StepState) -> Vec<Changed> {
    let way_back = match (&step.way_back, &step.doing) {
        (WayBack::Automatic, Doing::Change) => "automatic, where there is one".into(),
        (WayBack::Automatic, _) => "not stated".into(),
        (WayBack::Closure, _) => "its own undo".into(),
        (WayBack::Instructions(text), _) => format!("by hand: {}", one_line(text)),
        (WayBack::Irreversible(reason), _) => format!("none: {}", one_line(reason)),
    };
    let effect = |effect: &crate::event::EffectState| Changed {
        step: step.id.clone(),
        native: effect.sent.native.clone(),
        targets: match &effect.results {
            Some(results) => results.iter().map(|result| (result.target.clone(), Some(result.outcome))).collect(),
            None => effect.sent.targets.iter().map(|target| (target.clone(), None)).collect(),
        },
        way_back: way_back.clone(),
    };
    state.effects.iter().map(effect).collect()
}

/// Step, kinds of object, and the symptom without what differs from run to run: numbers and quoted names.
fn fingerprint(incident: &Incident) -> Digest {
    let mut kinds: Vec<&str> = incident.resources.iter().filter_map(|object| object.split('/').next()).collect();
    kinds.dedup();
    let words = incident.failure.as_ref().map_or_else(|| incident.symptom.clone(), crate::event::Failure::gist);
    let normal: String =
        words.split_whitespace().filter(|word| !word.chars().any(|c| c.is_ascii_digit())).collect::<Vec<_>>().join(" ");
    Digest::of_json(&(&incident.step, kinds, normal))
}

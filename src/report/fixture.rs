//! One run as it could have happened, for the tests of all views: a skipped step, a flap, a gate that waits, a failure, a
//! resume.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    event::{
        Applied, Before, Closed, Event, Failure, FailureKind, Line, Message, Outcome, Part, Said, Sent, Settings,
        Staged, VerifyResult,
    },
    model::{
        Assumption, Check, Choice, Confidence, Decision, Digest, Discovery, Doing, ExitCode, Fact, Gate, GateCard,
        GateClass, GateId, Identity, Item, Observation, Param, Phase, Place, Plan, Question, Resolution, Risk, RunId,
        SecretParam, Span, Step, StepId, Target, Touch, Verb, Verdict, Verify, WayBack,
    },
};

pub fn place(line: u32) -> Place {
    Place::new("deploy-app.rhai", line, 5)
}

pub fn step(phase: &str, title: &str, line: u32, verify: &str, touches: &[(Verb, &str, bool)]) -> Step {
    Step {
        id: StepId::of(phase, title),
        title: title.into(),
        place: place(line),
        doing: Doing::Change,
        prechecks: vec![],
        skip_if: None,
        verifies: vec![Verify {
            text: verify.into(),
            place: place(line + 2),
            within: Span::seconds(60),
            stays: None,
            parks: false,
        }],
        way_back: WayBack::Automatic,
        undone: vec![],
        until: None,
        repair: None,
        idempotent: false,
        timeout: Span::seconds(600),
        api_down: None,
        touches: vec![],
        notes: vec![],
        digest: Digest::of(title),
        trial: touches
            .iter()
            .map(|(verb, target, way_back)| Touch { way_back: *way_back, ..Touch::new(*verb, *target) })
            .collect(),
        partly_known: None,
    }
}

fn phase(title: &str, goal: &str, items: Vec<Item>) -> Phase {
    Phase { title: title.into(), goal: Some(goal.into()), no_gate: None, items, place: Some(place(30)) }
}

#[allow(clippy::too_many_lines, reason = "one plan, written down")]
pub fn plan() -> Plan {
    let mut namespace = step(
        "Prerequisites",
        "Create namespace",
        34,
        "namespace is Active",
        &[(Verb::Apply, "Namespace/monitoring", true)],
    );
    namespace.skip_if = Some(Check { text: "it exists".into(), place: place(35), within: Span::default() });
    let secret = {
        let mut step = step(
            "Prerequisites",
            "Sync the admin secret",
            40,
            "secret is synced",
            &[(Verb::Apply, "ExternalSecret/monitoring/grafana-admin", true)],
        );
        step.verifies[0].within = Span::seconds(120);
        step.verifies[0].stays = Some(Span::seconds(5));
        step
    };
    let release = {
        let mut step = step(
            "Rollout",
            "Deploy Grafana",
            52,
            "the HelmRelease is ready",
            &[(Verb::Apply, "HelmRelease/monitoring/grafana", false)],
        );
        step.way_back = WayBack::Irreversible("Helm keeps the history".into());
        step
    };
    let mut route = step(
        "Rollout",
        "Publish the route",
        60,
        "route is accepted",
        &[(Verb::Apply, "HTTPRoute/monitoring/grafana", true)],
    );
    route.verifies[0].within = Span::seconds(90);
    Plan {
        title: "Deploy Grafana".into(),
        place: Some(place(6)),
        problem: Some("On-call has no dashboards while an incident is running".into()),
        outcome: Some("Grafana answers on its route in the target cluster".into()),
        verifies: vec![Verify {
            text: "the route answers 200".into(),
            place: place(9),
            within: Span::seconds(60),
            stays: None,
            parks: false,
        }],
        contexts: vec!["staging".into(), "main".into()],
        constraints: vec!["monitoring has 2 Gi of memory quota left".into()],
        current: vec!["Prometheus is installed by Flux; no Grafana".into()],
        target: vec!["a Grafana HelmRelease, its secret, an HTTPRoute".into()],
        params: vec![Param {
            name: "host".into(),
            value: Some(json!("grafana.staging.example.com")),
            from: Some("per_context".into()),
            about: None,
            one_of: vec![],
            per_context: true,
            place: place(4),
        }],
        secrets: vec![SecretParam {
            name: "token".into(),
            from: "env GRAFANA_TOKEN".into(),
            about: Some("the admin's".into()),
            place: place(5),
        }],
        discoveries: vec![Discovery {
            name: "worker nodes".into(),
            turn: 0,
            context: None,
            value: json!(["node-a", "node-b"]),
            sample: false,
            failed: None,
            place: place(15),
        }],
        assumptions: vec![
            Assumption {
                text: "the secret store is named onepassword-connect".into(),
                confidence: Confidence::Medium,
                probe: true,
                impact: Some("the ExternalSecret never syncs".into()),
                source: Some("the cluster's docs".into()),
                place: place(20),
            },
            Assumption {
                text: "the shared gateway admits routes from monitoring".into(),
                confidence: Confidence::Low,
                probe: false,
                impact: Some("the route is not accepted".into()),
                source: None,
                place: place(22),
            },
        ],
        risks: vec![Risk {
            text: "the new pods exhaust the namespace quota".into(),
            on: vec!["staging".into(), "main".into()],
            affects: vec!["Namespace/monitoring".into()],
            unknown_blast_radius: None,
            rollback: Some("suspend the HelmRelease".into()),
            place: place(25),
        }],
        questions: vec![Question {
            text: "What owns the dashboards?".into(),
            resolution: Resolution::Resolved("the platform team".into()),
            place: place(17),
        }],
        decisions: vec![Choice {
            text: "How do users reach it?".into(),
            options: vec![
                ("HTTPRoute on the shared gateway".into(), "shares its fate".into()),
                ("a LoadBalancer of its own".into(), "another address and certificate".into()),
            ],
            chosen: Some(("HTTPRoute on the shared gateway".into(), "the gateway already has the certificate".into())),
            place: place(18),
        }],
        phases: vec![
            phase(
                "Prerequisites",
                "namespace and secret exist",
                vec![
                    Item::Step(namespace),
                    Item::Step(secret),
                    Item::Gate(Gate {
                        id: gate(),
                        question: "Is the secret the one from the new vault?".into(),
                        class: None,
                        shows: vec![],
                        expires: None,
                        place: Some(place(46)),
                    }),
                ],
            ),
            phase("Rollout", "Grafana runs", vec![Item::Step(release), Item::Step(route)]),
        ],
        ..Plan::default()
    }
}

pub fn gate() -> GateId {
    GateId::of("Prerequisites", "Is the secret the one from the new vault?")
}

pub fn run() -> RunId {
    RunId::new("deploy-app-7f3a2c")
}

pub fn target() -> Target {
    Target { name: "staging".into(), tier: "staging".into(), sandbox: true }
}

pub fn seen(expression: &str, expected: &str, observed: Option<&str>) -> Observation {
    Observation {
        place: Some(Place::new("deploy-app.rhai", 62, 30)),
        expression: expression.into(),
        operator: "==".into(),
        expected: Some(json!(expected)),
        observed: observed.map(|text| json!(text)),
        holds: observed.map(|text| text == expected),
        reason: None,
        inner: vec![],
    }
}

pub fn result(text: &str, verdict: Verdict, observations: Vec<Observation>) -> VerifyResult {
    VerifyResult {
        text: text.into(),
        verdict,
        observations,
        reason: None,
        evaluations: 3,
        took: Span::millis(1_240),
        flaps: 0,
        held_before: false,
    }
}

pub fn card() -> GateCard {
    GateCard {
        run: run(),
        gate: gate(),
        question: "Is the secret the one from the new vault?".into(),
        class: GateClass::Any,
        target: target(),
        identity: Some(identity()),
        plan: plan().digest(),
        params: [("host".to_string(), json!("grafana.staging.example.com"))].into(),
        facts: vec![
            Fact::Verify {
                step: "prerequisites/create-namespace".into(),
                text: "namespace is Active".into(),
                verdict: Verdict::Holds,
                observations: vec![seen("ns.status.phase", "Active", Some("Active"))],
                held_before: true,
                flaps: 0,
            },
            Fact::Verify {
                step: "prerequisites/sync-the-admin-secret".into(),
                text: "secret is synced".into(),
                verdict: Verdict::Holds,
                observations: vec![],
                held_before: false,
                flaps: 1,
            },
            Fact::Shown { text: "the secret's store".into(), value: json!({"kind": "ClusterSecretStore"}) },
            Fact::Acknowledge { text: "low confidence, no probe: the shared gateway admits routes".into() },
            Fact::Known { text: "risk: the new pods exhaust the namespace quota".into() },
        ],
        touches: vec![
            Touch::new(Verb::Apply, "HelmRelease/monitoring/grafana"),
            Touch::new(Verb::Apply, "HTTPRoute/monitoring/grafana"),
        ],
        next: vec!["Deploy Grafana".into(), "Publish the route".into()],
        expires: Span::seconds(3600),
        rejected: None,
    }
}

fn identity() -> Identity {
    Identity {
        uid: "3d1f0c52".into(),
        server: "sandbox".into(),
        ca: None,
        version: "v1.35.0".into(),
        nodes: vec!["node-a".into(), "node-b".into()],
    }
}

pub fn failure() -> Failure {
    Failure {
        place: Some(place(62)),
        excerpt: Some("62 |     .verify(\"route is accepted\", || k8s::ready(`HTTPRoute/${NS}/grafana`))".into()),
        verifies: vec![VerifyResult {
            evaluations: 41,
            took: Span::seconds(90),
            ..result(
                "route is accepted",
                Verdict::DoesNotHold,
                vec![Observation {
                    reason: Some("the gateway says NotAllowedByListeners".into()),
                    ..seen("accepted.status", "True", Some("False"))
                }],
            )
        }],
        help: vec!["look at `allowedRoutes` of Gateway/network/shared".into()],
        ..Failure::new(FailureKind::Verify, "\"route is accepted\" did not come true within 1m30s")
    }
}

/// Lines of a journal under construction.
pub struct Story {
    pub lines: Vec<Line>,
    at: Timestamp,
}

impl Story {
    pub fn new() -> Self {
        Self { lines: vec![], at: "2025-12-14T03:12:00Z".parse().unwrap() }
    }

    /// The event, so many milliseconds after the one before.
    pub fn then(&mut self, millis: i64, event: Event) -> &mut Self {
        self.at += jiff::SignedDuration::from_millis(millis);
        let n = self.lines.len() as u64 + 1;
        let mut line = json!({"v": "1.0", "n": n, "t": self.at, "h": "…"});
        let Value::Object(event_map) = serde_json::to_value(&event).unwrap() else { unreachable!() };
        line.as_object_mut().unwrap().extend(event_map);
        let kind = event.kind().into();
        self.lines.push(Line { n, t: self.at, kind, event: Some(event), text: line.to_string() });
        self
    }

    pub fn effect(&mut self, step: &StepId, target: &str) -> &mut Self {
        let sent = Sent {
            seq: 1,
            native: "k8s::apply".into(),
            targets: vec![target.into()],
            input: Digest::of(target),
            idempotent: true,
            before: vec![Before { object: target.into(), image: None }],
            at: None,
            place: None,
            part: Part::Change,
        };
        let applied =
            Applied { target: target.into(), outcome: Outcome::Applied, message: None, after: Some(json!({})) };
        self.then(5, Event::Effect { step: step.clone(), effect: sent })
            .then(
                20,
                Event::Effected {
                    step: step.clone(),
                    seq: 1,
                    results: vec![applied],
                    output: Value::Null,
                    error: None,
                    part: Part::Change,
                },
            )
            .then(1, Event::StepChanged { step: step.clone(), output: Value::Null })
    }

    pub fn observed(
        &mut self,
        millis: i64,
        step: &StepId,
        text: &str,
        verdict: Verdict,
        seen: Observation,
    ) -> &mut Self {
        self.then(
            millis,
            Event::Observed {
                step: Some(step.clone()),
                verify: 0,
                text: text.into(),
                verdict,
                observations: vec![seen],
                reason: None,
            },
        )
    }
}

pub fn opened() -> Event {
    Event::Opened {
        run: run(),
        playbook: "deploy-app.rhai".into(),
        origin: None,
        config: None,
        title: "Deploy Grafana".into(),
        target: target(),
        bundle: Digest::of("bundle"),
        started: "2025-12-14T03:12:00Z".parse().unwrap(),
        program: "0.1.0".into(),
        settings: Settings::default(),
        by: Some("mallory".into()),
    }
}

pub fn bound(plan: Plan) -> Event {
    let digest = plan.digest();
    Event::Bound { identity: Some(identity()), plan: Box::new(plan), digest, staged: Staged::NotRequired }
}

fn resumed(skip: &[&Step]) -> Event {
    Event::Resumed {
        skip: skip.iter().map(|step| step.id.clone()).collect(),
        redo: vec![],
        ask: vec![],
        program: "0.1.0".into(),
        on_failure: None,
    }
}

/// From the start to the gate, where the run waits.
pub fn waiting() -> Story {
    let plan = plan();
    let steps: Vec<&Step> = plan.steps().collect();
    let mut story = Story::new();
    let discovered = Event::Discovered {
        name: "worker nodes".into(),
        turn: 0,
        context: None,
        value: json!(["node-a", "node-b"]),
        failed: None,
        place: place(15),
    };
    story.then(0, opened()).then(40, discovered).then(10, bound(plan.clone()));
    for (index, assumed) in plan.assumptions.iter().enumerate() {
        story.then(
            3,
            Event::Probed {
                index,
                text: assumed.text.clone(),
                verdict: assumed.probe.then_some(Verdict::Holds),
                observations: vec![],
                reality: None,
            },
        );
    }
    let (first, second) = (&steps[0].id, &steps[1].id);
    story
        .then(5, Event::Preflight { findings: vec![], trial: vec![] })
        .then(1, Event::PhaseStarted { index: 0, title: "Prerequisites".into() })
        .then(1, Event::StepStarted { step: first.clone(), attempt: 1 })
        .then(4, Event::StepSkipped { step: first.clone(), text: "it exists".into(), observations: vec![] })
        .then(2, Event::StepBefore { step: first.clone(), verdicts: vec![Verdict::Holds] });
    let before = VerifyResult {
        held_before: true,
        evaluations: 1,
        took: Span::millis(3),
        ..result("namespace is Active", Verdict::Holds, vec![seen("ns.status.phase", "Active", Some("Active"))])
    };
    story
        .then(3, Event::StepVerified { step: first.clone(), verifies: vec![before] })
        .then(1, Event::StepStarted { step: second.clone(), attempt: 1 })
        .then(4, Event::StepBefore { step: second.clone(), verdicts: vec![Verdict::NotYet] })
        .effect(second, "ExternalSecret/monitoring/grafana-admin");
    let text = "secret is synced";
    let ready = |observed| seen("ready.status", "True", observed);
    let flapped = VerifyResult { flaps: 1, evaluations: 6, ..result(text, Verdict::Holds, vec![ready(Some("True"))]) };
    story
        .observed(30, second, text, Verdict::NotYet, ready(None))
        .observed(900, second, text, Verdict::Holds, ready(Some("True")))
        .observed(1_100, second, text, Verdict::DoesNotHold, ready(Some("False")))
        .observed(1_000, second, text, Verdict::Holds, ready(Some("True")))
        .then(5_000, Event::StepVerified { step: second.clone(), verifies: vec![flapped] })
        .then(1, Event::PhaseEnded { index: 0, title: "Prerequisites".into() })
        .then(2, Event::GateOpened { card: Box::new(card()), digest: card().digest() })
        .then(
            1,
            Event::Waiting {
                reason: "gate: Is the secret the one from the new vault?".into(),
                gate: Some(gate()),
                step: None,
                exit: ExitCode::Waiting,
            },
        );
    story
}

/// On from the gate to the step that fails, and the record.
pub fn failed() -> Story {
    let plan = plan();
    let steps: Vec<&Step> = plan.steps().collect();
    let mut story = waiting();
    let approval = Message {
        id: "m1".into(),
        at: "2025-12-14T03:20:00Z".parse().unwrap(),
        by: Some("mallory".into()),
        said: Said::Approve {
            gate: gate(),
            digest: card().digest(),
            expires: "2025-12-14T04:20:00Z".parse().unwrap(),
            reason: Some("the vault's path was compared".into()),
        },
    };
    let go = Event::GateDecided {
        gate: gate(),
        digest: card().digest(),
        decision: Decision::Go { reason: Some("the vault's path was compared".into()) },
        via: "approve".into(),
        by: Some("mallory".into()),
    };
    let (third, fourth) = (&steps[2].id, &steps[3].id);
    let text = "route is accepted";
    story
        .then(480_000, resumed(&steps[..2]))
        .then(4, Event::Received { message: approval })
        .then(20, Event::GateOpened { card: Box::new(card()), digest: card().digest() })
        .then(3, go)
        .then(1, Event::PhaseStarted { index: 1, title: "Rollout".into() })
        .then(1, Event::StepStarted { step: third.clone(), attempt: 1 })
        .then(3, Event::StepBefore { step: third.clone(), verdicts: vec![Verdict::NotYet] })
        .effect(third, "HelmRelease/monitoring/grafana")
        .then(
            2_000,
            Event::StepVerified {
                step: third.clone(),
                verifies: vec![result("the HelmRelease is ready", Verdict::Holds, vec![])],
            },
        )
        .then(1, Event::StepStarted { step: fourth.clone(), attempt: 1 })
        .then(3, Event::StepBefore { step: fourth.clone(), verdicts: vec![Verdict::NotYet] })
        .effect(fourth, "HTTPRoute/monitoring/grafana")
        .observed(50, fourth, text, Verdict::NotYet, seen("accepted.status", "True", None))
        .then(
            5_000,
            Event::Noted {
                text: "the gateway was restarted by its operator".into(),
                step: Some(fourth.clone()),
                via: "note".into(),
            },
        )
        .observed(5_000, fourth, text, Verdict::DoesNotHold, seen("accepted.status", "True", Some("False")))
        .then(80_000, Event::StepFailed { step: fourth.clone(), failure: failure() })
        .then(
            30,
            Event::Evidence {
                about: "HTTPRoute/monitoring/grafana".into(),
                sort: "conditions".into(),
                source: "the API server".into(),
                value: json!([{"type": "Accepted", "status": "False", "reason": "NotAllowedByListeners"}]),
            },
        )
        .then(
            5,
            Event::Evidence {
                about: "HTTPRoute/monitoring/grafana".into(),
                sort: "events".into(),
                source: "the API server".into(),
                value: json!({"error": "events is forbidden"}),
            },
        )
        .then(
            4,
            Event::Stopped {
                reason: "step rollout/publish-the-route did not get to its end".into(),
                exit: ExitCode::VerifyFailed,
            },
        )
        .then(
            9,
            Event::IncidentWritten {
                path: "incidents/2025-12-14-0312Z-route-is-accepted-does-not-hold-7f3a2c.md".into(),
            },
        );
    story
}

/// On from the failure to the verified outcome.
pub fn done() -> Story {
    let plan = plan();
    let steps: Vec<&Step> = plan.steps().collect();
    let mut story = failed();
    let fourth = &steps[3].id;
    let held = |text, expression, value: &str| result(text, Verdict::Holds, vec![seen(expression, value, Some(value))]);
    story
        .then(600_000, resumed(&steps[..3]))
        .then(2, Event::StepStarted { step: fourth.clone(), attempt: 2 })
        .then(
            700,
            Event::StepVerified {
                step: fourth.clone(),
                verifies: vec![held("route is accepted", "accepted.status", "True")],
            },
        )
        .then(1, Event::PhaseEnded { index: 1, title: "Rollout".into() })
        .then(300, Event::OutcomeVerified { verifies: vec![held("the route answers 200", "status", "200")] })
        .then(1, Event::Closed { how: Closed::Done, reason: None, exit: ExitCode::Done, exceptions: vec![] });
    story
}

//! Going on with a long run: its lines are proven, read and folded.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use runbook::{
    event::{Event, Line, Recorder, RunState, Settings, Sink, Store as _, VerifyResult},
    journal::FileStore,
    model::{Digest, Observation, RunId, Span, StepId, Target, Verdict},
    redact::Scrubber,
};
use serde_json::json;

use super::{
    folder,
    table::{Figure, Table, median},
};

const LINES: u32 = 100_000;
const BYTES: usize = 300;
const ROUNDS: usize = 7;

/// Folding 100,000 lines of 300 bytes that lie in the page cache.
pub fn rows(table: &mut Table) {
    let folder = folder();
    let store = FileStore::new(folder.path(), Scrubber::new());
    let run = RunId::new("long-000000");
    let bytes = write(&store, &run);
    let (mut own, mut floor) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let state = store.state(&run).expect("it folds");
        own.push(begun.elapsed());
        assert_eq!(state.lines, u64::from(LINES));
        let begun = Instant::now();
        let read = std::fs::read(folder.path().join("runs/long-000000/journal.jsonl")).expect("it is there");
        let digest = Digest::of(&read);
        floor.push(begun.elapsed());
        assert_eq!((digest.as_str().len(), read.len()), (64, bytes));
    }
    table.row(
        "resume: 100,000 lines",
        Figure::Time(median(&mut own)),
        Some(Figure::Time(median(&mut floor))),
        Some(Figure::Time(Duration::from_millis(200))),
        format!(
            "median of {ROUNDS}, {} bytes a line, warm: all lines proven, read and folded; floor: the same file read and \
             digested",
            bytes / LINES as usize
        ),
    );
}

/// Writes a run of many steps, each line as long as it has to be; gives the journal's length.
fn write(store: &FileStore, run: &RunId) -> usize {
    struct Count(Arc<std::sync::atomic::AtomicUsize>);
    impl Sink for Count {
        fn line(&mut self, line: &Line) {
            self.0.fetch_add(line.text.len() + 1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let log = store.create(run, b"{}").expect("a new run");
    let mut recorder = Recorder::new(log, RunState::default(), vec![Box::new(Count(count.clone()))], Box::new(|_| {}));
    let opened = Event::Opened {
        run: run.clone(),
        playbook: "long.rhai".into(),
        origin: None,
        config: None,
        title: "Long".into(),
        target: Target { name: "staging".into(), tier: "staging".into(), sandbox: true },
        bundle: Digest::of("{}"),
        started: "2026-01-05T08:00:00Z".parse().expect("a time"),
        program: "0".into(),
        settings: Settings::default(),
        by: None,
    };
    recorder.append(&opened).expect("there is room");
    for n in 1..LINES {
        let step = StepId::new(format!("rollout/step-{}", n / 5));
        let seen = Observation {
            place: None,
            expression: "k8s::get(\"Deployment/default/web\").status.readyReplicas".into(),
            operator: "==".into(),
            expected: Some(json!(3)),
            observed: Some(json!(n % 3)),
            holds: Some(false),
            reason: None,
            inner: vec![],
        };
        let mut event = match n % 5 {
            0 => Event::StepStarted { step, attempt: 1 },
            1 => Event::StepBefore { step, verdicts: vec![Verdict::DoesNotHold] },
            2 | 3 => Event::Observed {
                step: Some(step),
                verify: 0,
                text: "three are ready".into(),
                verdict: Verdict::DoesNotHold,
                observations: vec![seen],
                reason: None,
            },
            _ => Event::StepVerified { step, verifies: vec![result(vec![seen])] },
        };
        // the first step was not started: its lines are notes
        if n < 5 {
            event = Event::Noted { text: String::new(), step: None, via: "note".into() };
        }
        pad(&mut event);
        recorder.append(&event).expect("there is room");
    }
    recorder.sync().expect("it can be synced");
    count.load(std::sync::atomic::Ordering::Relaxed)
}

fn result(observations: Vec<Observation>) -> VerifyResult {
    VerifyResult {
        text: "three are ready".into(),
        verdict: Verdict::Holds,
        observations,
        reason: None,
        evaluations: 3,
        took: Span::seconds(2),
        flaps: 0,
        held_before: false,
    }
}

/// Makes the line about 300 bytes long, of which 130 stand around the payload.
fn pad(event: &mut Event) {
    let length = serde_json::to_string(event).map_or(0, |text| text.len()) + 130;
    let more = "x".repeat(BYTES.saturating_sub(length));
    match event {
        Event::Noted { text, .. } | Event::Observed { text, .. } => text.push_str(&more),
        Event::StepVerified { verifies, .. } => verifies.iter_mut().for_each(|result| result.text.push_str(&more)),
        _ => {}
    }
}

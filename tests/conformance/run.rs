//! Sends every request to both, counts and shows.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;

use crate::apiserver::Clusters;
use crate::compare::{compared, differences};
use crate::script::{self, Case, Request, Step};
use crate::sides::{Answer, Sent, Side};

/// How many cases are under way at once.
const AT_ONCE: usize = 8;

/// One compared request.
pub struct Outcome {
    area: &'static str,
    case: String,
    request: Request,
    differences: Vec<String>,
    whole: [Value; 2],
}

/// What came of all requests.
pub struct Report(Vec<Outcome>);

/// Runs the cases of all areas.
pub fn all(areas: &[(&'static str, &'static str, f64)], clusters: &Clusters) -> Report {
    let tag: String =
        tempfile::Builder::new().rand_bytes(12).tempfile().unwrap().path().to_string_lossy().to_lowercase();
    let tag: String = tag.chars().rev().filter(char::is_ascii_alphabetic).take(7).collect();
    let sides = [Side::sandbox(), Side::Real(clusters.staging().client().clone())];
    let mut cases = Vec::new();
    for (area, text, _) in areas {
        for (number, case) in script::cases(area, text).into_iter().enumerate() {
            let id = format!("{}{number}{tag}", area.replace('-', ""));
            cases.push((*area, id, case));
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outcomes: Vec<Vec<Outcome>> = runtime.block_on(async {
        let work = cases.into_iter().map(|(area, id, case)| one(area, id, case, tag.clone(), sides.clone()));
        futures::stream::iter(work).buffered(AT_ONCE).collect().await
    });
    Report(outcomes.into_iter().flatten().collect())
}

async fn one(area: &'static str, id: String, case: Case, tag: String, sides: [Side; 2]) -> Vec<Outcome> {
    let sandbox = case_on(&sides[0], area, &id, &case);
    let real = case_on(&sides[1], area, &id, &case);
    let (sandbox, real) = futures::join!(sandbox, real);
    let requests = case.steps.iter().filter_map(|step| match step {
        Step::Request(request) if request.compared => Some(request),
        _ => None,
    });
    let answers = sandbox.into_iter().zip(real);
    requests
        .zip(answers)
        .map(|(request, (a, b))| {
            let whole = [compared(&a, &tag), compared(&b, &tag)];
            let differences = differences(&whole[0], &whole[1]);
            Outcome { area, case: case.name.clone(), request: request.clone(), differences, whole }
        })
        .collect()
}

/// Runs a case on one side and gives the answers that are compared.
async fn case_on(side: &Side, area: &str, id: &str, case: &Case) -> Vec<Answer> {
    let mut words: BTreeMap<String, String> =
        [("ns".to_owned(), format!("ns-{id}")), ("id".to_owned(), id.to_owned())].into();
    let namespace = script::cases(area, "== x\nSETUP POST @ns {metadata: {name: $ns}}\n");
    let mut answers = Vec::new();
    let mut last = Value::Null;
    for step in namespace[0].steps.iter().chain(&case.steps) {
        match step {
            Step::Request(request) => {
                let sent = Sent {
                    method: request.method.clone(),
                    path: filled(&request.path, &words),
                    accept: request.accept.clone(),
                    content_type: request.content_type.clone(),
                    body: filled(&request.body, &words),
                };
                let answer = side.send(&sent).await;
                last = serde_json::from_slice(&answer.body).unwrap_or_default();
                if request.compared {
                    answers.push(answer);
                } else {
                    let fine = answer.code < 300 || answer.code == 409;
                    assert!(fine, "{area}:{}: {} {}: {last}", request.line, sent.method, sent.path);
                }
            }
            Step::Keep { name, pointer } => {
                let value = last.pointer(pointer).cloned().unwrap_or_default();
                words.insert(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            }
            Step::Settle => {
                if matches!(side, Side::Real(_)) {
                    tokio::time::sleep(Duration::from_millis(400)).await;
                }
            }
            Step::Wait { path } => {
                let path = filled(path, &words);
                let sent = Sent {
                    method: "GET".into(),
                    path,
                    accept: "application/json".into(),
                    content_type: String::new(),
                    body: String::new(),
                };
                let end = std::time::Instant::now() + Duration::from_secs(20);
                while side.send(&sent).await.code != 200 && std::time::Instant::now() < end {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
    answers
}

fn filled(text: &str, words: &BTreeMap<String, String>) -> String {
    let mut out = text.to_owned();
    // The longest first, so that `$rv2` is not taken for `$rv`.
    for (word, value) in words.iter().rev() {
        out = out.replace(&format!("${word}"), value);
    }
    out
}

impl Outcome {
    fn agrees(&self) -> bool {
        self.differences.is_empty()
    }
}

fn share(outcomes: &[&Outcome]) -> f64 {
    let agreeing = outcomes.iter().filter(|outcome| outcome.agrees()).count();
    #[allow(clippy::cast_precision_loss, reason = "a few hundred requests")]
    if outcomes.is_empty() { 100.0 } else { agreeing as f64 * 100.0 / outcomes.len() as f64 }
}

impl Report {
    fn of(&self, area: &str) -> Vec<&Outcome> {
        self.0.iter().filter(|outcome| outcome.area == area).collect()
    }

    /// The share of each area, and what differs.
    pub fn table(&self) -> String {
        let wanted = std::env::var("RUNBOOK_CONFORMANCE").unwrap_or_default();
        let mut out = String::new();
        for outcome in self.0.iter().filter(|outcome| !outcome.agrees()) {
            let Outcome { area, case, request, .. } = outcome;
            let known = request.differs.as_deref().map(|why| format!(" (stays: {why})")).unwrap_or_default();
            out += &format!("{area}.txt:{}: {} {}{known}: {case}\n", request.line, request.method, request.path);
            let shown = if wanted == **area || wanted == "all" { usize::MAX } else { 4 };
            for line in outcome.differences.iter().take(shown) {
                let line: String = if shown == 4 { line.chars().take(900).collect() } else { line.clone() };
                out += &format!("    {line}\n");
            }
            if wanted == **area {
                out += &format!("    sandbox {}\n    server  {}\n", outcome.whole[0], outcome.whole[1]);
            }
        }
        let mut areas: Vec<&str> = self.0.iter().map(|outcome| outcome.area).collect();
        areas.dedup();
        for area in areas {
            let all = self.of(area);
            out += &format!("{area:<12} {:>4} requests {:>6.1} %\n", all.len(), share(&all));
        }
        let all: Vec<&Outcome> = self.0.iter().collect();
        out += &format!("{:<12} {:>4} requests {:>6.1} %\n", "overall", all.len(), share(&all));
        out
    }

    /// Fails when less agrees than must.
    pub fn hold(&self, areas: &[(&str, &str, f64)], overall: f64) {
        let mut below = Vec::new();
        for (area, _, bar) in areas {
            let share = share(&self.of(area));
            if share < *bar {
                below.push(format!("{area}: {share:.1} % agree, {bar} % must"));
            }
        }
        let all: Vec<&Outcome> = self.0.iter().collect();
        let share = share(&all);
        if share < overall {
            below.push(format!("overall: {share:.1} % agree, {overall} % must"));
        }
        assert!(below.is_empty(), "less agrees than must:\n{}", below.join("\n"));
        let stale: Vec<String> = all
            .iter()
            .filter(|outcome| outcome.agrees() && outcome.request.differs.is_some())
            .map(|outcome| format!("{}.txt:{}", outcome.area, outcome.request.line))
            .collect();
        if !stale.is_empty() {
            println!("these agree this time; if they always do, take their `differs:` away: {stale:?}");
        }
    }
}

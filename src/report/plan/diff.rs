//! What changed between two versions of a plan: by section, and in §5 by step id, each with before and after.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;
use serde_json::Value;

use super::{asserted, phases};
use crate::model::{
    Doing, Item, Phase, Plan, Step,
    markdown::{code, inline},
    text::{count, cut},
};

const TITLES: [&str; 8] = [
    "Objective",
    "Context & Constraints",
    "Current State",
    "Target State",
    "Phases & Tasks",
    "Validation & Testing",
    "Rollback Plan",
    "Open Questions",
];
const VALUE: usize = 400;

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanChange {
    /// The section that it is in, 1 to 8.
    pub section: u8,
    /// What became of it.
    pub change: PlanChanged,
    /// What it is about, e.g. ``step `rollout/install` `` or `constraint`.
    pub about: String,
    /// The field that changed, where it is a part of something that both have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What was there; of a list only what is there no longer; of something moved, where it stood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there; of a list only what was not there; of something moved, where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each name says it")]
pub enum PlanChanged {
    Added,
    Removed,
    Moved,
    Changed,
}

/// The fields of something, as they are compared and shown.
type Fields = BTreeMap<&'static str, Value>;
/// Something that is known by a key, with its fields.
type Keyed = Vec<(String, Fields)>;

/// Everything that is different, in the order of the sections. Places and the wording of files do not count; what a
/// step's closures and files say does, by its digest.
pub fn plan_changes(before: &Plan, after: &Plan) -> Vec<PlanChange> {
    let mut diff = Diff { section: 0, changes: vec![] };
    for (section, parts) in sections(before).into_iter().zip(sections(after)).enumerate() {
        diff.section = u8::try_from(section + 1).unwrap_or(8);
        for ((word, was), (_, is)) in parts.0.into_iter().zip(parts.1) {
            diff.part(word, was, is);
        }
        if diff.section == 5 {
            diff.phases(before, after);
        }
    }
    diff.changes
}

/// A part of a section.
enum Part {
    /// One text or value.
    One(Value),
    /// Texts, of which the order says nothing.
    Texts(Vec<String>),
    /// Things with keys.
    Keyed(Keyed),
}

fn sections(plan: &Plan) -> Vec<Vec<(&'static str, Part)>> {
    let one = |text: &Option<String>| Part::One(text.clone().map_or(Value::Null, Value::from));
    let texts = |texts: &[String]| Part::Texts(texts.to_vec());
    let labels = plan.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let kind = serde_json::to_value(plan.kind).unwrap_or_default();
    vec![
        vec![
            ("title", Part::One(plan.title.clone().into())),
            ("problem", one(&plan.problem)),
            ("outcome", one(&plan.outcome)),
            ("outcome's verify", Part::Texts(plan.verifies.iter().map(asserted).collect())),
        ],
        vec![
            ("kind", Part::One(kind)),
            ("scope", one(&plan.scope)),
            ("contexts, in the order of promotion", Part::One(plan.contexts.clone().into())),
            ("label", Part::Texts(labels)),
            ("background", texts(&plan.background)),
            ("service", texts(&plan.services)),
            ("depends on", texts(&plan.upstream)),
            ("depended on by", texts(&plan.downstream)),
            ("constraint", texts(&plan.constraints)),
            ("parameter", keyed(&plan.params, "name")),
            ("secret", keyed(&plan.secrets, "name")),
            ("discovered value", keyed(&plan.discoveries, "name")),
            ("assumption", keyed(&plan.assumptions, "text")),
            ("risk", keyed(&plan.risks, "text")),
        ],
        vec![("current state", texts(&plan.current))],
        vec![("target state", texts(&plan.target))],
        vec![],
        vec![("validation", texts(&plan.validation))],
        vec![("rollback", texts(&plan.rollback))],
        vec![("question", keyed(&plan.questions, "text")), ("decision", keyed(&plan.decisions, "text"))],
    ]
}

/// Things as they are written down, by one of their fields; the second of a name has its number.
fn keyed<T: Serialize>(things: &[T], key: &str) -> Part {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let all = things.iter().map(|thing| {
        let value = serde_json::to_value(thing).unwrap_or_default();
        let own = value[key].as_str().unwrap_or_default().to_string();
        let turn = seen.entry(own.clone()).or_default();
        *turn += 1;
        let name = if *turn == 1 { own } else { format!("{own} ({turn})") };
        let fields = value.as_object().into_iter().flatten();
        let known = fields.filter_map(|(field, value)| Some((known(field).filter(|f| *f != key)?, value.clone())));
        (name, known.collect())
    });
    Part::Keyed(all.collect())
}

/// Fields of declarations that are compared; a place is none of them.
fn known(field: &str) -> Option<&'static str> {
    const FIELDS: [&str; 20] = [
        "value",
        "from",
        "about",
        "one_of",
        "per_context",
        "context",
        "sample",
        "failed",
        "confidence",
        "probe",
        "impact",
        "source",
        "on",
        "affects",
        "unknown_blast_radius",
        "rollback",
        "resolution",
        "options",
        "chosen",
        "turn",
    ];
    FIELDS.into_iter().find(|known| *known == field)
}

struct Diff {
    section: u8,
    changes: Vec<PlanChange>,
}

impl Diff {
    fn add(&mut self, change: PlanChanged, about: &str, field: Option<&str>, before: Value, after: Value) {
        let some = |value: Value| Some(value).filter(|value| !value.is_null());
        self.changes.push(PlanChange {
            section: self.section,
            change,
            about: about.into(),
            field: field.map(Into::into),
            before: some(before),
            after: some(after),
        });
    }

    fn part(&mut self, word: &str, was: Part, is: Part) {
        match (was, is) {
            (Part::One(was), Part::One(is)) if was != is => {
                let change = match (&was, &is) {
                    (Value::Null, _) => PlanChanged::Added,
                    (_, Value::Null) => PlanChanged::Removed,
                    _ => PlanChanged::Changed,
                };
                self.add(change, word, None, was, is);
            }
            (Part::Texts(was), Part::Texts(is)) => {
                let (gone, new) = only(&was, &is);
                // one for one is a change of words
                if let ([gone], [new]) = (gone.as_slice(), new.as_slice()) {
                    self.add(PlanChanged::Changed, word, None, gone.clone().into(), new.clone().into());
                    return;
                }
                for text in gone {
                    self.add(PlanChanged::Removed, word, None, text.into(), Value::Null);
                }
                for text in new {
                    self.add(PlanChanged::Added, word, None, Value::Null, text.into());
                }
            }
            (Part::Keyed(was), Part::Keyed(is)) => {
                let name = |key: &str| format!("{word} \"{key}\"");
                self.keyed(&was, &is, &name);
            }
            _ => {}
        }
    }

    fn keyed(&mut self, was: &Keyed, is: &Keyed, name: &dyn Fn(&str) -> String) {
        for (key, fields) in was {
            match is.iter().find(|(other, _)| other == key) {
                Some((_, other)) => self.fields(&name(key), fields, other),
                None => self.add(PlanChanged::Removed, &name(key), None, Value::Null, Value::Null),
            }
        }
        for (key, _) in is.iter().filter(|(key, _)| !was.iter().any(|(other, _)| other == key)) {
            self.add(PlanChanged::Added, &name(key), None, Value::Null, Value::Null);
        }
    }

    /// The fields of something that both have. A digest counts only where nothing that can be read is different.
    fn fields(&mut self, about: &str, was: &Fields, is: &Fields) {
        let found = self.changes.len();
        let mut names: Vec<&&str> = was.keys().chain(is.keys()).filter(|name| **name != DIGEST).collect();
        names.sort();
        names.dedup();
        for name in names {
            let value = |fields: &Fields| fields.get(*name).cloned().unwrap_or_default();
            let (was, is) = (value(was), value(is));
            if was == is {
                continue;
            }
            let (was, is) = match (was, is) {
                (Value::Array(was), Value::Array(is)) => {
                    let (gone, new) = only(&was, &is);
                    // the same in another order
                    if gone.is_empty() && new.is_empty() {
                        (was.into(), is.into())
                    } else {
                        (listed(gone), listed(new))
                    }
                }
                both => both,
            };
            self.add(PlanChanged::Changed, about, Some(name), was, is);
        }
        if self.changes.len() == found && was.get(DIGEST) != is.get(DIGEST) {
            let value = |fields: &Fields| fields.get(DIGEST).cloned().unwrap_or_default();
            self.add(PlanChanged::Changed, about, Some(DIGEST), value(was), value(is));
        }
    }

    fn phases(&mut self, before: &Plan, after: &Plan) {
        let phase = |phase: &Phase| {
            let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::from);
            (phase.title.clone(), Fields::from([("goal", text(&phase.goal)), ("no stop-gate", text(&phase.no_gate))]))
        };
        let titles = |plan: &Plan| plan.phases.iter().map(phase).collect::<Keyed>();
        let (was, is) = (titles(before), titles(after));
        self.keyed(&was, &is, &|title| format!("phase \"{title}\""));
        self.moved(&keys(&was), &keys(&is), &|title| format!("phase \"{title}\""));
        let (was, is) = (steps(before), steps(after));
        let gone: Vec<&Step> = before.steps().filter(|step| after.step(&step.id).is_none()).collect();
        let new: Vec<&Step> = after.steps().filter(|step| before.step(&step.id).is_none()).collect();
        // a step of the same title in another phase is the same step, moved there
        let mut elsewhere: Vec<(&Step, &Step)> = vec![];
        for step in &gone {
            let same: Vec<&&Step> = new.iter().filter(|other| other.title == step.title).collect();
            if let ([only], 1) = (same.as_slice(), gone.iter().filter(|other| other.title == step.title).count()) {
                elsewhere.push((step, only));
            }
        }
        let is_elsewhere = |id: &str| elsewhere.iter().any(|(a, b)| a.id.as_str() == id || b.id.as_str() == id);
        let stays = |keyed: &Keyed| keyed.iter().filter(|(id, _)| !is_elsewhere(id)).cloned().collect::<Keyed>();
        let name = |id: &str| format!("step {}", code(id));
        self.keyed(&stays(&was), &stays(&is), &name);
        for (old, new) in &elsewhere {
            self.add(PlanChanged::Moved, &name(new.id.as_str()), None, old.id.as_str().into(), new.id.as_str().into());
            // its digest has the phase in it
            let without = |step: &Step| {
                let mut fields = step_fields(step);
                fields.remove(DIGEST);
                fields
            };
            self.fields(&name(new.id.as_str()), &without(old), &without(new));
        }
        self.moved(&keys(&stays(&was)), &keys(&stays(&is)), &name);
        self.keyed(&gates(before), &gates(after), &|question| format!("gate \"{question}\""));
    }

    /// What both have, and what stands elsewhere among them: as few as explain the new order.
    fn moved(&mut self, was: &[&str], is: &[&str], name: &dyn Fn(&str) -> String) {
        let places: Vec<(usize, &str)> =
            is.iter().filter_map(|key| Some((was.iter().position(|other| other == key)?, *key))).collect();
        let stays = longest_rising(&places.iter().map(|(place, _)| *place).collect::<Vec<_>>());
        let behind = |order: &[&str], key: &str| {
            let at = order.iter().position(|other| *other == key).unwrap_or(0);
            if at == 0 { "first".to_string() } else { format!("after {}", order[at - 1]) }
        };
        for (n, (_, key)) in places.iter().enumerate().filter(|(n, _)| !stays.contains(n)) {
            let _ = n;
            self.add(PlanChanged::Moved, &name(key), None, behind(was, key).into(), behind(is, key).into());
        }
    }
}

const DIGEST: &str = "what its closures and files say";

fn keys(keyed: &Keyed) -> Vec<&str> {
    keyed.iter().map(|(key, _)| key.as_str()).collect()
}

fn steps(plan: &Plan) -> Keyed {
    plan.steps().map(|step| (step.id.as_str().to_string(), step_fields(step))).collect()
}

/// A step's fields in the words of the document.
fn step_fields(step: &Step) -> Fields {
    let list = |texts: Vec<String>| Value::from(texts);
    let texts = |checks: &[crate::model::Check]| list(checks.iter().map(|check| check.text.clone()).collect());
    let change = match &step.doing {
        Doing::Change => list(step.trial.iter().map(phases::touched).chain(step.touches.iter().cloned()).collect()),
        Doing::Manual(instructions) => format!("by hand: {instructions}").into(),
        Doing::Check => "changes nothing".into(),
    };
    let mut fields = Fields::from([
        ("title", step.title.clone().into()),
        ("change", change),
        ("precheck", texts(&step.prechecks)),
        ("change skipped where", step.skip_if.as_ref().map_or(Value::Null, |check| check.text.clone().into())),
        ("verify", list(step.verifies.iter().map(asserted).collect())),
        ("way back", phases::way_back(step).into()),
        ("taken back when", texts(&step.undone)),
        ("repair", step.repair.clone().map_or(Value::Null, Value::from)),
        ("timeout", step.timeout.to_string().into()),
        ("note", list(step.notes.clone())),
        (DIGEST, step.digest.as_str().into()),
    ]);
    fields.insert("hold until", serde_json::to_value(step.until).unwrap_or_default());
    fields.insert("the API server may be away for", step.api_down.map_or(Value::Null, |span| span.to_string().into()));
    fields
}

fn gates(plan: &Plan) -> Keyed {
    let items = plan.phases.iter().flat_map(|phase| &phase.items);
    let gates = items.filter_map(|item| match item {
        Item::Gate(gate) => Some(gate),
        Item::Step(_) => None,
    });
    gates
        .map(|gate| {
            let fields = Fields::from([
                ("class", gate.class.map_or(Value::Null, |class| class.to_string().into())),
                ("expires", gate.expires.map_or(Value::Null, |span| span.to_string().into())),
                ("shows", gate.shows.iter().map(|show| show.text.clone()).collect::<Vec<_>>().into()),
            ]);
            (gate.question.clone(), fields)
        })
        .collect()
}

/// What only one of two lists has; what is there twice counts twice.
fn only<T: Clone + PartialEq>(was: &[T], is: &[T]) -> (Vec<T>, Vec<T>) {
    let without = |all: &[T], taken: &[T]| {
        let mut left = taken.to_vec();
        let mut out = vec![];
        for item in all {
            match left.iter().position(|other| other == item) {
                Some(place) => drop(left.swap_remove(place)),
                None => out.push(item.clone()),
            }
        }
        out
    };
    (without(was, is), without(is, was))
}

fn listed(mut values: Vec<Value>) -> Value {
    match values.len() {
        0 => Value::Null,
        1 => values.remove(0),
        _ => values.into(),
    }
}

/// The places of a longest rising part of some numbers.
fn longest_rising(numbers: &[usize]) -> Vec<usize> {
    let mut best: Vec<(usize, Option<usize>)> = vec![];
    for (n, number) in numbers.iter().enumerate() {
        let before = (0..n).filter(|m| numbers[*m] < *number).max_by_key(|m| (best[*m].0, std::cmp::Reverse(*m)));
        best.push((before.map_or(1, |m| best[m].0 + 1), before));
    }
    let last = (0..numbers.len()).max_by_key(|n| (best[*n].0, std::cmp::Reverse(*n)));
    let mut places: Vec<usize> = std::iter::successors(last, |n| best[*n].1).collect();
    places.reverse();
    places
}

/// The differences as Markdown, by section.
pub fn changes_markdown(title: &str, changes: &[PlanChange]) -> String {
    let mut out =
        format!("# Changes of {}\n\n", if title.trim().is_empty() { "the plan".into() } else { inline(title) });
    if changes.is_empty() {
        out.push_str("No differences.\n");
        return out;
    }
    let _ = writeln!(out, "{}.", count(changes.len(), "difference"));
    let mut section = 0;
    for change in changes {
        if change.section != section {
            section = change.section;
            let _ = writeln!(out, "\n## {section}. {}\n", TITLES[usize::from(section.clamp(1, 8)) - 1]);
        }
        let word = match change.change {
            PlanChanged::Added => "added",
            PlanChanged::Removed => "removed",
            PlanChanged::Moved => "moved",
            PlanChanged::Changed => "changed",
        };
        let field = change.field.as_ref().map(|field| format!(", {field}")).unwrap_or_default();
        let _ = writeln!(out, "- **{word}**: {}{field}", inline(&change.about));
        for (when, value) in [("before", &change.before), ("after", &change.after)] {
            if let Some(value) = value {
                let _ = writeln!(out, "  - {when}: {}", shown(value));
            }
        }
    }
    out
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => inline(&cut(text, VALUE)),
        Value::Array(items) if items.iter().all(Value::is_string) && !items.is_empty() => {
            items.iter().map(shown).collect::<Vec<_>>().join("; ")
        }
        other => code(&cut(&other.to_string(), VALUE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::StepId, report::fixture};

    fn said(before: &Plan, after: &Plan) -> Vec<String> {
        let changes = plan_changes(before, after);
        let line = |change: &PlanChange| {
            format!(
                "{} {:?} {}{}: {} → {}",
                change.section,
                change.change,
                change.about,
                change.field.as_ref().map(|field| format!(", {field}")).unwrap_or_default(),
                change.before.clone().unwrap_or_default(),
                change.after.clone().unwrap_or_default()
            )
        };
        changes.iter().map(line).collect()
    }

    fn step_mut(plan: &mut Plan, phase: usize, n: usize) -> &mut Step {
        match &mut plan.phases[phase].items[n] {
            Item::Step(step) => step,
            Item::Gate(_) => panic!("a step"),
        }
    }

    #[test]
    fn the_same_plan_has_no_differences_and_another_place_is_none() {
        let mut other = fixture::plan();
        other.risks[0].place.line += 7;
        step_mut(&mut other, 0, 0).place.line += 7;
        assert_eq!(said(&fixture::plan(), &other), Vec::<String>::new());
        assert!(changes_markdown("x", &[]).ends_with("No differences.\n"));
    }

    #[test]
    fn each_section_says_what_changed_with_before_and_after() {
        let mut other = fixture::plan();
        other.problem = Some("nobody sees anything".into());
        other.constraints.push("no downtime".into());
        other.contexts = vec!["staging".into()];
        other.assumptions[0].confidence = crate::model::Confidence::Low;
        other.risks.clear();
        other.current = vec!["nothing".into()];
        other.rollback = vec!["suspend it".into()];
        other.questions[0].resolution = crate::model::Resolution::Open;
        let said = said(&fixture::plan(), &other);
        assert_eq!(
            said,
            [
                "1 Changed problem: \"On-call has no dashboards while an incident is running\" → \"nobody sees anything\"",
                "2 Changed contexts, in the order of promotion: [\"staging\",\"main\"] → [\"staging\"]",
                "2 Added constraint: null → \"no downtime\"",
                "2 Changed assumption \"the secret store is named onepassword-connect\", confidence: \"medium\" → \"low\"",
                "2 Removed risk \"the new pods exhaust the namespace quota\": null → null",
                "3 Changed current state: \"Prometheus is installed by Flux; no Grafana\" → \"nothing\"",
                "7 Added rollback: null → \"suspend it\"",
                "8 Changed question \"What owns the dashboards?\", resolution: {\"resolved\":\"the platform team\"} → \"open\"",
            ]
        );
        let text = changes_markdown("Deploy Grafana", &plan_changes(&fixture::plan(), &other));
        assert!(text.contains("8 differences.") && text.contains("## 3. Current State"), "{text}");
        assert!(text.contains("- **changed**: current state\n  - before: Prometheus"), "{text}");
    }

    #[test]
    fn steps_are_known_by_their_ids() {
        let mut other = fixture::plan();
        step_mut(&mut other, 0, 0).verifies[0].text = "it is there".into();
        step_mut(&mut other, 0, 0).digest = crate::model::Digest::of("another");
        step_mut(&mut other, 1, 0).digest = crate::model::Digest::of("another");
        other.phases[1].items.remove(1);
        let new =
            Step { id: StepId::of("Rollout", "Tell"), title: "Tell".into(), ..other.steps().next().unwrap().clone() };
        other.phases[1].items.push(Item::Step(new));
        let said = said(&fixture::plan(), &other);
        assert_eq!(said.len(), 4, "{said:#?}");
        assert!(said[0].starts_with("5 Changed step `prerequisites/create-namespace`, verify: \"namespace is Active"));
        assert!(said[1].starts_with("5 Changed step `rollout/deploy-grafana`, what its closures and files say"));
        assert!(said[2].starts_with("5 Removed step `rollout/publish-the-route`"));
        assert!(said[3].starts_with("5 Added step `rollout/tell`"));
    }

    #[test]
    fn what_moved_is_said_once_with_where_it_stood() {
        let mut other = fixture::plan();
        other.phases[0].items.swap(0, 1);
        assert_eq!(
            said(&fixture::plan(), &other),
            [
                "5 Moved step `prerequisites/create-namespace`: \"first\" → \"after prerequisites/sync-the-admin-secret\""
            ]
        );
        let mut other = fixture::plan();
        let Item::Step(mut step) = other.phases[1].items.remove(1) else { panic!("a step") };
        step.id = StepId::of("Prerequisites", &step.title);
        other.phases[0].items.insert(0, Item::Step(step));
        assert_eq!(
            said(&fixture::plan(), &other),
            [
                "5 Moved step `prerequisites/publish-the-route`: \"rollout/publish-the-route\" → \"prerequisites/publish-the-route\""
            ]
        );
    }
}

use serde_json::{Map, Value};

use crate::{
    model::{Confidence, Finding, Kind, Place},
    object::yaml,
    script::suggest,
};

/// What was answered about a change: the eight sections, in words. Whatever is empty was not answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is the word of the language")]
pub struct Answers {
    pub title: Option<String>,
    pub problem: Option<String>,
    pub outcome: Option<String>,
    /// What shows that the outcome is there, in words.
    pub verify: Vec<String>,
    pub kind: Option<Kind>,
    pub contexts: Vec<String>,
    pub background: Vec<String>,
    pub services: Vec<String>,
    pub upstream: Vec<String>,
    pub downstream: Vec<String>,
    pub constraints: Vec<String>,
    pub current: Vec<String>,
    pub target: Vec<String>,
    pub assumptions: Vec<AssumptionAnswer>,
    pub risks: Vec<RiskAnswer>,
    pub decisions: Vec<DecisionAnswer>,
    pub questions: Vec<QuestionAnswer>,
    pub phases: Vec<PhaseAnswer>,
    pub validation: Vec<String>,
    pub rollback: Vec<String>,
}

/// Something taken for true.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is the word of the language")]
pub struct AssumptionAnswer {
    pub text: String,
    /// Medium (inferred) or low (assumed): high is for what a probe verifies.
    pub confidence: Confidence,
    pub impact: Option<String>,
    pub source: Option<String>,
}

/// What could go wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is the word of the language")]
pub struct RiskAnswer {
    pub text: String,
    pub on: Vec<String>,
    pub affects: Vec<String>,
    pub unknown_blast_radius: Option<String>,
    pub rollback: Option<String>,
}

/// Options that were weighed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is the word of the language")]
pub struct DecisionAnswer {
    pub text: String,
    /// Each with its trade-off.
    pub options: Vec<(String, String)>,
    pub chosen: Option<String>,
    pub because: Option<String>,
}

/// A question, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is the word of the language")]
pub struct QuestionAnswer {
    pub text: String,
    pub resolved: Option<String>,
    pub deferred: Option<String>,
}

/// Steps with one goal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is the word of the language")]
pub struct PhaseAnswer {
    pub title: String,
    pub goal: Option<String>,
    pub steps: Vec<StepAnswer>,
    /// The question of its stop-gate.
    pub gate: Option<String>,
    /// Why it has no stop-gate.
    pub no_gate: Option<String>,
}

/// One small change, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is the word of the language")]
pub struct StepAnswer {
    pub title: String,
    /// What is done.
    pub manual: Option<String>,
    /// What shows that it worked, in words.
    pub verify: Vec<String>,
    /// How it is taken back, in words.
    pub undo: Option<String>,
    /// Why it cannot be taken back.
    pub irreversible: Option<String>,
    pub notes: Vec<String>,
}

/// Every answer that there is, empty: what `runbook new --template` prints.
pub const TEMPLATE: &str = include_str!("template.yaml");

impl Answers {
    /// Reads answers from YAML or JSON. `file` is what findings call it.
    ///
    /// # Errors
    /// Everything that is wrong with them, all at once: no YAML, an answer that nothing asks for (with the nearest that
    /// something does), a value of another sort.
    pub fn read(text: &str, file: &str) -> Result<Self, Vec<Finding>> {
        let mut reader = Reader { file, findings: vec![] };
        let documents = yaml::documents(text, file).map_err(|error| {
            let place =
                Place::new(file, u32::try_from(error.line).unwrap_or(0), u32::try_from(error.column).unwrap_or(0));
            vec![Finding::error("answers", error.message).at(place)]
        })?;
        let answers = match documents.as_slice() {
            [] => Self::default(),
            [document] => reader.map(&document.value, "").map(|map| reader.answers(map)).unwrap_or_default(),
            _ => {
                reader.wrong("", "answers are one document, and here are several");
                Self::default()
            }
        };
        if reader.findings.is_empty() { Ok(answers) } else { Err(reader.findings) }
    }
}

struct Reader<'f> {
    file: &'f str,
    findings: Vec<Finding>,
}

const ROOT: [&str; 20] = [
    "title",
    "problem",
    "outcome",
    "verify",
    "kind",
    "contexts",
    "background",
    "services",
    "upstream",
    "downstream",
    "constraints",
    "current",
    "target",
    "assumptions",
    "risks",
    "decisions",
    "questions",
    "phases",
    "validation",
    "rollback",
];

impl Reader<'_> {
    fn wrong(&mut self, path: &str, message: impl AsRef<str>) -> &mut Finding {
        let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
        let finding = Finding::error("answers", format!("{path}{}", message.as_ref())).at(Place::new(self.file, 0, 0));
        self.findings.push(finding);
        self.findings.last_mut().expect("one was pushed just now")
    }

    fn map<'v>(&mut self, value: &'v Value, path: &str) -> Option<&'v Map<String, Value>> {
        if let Value::Object(map) = value {
            return Some(map);
        }
        self.wrong(path, format!("a map of answers was expected, not {}", sort(value)));
        None
    }

    fn keys(&mut self, map: &Map<String, Value>, known: &[&str], path: &str) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let near = suggest::nearest(key, known.iter().copied()).map(ToString::to_string);
            let finding = self.wrong(path, format!("nothing asks for `{key}`"));
            finding.help.push(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there is {}", suggest::list(known)),
            });
        }
    }

    fn text(&mut self, map: &Map<String, Value>, key: &str, path: &str) -> Option<String> {
        match map.get(key)? {
            Value::Null => None,
            Value::String(text) if text.trim().is_empty() => None,
            Value::String(text) => Some(text.trim().to_string()),
            other => {
                self.not_text(&below(path, key), other);
                None
            }
        }
    }

    fn not_text(&mut self, path: &str, value: &Value) {
        let finding = self.wrong(path, format!("a text was expected, not {}", sort(value)));
        if matches!(value, Value::Bool(_) | Value::Number(_)) {
            finding.help.push("put it into quotes".into());
        }
    }

    /// One text, or a list of them.
    fn texts(&mut self, map: &Map<String, Value>, key: &str, path: &str) -> Vec<String> {
        let path = below(path, key);
        let items = match map.get(key) {
            None | Some(Value::Null) => return vec![],
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        let mut texts = vec![];
        for item in items {
            match item {
                Value::Null => {}
                Value::String(text) if text.trim().is_empty() => {}
                Value::String(text) => texts.push(text.trim().to_string()),
                other => self.not_text(&path, other),
            }
        }
        texts
    }

    /// A list of maps, each read on its own; one that is only a text is the map's first key.
    fn list<T>(
        &mut self,
        map: &Map<String, Value>,
        (key, known): (&str, &[&str]),
        path: &str,
        read: impl Fn(&mut Self, &Map<String, Value>, &str, String) -> Option<T>,
    ) -> Vec<T> {
        let path = below(path, key);
        let items = match map.get(key) {
            None | Some(Value::Null) => return vec![],
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.wrong(&path, format!("a list was expected, not {}", sort(other)));
                return vec![];
            }
        };
        let mut all = vec![];
        for (n, item) in items.iter().enumerate() {
            let path = format!("{path}[{n}]");
            let short = match item {
                Value::Null => continue,
                Value::String(text) => Map::from_iter([(known[0].to_string(), Value::String(text.clone()))]),
                _ => Map::new(),
            };
            let Some(map) = (if short.is_empty() { self.map(item, &path) } else { Some(&short) }) else { continue };
            // an entry of the template that nobody filled in
            if map.values().all(empty) {
                continue;
            }
            self.keys(map, known, &path);
            if map.get(known[0]).is_none_or(empty) {
                self.wrong(&path, format!("it has no `{}`", known[0]));
            } else if let Some(first) = self.text(map, known[0], &path) {
                all.extend(read(self, map, &path, first));
            }
        }
        all
    }

    fn answers(&mut self, map: &Map<String, Value>) -> Answers {
        self.keys(map, &ROOT, "");
        let kind = self.text(map, "kind", "").and_then(|text| match text.parse::<Kind>() {
            Ok(kind) => Some(kind),
            Err(message) => {
                self.wrong("kind", message);
                None
            }
        });
        Answers {
            title: self.text(map, "title", ""),
            problem: self.text(map, "problem", ""),
            outcome: self.text(map, "outcome", ""),
            verify: self.texts(map, "verify", ""),
            kind,
            contexts: self.texts(map, "contexts", ""),
            background: self.texts(map, "background", ""),
            services: self.texts(map, "services", ""),
            upstream: self.texts(map, "upstream", ""),
            downstream: self.texts(map, "downstream", ""),
            constraints: self.texts(map, "constraints", ""),
            current: self.texts(map, "current", ""),
            target: self.texts(map, "target", ""),
            assumptions: self.list(
                map,
                ("assumptions", &["assumption", "confidence", "impact", "source"]),
                "",
                Self::assumption,
            ),
            risks: self.list(
                map,
                ("risks", &["risk", "on", "affects", "unknown_blast_radius", "rollback"]),
                "",
                Self::risk,
            ),
            decisions: self.list(map, ("decisions", &["decision", "options", "chosen", "because"]), "", Self::decision),
            questions: self.list(map, ("questions", &["question", "resolved", "deferred"]), "", Self::question),
            phases: self.list(map, ("phases", &["title", "goal", "steps", "gate", "no_gate"]), "", Self::phase),
            validation: self.texts(map, "validation", ""),
            rollback: self.texts(map, "rollback", ""),
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "one shape for all")]
    fn assumption(&mut self, map: &Map<String, Value>, path: &str, text: String) -> Option<AssumptionAnswer> {
        let said = self.text(map, "confidence", path);
        let confidence = match said.as_deref().map(str::parse::<Confidence>) {
            Some(Ok(Confidence::High)) => {
                self.wrong(path, "\"high\" is for what a probe verifies, and answers hold no probes")
                    .help
                    .push("say \"medium\" (inferred) or \"low\" (assumed), and give it a probe in the playbook".into());
                Confidence::Medium
            }
            Some(Ok(confidence)) => confidence,
            Some(Err(message)) => {
                self.wrong(path, message);
                Confidence::Low
            }
            // what is not said to be inferred is assumed
            None => Confidence::Low,
        };
        let (impact, source) = (self.text(map, "impact", path), self.text(map, "source", path));
        Some(AssumptionAnswer { text, confidence, impact, source })
    }

    #[allow(clippy::unnecessary_wraps, reason = "one shape for all")]
    fn risk(&mut self, map: &Map<String, Value>, path: &str, text: String) -> Option<RiskAnswer> {
        Some(RiskAnswer {
            text,
            on: self.texts(map, "on", path),
            affects: self.texts(map, "affects", path),
            unknown_blast_radius: self.text(map, "unknown_blast_radius", path),
            rollback: self.text(map, "rollback", path),
        })
    }

    #[allow(clippy::unnecessary_wraps, reason = "one shape for all")]
    fn decision(&mut self, map: &Map<String, Value>, path: &str, text: String) -> Option<DecisionAnswer> {
        let options = self.list(map, ("options", &["option", "tradeoff"]), path, |reader, map, path, option| {
            Some((option, reader.text(map, "tradeoff", path).unwrap_or_default()))
        });
        let decision = DecisionAnswer {
            text,
            options,
            chosen: self.text(map, "chosen", path),
            because: self.text(map, "because", path),
        };
        if let Some(chosen) = &decision.chosen
            && !decision.options.iter().any(|(option, _)| option == chosen)
        {
            let near = suggest::nearest(chosen, decision.options.iter().map(|(option, _)| option.as_str()));
            let near = near.map(|near| format!("did you mean \"{near}\"?"));
            let help = near.unwrap_or_else(|| "add it to its options, with its trade-off".into());
            self.wrong(path, format!("\"{chosen}\" is chosen, and is not one of the options")).help.push(help);
        }
        Some(decision)
    }

    fn question(&mut self, map: &Map<String, Value>, path: &str, text: String) -> Option<QuestionAnswer> {
        let (resolved, deferred) = (self.text(map, "resolved", path), self.text(map, "deferred", path));
        if resolved.is_some() && deferred.is_some() {
            self.wrong(path, "it is resolved and deferred");
            return None;
        }
        Some(QuestionAnswer { text, resolved, deferred })
    }

    fn phase(&mut self, map: &Map<String, Value>, path: &str, title: String) -> Option<PhaseAnswer> {
        let known = ["title", "manual", "verify", "undo", "irreversible", "notes"];
        let phase = PhaseAnswer {
            title,
            goal: self.text(map, "goal", path),
            steps: self.list(map, ("steps", &known), path, Self::step),
            gate: self.text(map, "gate", path),
            no_gate: self.text(map, "no_gate", path),
        };
        if phase.gate.is_some() && phase.no_gate.is_some() {
            self.wrong(path, "it has a gate and says why it has none");
            return None;
        }
        Some(phase)
    }

    fn step(&mut self, map: &Map<String, Value>, path: &str, title: String) -> Option<StepAnswer> {
        let step = StepAnswer {
            title,
            manual: self.text(map, "manual", path),
            verify: self.texts(map, "verify", path),
            undo: self.text(map, "undo", path),
            irreversible: self.text(map, "irreversible", path),
            notes: self.texts(map, "notes", path),
        };
        if step.undo.is_some() && step.irreversible.is_some() {
            self.wrong(path, "it is taken back, and is said to be irreversible");
            return None;
        }
        Some(step)
    }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.into() } else { format!("{path}.{key}") }
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.iter().all(empty),
        Value::Object(map) => map.values().all(empty),
        _ => false,
    }
}

fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

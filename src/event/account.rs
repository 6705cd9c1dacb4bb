use std::fmt::Write as _;

use super::{Failure, FailureKind, VerifyResult};
use crate::model::{
    Observation,
    text::{count, cut, elapsed, one_line, value, visible},
};

const MOST: usize = 2_000;

impl FailureKind {
    /// What happened, in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Precheck => "a precheck did not hold; this step changed nothing",
            Self::Change => "the change failed",
            Self::Verify => "a verify did not hold in its time",
            Self::Regression => "a verify that held before does not hold now",
            Self::Unknown => "the outcome is not known",
            Self::Identity => "it is not the cluster that it was",
            Self::Preflight => "preflight found something; nothing has changed",
            Self::Lock => "the run's place was lost; nothing more was changed",
            Self::Journal => "the run's journal was lost",
            Self::Undo => "it could not be taken back, or not all of it",
            Self::Cancelled => "it was cancelled",
            Self::Internal => "an error inside runbook itself",
        }
    }
}

impl Failure {
    /// What happened, on one line: the first of its message; where that only leads to what stands below, also the last line
    /// there that speaks of an error, or just the last.
    pub fn gist(&self) -> String {
        let mut lines = self.message.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let below: Vec<&str> = lines.collect();
        let telling = |line: &&&str| ["error", "fatal", "failed"].iter().any(|word| line.to_lowercase().contains(word));
        match below.iter().rfind(telling).or(below.last()) {
            Some(line) if first.ends_with(':') => one_line(&format!("{first} {line}")),
            _ => one_line(first),
        }
    }

    /// The failure in full, for people: what happened, where, expected and observed per verify, what to do. Without
    /// colours and control characters; indented below the line that names the step.
    pub fn account(&self) -> Vec<String> {
        let mut out = vec![self.kind.words().to_string()];
        out.extend(visible(&self.message).lines().map(|line| format!("  {line}")));
        if let Some(place) = &self.place {
            out.push(format!("  at {}", one_line(&place.to_string())));
        }
        if let Some(excerpt) = &self.excerpt {
            out.extend(visible(excerpt).lines().map(|line| format!("    {line}")));
        }
        for verify in &self.verifies {
            out.extend(verify.account().into_iter().map(|line| format!("  {line}")));
        }
        for help in &self.help {
            let mut lines = visible(help).lines().map(str::to_string).collect::<Vec<_>>().into_iter();
            out.push(format!("  help: {}", lines.next().unwrap_or_default()));
            out.extend(lines.map(|line| format!("        {line}")));
        }
        out
    }
}

impl VerifyResult {
    /// How the verify came to its end, for people: its verdict and numbers, then expected and observed for each compared
    /// value. What did not hold comes first.
    pub fn account(&self) -> Vec<String> {
        let mut head = format!(
            "verify \"{}\": {} after {} in {}",
            one_line(&self.text),
            self.verdict.words(),
            count(self.evaluations as usize, "evaluation"),
            elapsed(self.took.duration())
        );
        if self.flaps > 0 {
            let _ = write!(head, ", {}", count(self.flaps as usize, "flap"));
        }
        if self.held_before {
            head.push_str(", held before the change (evidence of nothing)");
        }
        let mut out = vec![head];
        let said = |reason: &&String| self.observations.iter().any(|seen| seen.reason.as_ref() == Some(*reason));
        let reason = self.reason.iter().filter(|reason| self.verdict.holds() || !said(reason));
        for reason in reason {
            let lines = visible(reason);
            let word = |n| if n == 0 { "why" } else { "" };
            out.extend(lines.lines().enumerate().map(|(n, line)| format!("  {:<9} {}", word(n), cut(line, MOST))));
        }
        if self.verdict.holds() {
            return out;
        }
        let (held, not): (Vec<_>, Vec<_>) = self.observations.iter().partition(|seen| seen.holds == Some(true));
        for observation in not.into_iter().chain(held) {
            out.extend(lines(observation).into_iter().map(|line| format!("  {line}")));
        }
        out
    }
}

fn lines(seen: &Observation) -> Vec<String> {
    let word = match seen.holds {
        Some(true) => "holds",
        Some(false) => "does not hold",
        None => "not yet",
    };
    let place = seen.place.as_ref().map(|place| format!("   ({})", one_line(&place.to_string()))).unwrap_or_default();
    let mut out = vec![format!("{word}: {}{place}", cut(&one_line(&seen.expression), MOST))];
    if seen.holds != Some(true) || seen.inner.is_empty() {
        if let Some(expected) = &seen.expected {
            let operator = if seen.operator == "==" { String::new() } else { format!("{} ", one_line(&seen.operator)) };
            out.push(format!("  expected  {operator}{}", value(expected, MOST)));
        }
        match &seen.observed {
            Some(observed) => out.push(format!("  observed  {}", value(observed, MOST))),
            None if seen.expected.is_some() => out.push("  observed  nothing: the field or object is missing".into()),
            None => {}
        }
    }
    out.extend(seen.reason.iter().map(|reason| format!("  why       {}", cut(&one_line(reason), MOST))));
    for inner in seen.inner.iter().filter(|inner| inner.holds != Some(true)).take(8) {
        out.extend(lines(inner).into_iter().map(|line| format!("  {line}")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Place, Span, Verdict};
    use serde_json::json;

    #[test]
    fn what_happened_is_one_line_that_says_something() {
        let gist = |message: &str| Failure::new(FailureKind::Change, message).gist();
        assert_eq!(gist("it broke"), "it broke");
        assert_eq!(gist("it broke\nsomewhere"), "it broke");
        assert_eq!(gist("`a` ended with status 1 and said:\n  one\n  two\n"), "`a` ended with status 1 and said: two");
        assert_eq!(gist("`a` said:\n  Error: no such table\n  hint: make it"), "`a` said: Error: no such table");
        assert_eq!(gist(""), "");
    }

    #[test]
    fn an_account_shows_expected_and_observed_and_where() {
        let seen = |expression: &str, holds, observed| Observation {
            place: Some(Place::new("a.rhai", 7, 30)),
            expression: expression.into(),
            operator: "==".into(),
            expected: Some(json!("Active")),
            observed,
            holds,
            reason: None,
            inner: vec![],
        };
        let failure = Failure {
            place: Some(Place::new("a.rhai", 7, 5)),
            excerpt: Some("7 | step(\"x\")".into()),
            verifies: vec![VerifyResult {
                text: "namespace is Active".into(),
                verdict: Verdict::DoesNotHold,
                observations: vec![
                    seen("a", Some(true), Some(json!("Active"))),
                    seen("ns.status.phase", Some(false), Some(json!("Terminating\u{1b}[2J"))),
                    seen("b.phase", None, None),
                ],
                reason: None,
                evaluations: 12,
                took: Span::seconds(60),
                flaps: 1,
                held_before: false,
            }],
            help: vec!["look at its finalizers".into()],
            ..Failure::new(FailureKind::Verify, "within 1m it did not come true")
        };
        let text = failure.account().join("\n");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(
            text,
            r#"a verify did not hold in its time
  within 1m it did not come true
  at a.rhai:7:5
    7 | step("x")
  verify "namespace is Active": does not hold after 12 evaluations in 1m00s, 1 flap
    does not hold: ns.status.phase   (a.rhai:7:30)
      expected  "Active"
      observed  "Terminating\u001b[2J"
    not yet: b.phase   (a.rhai:7:30)
      expected  "Active"
      observed  nothing: the field or object is missing
    holds: a   (a.rhai:7:30)
      expected  "Active"
      observed  "Active"
  help: look at its finalizers"#
        );
    }
}

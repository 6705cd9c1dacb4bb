use std::collections::BTreeSet;

use crate::model::{Finding, Kind, Plan, Question, Resolution};

/// Asks once whether the clusters that the plan does not name need the change too. `known` are the contexts of
/// `runbook.toml` with their tiers; one that a decision or a question with an answer speaks of was thought of.
pub fn other_cluster(plan: &Plan, known: &[(String, String)]) -> Option<Finding> {
    if plan.contexts.is_empty() || plan.kind == Kind::Emergency {
        return None;
    }
    let named = |name: &String, tier: &String| plan.contexts.contains(name) || plan.contexts.contains(tier);
    let others = known.iter().filter(|(name, tier)| !named(name, tier));
    let others: BTreeSet<&str> = others
        .filter(|(name, tier)| !is_thought_of(plan, name) && !is_thought_of(plan, tier))
        .map(|(name, _)| name.as_str())
        .collect();
    let (one, words) = match others.iter().collect::<Vec<_>>()[..] {
        [] => return None,
        [one] => (*one, format!("does {one} need it too?")),
        [one, ..] => {
            let all = others.iter().copied().collect::<Vec<_>>().join(", ");
            (*one, format!("do other clusters of runbook.toml need it too: {all}?"))
        }
    };
    let message = format!("the plan is for {}: {words}", plan.contexts.join(" and "));
    let finding = Finding::warning("other-cluster", message).at(plan.place.clone());
    let finding = finding.help(format!("if so, name it: .contexts([…, \"{one}\"])"));
    Some(finding.help(format!("if not, say why: question(\"Does {one} need it too?\").resolved(\"no: …\")")))
}

fn is_thought_of(plan: &Plan, context: &str) -> bool {
    let answer = |question: &Question| match &question.resolution {
        Resolution::Open => None,
        Resolution::Resolved(words) | Resolution::Deferred(words) => Some(format!("{} {words}", question.text)),
    };
    let decided = plan.decisions.iter().filter_map(|decision| {
        let (chosen, because) = decision.chosen.as_ref()?;
        Some(format!("{} {chosen} {because}", decision.text))
    });
    plan.questions.iter().filter_map(answer).chain(decided).any(|words| speaks_of(&words, context))
}

/// Whether a text names the context as a word of its own.
fn speaks_of(words: &str, context: &str) -> bool {
    let (words, context) = (words.to_lowercase(), context.to_lowercase());
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    words.match_indices(&context).any(|(start, _)| {
        !words[..start].chars().next_back().is_some_and(part)
            && !words[start + context.len()..].chars().next().is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Choice, Place};

    fn plan(contexts: &[&str]) -> Plan {
        Plan { contexts: contexts.iter().map(ToString::to_string).collect(), ..Plan::default() }
    }

    fn asked(plan: &Plan) -> Vec<String> {
        let known = [("main", "main"), ("staging", "staging")].map(|(name, tier)| (name.to_owned(), tier.to_owned()));
        other_cluster(plan, &known).into_iter().map(|finding| finding.message).collect()
    }

    fn question(text: &str, resolution: Resolution) -> Question {
        Question { text: text.into(), resolution, place: Place::new("p", 1, 1) }
    }

    #[test]
    fn a_plan_for_one_cluster_is_asked_about_the_other_once() {
        assert_eq!(asked(&plan(&["staging"])), ["the plan is for staging: does main need it too?"]);
        assert!(asked(&plan(&["staging", "main"])).is_empty());
        assert!(asked(&plan(&[])).is_empty(), "that no context is named is said elsewhere");
    }

    #[test]
    fn a_cluster_that_was_thought_of_is_not_asked_about() {
        let mut thought = plan(&["staging"]);
        thought
            .questions
            .push(question("Does the other one need it?", Resolution::Resolved("Main has it already".into())));
        assert!(asked(&thought).is_empty());
        let mut decided = plan(&["staging"]);
        let chosen = Some(("staging alone".into(), "nobody uses it on main".into()));
        decided.decisions.push(Choice { text: "Where?".into(), options: vec![], chosen, place: Place::new("p", 1, 1) });
        assert!(asked(&decided).is_empty());
    }

    #[test]
    fn an_open_question_and_a_word_that_only_holds_the_name_answer_nothing() {
        let mut open = plan(&["staging"]);
        open.questions.push(question("Does main need it?", Resolution::Open));
        open.questions.push(question("Who maintains it?", Resolution::Resolved("the main-tenance team".into())));
        assert_eq!(asked(&open).len(), 1);
    }

    #[test]
    fn an_emergency_is_asked_nothing() {
        assert!(asked(&Plan { kind: Kind::Emergency, ..plan(&["staging"]) }).is_empty());
    }

    #[test]
    fn more_than_one_are_asked_about_together() {
        let known = ["a", "b", "c"].map(|name| (name.to_owned(), "x".to_owned()));
        let found = other_cluster(&plan(&["a"]), &known).unwrap();
        assert!(found.message.ends_with("do other clusters of runbook.toml need it too: b, c?"), "{found:?}");
    }
}

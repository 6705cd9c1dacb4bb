//! A gate as it is shown wherever it is decided: question, evidence, what comes next, what opens it.

use std::fmt::Write as _;

use super::{follow::brief, words::shown};
use crate::model::{
    Digest, Fact, GateCard, GateClass,
    text::{count, one_line},
};

const MOST: usize = 12;

/// The gate card, to stand below its question, line by line, without colours and control characters. `digest` is the evidence's.
/// For a gate of class `human` or stricter it says what a person does on a terminal, never a command that opens it.
pub fn card(card: &GateCard, digest: &Digest, verbs: super::Verbs) -> Vec<String> {
    let context = one_line(&card.target.name);
    let sandbox = if card.target.sandbox { ", the sandbox: no real cluster is touched" } else { "" };
    let mut out = vec![
        format!("  context    {context}{sandbox}"),
        format!("  gate       {}, class {}", one_line(card.gate.as_str()), card.class),
    ];
    if let Some(reason) = &card.rejected {
        out.push(format!("  rejected   before: {}", one_line(reason)));
    }
    if let Some(identity) = &card.identity {
        out.push(format!(
            "  cluster    {} {}, kube-system {}",
            one_line(&identity.server),
            one_line(&identity.version),
            one_line(&identity.uid)
        ));
    }
    for (name, value) in &card.params {
        out.push(format!("  parameter  {} = {}", one_line(name), shown(value)));
    }
    facts(&card.facts, &mut out);
    if !card.next.is_empty() {
        let titles: Vec<String> = card.next.iter().map(|title| one_line(title)).collect();
        out.push(format!("  next       {}", titles.join(", ")));
    }
    for touch in card.touches.iter().take(MOST) {
        out.push(format!("  will touch {}", one_line(&touch.to_string())));
    }
    if card.touches.len() > MOST {
        out.push(format!("  will touch {} more", card.touches.len() - MOST));
    }
    out.push(format!("  evidence   {}", digest.short()));
    out.extend(opens(card, verbs));
    out
}

fn facts(facts: &[Fact], out: &mut Vec<String>) {
    let held = |fact: &&Fact| matches!(fact, Fact::Verify { verdict, .. } if verdict.holds());
    let plain = |fact: &&Fact| held(fact) && matches!(fact, Fact::Verify { flaps: 0, held_before: false, .. });
    // what holds without a remark is counted where it would hide the rest
    let fold = facts.iter().filter(plain).count() > MOST;
    for fact in facts.iter().filter(|fact| !(fold && plain(fact))) {
        match fact {
            Fact::Verify { step, text, verdict, observations, held_before, flaps } => {
                let mut line = format!("  {:<10} {}: {}", verdict.words(), one_line(step), one_line(text));
                let brief = brief(*verdict, observations, None);
                if !verdict.holds() && !brief.is_empty() {
                    let _ = write!(line, " ({brief})");
                }
                if *flaps > 0 {
                    let _ = write!(line, " [{} on the way]", count(*flaps as usize, "flap"));
                }
                if *held_before {
                    line.push_str(" [held before the change: evidence of nothing]");
                }
                out.push(line);
            }
            Fact::Shown { text, value } => out.push(format!("  shown      {}: {}", one_line(text), shown(value))),
            Fact::Acknowledge { text } => out.push(format!("  to accept  {}", one_line(text))),
            Fact::Known { text } => out.push(format!("  known      {}", one_line(text))),
        }
    }
    if fold {
        out.push(format!("  holds      {} more, without a flap", facts.iter().filter(plain).count()));
    }
}

fn opens(card: &GateCard, verbs: super::Verbs) -> Vec<String> {
    let (run, context) = (&card.run, one_line(&card.target.name));
    let acknowledge = card.needs_acknowledgement();
    match card.class {
        GateClass::Auto if card.all_hold() && !acknowledge => {
            vec!["  opened by  itself: every verify holds and nothing is to be accepted".into()]
        }
        GateClass::Auto | GateClass::Any if verbs.has("approve") => {
            let accepts = if acknowledge { "; it accepts what is listed above" } else { "" };
            vec![format!("  opened by  runbook approve {run}   (counts for {}{accepts})", card.expires)]
        }
        GateClass::Auto | GateClass::Any => vec!["  opened by  an answer on a terminal".into()],
        GateClass::Human => vec![
            format!("  opened by  a person who answers for {context}: ask one of them"),
            "             on a terminal of theirs the run, when it is resumed, asks for a phrase of its own".into(),
        ],
        GateClass::Signed => vec![
            format!("  opened by  a signed approval by one of the approvers of {context}: ask one of them"),
            "             what is signed is this run, this gate and this evidence".into(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Verbs, fixture};

    #[test]
    fn an_ordinary_gate_names_the_command_that_opens_it_and_a_human_one_does_not() {
        let lines = |class| {
            let it = GateCard { class, ..fixture::card() };
            card(&it, &it.digest(), Verbs::ALL).join("\n")
        };
        assert!(lines(GateClass::Any).contains("runbook approve deploy-app-7f3a2c"));
        for class in [GateClass::Human, GateClass::Signed] {
            let text = lines(class);
            assert!(!text.contains("runbook approve") && !text.contains("runbook resume"), "{text}");
            assert!(text.contains("answers for staging") || text.contains("approvers of staging"), "{text}");
        }
    }

    #[test]
    fn a_long_list_of_held_verifies_is_counted_and_what_does_not_hold_is_shown() {
        let mut it = fixture::card();
        let fact = |n: usize, verdict| Fact::Verify {
            step: format!("s/{n}"),
            text: "t".into(),
            verdict,
            observations: vec![],
            held_before: false,
            flaps: 0,
        };
        it.facts = (0..40).map(|n| fact(n, crate::model::Verdict::Holds)).collect();
        it.facts.push(fact(41, crate::model::Verdict::DoesNotHold));
        let text = card(&it, &it.digest(), Verbs::ALL).join("\n");
        assert!(text.contains("40 more") && text.contains("does not hold s/41: t"), "{text}");
    }
}

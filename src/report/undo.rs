//! What an undo would do, for people: step by step, what goes back, what stays and why, what is verified afterwards.

use std::fmt::Write as _;

use crate::model::{
    Left, UndoPlan, UndoStep, UndoWay,
    text::{count, one_line, visible},
};

/// The plan as text.
pub fn ways_back(plan: &UndoPlan) -> String {
    let context = one_line(&plan.context);
    let mut out = format!(
        "Undo of run {} (\"{}\") on {context}: {}{}, nothing has been sent\n",
        plan.run,
        one_line(&plan.title),
        count(plan.steps.len(), if plan.holds { "hold" } else { "step" }),
        plan.to.as_ref().map(|to| format!(" back to {to}")).unwrap_or_default()
    );
    for (n, step) in plan.steps.iter().enumerate() {
        let _ = write!(out, "\n{}. {}   {}\n", n + 1, one_line(&step.title), step.step);
        lines(step, &mut out);
    }
    if !plan.skipped.is_empty() {
        let skipped: Vec<&str> = plan.skipped.iter().map(crate::model::StepId::as_str).collect();
        let _ = write!(out, "\nnot touched, as their change was skipped: {}\n", skipped.join(", "));
    }
    let left = plan.left();
    let by_hand = plan.steps.iter().filter(|step| matches!(step.way, UndoWay::ByHand(_))).count();
    if !left.is_empty() {
        let _ = write!(out, "\n{} would stay: the undo would be incomplete (41)\n", count(left.len(), "thing"));
    } else if by_hand > 0 {
        let _ = write!(out, "\n{} by hand; all of the rest goes back\n", count(by_hand, "step"));
    } else if plan.steps.is_empty() {
        out.push_str("\nthe run changed nothing that stands\n");
    } else {
        out.push_str("\nall of it goes back\n");
    }
    let to = plan.to.as_ref().map(|to| format!(" --to {to}")).unwrap_or_default();
    let _ = writeln!(out, "runbook undo {}{to}{}", plan.run, if plan.holds { " --holds" } else { "" });
    out
}

fn lines(step: &UndoStep, out: &mut String) {
    match &step.way {
        UndoWay::Automatic => {
            for item in &step.items {
                for words in &item.back {
                    let _ = writeln!(out, "   back   {} {}", one_line(&item.what), one_line(words));
                }
            }
            if step.items.is_empty() {
                out.push_str("   back   nothing: it is as it was\n");
            }
        }
        UndoWay::Closure => out.push_str("   back   by its .undo\n"),
        UndoWay::ByHand(text) => {
            out.push_str("   back   by hand:\n");
            visible(text).lines().for_each(|line| {
                let _ = writeln!(out, "            {line}");
            });
        }
        UndoWay::None(_) => {}
    }
    for Left { what, why } in step.left() {
        let _ = writeln!(out, "   stays  {}: {}", one_line(&what), one_line(&why));
    }
    if !step.verified.is_empty() {
        let texts: Vec<String> = step.verified.iter().map(|text| one_line(text)).collect();
        let _ = writeln!(out, "   then   {}", texts.join("; "));
    }
}

use crate::{
    model::{Finding, Plan},
    script::suggest,
};

/// Contexts of risks that the plan does not name.
pub(super) fn check(plan: &Plan, found: &mut Vec<Finding>) {
    if plan.contexts.is_empty() {
        return;
    }
    for risk in &plan.risks {
        for context in risk.on.iter().filter(|context| !plan.contexts.contains(context)) {
            let finding = Finding::warning(
                "unknown-context",
                format!("the risk \"{}\" is on {context}, and the plan does not name that context", risk.text),
            )
            .at(risk.place.clone());
            found.push(match suggest::nearest(context, plan.contexts.iter().map(String::as_str)) {
                Some(near) => finding.help(format!("did you mean \"{near}\"?")),
                None => finding.help(format!("the plan has {}", suggest::list(&plan.contexts))),
            });
        }
    }
}

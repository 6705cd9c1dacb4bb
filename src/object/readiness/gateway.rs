use serde_json::Value;

use super::{
    State, Status,
    conditions::{Condition, condition, condition_in},
};
use crate::object::{
    head,
    path::{at, text},
};

/// The kinds of the Gateway API.
pub(super) fn status(kind: &str, object: &Value) -> Option<Status> {
    match kind {
        "HTTPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute" | "UDPRoute" => Some(route(object)),
        "Gateway" => Some(needs(object, &["Accepted", "Programmed"])),
        "GatewayClass" => Some(needs(object, &["Accepted"])),
        _ => None,
    }
}

fn needs(object: &Value, conditions: &[&str]) -> Status {
    let generation = head(object).generation();
    let mut last = None;
    for kind in conditions {
        match judge(condition(object, kind), kind, generation, "") {
            Ok(condition) => last = Some(condition),
            Err(status) => return status,
        }
    }
    last.map_or_else(|| Status::current("it exists"), |condition| Status::by(State::Current, &condition))
}

/// The condition, if it is true of this generation; else what to say.
fn judge<'a>(
    found: Option<Condition<'a>>,
    kind: &str,
    generation: Option<i64>,
    place: &str,
) -> Result<Condition<'a>, Status> {
    let Some(found) = found else {
        return Err(Status::in_progress("NoStatus", format!("{place}{kind} is not reported yet")));
    };
    if !found.is_of(generation) {
        let message = format!("{place}{kind} speaks of an older generation; last seen: {}", found.message_or_status());
        return Err(Status::in_progress("GenerationNotObserved", message));
    }
    if found.holds() {
        return Ok(found);
    }
    let refused = kind == "Accepted" && found.fails() && found.reason != "Pending";
    let state = if refused { State::Failed } else { State::InProgress };
    Err(Status::new(state, found.reason_or_type(), format!("{place}{}", found.message_or_status())))
}

/// Every parent that the route names has accepted it and found what it refers to.
fn route(object: &Value) -> Status {
    let generation = head(object).generation();
    let wanted = at(object, "spec.parentRefs").and_then(Value::as_array);
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
        return Status::current("the route names no parent");
    };
    for reference in wanted {
        let name = text(reference, "name").unwrap_or_default();
        let place = if wanted.len() > 1 { format!("parent {name}: ") } else { String::new() };
        let reported = at(object, "status.parents").and_then(Value::as_array).into_iter().flatten();
        let mine: Vec<&Value> =
            reported.filter(|parent| same_parent(object, reference, &parent["parentRef"])).collect();
        if mine.is_empty() {
            return Status::in_progress("NoStatus", format!("no controller has reported on parent {name} yet"));
        }
        // several controllers may report on one parent: one that took it is enough
        let mut refusal = None;
        let taken = mine.iter().any(|parent| {
            let conditions = at(parent, "conditions");
            ["Accepted", "ResolvedRefs"].iter().all(|kind| {
                judge(condition_in(conditions, kind), kind, generation, &place)
                    .map_err(|status| refusal.get_or_insert(status).status)
                    .is_ok()
            })
        });
        if let (false, Some(refusal)) = (taken, refusal) {
            return refusal;
        }
    }
    Status::new(State::Current, "Accepted", "every parent has accepted the route")
}

/// Whether two references mean one parent; section and port only count where the route names them.
fn same_parent(route: &Value, wanted: &Value, reported: &Value) -> bool {
    let own = head(route).namespace().unwrap_or_default();
    let part = |reference: &Value, key: &str, default: &str| text(reference, key).unwrap_or(default).to_owned();
    let same = |key: &str, default: &str| part(wanted, key, default) == part(reported, key, default);
    let same_if_named = |key: &str| at(wanted, key).is_none_or(|value| at(reported, key) == Some(value));
    same("group", "gateway.networking.k8s.io")
        && same("kind", "Gateway")
        && same("namespace", own)
        && same("name", "")
        && same_if_named("sectionName")
        && same_if_named("port")
}

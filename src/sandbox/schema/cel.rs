//! `x-kubernetes-validations`: rules in CEL. What the rules of a server know beyond CEL itself (its libraries for URLs,
//! quantities, addresses and the like) is not known here: a rule that cannot be judged holds.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::objects::{Key, Map, Value as Cel};
use cel::{Context, Program};
use serde_json::Value;

use super::super::status::Cause;

/// Longer rules, and deeper ones, are not judged: the parser works on the stack.
const LONGEST: usize = 5 * 1024;
const DEEPEST: usize = 48;

/// Judges the rules at one place; `old` is what was there before an update.
pub(super) fn broken_rules(rules: &[Value], path: &str, value: &Value, old: Option<&Value>) -> Vec<Cause> {
    rules.iter().filter_map(|rule| broken(rule, path, value, old)).collect()
}

fn broken(rule: &Value, path: &str, value: &Value, old: Option<&Value>) -> Option<Cause> {
    let source = rule["rule"].as_str()?.trim();
    let needs_old = source.contains("oldSelf");
    if needs_old && old.is_none() && rule["optionalOldSelf"] != true {
        return None;
    }
    if evaluated(source, value, old) != Some(Cel::Bool(false)) {
        return None;
    }
    let said = rule["messageExpression"].as_str().and_then(|source| match evaluated(source, value, old)? {
        Cel::String(text) if !text.is_empty() => Some(text.to_string()),
        _ => None,
    });
    let said = said.or_else(|| rule["message"].as_str().map(str::to_owned));
    let message = said.unwrap_or_else(|| format!("failed rule: {source}"));
    let below = rule["fieldPath"].as_str().unwrap_or_default();
    let field = if path.is_empty() { below.trim_start_matches('.').to_owned() } else { format!("{path}{below}") };
    let field = if field.is_empty() { "<nil>".to_owned() } else { field };
    Some(match rule["reason"].as_str() {
        Some("FieldValueForbidden") => {
            Cause { reason: "FieldValueForbidden", field, message: format!("Forbidden: {message}") }
        }
        Some("FieldValueRequired") => Cause::required(&field, &message),
        Some("FieldValueDuplicate") => {
            Cause { reason: "FieldValueDuplicate", field, message: format!("Duplicate value: {value}") }
        }
        _ => Cause { reason: "FieldValueInvalid", field, message: format!("Invalid value: {message}") },
    })
}

fn evaluated(source: &str, value: &Value, old: Option<&Value>) -> Option<Cel> {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if source.len() > LONGEST || deepest > DEEPEST {
        return None;
    }
    // A rule comes from outside, and the interpreter is not ours: what it does with an odd one stays in here.
    let result = catch_unwind(AssertUnwindSafe(|| {
        let program = Program::compile(source).ok()?;
        let mut context = Context::default();
        context.add_variable_from_value("self", converted(value));
        if let Some(old) = old {
            context.add_variable_from_value("oldSelf", converted(old));
        }
        program.execute(&context).ok()
    }));
    result.ok().flatten()
}

fn converted(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Cel::Int(whole),
            None => Cel::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(converted).collect())),
        Value::Object(map) => {
            let pairs = map.iter().map(|(name, value)| (Key::String(Arc::new(name.clone())), converted(value)));
            Cel::Map(Map { map: Arc::new(pairs.collect::<HashMap<_, _>>()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn messages(rule: &str, value: &Value, old: Option<&Value>) -> Vec<String> {
        let rules = [json!({"rule": rule, "message": "no"})];
        broken_rules(&rules, "spec", value, old).into_iter().map(|cause| cause.message).collect()
    }

    #[test]
    fn a_rule_that_does_not_hold_is_named() {
        let value = json!({"size": 3, "replicas": 4, "names": ["a", "b"]});
        assert_eq!(messages("self.replicas <= self.size", &value, None), ["Invalid value: no"]);
        assert!(messages("self.names.all(n, n.size() == 1) && has(self.size)", &value, None).is_empty());
    }

    #[test]
    fn what_was_there_before_counts_only_when_there_was_something() {
        let (old, new) = (json!({"size": 3}), json!({"size": 4}));
        assert!(messages("self.size == oldSelf.size", &new, None).is_empty());
        assert_eq!(messages("self.size == oldSelf.size", &new, Some(&old)), ["Invalid value: no"]);
    }

    #[test]
    fn a_rule_that_cannot_be_judged_holds() {
        let deep = "(".repeat(10_000);
        for rule in ["self.", "url(self)", "nothing.at.all", deep.as_str()] {
            assert!(messages(rule, &json!({}), None).is_empty());
        }
    }
}

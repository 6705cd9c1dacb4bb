use std::collections::BTreeMap;

use serde_json::Value;

/// A label selector as objects hold it: `matchLabels` and `matchExpressions`, or a Service's plain map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LabelSelector {
    equal: BTreeMap<String, String>,
    /// Key, operator, values.
    expressions: Vec<(String, String, Vec<String>)>,
}

impl LabelSelector {
    /// Reads either form.
    pub fn read(selector: &Value) -> Self {
        let texts = |value: &Value| -> BTreeMap<String, String> {
            let pairs = value.as_object().into_iter().flatten();
            pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        };
        if selector.get("matchLabels").is_none() && selector.get("matchExpressions").is_none() {
            return Self { equal: texts(selector), expressions: vec![] };
        }
        let expressions = selector["matchExpressions"].as_array().into_iter().flatten().filter_map(|expression| {
            let values = expression["values"].as_array().into_iter().flatten();
            Some((
                expression["key"].as_str()?.to_owned(),
                expression["operator"].as_str()?.to_owned(),
                values.filter_map(|value| value.as_str().map(ToOwned::to_owned)).collect(),
            ))
        });
        Self { equal: texts(&selector["matchLabels"]), expressions: expressions.collect() }
    }

    /// Whether it says nothing: for a Service that selects no pod, elsewhere every one.
    pub fn is_empty(&self) -> bool {
        self.equal.is_empty() && self.expressions.is_empty()
    }

    /// A pair that every match has, for an index.
    pub(super) fn pair(&self) -> Option<(&str, &str)> {
        self.equal.iter().next().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether an object's labels match.
    pub fn matches(&self, labels: &Value) -> bool {
        let of = |key: &str| labels.get(key).and_then(Value::as_str);
        self.equal.iter().all(|(key, value)| of(key) == Some(value))
            && self.expressions.iter().all(|(key, operator, values)| {
                let listed = |value| values.iter().any(|listed| listed == value);
                match operator.as_str() {
                    "In" => of(key).is_some_and(listed),
                    "NotIn" => !of(key).is_some_and(listed),
                    "Exists" => of(key).is_some(),
                    "DoesNotExist" => of(key).is_none(),
                    _ => false,
                }
            })
    }
}

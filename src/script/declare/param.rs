use rhai::{Dynamic, Map, Module, NativeCallContext};
use serde_json::Value;

use super::{
    add,
    scene::{Out, Scene, Text},
};
use crate::{
    model::{Finding, Param, SecretParam},
    script::{error::typed, secret::Secret, value},
};

pub(super) fn register(module: &mut Module) {
    add(module, "param", |context: NativeCallContext, name: Text| -> Out<Dynamic> {
        param(context, &name, &Map::new())
    });
    add(module, "param", |context: NativeCallContext, name: Text, options: Map| -> Out<Dynamic> {
        param(context, &name, &options)
    });
    add(module, "secret", secret);
}

fn param(context: NativeCallContext, name: &str, options: &Map) -> Out<Dynamic> {
    let scene = Scene::enter(context, "param")?;
    scene.options(options, &["default", "about", "one_of", "pattern", "per_context"], "param");
    let plain = |key: &str| -> Option<Value> {
        let found = options.get(key)?;
        value::to_json(found).map_err(|why| drop(scene.finding(format!("`{key}` of param `{name}`: {why}")))).ok()
    };
    let one_of = match plain("one_of") {
        Some(Value::Array(values)) => values,
        Some(_) => {
            scene.finding(format!("`one_of` of param `{name}` is a list of values"));
            vec![]
        }
        None => vec![],
    };
    let per_context = match plain("per_context") {
        Some(Value::Object(values)) => Some(values),
        Some(_) => {
            scene.finding(format!("`per_context` of param `{name}` is a map from contexts or tiers to values"));
            None
        }
        None => None,
    };
    let default = plain("default");
    let example =
        default.as_ref().or(one_of.first()).or_else(|| per_context.as_ref().and_then(|map| map.values().next()));
    let found = chosen(&scene, name, per_context.as_ref(), default.as_ref())
        .map(|(value, from)| (fitted(&scene, name, value, example), from));
    let twin = scene.draft().plan.params.iter().find(|param| param.name == name).map(|param| param.place.clone());
    if twin.is_some() {
        scene.finding(format!("param `{name}` is declared twice")).related(twin, "the first one");
    }
    match &found {
        Some((value, _)) => allowed(&scene, name, value, &one_of, scene.text_option(options, "pattern", "param")),
        None => missing(&scene, name),
    }
    let (value, from) = found.unzip();
    let given = value.as_ref().map_or_else(|| format!("<{name}>").into(), value::from_json);
    scene.draft().plan.params.push(Param {
        name: name.into(),
        value,
        from,
        about: scene_about(options),
        one_of,
        per_context: per_context.is_some(),
        place: scene.place.clone(),
    });
    Ok(given)
}

fn scene_about(options: &Map) -> Option<String> {
    options.get("about").and_then(|about| about.clone().into_string().ok())
}

/// The value in use and where it comes from: `-p` before `runbook.toml` before `per_context` before the default.
fn chosen(
    scene: &Scene,
    name: &str,
    per_context: Option<&serde_json::Map<String, Value>>,
    default: Option<&Value>,
) -> Option<(Value, String)> {
    let setting = &scene.declaring.setting;
    if let Some(value) = setting.params.get(name) {
        return Some((value.clone(), "-p".into()));
    }
    let contexts: Vec<(String, String)> = match &setting.context {
        Some(target) => vec![(target.name.clone(), target.tier.clone())],
        // offline, the first context that the plan names stands for all
        None => scene.draft().plan.contexts.iter().map(|name| (name.clone(), setting.tier(name))).collect(),
    };
    for (context, _) in &contexts {
        if let Some(value) = setting.config_params.get(context).and_then(|params| params.get(name)) {
            return Some((value.clone(), "runbook.toml".into()));
        }
    }
    if let Some(values) = per_context {
        let keys = contexts.iter().flat_map(|(context, tier)| [context, tier]);
        let found = keys.into_iter().find_map(|key| values.get(key));
        let found = found.or_else(|| setting.context.is_none().then(|| values.values().next()).flatten());
        if let Some(value) = found {
            return Some((value.clone(), "per_context".into()));
        }
    }
    default.map(|value| (value.clone(), "default".into()))
}

/// A text from the command line becomes what the default is: a number, true or false, a list.
fn fitted(scene: &Scene, name: &str, value: Value, example: Option<&Value>) -> Value {
    let (Value::String(text), Some(example)) = (&value, example) else { return value };
    if example.is_string() || example.is_null() {
        return value;
    }
    match serde_json::from_str::<Value>(text) {
        Ok(parsed) if std::mem::discriminant(&parsed) == std::mem::discriminant(example) => parsed,
        _ => {
            let kind = match example {
                Value::Number(_) => "a number",
                Value::Bool(_) => "true or false",
                Value::Array(_) => "a list, as JSON",
                _ => "a map, as JSON",
            };
            scene.finding(format!("param `{name}` is {kind}, and was given \"{text}\"")).rule("param-value");
            example.clone()
        }
    }
}

fn allowed(scene: &Scene, name: &str, value: &Value, one_of: &[Value], pattern: Option<String>) {
    if !one_of.is_empty() && !one_of.contains(value) {
        let list: Vec<String> = one_of.iter().map(ToString::to_string).collect();
        let mut finding = scene.finding(format!("param `{name}` cannot be {value}"));
        finding.rule("param-value");
        finding.help(format!("it is one of {}", list.join(", ")));
    }
    if let Some(pattern) = pattern {
        match regex::Regex::new(&format!("^(?:{pattern})$")) {
            Err(_) => {
                drop(scene.finding(format!("`pattern` of param `{name}` is not a regular expression: {pattern}")));
            }
            Ok(regex) => {
                let text = value.as_str().map_or_else(|| value.to_string(), Into::into);
                if !regex.is_match(&text) {
                    let mut finding = scene.finding(format!("param `{name}` cannot be {value}"));
                    finding.rule("param-value");
                    finding.help(format!("it has to match {pattern}"));
                }
            }
        }
    }
}

/// Offline a plan can be read without it; bound to a context it cannot run.
fn missing(scene: &Scene, name: &str) {
    let message = format!("param `{name}` has no value");
    let bound = scene.declaring.setting.discover.is_some();
    let finding =
        if bound { Finding::error("missing-param", message) } else { Finding::warning("missing-param", message) };
    let finding = finding.at(scene.place.clone()).help(format!("give it with `-p {name}=…`, or a `default`"));
    scene.draft().findings.push(finding);
}

/// `secret(name, #{ env | file | cmd, about })`: a value that is read when the run begins, and again on resume. It may be
/// compared with a text or another secret (told as the same or different), counted (`.len()`), joined (`"Bearer " + token`
/// is a secret), taken apart (`json::parse`, `base64::decode`) and handed to a native, which opens it: in a map for
/// `k8s::apply`, in `http` headers and bodies, in a command's `env` and `stdin`. It never becomes text, and no argument of a
/// command takes it. The values of a Secret, `k8s::get("Secret/web/login").data.password`, are the same, in base64.
///
/// ```rhai
/// let token = secret("token", #{ env: "API_TOKEN", about: "of the deploy account" });
/// .verify("it is the one that we know", || base64::decode(k8s::get("Secret/web/api").data.token) == token)
/// ```
fn secret(context: NativeCallContext, name: Text, options: Map) -> Out<Secret> {
    let scene = Scene::enter(context, "secret")?;
    scene.options(&options, &["env", "file", "cmd", "about"], "secret");
    let sources: Vec<String> = ["env", "file", "cmd"]
        .into_iter()
        .filter_map(|key| {
            let value = options.get(key)?;
            let text = match value.read_lock::<rhai::Array>() {
                Some(words) => words.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                None => value.clone().into_string().unwrap_or_else(|kind| {
                    scene.finding(format!("`{key}` of secret `{name}` is a text, not {}", typed(kind)));
                    String::new()
                }),
            };
            Some(format!("{key} {text}"))
        })
        .collect();
    if sources.len() != 1 {
        scene
            .finding(format!("secret `{name}` comes from one of `env`, `file` or `cmd`"))
            .help(format!("write `secret(\"{name}\", #{{ env: \"…\" }})`"));
    }
    let param = SecretParam {
        name: name.to_string(),
        from: sources.into_iter().next().unwrap_or_default(),
        about: scene_about(&options),
        place: scene.place.clone(),
    };
    let secret = match &scene.declaring.setting.secrets {
        None => Secret::new(""),
        Some(read) => read(&param).unwrap_or_else(|why| {
            let mut finding = scene.finding(format!("secret `{name}` cannot be read: {why}"));
            finding.rule("missing-secret");
            Secret::new("")
        }),
    };
    scene.draft().plan.secrets.push(param);
    Ok(secret)
}

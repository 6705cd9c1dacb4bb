//! Records what the built-in kinds look like, from a real server's `OpenAPI` documents, without descriptions.
//!
//! ```text
//! RUNBOOK_RECORD_KINDS=1 cargo test --test conformance recorded
//! ```
//!
//! writes `src/sandbox/schema/builtin.gz`: a line for each schema, its name, a tab, its JSON. Without the variable the test
//! says whether that file is what the server has.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::{Compression, GzBuilder, read::GzDecoder};
use serde_json::Value;

use crate::apiserver::{self, Client};

const FILE: &str = "src/sandbox/schema/builtin.gz";

/// What the server brings itself: other tests may have given it definitions of their own.
const BUILT_IN: [&str; 4] =
    ["io.k8s.api.", "io.k8s.apiextensions-apiserver.", "io.k8s.apimachinery.", "io.k8s.kube-aggregator."];

#[test]
fn the_recorded_kinds_are_those_of_a_real_server() {
    let Some(clusters) = apiserver::shared() else { return };
    let text = recorded(clusters.staging().client());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var_os("RUNBOOK_RECORD_KINDS").is_some() {
        // No time in the header: the same kinds give the same file.
        let out = std::fs::File::create(&file).unwrap();
        let mut out = GzBuilder::new().mtime(0).write(out, Compression::best());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap();
    }
    let mut kept = String::new();
    GzDecoder::new(std::fs::File::open(&file).unwrap()).read_to_string(&mut kept).unwrap();
    let names = |text: &str| text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&kept), names(&text), "other schemas than recorded: see the head of tests/conformance/kinds.rs");
    assert!(kept == text, "the schemas look other than recorded: see the head of tests/conformance/kinds.rs");
}

fn recorded(client: &Client) -> String {
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    let index = client.read("/openapi/v3");
    for (path, entry) in index["paths"].as_object().unwrap() {
        let of_a_version = path.starts_with("api/") || path.starts_with("apis/") && path.matches('/').count() == 2;
        if !of_a_version {
            continue;
        }
        let document = client.read(entry["serverRelativeURL"].as_str().unwrap());
        for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
            if BUILT_IN.iter().any(|prefix| name.starts_with(prefix)) {
                schemas.insert(name.clone(), structure(schema));
            }
        }
    }
    schemas.iter().map(|(name, schema)| format!("{name}\t{schema}\n")).collect::<Vec<_>>().concat()
}

/// A schema without its texts.
fn structure(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let kept = map.iter().filter(|(name, value)| *name != "description" || !value.is_string());
            Value::Object(kept.map(|(name, value)| (name.clone(), structure(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(structure).collect()),
        other => other.clone(),
    }
}

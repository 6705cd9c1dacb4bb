//! YAML is read as kubectl reads it: both are given the same traps, and what each makes of them is compared. Where they
//! differ it is because refusing, or reading, is the safer of the two; each such difference stands here with its reason.

#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use runbook::object::yaml;
use serde_json::{Value, json};

use crate::apiserver::{self, assets, or_not_run};

/// Scalars, each as the value of a key.
const SCALARS: &[&str] = &[
    "yes",
    "Yes",
    "YES",
    "no",
    "No",
    "NO",
    "on",
    "On",
    "ON",
    "off",
    "Off",
    "OFF",
    "y",
    "Y",
    "n",
    "N",
    "true",
    "True",
    "TRUE",
    "false",
    "False",
    "FALSE",
    "~",
    "null",
    "Null",
    "NULL",
    "",
    "nULL",
    "tRue",
    "0",
    "-0",
    "+0",
    "5",
    "+5",
    "-5",
    "010",
    "-010",
    "0777",
    "007",
    "08",
    "09",
    "0o10",
    "0o17",
    "0O10",
    "0x1F",
    "0X1F",
    "0xg",
    "0b11",
    "0b12",
    "1_000",
    "_1",
    "1__0",
    "1e3",
    "1E3",
    "1e+3",
    "1e-3",
    "-1e3",
    "1.5e3",
    "1.0",
    "1.",
    ".5",
    "-.5",
    "1.5",
    "100000000000000000000.0",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "0.1",
    "3.141592653589793238",
    "2020-01-01",
    "2020-01-01T00:00:00Z",
    "2020-01-01 00:00:00",
    "12:30",
    "12:30:45",
    "190:20:30",
    "1:2",
    "80:80",
    "127.0.0.1:80",
    "1.2.3",
    "v1.2",
    "1.10",
    "\"80\"",
    "'80'",
    "\"yes\"",
    "'on'",
    "!!str 5",
    "!!str yes",
    "!!int \"5\"",
    "!!float 1",
    "!!bool \"yes\"",
    "!!binary aGk=",
    "!!null \"\"",
    "=",
    "<<",
    "a#b",
    "a #b",
    "\"a # b\"",
    "a:b",
    "'it''s'",
    "\"\\u00e9\\x41\\U0001F600\\t\"",
    "\"a\\\n    b\"",
    "plain\n    folded\n\n    twice",
    "{a: 1, b: [1, 2,]}",
    "[yes, 010, 1e3, ~]",
    "{yes: no}",
    "|\n    a\n     b\n",
    "|-\n    a\n\n",
    "|+\n    a\n\n",
    ">\n    a\n    b\n\n    c\n      d\n",
    ">-\n    a\n    b\n",
    "|2\n      a\n    b\n",
    "é",
    "\u{1F600}",
    "1e",
    "e3",
    "+",
    "+.5",
    "0.",
    "00",
    "0_",
    "infinity",
    "NaN",
    "inf",
];

/// Scalars that no object may hold, or that are no YAML.
const ALONE: &[&str] = &[
    "a: ",
    "- 1",
    "?",
    "\"\\/\"",
    "-",
    ".inf",
    "-.Inf",
    ".nan",
    "1e400",
    "@a",
    "`a`",
    "%a",
    "&a",
    "*a",
    "!!int yes",
    "!custom a",
    "\"unended",
    "[1, 2",
    "a: b: c",
    "\"\\q\"",
    "|\n\ttab",
    "1\t# tab",
];

/// Whole texts; OBJECT stands for the beginning of an object.
const TEXTS: &[(&str, &str)] = &[
    (
        "merge keys",
        "OBJECTx:\n  base: &b {a: 1, c: 2}\n  use:\n    <<: *b\n    c: 3\n  again: *b\n  both:\n    <<: [*b, {d: 4}]\n",
    ),
    ("a merge after its keys", "OBJECTx:\n  base: &b {a: 1}\n  use:\n    a: 2\n    <<: *b\n"),
    ("an anchor given twice", "OBJECTx: {a: &a 1, b: *a, c: &a 2, d: *a}\n"),
    ("keys that are no texts", "OBJECTx: {yes: 1, 1: 2, 1.5: 3, 010: 4, 2020-01-01: 5}\n"),
    ("a key that is null", "OBJECTx: {~: 1}\n"),
    ("a key of two lines", "OBJECT? x\n: 1\n"),
    ("documents, some of them empty", "---\n---\nOBJECT---\n# nothing\n---\n\n---\nOBJECT...\n"),
    ("an end mark and more", "OBJECT...\n---\nOBJECT"),
    ("a comment at the marker", "--- # first\nOBJECT"),
    ("a directive", "%YAML 1.1\n---\nOBJECT"),
    ("a byte order mark", "\u{feff}OBJECT"),
    (
        "line ends of Windows",
        "apiVersion: v1\r\nkind: ConfigMap\r\nmetadata: {name: a, namespace: default}\r\nx: |\r\n  a\r\n  b\r\n",
    ),
    ("a key twice", "OBJECTx: {a: 1, a: 2}\n"),
    ("a key twice, far apart", "OBJECTx: 1\ny: 2\nx: 3\n"),
    ("tabs that indent", "OBJECTx:\n\ta: 1\n"),
    (
        "tabs in JSON",
        "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"ConfigMap\",\n\t\"metadata\": {\"name\": \"a\", \"namespace\": \"default\"}, \"x\": 1.0\n}\n",
    ),
    ("a sequence that is not indented", "OBJECTx:\n- a\n- b: 1\n  c: 2\n"),
    (
        "a list",
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: default}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: default}}\n",
    ),
    ("a text that holds documents", "OBJECTx: |\n  a\n  ---\n  b\n"),
    ("control characters", "OBJECTx: \"a\\0b\"\n"),
    ("a colon in a flow", "OBJECTx: {a:1, b: 2}\n"),
    ("an unended flow", "OBJECTx: {a: 1\n"),
    ("a bad indentation", "OBJECTx:\n   a: 1\n  b: 2\n"),
];

/// What may differ, and why.
const DIFFERS: &[(&str, &str)] = &[
    ("nULL", "a word that is null in any case; where a text is wanted, the server refuses it"),
    ("tRue", "a word that is a boolean in any case; where a text is wanted, the server refuses it"),
    ("1__0", "a text here; where a number is wanted, the server refuses it"),
    ("0_", "a text here; where a number is wanted, the server refuses it"),
    ("1e400", "refused: no number of JSON, and kubectl makes a text of it"),
    ("\"\\/\"", "an escape of JSON, which the parser of kubectl does not know"),
    ("a merge after its keys", "the keys win, as the specification says; with kubectl a merge that stands later does"),
    ("a directive", "read; kubectl cuts it off from its document"),
    ("a key twice", "refused: with kubectl the last one wins, and nobody is told"),
    ("a key twice, far apart", "refused: with kubectl the last one wins, and nobody is told"),
];

const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n";

/// What kubectl makes of a text; why it refuses it.
fn by_kubectl(kubectl: &Path, kubeconfig: &Path, text: &str) -> Result<Vec<Value>, String> {
    let mut child = Command::new(kubectl)
        .args(["create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", "--kubeconfig"])
        .arg(kubeconfig)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).trim().to_owned());
    }
    let values = serde_json::Deserializer::from_slice(&out.stdout).into_iter::<Value>();
    let values: Vec<Value> = values.map(Result::unwrap).collect();
    // several are printed as a list of its own
    match &values[..] {
        [list] if list["kind"] == "List" => Ok(list["items"].as_array().unwrap().clone()),
        _ => Ok(values),
    }
}

fn by_us(text: &str) -> Result<Vec<Value>, String> {
    yaml::objects(text, "a.yaml").map_err(|error| error.to_string())
}

/// Whether two numbers are the same one, whatever their digits.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, value)| other.get(key).is_some_and(|it| same(value, it)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

#[test]
fn every_trap_is_read_as_kubectl_reads_it_or_refused_for_a_reason() {
    let Some(clusters) = apiserver::shared() else { return };
    let Some(kubectl) = or_not_run(assets::kubectl()) else { return };
    let kubeconfig = clusters.staging().kubeconfig();
    let lines: Vec<String> = SCALARS.iter().enumerate().map(|(n, scalar)| format!("  k{n}: {scalar}\n")).collect();
    let scalars = lines.concat();
    let together = format!("{OBJECT}x:\n{scalars}");
    let alone = ALONE.iter().map(|scalar| ((*scalar).to_owned(), format!("{OBJECT}x: {scalar}\n")));
    let texts = TEXTS.iter().map(|(name, text)| ((*name).to_owned(), text.replace("OBJECT", OBJECT)));
    let all: Vec<(String, String)> = alone.chain(texts).collect();
    let mut differ: Vec<(String, String)> = vec![];

    let theirs = by_kubectl(&kubectl, &kubeconfig, &together).expect("kubectl reads all of these");
    for (n, scalar) in SCALARS.iter().enumerate() {
        let theirs = &theirs[0]["x"][format!("k{n}")];
        let ours = by_us(&format!("{OBJECT}x:\n  k: {scalar}\n"));
        if !ours.as_ref().is_ok_and(|ours| same(theirs, &ours[0]["x"]["k"])) {
            let ours = ours.map(|ours| ours[0]["x"]["k"].to_string());
            differ.push(((*scalar).to_owned(), format!("kubectl {theirs}, we {ours:?}")));
        }
    }
    // each is a process that asks the server for its kinds: a few at a time
    std::thread::scope(|scope| {
        let chunks = all.chunks(all.len().div_ceil(4));
        let asked: Vec<_> = chunks
            .map(|chunk| {
                let (kubectl, kubeconfig) = (&kubectl, &kubeconfig);
                scope.spawn(move || {
                    let compare = |(name, text): &(String, String)| {
                        let (theirs, ours) = (by_kubectl(kubectl, kubeconfig, text), by_us(text));
                        let agree = match (&theirs, &ours) {
                            (Ok(theirs), Ok(ours)) => same(&json!(theirs), &json!(ours)),
                            (Err(_), Err(_)) => true,
                            _ => false,
                        };
                        (!agree).then(|| (name.clone(), format!("kubectl {theirs:?}, we {ours:?}")))
                    };
                    chunk.iter().filter_map(compare).collect::<Vec<_>>()
                })
            })
            .collect();
        differ.extend(asked.into_iter().flat_map(|asked| asked.join().unwrap()));
    });
    let known = |name: &str| DIFFERS.iter().any(|(it, _)| *it == name);
    let unknown: Vec<String> =
        differ.iter().filter(|(name, _)| !known(name)).map(|(name, how)| format!("{name:?}: {how}")).collect();
    assert!(unknown.is_empty(), "\n{}", unknown.join("\n"));
    let gone: Vec<&str> =
        DIFFERS.iter().map(|(name, _)| *name).filter(|name| !differ.iter().any(|(it, _)| it == name)).collect();
    assert!(gone.is_empty(), "these agree by now, and are no differences any more: {gone:?}");
}

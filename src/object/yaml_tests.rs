use serde_json::{Value, json};

use super::*;

fn one(text: &str) -> Value {
    let mut found = documents(text, "a.yaml").unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0).value
}

/// Each right side is what kubectl 1.32 makes of the left (`kubectl label --local -o json`).
#[test]
fn scalars_are_read_as_kubectl_reads_them() {
    let mut wrong = vec![];
    for (written, read) in [
        ("yes", json!(true)),
        ("off", json!(false)),
        ("y", json!(true)),
        ("On", json!(true)),
        ("TRUE", json!(true)),
        ("n", json!(false)),
        ("~", json!(null)),
        ("NULL", json!(null)),
        ("010", json!(8)),
        ("-010", json!(-8)),
        ("0o10", json!(8)),
        ("0x1F", json!(31)),
        ("0X1F", json!(31)),
        ("0b11", json!(3)),
        ("0b12", json!("0b12")),
        ("0o8", json!("0o8")),
        ("0x", json!("0x")),
        ("08", json!(8)),
        ("00", json!(0)),
        ("1_000", json!(1000)),
        ("+5", json!(5)),
        ("-0", json!(0)),
        ("-0.0", json!(0)),
        ("1e3", json!(1000)),
        ("1E3", json!(1000)),
        ("1e+3", json!(1000)),
        ("1.5e3", json!(1500)),
        ("1.0", json!(1)),
        ("1.", json!(1)),
        (".5", json!(0.5)),
        ("18446744073709551615", json!(18_446_744_073_709_552_000f64)),
        ("123456789012345678901234567890", json!(1.234_567_890_123_456_8e29)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("2020-01-01", json!("2020-01-01")),
        ("2020-01-01T00:00:00Z", json!("2020-01-01T00:00:00Z")),
        ("12:30:45", json!("12:30:45")),
        ("\"1.0\"", json!("1.0")),
        ("'yes'", json!("yes")),
        ("!!str 5", json!("5")),
        ("!!binary aGk=", json!("hi")),
        ("=", json!("=")),
        ("v1.2", json!("v1.2")),
    ] {
        let found = documents(&format!("a: {written}"), "a.yaml").map(|mut found| found.remove(0).value["a"].take());
        if found.as_ref() != Ok(&read) {
            wrong.push((written, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn keys_become_texts_as_in_kubectl() {
    assert_eq!(one("n: 1\n2: b\ny: c"), json!({ "false": 1, "2": "b", "true": "c" }));
}

#[test]
fn anchors_and_merge_keys_are_expanded() {
    let text = "base: &b {a: 1, c: 2}\nuse:\n  <<: *b\n  c: 3\nagain: *b";
    assert_eq!(
        one(text),
        json!({ "base": { "a": 1, "c": 2 }, "use": { "a": 1, "c": 3 }, "again": { "a": 1, "c": 2 } })
    );
}

#[test]
fn empty_documents_boms_and_crlf_do_no_harm() {
    let text =
        "\u{feff}# only a comment\r\n---\r\na: 1\r\n---\r\n---\r\n# nothing\r\n---\r\nb: |\r\n  x\r\n  y\r\n...\r\n";
    let found = documents(text, "a.yaml").unwrap();
    let values: Vec<&Value> = found.iter().map(|document| &document.value).collect();
    assert_eq!(values, [&json!({ "a": 1 }), &json!({ "b": "x\ny\n" })]);
    assert_eq!(found[0].line, 3);
}

#[test]
fn json_is_read_also_with_tabs_and_in_a_row() {
    assert_eq!(one("{\n\t\"a\": 1.0\n}"), json!({ "a": 1 }));
    assert_eq!(documents("{\"a\": 1}\n{\"b\": 2}", "a.json").unwrap().len(), 2);
}

#[test]
fn what_is_no_yaml_is_refused_with_its_place() {
    let error = documents("a: 1\nb: [1, 2\nc: 3\n", "m/a.yaml").unwrap_err();
    assert!(error.to_string().starts_with("m/a.yaml:") && error.line >= 2, "{error}");
    let error = documents("a: 1\na: 2\n", "a.yaml").unwrap_err();
    assert_eq!((error.line, error.column), (2, 1), "{error}");
    assert!(error.message.contains("duplicate"), "{error}");
    assert!(documents("a:\n\tb: 1", "a.yaml").is_err());
    assert!(documents("a: .inf", "a.yaml").is_err());
    assert!(documents("{~: 1}", "a.yaml").unwrap_err().message.contains("not a text"), "as in kubectl");
}

#[test]
fn an_error_shows_nothing_of_the_text() {
    let error = documents("password: hunter2 : x\n", "a.yaml").unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let alias = format!("*a{}, ", i - 1).repeat(10);
        text = format!("{text}a{i}: &a{i} [{alias}]\n");
    }
    assert!(documents(&text, "a.yaml").is_err());
    let deep = "[".repeat(100_000);
    assert!(documents(&deep, "a.yaml").is_err());
}

#[test]
fn lists_are_unpacked() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n- {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n";
    assert_eq!(objects(text, "a.yaml").unwrap().len(), 2);
}

#[test]
fn a_document_that_is_no_object_says_what_is_missing() {
    let error = |text: &str| objects(text, "a.yaml").unwrap_err().to_string();
    assert_eq!(error("- a\n"), "a.yaml:1:1: the document is not a Kubernetes object but a sequence");
    assert_eq!(error("just text"), "a.yaml:1:1: the document is not a Kubernetes object but a text");
    assert_eq!(
        error("kind: Namespace\nmetadata: {name: a}"),
        "a.yaml:1:1: the document (Namespace/a) has no apiVersion"
    );
    assert_eq!(error("---\na: 1"), "a.yaml:2:1: the document has no apiVersion, no kind, no metadata.name");
    let list = "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Namespace}]";
    assert_eq!(error(list), "a.yaml:1:1: item 0 of the list (Namespace) has no metadata.name");
}

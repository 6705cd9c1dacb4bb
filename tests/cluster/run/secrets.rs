//! Values of Secrets as a real API server and a real kubectl give them: compared, copied, and written nowhere.

use std::{fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use super::{World, play, world::Outcome};
use crate::apiserver::{self, assets, or_not_run};

const VALUE: &str = "c4nary of/a real+server 17";

/// A Secret with the value, and what kubectl's client-side apply would have kept of it.
fn login(server: &apiserver::Cluster, ns: &str) {
    let encoded = BASE64_STANDARD.encode(VALUE);
    let kept = json!({ "apiVersion": "v1", "kind": "Secret", "data": { "password": encoded } }).to_string();
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "data": { "password": encoded, "on": "dHJ1ZQ==", "port": "NTQzMg==" },
        "metadata": { "name": "login", "namespace": ns,
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": kept } } });
    server.apply(&secret.to_string());
}

fn run(world: &World, server: &apiserver::Cluster, ns: &str, step: &str) -> Outcome {
    let step = step.replace("GET", "k8s::get(\"Secret/NS/login\")").replace("NS", ns);
    world.file("p.rhai", &play("\"staging\"", &format!("k8s::exists(\"Namespace/{ns}\")"), &step));
    let known = world.runs();
    let outcome = world.run("run p.rhai --context staging -o json");
    let said = world.run(&format!("show {}", world.new_run(&known)));
    nothing_is_found(world, &[&outcome, &said], server.url());
    outcome
}

#[track_caller]
fn nothing_is_found(world: &World, outcomes: &[&Outcome], server: &str) {
    let encoded = BASE64_STANDARD.encode(VALUE);
    let forms = [VALUE, &encoded[..encoded.len() - 4], "c4nary%20of%2Fa", "c4nary+of%2Fa", "real\\u002bserver"];
    let look = |what: &str, text: &str| {
        for form in forms {
            assert!(!text.contains(form), "{form} is in {what} (of {server}): {text}");
        }
    };
    for outcome in outcomes {
        look("what was said", &format!("{}{}", outcome.out, outcome.err));
    }
    files(&world.machine("state"), &mut |path, bytes| {
        look(&path.display().to_string(), &String::from_utf8_lossy(bytes));
    });
}

fn files(folder: &Path, each: &mut dyn FnMut(&Path, &[u8])) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files(&path, each);
        } else {
            each(&path, &fs::read(&path).unwrap());
        }
    }
}

#[test]
fn values_of_a_real_secret_are_compared_and_copied_and_written_nowhere() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("secrets");
    login(server, &ns);
    let world = World::new("[contexts.staging]\n", &[("staging", server)]);
    let copy = r#"step("Copy it").undo("delete it").change(|| {
        let value = base64::decode(GET.data.password);
        k8s::apply(#{ apiVersion: "v1", kind: "ConfigMap", metadata: #{ name: "open", namespace: "NS" }, data: #{ url: "db://me:" + value + "@host" } });
        k8s::apply(#{ apiVersion: "v1", kind: "Secret", metadata: #{ name: "copy", namespace: "NS" }, stringData: #{ password: value } });
        1
    })
    .verify("they are the same", || k8s::get("Secret/NS/copy").data.password == GET.data.password)
    .verify("of a list too", || k8s::list("Secret", "NS").all(|s| s.data.password == GET.data.password))
    .verify("it is part of it", || k8s::get("ConfigMap/NS/open").data.url.contains(base64::decode(GET.data.password)))
    .verify("it has keys", || "password" in GET.data && GET.data.keys().len() == 3 && GET.data.password != ())
    .verify("it is on", || base64::decode(GET.data.on) == "true" && base64::decode(GET.data.port) == "5432")
    .verify("nothing else is there", || absent(GET, "data.user") && GET.data.user == () && GET.type == "Opaque")
    .verify("it would stay", || !k8s::diff(GET_MAP).differs);"#;
    let map = r#"#{ apiVersion: "v1", kind: "Secret", metadata: #{ name: "copy", namespace: "NS" }, data: #{ password: GET.data.password } }"#;
    let outcome = run(&world, server, &ns, &copy.replace("GET_MAP", map));
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let open = server.get(&format!("ConfigMap/{ns}/open")).unwrap();
    assert_eq!(open["data"]["url"], format!("db://me:{VALUE}@host"));
}

#[test]
fn comparisons_with_a_real_secret_that_fail_tell_types() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("secrets");
    login(server, &ns);
    let world = World::new("[contexts.staging]\n", &[("staging", server)]);
    for (verify, told) in [
        ("GET.data.password == \"guess\"", "different"),
        ("k8s::list(\"Secret\", \"NS\").any(|s| base64::decode(s.data.password) == \"guess\")", "different"),
        ("expect(GET, #{ data: #{ password: \"guess\", on: \"dHJ1ZQ==\" } })", "data.password"),
        ("GET.metadata.annotations[\"kubectl.kubernetes.io/last-applied-configuration\"] == \"guess\"", "different"),
        (
            "k8s::diff(#{ apiVersion: \"v1\", kind: \"Secret\", metadata: #{ name: \"login\", namespace: \"NS\" }, stringData: #{ password: \"another\" } }) == 1",
            "object",
        ),
    ] {
        let outcome =
            run(&world, server, &ns, &format!(r#"step("Look").verify("it is so", || {verify}).within("0s");"#));
        assert!([10, 11].contains(&outcome.code), "{verify}: {}", outcome.err);
        assert!(format!("{}{}", outcome.out, outcome.err).contains(told), "{verify}: {}{}", outcome.out, outcome.err);
        for run in world.runs() {
            drop(world.run(&format!("abandon {run} --reason over")));
        }
    }
}

#[test]
fn what_kubectl_prints_of_a_secret_is_secret_by_type() {
    let Some(clusters) = apiserver::shared() else { return };
    let Some(_kubectl) = or_not_run(assets::kubectl()) else { return };
    let server = clusters.staging();
    let ns = server.namespace("secrets");
    login(server, &ns);
    let world = World::new("[contexts.staging]\n", &[("staging", server)]);
    let step = r#"let patched = step("Label it").irreversible("it is only a label")
        .change(|| cmd::run(["kubectl", "-n", "NS", "label", "secret", "login", "seen=yes", "-o", "json"]))
        .verify("it is the same", || cmd::read(["kubectl", "-n", "NS", "get", "secret", "login", "-o", "json"]).json.data.password == GET.data.password)
        .verify("it is secret", || cmd::read(["kubectl", "-n", "NS", "get", "secret/login", "-oyaml"]).secret)
        .verify("a table is open", || cmd::read(["kubectl", "-n", "NS", "get", "secret"]).stdout.contains("login"));
    step("Look").verify("it is so", || cmd::read(["kubectl", "-n", "NS", "get", "secrets", "-o", "jsonpath={.items[*].data}"]).stdout == "guess").within("0s");"#;
    let outcome = run(&world, server, &ns, step);
    assert_eq!(outcome.code, 10, "{}", outcome.err);
    let journal = world.journal(&world.runs()[0]);
    let ended = journal.of("child.ended");
    assert_eq!(ended[0]["stdout"], "«secret»", "{ended:?}");
    assert!(outcome.out.contains("different"), "{}", outcome.out);
}

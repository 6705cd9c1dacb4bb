//! A secret's value is in no file, no output and no record.

use std::{fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::program::World;

const CANARY: &str = "hunter2/canary 91";

/// All files below a folder that hold one of these.
fn holding(folder: &Path, forms: &[Vec<u8>]) -> Vec<String> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, forms));
        } else if let Ok(bytes) = fs::read(&path)
            && forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_secrets_value_is_in_no_file_no_output_and_no_record() {
    let world = World::with(
        r#"
        let token = secret("token", #{ env: "CANARY" });
        step("Make a Secret").undo("delete it")
            .change(|| k8s::apply(#{ apiVersion: "v1", kind: "Secret", metadata: #{ name: "canary", namespace: "default" },
                stringData: #{ token: token, both: "pre-" + token } }))
            .verify("it is there", || k8s::get("Secret/default/canary").data.token != "");
        step("Hand it to a command").irreversible("it is only printed")
            .change(|| cmd::run(["printenv", "TOKEN"], #{ env: #{ TOKEN: token }, stdin: token }))
            .verify("it is another", || k8s::get("Secret/default/canary").data.token == "another").within("0s");
        "#,
    );
    let config = fs::read_to_string(world.path("runbook.toml")).unwrap();
    world.file("runbook.toml", format!("{config}\n[tools.printenv]\nchange = [[\"TOKEN\"]]\n"));
    let mut outputs = vec![];
    let mut run = |line: &str| {
        let output = world.command(line).env("CANARY", CANARY).env("PATH", "/usr/bin:/bin").output().unwrap();
        outputs.extend([output.stdout, output.stderr]);
        output.status.code()
    };
    assert_eq!(run("run p.rhai --context staging -o json"), Some(10));
    let id = world.only();
    run(&format!("resume {id}"));
    run(&format!("show {id}"));
    run(&format!("show {id} -o json"));
    run("plan p.rhai");
    run("runs -o json");
    let printed = world.journal(&id).of("child.ended");
    assert!(printed[0]["stdout"].as_str().unwrap().contains("«secret»"), "the command printed it: {printed:?}");
    assert_eq!(world.records("md").len(), 2, "both failures have a record");

    let forms: Vec<Vec<u8>> = [
        CANARY.to_string(),
        BASE64_STANDARD.encode(CANARY),
        "hunter2%2Fcanary%2091".into(),
        "hunter2\\/canary 91".into(),
    ]
    .map(String::into_bytes)
    .into();
    assert_eq!(holding(world.root(), &forms), Vec::<String>::new());
    for output in &outputs {
        let text = String::from_utf8_lossy(output);
        assert!(!forms.iter().any(|form| text.as_bytes().windows(form.len()).any(|w| w == form)), "{text}");
    }
}

#[test]
fn a_secret_is_refused_as_an_argument_of_a_command() {
    let world = World::with(
        r#"
        let token = secret("token", #{ env: "CANARY" });
        step("Tell everybody").irreversible("it is only printed")
            .change(|| cmd::run(["printenv", token])).verify("never", || false).within("0s");
        "#,
    );
    let output = world.command("run p.rhai --context staging").env("CANARY", CANARY).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(13), "{said}");
    assert!(said.contains("takes no secret as an argument") && said.contains("stdin"), "{said}");
}

//! Canaries of every origin go through every command and every view, and are found in no file, no output and no record.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{
    badserver::{BadServer, Does, point_with},
    program::World,
    terminal::Terminal,
};

/// A value of each origin. None is an ordinary word, and most of them look different when they are encoded.
const CANARIES: [(&str, &str); 9] = [
    ("environment", "k3y/of the \"environment\" é+91"),
    ("file", "c4nary-of/a file?&=92"),
    ("command", "c4nary of a \\command\\ 93"),
    ("data", "c4nary/of+data 94~"),
    ("stringData", "c4nary 'of' stringData: {95}"),
    ("there", "c4nary/of what was there + 96"),
    ("token", "c4nary-of-the-kubeconfig.97"),
    ("url", "c4nary-of-a-url-98!"),
    ("patch", "c4nary of+a patch/99"),
];

pub(super) fn canary(origin: &str) -> &'static str {
    CANARIES.iter().find(|(name, _)| *name == origin).unwrap().1
}

/// What a value looks like in texts of all sorts.
fn forms(value: &str) -> Vec<String> {
    let json = |text: &str| serde_json::to_string(text).unwrap().trim_matches('"').to_owned();
    let percent = |safe: &str, space: &str| -> String {
        let one = |byte: u8| match char::from(byte) {
            c if c.is_ascii_alphanumeric() || safe.contains(c) => c.to_string(),
            ' ' => space.to_owned(),
            _ => format!("%{byte:02X}"),
        };
        value.bytes().map(one).collect()
    };
    let ascii: String = value
        .chars()
        .map(|c| if c.is_ascii() { json(&c.to_string()) } else { format!("\\u{:04x}", u32::from(c)) })
        .collect();
    let mut forms = vec![value.to_owned(), json(value), json(&json(value)), ascii, json(value).replace('/', "\\/")];
    forms.extend([percent("-_.~", "%20"), percent("-_.~", "+"), percent("-_.~", "%20").to_lowercase()]);
    // whole, and what stands in the middle of a longer text wherever it begins
    forms.extend([BASE64_STANDARD.encode(value), BASE64_URL_SAFE_NO_PAD.encode(value)]);
    for before in ["", "x", "xx"] {
        let digits = BASE64_STANDARD.encode(format!("{before}{value}xx"));
        forms.push(digits[4..digits.len() - 6].to_owned());
    }
    forms.sort();
    forms.dedup();
    forms.retain(|form| form.len() >= 12);
    forms
}

/// Which canaries stand in these bytes, and in which form.
fn found(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    // as a terminal or a wrapped base64 breaks it
    let joined: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    let mut all = vec![];
    for (origin, value) in CANARIES {
        for form in forms(value) {
            for text in [&*text, &*joined] {
                if let Some(at) = text.find(&form) {
                    let around = |at: usize| text.floor_char_boundary(at);
                    let excerpt = &text[around(at.saturating_sub(150))..around(at + form.len() + 40)];
                    all.push(format!("the canary of {origin} as {form:?} in …{excerpt}…"));
                    break;
                }
            }
        }
    }
    all
}

/// All files below a folder that hold a canary.
fn holding(folder: &Path) -> Vec<(PathBuf, Vec<String>)> {
    let mut all = vec![];
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if !found(name.as_bytes()).is_empty() {
            all.push((path.clone(), vec!["in its name".into()]));
        }
        if path.is_dir() {
            all.extend(holding(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            let found = found(&bytes);
            if !found.is_empty() {
                all.push((path, found));
            }
        }
    }
    all
}

#[test]
fn each_form_of_each_canary_would_be_found() {
    for (origin, value) in CANARIES {
        assert!(forms(value).len() > 4, "{origin}");
        for form in forms(value) {
            assert!(!found(format!("before {form} after").as_bytes()).is_empty(), "{form}");
        }
        assert!(!found(BASE64_STANDARD.encode(format!("before {value} after")).as_bytes()).is_empty(), "{origin}");
    }
}

const TOOL: &str = r#"#!/usr/bin/env python3
import base64, json, os, sys, urllib.parse
verb = sys.argv[1]
value = os.environ.get("VALUE", "") or sys.stdin.read()
if verb == "forms":
    for text in (value, base64.b64encode(value.encode()).decode(), base64.b64encode(("x" + value + "y").encode()).decode(),
                 urllib.parse.quote(value), urllib.parse.quote_plus(value), json.dumps(value), json.dumps(json.dumps(value))):
        print(text)
        print("about", text, "there was a word", file=sys.stderr)
elif verb == "long":
    # the value stands across the ends of what is read at once and of what is kept
    for size in (4096, 8192, 65536, 65536 + 16384):
        sys.stdout.write("." * (size - len(value) // 2))
        sys.stdout.write(value)
        sys.stdout.flush()
    sys.stdout.write("." * 200000 + value + "." * 65530 + value + "\n")
elif verb == "fail":
    print("cannot log in with", value, file=sys.stderr)
    sys.exit(3)
elif verb == "config":
    print(open(os.environ["KUBECONFIG"]).read())
"#;

const ITEMS: &str = r#"
let environment = secret("environment", #{ env: "CANARY" });
let file = secret("file", #{ file: "../home/secret.txt" });
let command = secret("command", #{ cmd: ["give-secret"] });

step("Apply a Secret of a file").undo("delete it").change(|| k8s::apply("secret.yaml"))
    .verify("it is there", || k8s::get("Secret/default/from-file").data.one != "");
step("Apply a Secret of the script").undo("delete it")
    .change(|| k8s::apply(#{ apiVersion: "v1", kind: "Secret", metadata: #{ name: "from-script", namespace: "default" },
        stringData: #{ a: environment, b: "pre-" + file, c: file + command } }))
    .verify("it is there", || k8s::exists("Secret/default/from-script"));
step("Read one that was there").irreversible("it is only read")
    .change(|| { let found = k8s::get("Secret/default/there"); found.data.value })
    .verify("it is seen", || k8s::get("Secret/default/there").data.value != "");
step("Patch one that was there").irreversible("its values were not kept")
    .change(|| k8s::patch("Secret/default/there", #{ stringData: #{ more: file + "-and more", less: "c4nary of+a patch/99" } }))
    .verify("it is there", || k8s::get("Secret/default/there").data.more != "");
step("Hand them to a command").irreversible("it is only printed")
    .change(|| {
        for one in [environment, file, command] {
            cmd::run(["teller", "forms"], #{ env: #{ VALUE: one } });
            cmd::run(["teller", "long"], #{ stdin: one });
        }
        cmd::run(["teller", "config"])
    })
    .verify("it printed", || true)
    .verify("it is seen", || cmd::read(["teller", "read"], #{ env: #{ VALUE: environment } }).status == 0);
step("Ask with a password").irreversible("it is only asked")
    .change(|| 1)
    .verify("nobody answers there", || http::get("http://me:c4nary-of-a-url-98!@127.0.0.1:9/" ).status == 200).within("0s").parks();
"#;

/// The commands of the program, from its own help.
fn verbs(world: &World) -> Vec<String> {
    let help = world.run("--help").out;
    let listed = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap().to_owned();
    let verbs = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    verbs.filter_map(|line| line.split_whitespace().next()).map(Into::into).collect()
}

pub(super) struct Stage {
    pub(super) world: World,
    pub(super) server: BadServer,
    outputs: Vec<(String, Vec<u8>)>,
}

impl Stage {
    pub(super) fn new(items: &str) -> Self {
        let world = World::with(items);
        let server = BadServer::start();
        point_with(&world, &server.url(), canary("token"));
        let config = fs::read_to_string(world.path("runbook.toml")).unwrap();
        let tools = "[tools.teller]\nread = [[\"read\"]]\nchange = [[\"forms\"], [\"long\"], [\"fail\"], [\"config\"]]\ncluster = \"kubeconfig\"\n";
        world.file("runbook.toml", format!("{config}{tools}"));
        let bin = world.root().join("bin");
        fs::create_dir(&bin).unwrap();
        let give = format!("#!/bin/sh\nprintf '%s\\n' '{}'\n", canary("command"));
        for (name, text) in [("teller", TOOL), ("give-secret", &give)] {
            fs::write(bin.join(name), text).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        world.file("../home/secret.txt", format!("{}\n", canary("file")));
        let string = serde_json::to_string(canary("stringData")).unwrap();
        let manifest = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: from-file, namespace: default}}\ndata: {{one: {}}}\nstringData: {{two: {string}}}\n",
            BASE64_STANDARD.encode(canary("data"))
        );
        world.file("secret.yaml", manifest);
        server.make(&serde_json::json!({ "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": "there", "namespace": "default" }, "stringData": { "value": canary("there") } }));
        Self { world, server, outputs: vec![] }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let bin = self.world.root().join("bin").display().to_string();
        vec![("CANARY", canary("environment").to_owned()), ("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin"))]
    }

    /// Runs a command line and keeps what it says.
    pub(super) fn run(&mut self, line: &str) -> i32 {
        let mut command = self.world.command(line);
        let output = command.envs(self.environment()).stdin(Stdio::null()).output().unwrap();
        self.outputs.push((format!("{line}, stdout"), output.stdout));
        self.outputs.push((format!("{line}, stderr"), output.stderr));
        output.status.code().unwrap_or(-1)
    }

    /// What was said last on stderr.
    pub(super) fn said(&self) -> String {
        String::from_utf8_lossy(&self.outputs.last().unwrap().1).into_owned()
    }

    /// What was said by everything that was run.
    pub(super) fn everything(&self) -> String {
        self.outputs.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes)).collect()
    }

    /// Every command of the program on this run and this playbook, also those that nothing here knows.
    fn every_command(&mut self, run: &str) {
        for verb in verbs(&self.world) {
            if ["completions", "man", "help", "mcp", "fleet"].contains(&verb.as_str()) {
                continue;
            }
            let reason = format!("{run} --reason because");
            for rest in ["", run, "p.rhai", "p.rhai --context staging", &reason, &format!("show {run}")] {
                self.run(&format!("{verb} {rest}"));
            }
            self.run(&format!("{verb} {run} -o json"));
            self.run(&format!("{verb} p.rhai --context staging -o json"));
        }
    }

    #[track_caller]
    pub(super) fn nothing_is_found(&self) {
        for folder in ["state", "tmp"] {
            let folder = self.world.root().join(folder);
            if folder.is_dir() {
                let all = holding(&folder);
                assert!(all.is_empty(), "{all:#?}");
            }
        }
        for (what, bytes) in &self.outputs {
            let all = found(bytes);
            assert!(all.is_empty(), "{what}: {all:#?}");
        }
    }
}

#[test]
fn canaries_of_every_origin_are_in_no_file_no_output_and_no_record() {
    let mut stage = Stage::new(ITEMS);
    assert_ne!(stage.run("run p.rhai --context staging --progress plain"), 0);
    let run = stage.world.only();
    let journal = stage.world.journal(&run);
    let printed = journal.of("child.ended");
    // what is long stands in a file of its own
    let hidden = |p: &&serde_json::Value| p["stdout"].as_str().is_some_and(|text| text.contains("«secret»"));
    assert!(printed.len() == 7 && printed.iter().filter(hidden).count() == 4, "{printed:?}");
    assert_eq!(journal.of("step.verified").len(), 5, "{}", stage.said());
    for view in ["json", "quiet", "plain"] {
        stage.run(&format!("resume {run} --progress {view}"));
    }
    // what a person says to a run is kept without them too
    let environment = canary("environment");
    stage.run(&format!("note {run} '{environment}'"));
    stage.nothing_is_found();
    stage.every_command(&run);
    // and as a run fails in a step, with the value in the error
    stage.world.playbook(
        "fails",
        r#"let file = secret("file", #{ file: "../home/secret.txt" });
        step("Fail").irreversible("it only fails").change(|| cmd::run(["teller", "fail"], #{ stdin: file })).verify("never", || false);"#,
    );
    for run in stage.world.runs() {
        stage.run(&format!("abandon {run} --reason over"));
    }
    assert_eq!(stage.run("run fails.rhai --context staging"), 11, "{}", stage.said());
    assert!(stage.said().contains("cannot log in with «secret»"), "{}", stage.said());
    for run in stage.world.runs() {
        stage.run(&format!("show {run}"));
        stage.run(&format!("show {run} -o json"));
    }
    assert!(!stage.world.records("md").is_empty());
    stage.nothing_is_found();
}

#[test]
fn a_server_that_says_a_secret_in_its_refusal_is_not_quoted_with_it() {
    let mut stage = Stage::new(
        r#"step("Apply").undo("delete it").change(|| k8s::apply("secret.yaml")).verify("it is there", || true);"#,
    );
    let message: &'static str = "Secret is invalid: data[two]: Invalid value: \"c4nary 'of' stringData: {95}\": no";
    stage.server.when("PATCH", "/secrets/", Does::Refuses(422, "Invalid", message));
    assert_eq!(stage.run("run p.rhai --context staging"), 11, "{}", stage.said());
    assert!(stage.said().contains("Invalid value: \"«secret»\""), "{}", stage.said());
    let run = stage.world.only();
    stage.every_command(&run);
    stage.nothing_is_found();
}

#[test]
fn a_secret_file_that_changed_is_not_shown_as_a_difference() {
    let mut stage = Stage::new(
        r#"step("Apply").undo("delete it").change(|| k8s::apply("secret.yaml")).verify("never", || k8s::exists("ConfigMap/default/never")).within("0s");
        step("In the script").undo("delete it").change(|| k8s::apply(#{ apiVersion: "v1", kind: "Secret", metadata: #{ name: "s", namespace: "default" },
            stringData: #{ x: "c4nary-of/a file?&=92" } })).verify("so", || true);"#,
    );
    assert_eq!(stage.run("run p.rhai --context staging"), 10, "{}", stage.said());
    let run = stage.world.only();
    let text = fs::read_to_string(stage.world.path("secret.yaml")).unwrap();
    stage.world.file("secret.yaml", text.replace("name: from-file", "name: from-another"));
    assert_eq!(stage.run(&format!("resume {run}")), 13, "{}", stage.said());
    assert!(stage.said().contains("secret.yaml"), "it says which: {}", stage.said());
    stage.world.file("secret.yaml", text);
    assert_eq!(stage.run(&format!("resume {run}")), 10, "{}", stage.said());
    let script = fs::read_to_string(stage.world.path("p.rhai")).unwrap();
    stage.world.file("p.rhai", script.replace("In the script", "Elsewhere"));
    assert_eq!(stage.run(&format!("resume {run}")), 13, "{}", stage.said());
    stage.run("check p.rhai");
    stage.nothing_is_found();
}

#[test]
fn canaries_are_on_no_terminal() {
    let stage = Stage::new(ITEMS);
    let Some(terminal) = Terminal::open(&stage.world) else { return };
    let pairs = stage.environment();
    let mut script: String =
        pairs.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect::<Vec<_>>().concat();
    script.push_str(&format!(
        "'{}' run p.rhai --context staging --progress tty\necho ended with $?\n",
        env!("CARGO_BIN_EXE_runbook")
    ));
    fs::write(stage.world.root().join("home/go.sh"), script).unwrap();
    terminal.types("sh ../home/go.sh");
    let screen = terminal.shows("ended with ");
    assert!(found(screen.as_bytes()).is_empty(), "{screen}");
    assert!(screen.contains("hand-them-to-a-command  verified"), "{screen}");
    let all = holding(&stage.world.state());
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn an_output_that_held_a_secret_is_an_error_with_a_place_in_the_first_process_as_after_a_resume() {
    let mut stage = Stage::new(
        r#"let file = secret("file", #{ file: "../home/secret.txt" });
        let said = step("Say").irreversible("it is only printed").change(|| cmd::run(["teller", "forms"], #{ stdin: file })).verify("so", || true);
        step("Use it").undo("delete it")
            .change(|| k8s::apply(#{ apiVersion: "v1", kind: "ConfigMap", metadata: #{ name: "x", namespace: "default" },
                data: #{ x: said.output.stdout } }))
            .verify("it is there", || k8s::exists("ConfigMap/default/x"));"#,
    );
    for line in ["run p.rhai --context staging", "resume RUN"] {
        let line = line.replace("RUN", stage.world.runs().first().map_or("", String::as_str));
        assert_eq!(stage.run(&line), 11, "{line}: {}", stage.said());
        let said = stage.said();
        assert!(said.contains("held a secret, which is not kept") && said.contains("p.rhai:9:"), "{said}");
    }
    assert!(stage.server.object("/api/v1/namespaces/default/configmaps/x").is_none());
    stage.nothing_is_found();
}

#[test]
fn words_that_stand_for_a_secret_are_not_sent_anywhere() {
    let mut stage = Stage::new(
        r#"let file = secret("file", #{ file: "../home/secret.txt" });
        step("Say").undo("delete it").change(|| {
            let said = cmd::run(["teller", "forms"], #{ stdin: file });
            k8s::apply(#{ apiVersion: "v1", kind: "ConfigMap", metadata: #{ name: "x", namespace: "default" }, data: #{ x: said.stdout } });
        }).verify("so", || true);"#,
    );
    assert_eq!(stage.run("run p.rhai --context staging"), 11, "{}", stage.said());
    assert!(stage.said().contains("a secret stood there and was not kept"), "{}", stage.said());
    assert!(stage.server.object("/api/v1/namespaces/default/configmaps/x").is_none());
    stage.nothing_is_found();
}

#[test]
fn a_value_of_a_secret_is_refused_as_an_argument_wherever_it_was_read() {
    let mut stage = Stage::new(
        r#"step("Tell everybody").irreversible("it is only printed")
            .change(|| cmd::run(["teller", "forms", "--token=" + k8s::get("Secret/default/there").data.value])).verify("so", || true);"#,
    );
    assert_eq!(stage.run("run p.rhai --context staging"), 11, "{}", stage.said());
    assert!(stage.said().contains("takes no secret as an argument"), "{}", stage.said());
    stage.nothing_is_found();
}

#[test]
fn later_steps_and_a_resume_work_with_the_real_values() {
    let mut stage = Stage::new(
        r#"let environment = secret("environment", #{ env: "CANARY" });
        step("Apply").undo("delete it").change(|| k8s::apply("secret.yaml")).verify("it is there", || k8s::exists("Secret/default/from-file"));
        step("Wait").verify("a signal came", || k8s::exists("ConfigMap/default/signal")).within("0s");
        step("Copy it").undo("delete it")
            .change(|| k8s::apply(#{ apiVersion: "v1", kind: "Secret", metadata: #{ name: "copy", namespace: "default" },
                data: #{ two: k8s::get("Secret/default/from-file").data.two }, stringData: #{ one: "pre-" + environment } }))
            .verify("it is there", || k8s::get("Secret/default/copy").data.two == k8s::get("Secret/default/from-file").data.two);"#,
    );
    assert_eq!(stage.run("run p.rhai --context staging"), 10, "{}", stage.said());
    stage.server.make(&serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "signal", "namespace": "default" } }));
    let run = stage.world.only();
    assert_eq!(stage.run(&format!("resume {run}")), 0, "{}", stage.said());
    let copy = stage.server.object("/api/v1/namespaces/default/secrets/copy").unwrap();
    assert_eq!(copy["data"]["one"], BASE64_STANDARD.encode(format!("pre-{}", canary("environment"))));
    assert_eq!(copy["data"]["two"], BASE64_STANDARD.encode(canary("stringData")));
    stage.nothing_is_found();
}

//! The sandbox on its own: served, loaded, reset, told to fail; and that a run on it reaches nothing else.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use rustix::process::Signal;

use crate::program::{Live, World, or_not_run};

/// A served sandbox of a world, until it is dropped.
struct Serving<'a> {
    world: &'a World,
    live: Live,
    kubeconfig: String,
}

impl<'a> Serving<'a> {
    fn start(world: &'a World, line: &str) -> Self {
        let mut live = world.start(line);
        live.waits_for("until Ctrl-C");
        let folders = fs::read_dir(world.state().join("sandbox")).unwrap().map(|entry| entry.unwrap().path());
        let mut files = folders.map(|folder| folder.join("kubeconfig")).filter(|path| path.exists());
        let kubeconfig = files.next().unwrap().display().to_string();
        Self { world, live, kubeconfig }
    }

    fn of(world: &'a World) -> Self {
        Self::start(world, "sandbox serve --context staging")
    }

    /// What kubectl prints, both streams, and whether it went well.
    fn kubectl(&self, line: &str) -> (bool, String) {
        let mut command = Command::new("kubectl");
        command.args(line.split(' ')).env_clear().envs(self.world.environment()).stdin(Stdio::null());
        let out = command.env("KUBECONFIG", &self.kubeconfig).current_dir(self.world.path("")).output().unwrap();
        let text = [out.stdout, out.stderr].concat();
        (out.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    #[track_caller]
    fn ok(&self, line: &str) -> String {
        let (good, text) = self.kubectl(line);
        assert!(good, "kubectl {line}: {text}");
        text
    }
}

fn has_kubectl() -> Option<()> {
    let found =
        Command::new("kubectl").args(["version", "--client"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    or_not_run(match found {
        Ok(status) if status.success() => Ok(()),
        _ => Err("kubectl is not installed".to_owned()),
    })
}

const BROKEN: &str = r#"step("Start it").change(|| k8s::apply("deployment.yaml"))
    .verify("it runs", || k8s::ready("Deployment/default/api")).within("4s");
"#;

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: default}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: c, image: api}]}
";

#[test]
fn kubectl_works_against_a_served_sandbox_and_nobody_without_the_token_does() {
    let Some(()) = has_kubectl() else { return };
    let world = World::new();
    let serving = Serving::of(&world);
    let mode = fs::metadata(&serving.kubeconfig).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    serving.ok("create namespace web");
    serving.ok("create deployment api --image=nginx --replicas=2 -n web");
    assert!(serving.ok("rollout status deployment/api -n web --timeout=20s").contains("successfully rolled out"));
    serving.ok("create configmap c --from-literal=a=b -n web");
    assert_eq!(serving.ok("get configmap c -n web -o jsonpath={.data.a}"), "b");
    let config: serde_json::Value = serde_json::from_str(&fs::read_to_string(&serving.kubeconfig).unwrap()).unwrap();
    let url = config["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned();
    let root = url.rsplit_once('/').unwrap().0;
    let (good, refused) = serving.kubectl(&format!("get namespaces --server={root}"));
    assert!(!good && (refused.contains("Unauthorized") || refused.contains("logged in")), "{refused}");
    let kubeconfig = serving.kubeconfig.clone();
    serving.live.signal(Signal::INT);
    serving.live.ends().exits(0).says("its state is kept");
    assert!(!fs::exists(kubeconfig).unwrap(), "the token is gone with the server");
    assert!(world.object("staging", "/api/v1/namespaces/web/configmaps/c").is_some(), "the state is kept");
}

#[test]
fn a_run_uses_the_sandbox_that_another_process_serves() {
    let Some(()) = has_kubectl() else { return };
    let world = World::with(crate::program::GREET);
    let serving = Serving::of(&world);
    world.go().exits(0);
    assert_eq!(serving.ok("get configmap hello -o jsonpath={.data.greeting}"), "hello");
    world.file("more.yaml", crate::program::config_map("loaded", "live"));
    world.run("sandbox load --context staging more.yaml").exits(0).prints("1 object loaded");
    assert_eq!(serving.ok("get configmap loaded -o jsonpath={.data.greeting}"), "live");
    world.run("sandbox serve --context staging").exits(30).says("is served already").says("export KUBECONFIG=");
    world
        .run("run p.rhai --context staging --fault 'Pod/a/b: stall'")
        .exits(30)
        .says("sandbox serve --context staging --fault");
    world.run("sandbox reset --context staging").exits(0).prints("begins anew");
    assert!(!serving.kubectl("get configmap hello").0);
}

#[test]
fn a_told_fault_is_the_reason_that_a_verify_shows() {
    let world = World::with(BROKEN);
    world.file("deployment.yaml", DEPLOYMENT);
    let run = "run p.rhai --context staging --fault 'Deployment/default/api: ImagePullBackOff: no such image'";
    world.run(run).exits(10).says("no such image");
    let journal = world.journal(&world.only());
    assert!(journal.of("run.opened")[0].to_string().contains("ImagePullBackOff: no such image"), "it is on record");
}

#[test]
fn faults_of_runbook_toml_are_told_and_those_that_do_nothing_are_refused() {
    let world = World::with(BROKEN);
    world.file("deployment.yaml", DEPLOYMENT);
    let config = |faults: &str| {
        format!(
            "[contexts.staging]\nsandbox = true\n[contexts.staging.faults]\n{faults}\n[contexts.main]\nsandbox = true\n"
        )
    };
    world.file("runbook.toml", config("\"Deployment/default/api\" = \"quota is used up\""));
    world.go().exits(10).says("quota is used up");
    let world = World::with(BROKEN);
    world.file("deployment.yaml", DEPLOYMENT);
    world.file("runbook.toml", config("\"Deploymnt/default/api\" = \"stall\""));
    world.go().exits(2).says("did you mean Deployment?");
    world.file("runbook.toml", config("\"api\" = \"stall\""));
    world.go().exits(2).says("Kind/namespace/name");
    world.file("runbook.toml", "[contexts.staging]\n[contexts.staging.faults]\n\"Pod/a/b\" = \"stall\"\n");
    world.go().exits(2).says("no sandbox");
}

#[test]
fn commands_of_a_run_get_the_sandbox_and_nothing_of_the_users_cluster() {
    let Some(()) = has_kubectl() else { return };
    let world = World::with(
        r#"step("By hand").change(|| cmd::run(["kubectl", "create", "configmap", "made", "--from-literal=a=b"])).irreversible("a test")
    .verify("it is there", || k8s::exists("ConfigMap/default/made")).within("5s");
"#,
    );
    // whoever connects to the user's cluster is seen
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let kubeconfig = format!(
        "{{apiVersion: v1, kind: Config, current-context: staging, clusters: [{{name: c, cluster: {{server: '{server}'}}}}], \
         users: [{{name: u}}], contexts: [{{name: staging, context: {{cluster: c, user: u}}}}]}}"
    );
    world.file("real.yaml", &kubeconfig);
    fs::create_dir_all(world.home().join(".kube")).unwrap();
    fs::write(world.home().join(".kube/config"), &kubeconfig).unwrap();
    let mut command = world.command("run p.rhai --context staging");
    command.env("KUBECONFIG", world.path("real.yaml"));
    world.spawn(command).ends().exits(0);
    assert!(listener.accept().is_err(), "the user's cluster was contacted");
    assert!(world.object("staging", "/api/v1/namespaces/default/configmaps/made").is_some());
}

#[test]
fn what_cannot_be_served_or_loaded_says_what_to_type() {
    let world = World::new();
    world.file("real/runbook.toml", "[contexts.prod]\n[contexts.lab]\nsandbox = true\n");
    world.run("sandbox serve --context stagin").exits(31).says("did you mean --context staging?");
    world
        .run("sandbox reset --context prod --config real/runbook.toml")
        .exits(31)
        .says("not a sandbox")
        .says("sandboxes here: lab");
    world
        .run("sandbox load --context staging cm.yml")
        .exits(2)
        .says("there is no file cm.yml")
        .says("did you mean cm.yaml?");
    world.file("broken.yaml", "apiVersion: v1\nkind: [\n");
    world.run("sandbox load --context staging broken.yaml").exits(2).says("broken.yaml:");
    world.file("nameless.yaml", "apiVersion: v1\nkind: ConfigMap\n");
    world.run("sandbox load --context staging nameless.yaml").exits(2).says("no metadata.name");
    world.file("widget.yaml", "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n");
    world.run("sandbox load --context staging widget.yaml").exits(2).says("CustomResourceDefinition");
    world.run("sandbox serve --context staging --fault nothing").exits(2).says("is no fault");
    let mut command = world.command("sandbox reset --context staging");
    command.current_dir(world.root());
    world.spawn(command).ends().exits(2).says("there is no runbook.toml").says("--config playbooks/runbook.toml");
}

#[test]
fn a_reset_clears_what_runs_left_even_where_it_cannot_be_read() {
    let world = World::with(crate::program::GREET);
    world.run("sandbox reset --context staging").exits(0).prints("nothing to clear");
    world.go().exits(0);
    world.run("sandbox reset --context staging").exits(0).prints("objects removed");
    assert!(world.object("staging", "/api/v1/namespaces/default/configmaps/hello").is_none());
    let folder = fs::read_dir(world.state().join("sandbox")).unwrap().next().unwrap().unwrap().path();
    // another file, which whoever closes the old one late does not write to
    fs::remove_file(folder.join("state.redb")).unwrap();
    fs::write(folder.join("state.redb"), vec![b'x'; 8192]).unwrap();
    world.run("sandbox reset --context staging").exits(0).prints("could not be read");
    world.go().exits(0);
}

#[test]
fn a_sandbox_that_another_process_has_names_that_process() {
    let world = World::with(
        r#"step("Wait").change(|| k8s::apply("cm.yaml"))
    .verify("something comes", || k8s::exists("ConfigMap/default/never")).within("60s");
"#,
    );
    let mut live = world.start("run p.rhai --context staging");
    live.waits_for("applied ConfigMap");
    let refused = world.run("sandbox serve --context staging");
    refused.exits(30).says("in use by").says("sandbox serve --context staging");
    live.signal(Signal::INT);
    live.ends().exits(130);
}

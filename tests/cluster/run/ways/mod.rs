//! Every way to reach another cluster than the pinned one, by its name: reached by none. The other cluster is known to the
//! run by an address of the test's own, which counts who connects, and hands on to the real API server.

mod written;

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use super::{World, eventually, play, users};
use crate::apiserver::{self, assets, or_not_run};

/// An address that hands on to a server, and counts.
struct Door {
    port: u16,
    to: Arc<Mutex<String>>,
    connected: Arc<AtomicUsize>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Door {
    fn to(server: &apiserver::Cluster) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let place = |server: &apiserver::Cluster| server.url().trim_start_matches("https://").to_owned();
        let (to, connected) = (Arc::new(Mutex::new(place(server))), Arc::<AtomicUsize>::default());
        let open = Arc::<Mutex<Vec<TcpStream>>>::default();
        let (target, count, streams) = (to.clone(), connected.clone(), open.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let to = target.lock().unwrap().clone();
                let Ok(server) = TcpStream::connect(to) else { continue };
                streams.lock().unwrap().push(client.try_clone().unwrap());
                for (mut from, mut into) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server.try_clone().unwrap(), client.try_clone().unwrap()),
                ] {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut into);
                        let _ = into.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { port, to, connected, open }
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    fn connected(&self) -> usize {
        self.connected.load(Ordering::SeqCst)
    }

    /// Leads to another server from now on; who is connected is no more.
    fn leads_to(&self, server: &apiserver::Cluster) {
        server.url().trim_start_matches("https://").clone_into(&mut self.to.lock().unwrap());
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// The pinned cluster and the other one, each with a namespace of this name.
struct Two {
    clusters: apiserver::Clusters,
    ns: String,
    door: Door,
    /// What of the other cluster must stay as it is.
    before: Value,
}

impl Two {
    fn start() -> Option<Self> {
        let clusters = apiserver::shared()?;
        or_not_run(assets::kubectl())?;
        let ns = clusters.staging().namespace("ways");
        clusters.main().apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {ns}}}}}"));
        let active = |namespace: &Value| namespace["status"]["phase"] == "Active";
        let before = clusters.main().wait(&format!("Namespace/{ns}"), "it is active", active);
        let door = Door::to(clusters.main());
        Some(Self { clusters, ns, door, before })
    }

    fn pinned(&self) -> &apiserver::Cluster {
        self.clusters.staging()
    }

    /// The kubeconfig of the other one, by the address that counts.
    fn other(&self, world: &World) -> PathBuf {
        let mut config = config(self.clusters.main());
        config["clusters"][0]["cluster"]["server"] = self.door.url().into();
        world.file("other.kubeconfig", &config.to_string());
        world.path("other.kubeconfig")
    }

    /// A world whose kubeconfig has both, the other one as its current context, and whose playbook does this.
    fn world(&self, toml: &str, items: &str) -> World {
        let world = World::new(toml, &[]);
        let other = self.other(&world);
        world.kubeconfig_of(&[("staging", self.pinned().kubeconfig()), ("main", other)], Some("main"));
        self.plays(&world, items);
        world
    }

    fn plays(&self, world: &World, items: &str) {
        let outcome = format!("k8s::exists(\"Namespace/{}\")", self.ns);
        world.file(
            "p.rhai",
            &play("\"staging\"", &outcome, &items.replace("THE-NS", &self.ns).replace("URL", &self.door.url())),
        );
    }

    /// A world with one step that runs a command.
    fn commands(&self, toml: &str, argv: &str) -> World {
        self.world(toml, &step("Reach", &format!("cmd::run({argv})")))
    }

    /// Nobody has come to the other one, and it is as it was.
    #[track_caller]
    fn not_reached(&self, way: &str) {
        assert_eq!(self.door.connected(), 0, "{way}: somebody connected to the other cluster");
        self.unchanged(way);
    }

    #[track_caller]
    fn unchanged(&self, way: &str) {
        assert_eq!(self.clusters.main().get(&format!("Namespace/{}", self.ns)).as_ref(), Some(&self.before), "{way}");
    }

    /// Whether the pinned one has it.
    fn labelled(&self, key: &str) -> bool {
        let found = self.pinned().get(&format!("Namespace/{}", self.ns)).unwrap();
        found["metadata"]["labels"][key] == "yes"
    }
}

fn config(server: &apiserver::Cluster) -> Value {
    serde_json::from_slice(&fs::read(server.kubeconfig()).unwrap()).unwrap()
}

fn step(title: &str, change: &str) -> String {
    format!(
        "step(\"{title}\").change(|| {change}).verify(\"it is there\", || k8s::exists(\"Namespace/THE-NS\")).irreversible(\"it is a label\");\n"
    )
}

const LABEL: &str = "\"label\", \"ns\", \"THE-NS\", \"reached=yes\"";

/// All of them in one playbook: each is an error of its own, and nothing is started.
#[test]
fn no_way_that_a_playbook_writes_leads_to_the_other_cluster() {
    let Some(two) = Two::start() else { return };
    let ways = written::ways();
    let titled = |n: usize| format!("Way {n}");
    let items: String = ways.iter().enumerate().map(|(n, (_, call, _))| step(&titled(n), call)).collect();
    let world = two.world("[contexts.staging]\n[contexts.main]\n", &items);
    world.file("remote/kustomization.yaml", "resources: [\"https://example.com/base\"]\n");
    world.file("outside/kustomization.yaml", "resources: [../../base]\n");
    for name in ["kubectl", "k"] {
        world.executable(name, "#!/bin/sh\ntouch \"$HOME/started\"\n");
    }
    let checked = world.run("check p.rhai -o json");
    let found: Value = serde_json::from_str(&checked.out).unwrap();
    let mut wrong = vec![];
    for (n, (way, _, words)) in ways.iter().enumerate() {
        let of_step = |finding: &&Value| finding["step"] == format!("one/way-{n}");
        let all: Vec<&Value> = found["findings"].as_array().unwrap().iter().filter(of_step).collect();
        let said = all.iter().map(|finding| finding["message"].as_str().unwrap()).collect::<Vec<_>>().join("\n");
        if !said.contains(words) || all.iter().any(|finding| finding["severity"] != "error") {
            wrong.push(format!("{way}: `{words}` is not said as an error: {all:#?}"));
        }
        println!("{way}: 13, {said}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.run("run p.rhai --context staging").exits(13);
    assert!(world.runs().is_empty());
    assert!(!world.path("../home/started").exists());
    two.not_reached("what a playbook writes");
    assert!(!two.labelled("reached"));
}

/// What the caller's own environment says, neither the run nor its tools hear.
#[test]
fn no_way_of_the_callers_environment_leads_to_the_other_cluster() {
    let Some(two) = Two::start() else { return };
    let Some(built) = or_not_run(assets::flux()) else { return };
    let items = [
        step("Label", "cmd::run([\"kubectl\", \"label\", \"ns\", \"THE-NS\", \"environment=yes\"])"),
        step("List", "cmd::run([\"helm\", \"list\", \"--namespace\", \"THE-NS\"])"),
        step("Read", "k8s::label(\"Namespace/THE-NS\", #{ native: \"yes\" })"),
    ];
    let mut world =
        two.world("[contexts.staging]\nenv = [\"KUBECONFIG\", \"HELM_KUBECONTEXT\", \"KUBERC\"]\n", &items.concat());
    world.programs(&built);
    // a folder of PATH that is relative would take the playbook's own for it
    world.executable("kubectl", "#!/bin/sh\ntouch \"$HOME/started\"\n");
    let path = world.env.pop().unwrap().1;
    world.env.push(("PATH", format!(".::{}", path.display()).into()));
    let host = format!("127.0.0.1:{}", two.door.port);
    world.file("kuberc", &format!("apiVersion: kubectl.config.k8s.io/v1alpha1\nkind: Preference\noverrides: [{{command: label, flags: [{{name: server, default: \"{}\"}}]}}]\n", two.door.url()));
    for (name, value) in [
        ("HELM_KUBECONTEXT", "main".to_owned()),
        ("HELM_KUBEAPISERVER", two.door.url()),
        ("HELM_KUBETOKEN", "abc".to_owned()),
        ("HELM_PLUGINS", "/nowhere".to_owned()),
        ("KUBERC", world.path("kuberc").display().to_string()),
        ("KUBE_RS_DEBUG_OVERRIDE_URL", two.door.url()),
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()),
        ("KUBERNETES_SERVICE_PORT", two.door.port.to_string()),
        ("KUBERNETES_MASTER", two.door.url()),
        ("TALOSCONFIG", "/nowhere".to_owned()),
        // not for this machine's own addresses
        ("HTTPS_PROXY", format!("http://{host}")),
        ("ALL_PROXY", format!("http://{host}")),
    ] {
        world.env.push((name, value.into()));
    }
    world.run("run p.rhai --context staging").exits(0);
    assert!(two.labelled("environment") && two.labelled("native"));
    assert!(!world.path("../home/started").exists(), "what lies in the playbook's folder is no tool");
    two.not_reached("the caller's environment");
}

/// A tool that is found first in `PATH` is the caller's own choice; the way that it is given leads to one cluster.
#[test]
fn a_tool_that_asks_for_another_context_by_itself_finds_none() {
    let Some(two) = Two::start() else { return };
    let Some(kubectl) = or_not_run(assets::kubectl()) else { return };
    let mut world = two.commands("[contexts.staging]\n", &format!("[\"kubectl\", {LABEL}]"));
    world.executable("bin/kubectl", &format!("#!/bin/sh\nexec {} \"$@\" --context main\n", kubectl.display()));
    world.programs(&world.path("bin"));
    world.run("run p.rhai --context staging").exits(11).says("context was not found for specified context: main");
    two.not_reached("a kubectl earlier in PATH");
}

/// In one process: a run that waits for something, and meanwhile the kubeconfig becomes another one.
#[test]
fn a_kubeconfig_that_is_switched_while_the_run_goes_on_leads_it_nowhere_else() {
    let Some(two) = Two::start() else { return };
    let items = format!(
        "step(\"Wait\").change(|| k8s::label(\"Namespace/THE-NS\", #{{ first: \"yes\" }})).verify(\"go\", || k8s::exists(\"ConfigMap/THE-NS/go\")).within(\"1m\");\n{}{}",
        step("Label", "cmd::run([\"kubectl\", \"label\", \"ns\", \"THE-NS\", \"switched=yes\"])"),
        step("Again", "k8s::label(\"Namespace/THE-NS\", #{ native: \"yes\" })"),
    );
    let world = two.world("[contexts.staging]\n", &items);
    let live = world.start("run p.rhai --context staging");
    eventually("the first change", || two.labelled("first").then_some(()));
    // current-context, and what the context of this name leads to
    world.kubeconfig_of(&[("staging", two.other(&world)), ("main", two.other(&world))], Some("main"));
    two.pinned().apply(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: go, namespace: {}}}}}", two.ns));
    live.ends().exits(0);
    assert!(two.labelled("switched") && two.labelled("native"));
    two.not_reached("a kubeconfig switched within one process");
}

/// Between two processes: at a gate.
#[test]
fn a_kubeconfig_that_is_switched_while_the_run_waits_stops_it_with_31() {
    let Some(two) = Two::start() else { return };
    let items = format!(
        "{}gate(\"Go on?\");\nphase(\"Two\").goal(\"more\");\n{}",
        step("First", "k8s::label(\"Namespace/THE-NS\", #{ first: \"yes\" })"),
        step("Second", &format!("cmd::run([\"kubectl\", {LABEL}])")),
    );
    let world = two.world("[contexts.staging]\n", &items);
    world.run("run p.rhai --context staging").exits(20);
    let run = world.new_run(&[]);
    world.run(&format!("approve {run}")).exits(0);
    let (pinned, other) = (two.pinned().uid(), two.clusters.main().uid());
    world.kubeconfig_of(&[("staging", two.other(&world))], None);
    world.run(&format!("resume {run}")).exits(31).says("another cluster").says(&other).says(&pinned);
    two.unchanged("a kubeconfig switched at a gate");
    assert!(!two.labelled("reached"));
    world.kubeconfig(&[("staging", two.pinned())], None);
    world.run(&format!("resume {run}")).exits(0);
    assert!(two.labelled("reached"));
    two.unchanged("a kubeconfig switched at a gate and back");
}

/// A tool that a playbook may run, and that writes the kubeconfig that it was given.
#[test]
fn a_private_kubeconfig_that_a_command_wrote_anew_is_not_followed() {
    let Some(two) = Two::start() else { return };
    let items = [
        step("Switch", "cmd::run([\"switcher\", \"main\"])"),
        step("Label", &format!("cmd::run([\"kubectl\", {LABEL}])")),
    ];
    let toml = "[contexts.staging]\n[tools.switcher]\nchange = [[\"*\"]]\ncluster = \"kubeconfig\"\n";
    let mut world = two.world(toml, &items.concat());
    let other = two.other(&world);
    world.executable(
        "bin/switcher",
        &format!("#!/bin/sh\n[ \"$1\" = main ] && cat {} > \"$KUBECONFIG\"\n", other.display()),
    );
    world.programs(&world.path("bin"));
    let ended = world.run("run p.rhai --context staging");
    ended.exits(31).says("the run's own kubeconfig was written anew by a command");
    two.not_reached("a private kubeconfig written anew");
    // a resume writes it as it was
    let run = world.new_run(&[]);
    world.run(&format!("resume {run}")).exits(0);
    assert!(two.labelled("reached"));
    two.not_reached("and resumed");
}

/// The name is the same, the server, the CA or both are not.
#[test]
fn a_context_of_the_same_name_that_leads_elsewhere_is_refused() {
    let Some(two) = Two::start() else { return };
    let pin = format!("[contexts.staging]\nuid = \"{}\"\n", two.pinned().uid());
    let label = format!("[\"kubectl\", {LABEL}]");
    let (pinned, other) = (config(two.pinned()), config(two.clusters.main()));
    let file = |world: &World, config: &Value| {
        world.file("one.kubeconfig", &config.to_string());
        world.kubeconfig_of(&[("staging", world.path("one.kubeconfig"))], None);
    };
    // renamed onto the other one, its CA and user with it
    let world = two.commands(&pin, &label);
    let mut renamed = other.clone();
    renamed["clusters"][0]["cluster"]["server"] = two.door.url().into();
    file(&world, &renamed);
    let ended = world.run("run p.rhai --context staging");
    ended.exits(31).says(&two.clusters.main().uid()).says("[contexts.staging] uid");
    two.unchanged("a context renamed onto another cluster");
    // the other server with this one's CA
    let world = two.commands(&pin, &label);
    let mut moved = pinned.clone();
    moved["clusters"][0]["cluster"]["server"] = two.door.url().into();
    file(&world, &moved);
    let ended = world.run("run p.rhai --context staging");
    ended.exits(12).says("certificate").says(&two.door.url());
    two.unchanged("another server behind the same CA");
    // no CA is asked at all
    let mut blind = other.clone();
    blind["clusters"][0]["cluster"] = json!({ "server": two.door.url(), "insecure-skip-tls-verify": true });
    file(&world, &blind);
    world.run("run p.rhai --context staging").exits(31).says(&two.clusters.main().uid());
    two.unchanged("another server without a CA");
    assert!(!two.labelled("reached") && world.runs().is_empty());
}

/// A restored cluster: the same address, no CA to tell them apart, and a user whose plugin proves itself to either.
#[test]
fn another_cluster_at_the_same_address_is_told_by_its_uid_before_the_next_change_and_command() {
    let Some(two) = Two::start() else { return };
    let wait = step("Wait", "cmd::run([\"waiter\", \"go\"])");
    for (way, then) in [
        ("a native", step("Native", "k8s::label(\"Namespace/THE-NS\", #{ reached: \"yes\" })")),
        ("a command", step("Command", &format!("cmd::run([\"kubectl\", {LABEL}])"))),
        (
            "a command that reads",
            "step(\"Read\").verify(\"it is there\", || cmd::read([\"kubectl\", \"get\", \"ns\", \"THE-NS\"]).status == 0).within(\"5s\");\n".to_owned(),
        ),
    ] {
        let door = Door::to(two.pinned());
        let mut world = two.world("[contexts.staging]\n[tools.waiter]\nchange = [[\"*\"]]\n", &format!("{wait}{then}"));
        let tokens = [users::token(two.pinned()), users::token(two.clusters.main())];
        let credential = |token: &str| {
            json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                "status": { "token": token, "expirationTimestamp": "2020-01-01T00:00:00Z" } })
            .to_string()
        };
        world.file("credential", &credential(&tokens[0]));
        world.executable( "plugin", "#!/bin/sh\ncat \"$(dirname \"$0\")/credential\"\n");
        let user = json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "interactiveMode": "Never" } });
        users::kubeconfig(&world, &json!({ "server": door.url(), "insecure-skip-tls-verify": true }), &user);
        let pipe = world.waiter();
        let live = world.start("run p.rhai --context staging");
        pipe.meanwhile(|| {
            world.file("credential", &credential(&tokens[1]));
            door.leads_to(two.clusters.main());
        });
        live.ends().exits(31).says("context staging is another cluster now");
        two.unchanged(way);
        assert!(!two.labelled("reached"), "{way}");
    }
}

/// An API server, or something before it, that sends its callers away.
#[test]
fn a_server_that_answers_with_a_redirect_is_not_followed() {
    let Some(two) = Two::start() else { return };
    for status in ["301 Moved Permanently", "307 Temporary Redirect"] {
        let (address, location) = (redirecting(status, &two.door.url()), two.door.url());
        let world = two.commands("[contexts.staging]\n", &format!("[\"kubectl\", {LABEL}]"));
        users::kubeconfig(&world, &json!({ "server": format!("http://{address}") }), &json!({ "token": "abc" }));
        let ended = world.run("run p.rhai --context staging");
        ended.exits(12).says(&address.to_string());
        assert!(world.runs().is_empty());
        two.not_reached(&format!("{status} to {location}"));
    }
    // what a playbook asks over http is not led to another host either
    let address = redirecting("307 Temporary Redirect", &two.door.url());
    let asked = format!(
        "step(\"Ask\").verify(\"it answers\", || http::get(\"http://{address}/x\").status == 307).within(\"1s\");\n"
    );
    two.world("[contexts.staging]\n", &asked).run("run p.rhai --context staging").exits(0);
    two.not_reached("a redirect of an http host");
}

fn redirecting(status: &str, to: &str) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 {status}\r\nlocation: {to}/api/v1/namespaces\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(answer.as_bytes());
        }
    });
    address
}

/// A proxy takes the run's connections to another cluster than the one that the kubeconfig names.
#[test]
fn a_proxy_that_leads_elsewhere_is_named() {
    let Some(two) = Two::start() else { return };
    let (proxy, asked) = users::proxy(two.clusters.main());
    let pinned = config(two.pinned());
    let (mut cluster, user) = (pinned["clusters"][0]["cluster"].clone(), pinned["users"][0]["user"].clone());
    cluster["server"] = "https://cluster.example.com:6443".into();
    cluster["tls-server-name"] = "localhost".into();
    let mut world = two.commands("[contexts.staging]\n", &format!("[\"kubectl\", {LABEL}]"));
    world.env.push(("HTTPS_PROXY", proxy.as_str().into()));
    users::kubeconfig(&world, &cluster, &user);
    let ended = world.run("run p.rhai --context staging");
    ended.exits(12).says("certificate").says(&format!("through the proxy {}", proxy.trim_start_matches("http://")));
    assert!(world.runs().is_empty() && !asked.lock().unwrap().is_empty());
    // and where no certificate tells them apart, the UID does
    let pin = format!("[contexts.staging]\nuid = \"{}\"\n", two.pinned().uid());
    world.file("runbook.toml", &pin);
    let other = config(two.clusters.main())["users"][0]["user"].clone();
    users::kubeconfig(&world, &json!({ "server": cluster["server"], "insecure-skip-tls-verify": true }), &other);
    world.run("run p.rhai --context staging").exits(31).says(&two.clusters.main().uid());
    two.unchanged("a proxy that leads elsewhere");
}

/// The API server of another context, of `runbook.toml` or of the kubeconfig alone.
#[test]
fn the_api_server_of_another_context_is_no_http_host() {
    let Some(two) = Two::start() else { return };
    for (toml, whose) in
        [("[contexts.staging]\n[contexts.main]\n", "context main"), ("[contexts.staging]\n", "kube-context main")]
    {
        let place = two.door.url().trim_start_matches("https://").to_owned();
        let words = format!("{place} is the API server of {whose}");
        let world = two.world(
            toml,
            "step(\"Ask\").verify(\"it answers\", || http::get(\"URL/healthz\").status == 200).within(\"1s\");\n",
        );
        world.run("check p.rhai").says(&words);
        world.run("run p.rhai --context staging").exits(31).says(&words);
        let world = two.world(toml, &step("Post", "http::post(\"URL/api/v1/namespaces\", #{ body: \"x\" })"));
        world.run("run p.rhai --context staging").exits(31).says(&words);
        two.not_reached(whose);
    }
    // this context's own is one of its hosts
    let own = format!(
        "step(\"Ask\").verify(\"it answers\", || http::get(\"{}/healthz\").status >= 0).within(\"1s\");\n",
        two.pinned().url()
    );
    let world = two.world("[contexts.staging]\n", &own);
    let checked = world.run("check p.rhai");
    checked.exits(0);
    assert!(!checked.err.contains("http host"), "{}", checked.err);
}

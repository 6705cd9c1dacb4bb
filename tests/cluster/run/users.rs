//! How a user proves itself and how the API server is reached: exec plugins, OIDC, files, TLS names, proxies. In each of
//! them the run reaches its cluster, and its commands do too.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Method;
use serde_json::{Value, json};

use super::{World, play};
use crate::apiserver::{self, assets, or_not_run};

/// The cluster and user of a server's kubeconfig.
fn parts(server: &apiserver::Cluster) -> (Value, Value) {
    let config: Value = serde_json::from_slice(&fs::read(server.kubeconfig()).unwrap()).unwrap();
    (config["clusters"][0]["cluster"].clone(), config["users"][0]["user"].clone())
}

pub(super) fn kubeconfig(world: &World, cluster: &Value, user: &Value) {
    world.file(
        "kubeconfig",
        &json!({
            "apiVersion": "v1", "kind": "Config",
            "clusters": [{ "name": "c", "cluster": cluster }], "users": [{ "name": "u", "user": user }],
            "contexts": [{ "name": "staging", "context": { "cluster": "c", "user": "u" } }],
        })
        .to_string(),
    );
}

/// A playbook that reads through the client and through kubectl.
fn world(server: &apiserver::Cluster) -> World {
    let world = World::new("[contexts.staging]\n", &[("staging", server)]);
    let step = "step(\"Look\").verify(\"by the client\", || k8s::exists(\"Namespace/default\"))
    .verify(\"by kubectl\", || cmd::read([\"kubectl\", \"get\", \"ns\", \"default\", \"-o\", \"name\"]).stdout == \"namespace/default\\n\");";
    world.file("p.rhai", &play("\"staging\"", "k8s::exists(\"Namespace/kube-system\")", step));
    world
}

fn go(world: &World) {
    world.run("run p.rhai --context staging").exits(0);
}

/// A token of a service account that may do everything.
pub(super) fn token(server: &apiserver::Cluster) -> String {
    let ns = server.namespace("users");
    server.apply(&format!(
        "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: robot, namespace: {ns}}}}}
---
{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {{name: {ns}}},
  roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}},
  subjects: [{{kind: ServiceAccount, name: robot, namespace: {ns}}}]}}"
    ));
    let body = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "expirationSeconds": 3600 } });
    let path = format!("/api/v1/namespaces/{ns}/serviceaccounts/robot/token");
    let (code, answer) = server.client().send(Method::POST, &path, "application/json", body.to_string().into_bytes());
    assert!(code < 300, "{answer}");
    answer["status"]["token"].as_str().unwrap().to_owned()
}

#[test]
fn a_user_with_an_exec_plugin_beside_the_kubeconfig_is_asked_again_when_its_token_expires() {
    let Some(clusters) = apiserver::shared() else { return };
    let Some(_) = or_not_run(assets::kubectl()) else { return };
    let server = clusters.staging();
    let (cluster, _) = parts(server);
    let world = world(server);
    let token = token(server);
    // it expires at once, so that each use asks again; stdin is not its to read
    world.file(
        "plugin",
        &format!(
            "#!/bin/sh\necho \"$1 $WHO\" >> \"$(dirname \"$0\")/asked\"\ncat <<END\n{}\nEND\n",
            json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                "status": { "token": token, "expirationTimestamp": "2020-01-01T00:00:00Z" } })
        ),
    );
    fs::set_permissions(world.path("plugin"), fs::Permissions::from_mode(0o755)).unwrap();
    let user = json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "args": ["get-token"],
        "env": [{ "name": "WHO", "value": "robot" }], "interactiveMode": "IfAvailable" } });
    kubeconfig(&world, &cluster, &user);
    go(&world);
    let asked = fs::read_to_string(world.path("asked")).unwrap();
    assert!(asked.lines().count() >= 3 && asked.lines().all(|line| line == "get-token robot"), "{asked}");
    let run = world.new_run(&[]);
    assert!(!format!("{:?}", world.journal(&run).0).contains(&token), "the token stands in no line");

    // one that fails says so, with its name
    world.file("plugin", "#!/bin/sh\necho 'no ticket' >&2\nexit 3\n");
    let failed = world.run("doctor --context staging");
    failed.exits(12);
    assert!(failed.out.contains("plugin"), "{}", failed.out);
}

#[test]
fn a_user_of_oidc_a_token_file_and_a_certificate_by_path_reach_their_cluster() {
    let Some(clusters) = apiserver::shared() else { return };
    let Some(_) = or_not_run(assets::kubectl()) else { return };
    let server = clusters.staging();
    let (cluster, admin) = parts(server);
    let token = token(server);
    let world = world(server);
    let oidc = json!({ "auth-provider": { "name": "oidc", "config": {
        "idp-issuer-url": "https://issuer.example.com", "client-id": "runbook", "id-token": token } } });
    kubeconfig(&world, &cluster, &oidc);
    let known = world.runs();
    go(&world);
    assert!(!format!("{:?}", world.journal(&world.new_run(&known)).0).contains(&token));

    world.file("token", &token);
    kubeconfig(&world, &cluster, &json!({ "tokenFile": "token" }));
    go(&world);

    let decoded =
        |part: &str| String::from_utf8(BASE64_STANDARD.decode(admin[part].as_str().unwrap()).unwrap()).unwrap();
    world.file("me.crt", &decoded("client-certificate-data"));
    world.file("me.key", &decoded("client-key-data"));
    kubeconfig(&world, &cluster, &json!({ "client-certificate": "me.crt", "client-key": "me.key" }));
    go(&world);
}

#[test]
fn a_cluster_without_its_ca_or_by_another_name_is_reached_as_the_kubeconfig_says() {
    let Some(clusters) = apiserver::shared() else { return };
    let Some(_) = or_not_run(assets::kubectl()) else { return };
    let server = clusters.staging();
    let (cluster, user) = parts(server);
    let world = world(server);
    kubeconfig(&world, &json!({ "server": cluster["server"], "insecure-skip-tls-verify": true }), &user);
    go(&world);
    // its certificate does not say ::ffff:127.0.0.2, and does say kubernetes.default
    let mut named = cluster.clone();
    named["tls-server-name"] = "kubernetes.default".into();
    kubeconfig(&world, &named, &user);
    go(&world);
    named["tls-server-name"] = "other.example.com".into();
    kubeconfig(&world, &named, &user);
    let refused = world.run("doctor --context staging");
    refused.exits(12);
    assert!(refused.out.to_lowercase().contains("certificate"), "{}", refused.out);
}

/// A proxy that knows one name: `cluster.example.com`, whatever the port, is the server.
pub(super) fn proxy(server: &apiserver::Cluster) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let (asked, to) = (Arc::<Mutex<Vec<String>>>::default(), server.url().trim_start_matches("https://").to_owned());
    let seen = asked.clone();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (seen, to) = (seen.clone(), to.clone());
            // one that goes away in the middle is no matter of the proxy's
            thread::spawn(move || tunnel(client, &to, &seen).ok());
        }
    });
    (url, asked)
}

fn tunnel(client: TcpStream, to: &str, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut first, mut line) = (String::new(), String::new());
    reader.read_line(&mut first)?;
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    seen.lock().unwrap().push(first.trim_end().to_owned());
    let (mut client, mut server) = (client, TcpStream::connect(to)?);
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from, mut back) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || std::io::copy(&mut from, &mut back));
    std::io::copy(&mut reader, &mut server).map(drop)
}

#[test]
fn proxies_are_those_that_kubectl_takes() {
    let Some(clusters) = apiserver::shared() else { return };
    let Some(_) = or_not_run(assets::kubectl()) else { return };
    let server = clusters.staging();
    let (cluster, user) = parts(server);
    let (url, asked) = proxy(server);
    let count = || asked.lock().unwrap().len();
    // the kubeconfig's own proxy, for a server that only the proxy knows
    let mut far = cluster.clone();
    far["server"] = "https://cluster.example.com:6443".into();
    far["tls-server-name"] = "localhost".into();
    let mut own = far.clone();
    own["proxy-url"] = url.as_str().into();
    let plain = world(server);
    kubeconfig(&plain, &own, &user);
    go(&plain);
    assert!(asked.lock().unwrap().iter().all(|line| line.starts_with("CONNECT cluster.example.com:6443 ")));
    let by_proxy = count();
    assert!(by_proxy >= 2, "the client and kubectl both went through it");

    // the environment's, for both too
    let mut world_ = world(server);
    world_.env.push(("HTTPS_PROXY", url.as_str().into()));
    world_.env.push(("NO_PROXY", "other.example.com,".into()));
    kubeconfig(&world_, &far, &user);
    go(&world_);
    assert!(count() >= by_proxy + 2);

    // a server that NO_PROXY names, and one on this machine, are asked straight
    let mut exempt = world(server);
    exempt.env.push(("HTTPS_PROXY", "http://127.0.0.1:1".into()));
    go(&exempt);
    let before = count();
    let mut named = world(server);
    named.env.push(("HTTPS_PROXY", url.as_str().into()));
    named.env.push(("NO_PROXY", ".example.com".into()));
    kubeconfig(&named, &far, &user);
    named.run("doctor --context staging").exits(12);
    assert_eq!(count(), before);
}

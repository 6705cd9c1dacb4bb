//! `k8s::http`: what pods and services answer through the proxy of a real API server.

use jiff::Timestamp;
use serde_json::json;

use super::{World, eventually, play, world::Outcome};
use crate::apiserver::{
    Cluster,
    pods::{Pods, Says},
};

/// A world on this cluster with these items, in which NS stands for the namespace.
fn world(server: &Cluster, ns: &str, items: &str) -> World {
    let world = World::new("[contexts.behind]\n", &[("behind", server)]);
    let outcome = format!("k8s::exists(\"Namespace/{ns}\")");
    world.file("p.rhai", &play("\"behind\"", &outcome, &items.replace("NS", ns)));
    world
}

fn go(world: &World) -> Outcome {
    world.run("run p.rhai --context behind")
}

/// A Service with these ports, and the endpoints that a controller would make for one pod.
fn service(server: &Cluster, ns: &str, name: &str, pod: Option<(&str, &str)>, ports: &[(&str, u16, u16)]) {
    let listed = |of: &dyn Fn(&(&str, u16, u16)) -> serde_json::Value| ports.iter().map(of).collect::<Vec<_>>();
    let named = |name: &str, port: u16| {
        if name.is_empty() { json!({ "port": port }) } else { json!({ "name": name, "port": port }) }
    };
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": ns },
        "spec": { "ports": listed(&|(name, port, _)| named(name, *port)) } });
    server.apply(&service.to_string());
    if let Some((pod, ip)) = pod {
        let address = json!({ "ip": ip, "targetRef": { "kind": "Pod", "name": pod, "namespace": ns } });
        let endpoints = json!({ "apiVersion": "v1", "kind": "Endpoints", "metadata": { "name": name, "namespace": ns },
            "subsets": [{ "addresses": [address], "ports": listed(&|(name, _, port)| named(name, *port)) }] });
        server.apply(&endpoints.to_string());
    }
}

/// The application of these tests.
fn shop(target: &str) -> Says {
    match target {
        "/healthz" => Says::new(200, "ok"),
        "/info" => Says::json(&json!({ "version": "7", "peers": [1, 2] })),
        "/drained" => Says { headers: "retry-after: 5\r\nX-Pool: B", ..Says::new(503, "draining") },
        "/old" => Says { headers: "location: https://elsewhere.example.com/new", ..Says::new(302, "") },
        // as an API server would answer that runs in a pod
        "/api" => Says::json(&json!({ "kind": "Status", "apiVersion": "v1", "code": 403, "reason": "Forbidden",
            "message": "forbidden: User \"system:anonymous\" cannot get path \"/api\"" })),
        _ => Says::new(if target.starts_with("/echo") { 200 } else { 404 }, target),
    }
}

#[test]
fn what_a_pod_or_service_answers_is_what_a_playbook_sees() {
    let Some(pods) = Pods::shared() else { return };
    let server = pods.cluster();
    let ns = server.namespace("answers");
    pods.make(
        &ns,
        "shop",
        "[{name: web, containerPort: 8080}, {name: admin, containerPort: 9090}, {name: tls, containerPort: 8443}]",
    );
    pods.runs(&ns, "shop", "10.9.0.1");
    pods.at("10.9.0.1:8080", shop);
    pods.at("10.9.0.1:9090", |_| Says::new(200, "admin"));
    pods.at_by_tls("10.9.0.1:8443", |_| Says::new(200, "by tls"));
    let behind = Some(("shop", "10.9.0.1"));
    service(server, &ns, "plain", behind, &[("", 80, 8080)]);
    service(server, &ns, "named", behind, &[("web", 80, 8080)]);
    service(server, &ns, "several", behind, &[("web", 80, 8080), ("admin", 81, 9090), ("tls", 443, 8443)]);
    let items = r#"step("Ask the pod")
    .verify("it is healthy", || { let r = k8s::http("Pod/NS/shop", "/healthz"); r.status == 200 && r.body == "ok" })
    .verify("its JSON is read", || k8s::http("Pod/NS/shop", "info", #{ port: 8080 }).json == #{ version: "7", peers: [1, 2] })
    .verify("its header is read", || k8s::http("po/NS/shop", "/info").headers["content-type"] == "application/json")
    .verify("an answer is an answer", || { let r = k8s::http("Pod/NS/shop", "/drained"); r.status == 503 && r.body == "draining" && r.headers["x-pool"] == "B" })
    .verify("not found too", || { let r = k8s::http("Pod/NS/shop", "/nothing/here"); r.status == 404 && r.body == "/nothing/here" })
    .verify("a redirect is not followed", || { let r = k8s::http("Pod/NS/shop", "/old"); r.status == 302 && r.headers.location == "https://elsewhere.example.com/new" })
    .verify("a query is passed on", || k8s::http("Pod/NS/shop", "/echo/a%20b?x=1&y=%2F&path=z").body == "/echo/a%20b?x=1&y=%2F&path=z")
    .verify("a port by number", || k8s::http("Pod/NS/shop", "/", #{ port: 9090 }).body == "admin")
    .verify("a port by name", || k8s::http("Pod/NS/shop", "/", #{ port: "admin" }).body == "admin")
    .verify("by https", || k8s::http("Pod/NS/shop", "/", #{ port: "tls", scheme: "https" }).body == "by tls");
step("Ask the services")
    .verify("its one port has no name", || k8s::http("Service/NS/plain", "/healthz").body == "ok")
    .verify("its one port has a name", || k8s::http("Service/NS/named", "/healthz").body == "ok")
    .verify("by the number of the service", || k8s::http("svc/NS/named", "/healthz", #{ port: 80 }).body == "ok")
    .verify("by name", || k8s::http("Service/NS/several", "/", #{ port: "admin" }).body == "admin")
    .verify("by number", || k8s::http("Service/NS/several", "/", #{ port: 81 }).body == "admin")
    .verify("by https", || k8s::http("Service/NS/several", "/", #{ port: 443, scheme: "https" }).body == "by tls");"#;
    let ok = world(server, &ns, items);
    go(&ok).exits(0);
    let steps = ok.journal(&ok.new_run(&[])).of("step.verified");
    let evaluations: Vec<_> =
        steps.iter().flat_map(|step| step["verifies"].as_array().unwrap()).map(|v| v["evaluations"].clone()).collect();
    assert_eq!(evaluations, vec![json!(1); 16], "each held at once");

    // a refusal of what is behind is not one of the API server
    let refused = r#"step("Ask").verify("it is refused", || { let r = k8s::http("Pod/NS/shop", "/api"); r.status == 200 && r.json.code == 403 });"#;
    go(&world(server, &ns, refused)).exits(0);

    // what can never be asked says what there is
    for (ask, says) in [
        (
            "\"Pod/NS/shop\", \"/\", #{ port: \"metrics\" }",
            "it has no port `metrics`; it has `web` (8080) and `admin` (9090) and `tls` (8443)",
        ),
        ("\"Service/NS/several\", \"/\"", "say which port, #{ port: … }: it has `web` (80) and `admin` (81)"),
        ("\"Service/NS/several\", \"/\", #{ port: \"metrics\" }", "it has no port `metrics`; it has `web` (80)"),
        ("\"Service/NS/plain\", \"/\", #{ port: 8080 }", "it has no port `8080`; it has 80"),
        ("\"Pod/NS/shop\", \"/\", #{ scheme: \"ftp\" }", "by http or https, and not by `ftp`"),
        ("\"Namespace/NS\", \"/\"", "asks a Service or a Pod, and Namespace/"),
    ] {
        let step =
            format!("step(\"Ask\").verify(\"it answers\", || k8s::http({ask}).status == 200).within(\"100ms\");");
        go(&world(server, &ns, &step)).exits(10).says(says);
    }
}

/// The last observation of the run that there is.
fn last(world: &World) -> Option<(String, serde_json::Value)> {
    let run = world.runs().pop()?;
    let line = world.journal(&run).of("verify.observed").pop()?;
    Some((line["verdict"].as_str()?.to_owned(), line))
}

#[test]
fn a_pod_that_does_not_answer_yet_is_waited_for_and_one_that_never_does_is_told_from_an_api_server_that_is_away() {
    let Some(pods) = Pods::shared() else { return };
    let server = pods.cluster();
    let ns = server.namespace("waits");
    let healthy = r#"step("Ask").verify("it is healthy", || k8s::http("REF", "/healthz").status == 200).within("1m");"#;
    let waits = world(server, &ns, &healthy.replace("REF", "Pod/NS/shop-0"));
    let live = waits.start("run p.rhai --context behind");
    let sees = |what: &str| {
        let seen = eventually(what, || last(&waits).filter(|(_, line)| line.to_string().contains(what)));
        assert!(["not-yet", "does-not-hold"].contains(&seen.0.as_str()), "{seen:?}");
    };
    sees("not found");
    pods.make(&ns, "shop-0", "[{containerPort: 8080}]");
    sees("has no address yet: it is Pending");
    pods.runs(&ns, "shop-0", "10.9.0.2");
    sees("error trying to reach service");
    pods.at("10.9.0.2:8080", |_| Says::new(500, "warming up"));
    sees("500");
    pods.at("10.9.0.2:8080", shop);
    let answers = Timestamp::now();
    live.ends().exits(0);
    let run = waits.new_run(&[]);
    let verified = waits.sees(&run, "step.verified", |_| true);
    let seen = verified["t"].as_str().unwrap().parse::<Timestamp>().unwrap().duration_since(answers);
    println!("answers -> seen: {} ms, evaluations {}", seen.as_millis(), verified["p"]["verifies"][0]["evaluations"]);
    // it is asked again every 5 s at most
    assert!(seen.as_secs() < 8, "{seen}");
    let asked = pods.asked().iter().filter(|asked| *asked == "10.9.0.2:8080").count();
    let evaluations = verified["p"]["verifies"][0]["evaluations"].as_u64().unwrap();
    assert!(
        u64::try_from(asked).unwrap() <= evaluations,
        "at most one connection for each evaluation: {asked}, {evaluations}"
    );

    // nobody behind the service: what the API server says of it is shown
    service(server, &ns, "empty", None, &[("web", 80, 8080)]);
    let empty = healthy.replace("REF", "Service/NS/empty").replace("1m", "100ms");
    go(&world(server, &ns, &empty)).exits(10).says("503").says("no endpoints available");

    // it takes connections and says nothing: the API server is there, so this is not unknown
    pods.make(&ns, "stuck", "[{containerPort: 8080}]");
    pods.runs(&ns, "stuck", "10.9.0.3");
    pods.silent_at("10.9.0.3:8080");
    let stuck = healthy.replace("REF", "Pod/NS/stuck").replace("1m", "1s");
    go(&world(server, &ns, &stuck)).exits(10).says("504").says("no answer within 4 s");
}

#[test]
fn who_may_not_ask_through_the_api_server_is_told_the_rule_that_permits_it() {
    let Some(pods) = Pods::shared() else { return };
    let server = pods.cluster();
    let ns = server.namespace("asks");
    pods.make(&ns, "shop", "[{containerPort: 8080}]");
    pods.runs(&ns, "shop", "10.9.0.4");
    pods.at("10.9.0.4:8080", shop);
    let user = format!("user-{ns}");
    server.permit_identity(&user);
    let writes = "{apiGroups: [''], resources: [configmaps], verbs: [get, create, patch]}";
    server.permit(&user, &ns, &format!("{writes}, {{apiGroups: [''], resources: [pods], verbs: [get, list, watch]}}"));
    // what changes nothing is tried at once, and needs no look ahead
    let items = r#"step("Write").change(|| k8s::apply(#{ apiVersion: "v1", kind: "ConfigMap", metadata: #{ name: "a", namespace: "NS" } }))
    .verify("it is healthy", || k8s::http("Pod/NS/shop", "/healthz").status == 200).within("5s");"#;
    let world = world(server, &ns, items);
    world.file("p.rhai", &play("\"behind\"", "true", &items.replace("NS", &ns)));
    world.kubeconfig_of(&[("behind", server.kubeconfig_as(&user, &[]))], None);
    go(&world)
        .exits(12)
        .says(&format!("account {user} may not get pods/proxy in namespace {ns}, which a verify that reads the proxy of Pod/{ns}/shop needs"))
        .says("{apiGroups: [\"\"], resources: [\"pods/proxy\"], verbs: [get]}");
    assert!(!pods.asked().contains(&"10.9.0.4:8080".to_owned()));
    let logs = items
        .replace("NS", &ns)
        .replace("k8s::http(\"Pod/", "k8s::logs(\"Deployment/")
        .replace(", \"/healthz\").status == 200", ") != \"\"");
    world.file("logs.rhai", &play("\"behind\"", "true", &logs));
    world.run("run logs.rhai --context behind").exits(12).says(&format!(
        "account {user} may not get pods/log in namespace {ns}, which a verify that reads the log of Pod/{ns} needs"
    ));
    // that, and no more: not even to look at the pod
    server.permit(&user, &ns, &format!("{writes}, {{apiGroups: [''], resources: [pods/proxy], verbs: [get]}}"));
    go(&world).exits(0);

    // taken away while it is waited for: it says whose permission for what is missing
    pods.at("10.9.0.4:8080", |_| Says::new(503, "draining"));
    let known = world.runs();
    let live = world.start("run p.rhai --context behind");
    let run = world.new_run(&known);
    world.sees(&run, "verify.observed", |_| true);
    server.permit(&user, &ns, writes);
    live.ends().exits(10).says(&user).says("cannot get resource \"pods/proxy\"").says(&ns);
}

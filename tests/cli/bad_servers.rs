//! An API server that is down, hangs, refuses or answers garbage: before the run, while it changes, while it looks.

use crate::{
    badserver::{BadServer, Does, no_http, nowhere, point},
    program::{GREET, TWO, World},
};

const HELLO: &str = "/api/v1/namespaces/default/configmaps/hello";

fn world(items: &str) -> (World, BadServer) {
    let (world, server) = (World::with(items), BadServer::start());
    server.is_staging_of(&world);
    (world, server)
}

#[test]
fn a_server_that_behaves_is_worked_on() {
    let (world, server) = world(GREET);
    world.go().exits(0);
    assert_eq!(server.object(HELLO).unwrap()["data"]["greeting"], "hello");
}

#[test]
fn a_server_that_is_down_is_named_and_nothing_begins() {
    let world = World::with(GREET);
    let url = nowhere();
    point(&world, &url);
    world
        .go()
        .exits(12)
        .says("context staging")
        .says("cannot be reached")
        .says("Connection refused")
        .says(&url)
        .says("nothing was changed");
    assert!(world.runs().is_empty());
}

#[test]
fn something_that_does_not_speak_http_is_no_server() {
    let world = World::with(GREET);
    let url = no_http();
    point(&world, &url);
    world.go().exits(12).says("cannot be reached").says(&url).says("nothing was changed");
    assert!(world.runs().is_empty());
}

#[test]
fn a_server_that_refuses_at_the_beginning_says_why_and_nothing_begins() {
    for (does, words) in [
        (Does::Refuses(401, "Unauthorized", "Unauthorized"), "does not accept these credentials"),
        (
            Does::Refuses(403, "Forbidden", "namespaces \"kube-system\" is forbidden"),
            "not permitted: namespaces \"kube-system\" is forbidden",
        ),
        (Does::Refuses(409, "Conflict", "it is not as it was"), "it is not as it was"),
        (Does::Refuses(429, "TooManyRequests", "too many requests"), "it answered 429: too many requests"),
        (Does::Refuses(500, "InternalError", "etcdserver: no leader"), "it answered 500: etcdserver: no leader"),
        (Does::Says(200, "<html>welcome to the login page</html>"), "<html>welcome to the login page</html>"),
        (Does::Says(200, "{\"kind\":\"Namespace\""), "API server"),
        (Does::Says(502, "bad gateway"), "bad gateway"),
        (Does::HangsUp, "cannot be reached"),
    ] {
        let (world, server) = world(GREET);
        server.when("", "kube-system", does);
        world.go().exits(12).says("context staging").says(words).says(&server.url()).says("nothing was changed");
        assert_eq!(server.count("PATCH"), 0);
        assert!(world.runs().is_empty());
    }
}

#[test]
fn credentials_that_are_not_accepted_are_to_be_renewed() {
    let (world, server) = world(GREET);
    server.when("", "", Does::Refuses(401, "Unauthorized", "Unauthorized"));
    world.go().exits(12).says("renew the credentials");
}

#[test]
fn ctrl_c_ends_the_wait_for_a_server_that_hangs() {
    let (world, server) = world(GREET);
    server.when("", "kube-system", Does::Hangs);
    let live = world.start("run p.rhai --context staging");
    crate::program::eventually("it is asked", || (!server.asked().is_empty()).then_some(()));
    let begun = std::time::Instant::now();
    live.signal(rustix::process::Signal::INT);
    live.ends().exits(130);
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert!(world.runs().is_empty());
}

#[test]
fn a_change_that_is_refused_fails_the_step_and_says_why() {
    for (does, words) in [
        (Does::Refuses(401, "Unauthorized", "Unauthorized"), "does not accept these credentials"),
        (Does::Refuses(403, "Forbidden", "configmaps is forbidden"), "not permitted: configmaps is forbidden"),
        (Does::Refuses(409, "Conflict", "it is not as it was"), "conflict: it is not as it was"),
        (Does::Refuses(422, "Invalid", "data: wrong"), "invalid: data: wrong"),
    ] {
        let (world, server) = world(GREET);
        server.when("PATCH", "configmaps/hello", does);
        world.go().exits(11).says("ConfigMap/default/hello").says(words).says("p.rhai:5:").says("runbook resume");
        assert!(server.object(HELLO).is_none());
        let run = world.only();
        let journal = world.journal(&run);
        assert_eq!(journal.of("step.failed").len(), 1);
        assert_eq!(journal.of("effect").len(), journal.of("effected").len());
        assert_eq!(world.records("md").len(), 1);
        // once it is mended the run goes on
        server.heals();
        world.run(&format!("resume {run}")).exits(0);
        assert!(server.object(HELLO).is_some());
    }
}

#[test]
fn a_server_that_is_busy_for_a_moment_is_waited_for() {
    for code in [429, 500, 503] {
        let (world, server) = world(GREET);
        server.next(2, "GET", "configmaps", Does::Refuses(code, "Busy", "for a moment"));
        world.go().exits(0);
    }
}

#[test]
fn a_change_whose_answer_is_lost_is_not_lost() {
    let (world, server) = world(GREET);
    server.next(1, "PATCH", "configmaps/hello", Does::ActsAndHangsUp);
    world
        .go()
        .exits(40)
        .says("k8s::apply ConfigMap/default/hello was sent and its answer is not known")
        .says("runbook resume");
    let run = world.only();
    assert_eq!(world.journal(&run).of("effected").len(), 0, "no result is claimed");
    world.run(&format!("resume {run}")).exits(0);
    assert!(server.object(HELLO).is_some());
}

#[test]
fn a_verify_that_cannot_be_seen_after_a_change_is_unknown_not_false() {
    let (world, server) = world(
        "step(\"Greet\").change(|| k8s::apply(\"cm.yaml\"))\n    .verify(\"it is there\", || k8s::exists(\"Namespace/default\")).within(\"1s\");\n",
    );
    // one that a verify lists and watches; nothing else asks so
    server.when("GET", "metadata.name%3Ddefault", Does::Refuses(500, "InternalError", "etcdserver: no leader"));
    world.go().exits(40).says("could not be seen within 1s").says("etcdserver: no leader").says("runbook resume");
    server.heals();
    world.run(&format!("resume {}", world.only())).exits(0);
}

#[test]
fn a_server_that_goes_away_at_a_gate_is_waited_for_by_resume() {
    let (world, server) = world(TWO);
    world.go().exits(20);
    let run = world.only();
    world.run(&format!("approve {run}")).exits(0);
    server.when("", "", Does::HangsUp);
    world.run(&format!("resume {run}")).exits(12).says("cannot be reached").says("nothing was changed");
    server.heals();
    world.run(&format!("resume {run}")).exits(0);
}

#[test]
fn another_cluster_behind_the_same_context_is_refused() {
    let (world, _first) = world(TWO);
    world.go().exits(20);
    let run = world.only();
    let second = BadServer::start();
    second.is_staging_of(&world);
    world.run(&format!("resume {run}")).exits(31).says("another cluster than the one that run").says(&run);
    assert_eq!(second.count("PATCH"), 0);
}

#[test]
fn a_context_pinned_to_another_cluster_is_refused() {
    let (world, server) = world(GREET);
    world.file("runbook.toml", "[contexts.staging]\nuid = \"00000000-0000-0000-0000-000000000000\"\n");
    world.go().exits(31).says("not the cluster that it is pinned to").says("00000000-0000");
    assert_eq!(server.count("PATCH"), 0);
}

#[test]
fn what_preflight_could_not_ask_is_said_once_for_each_reason_and_stops_nothing() {
    let pod = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: default}}\nspec: {{containers: [{{name: c, image: i, envFrom: [{{secretRef: {{name: login-{name}}}}}, {{configMapRef: {{name: map-{name}}}}}]}}]}}\n"
        )
    };
    let items = "step(\"All\").change(|| k8s::apply(\"pods.yaml\")).verify(\"so\", || true).undo(\"by hand\");\n";
    let (world, server) = world(items);
    world.file("pods.yaml", (0..6).map(|n| pod(&format!("p{n}"))).collect::<Vec<_>>().join("---\n"));
    let refuse_lists = || {
        for (part, message) in [
            (
                "/default/secrets",
                "secrets is forbidden: User \"eve\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\"",
            ),
            (
                "/default/configmaps",
                "configmaps is forbidden: User \"eve\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\"",
            ),
        ] {
            server.when("GET", part, Does::Refuses(403, "Forbidden", message));
        }
    };
    refuse_lists();
    server.when("GET", "/resourcequotas", Does::Refuses(500, "InternalError", "etcdserver: no leader"));
    server.when(
        "PATCH",
        "/pods/p3?fieldManager=runbook&fieldValidation=Strict&dryRun=All",
        Does::Refuses(503, "ServiceUnavailable", "try later"),
    );
    let ended = world.run("plan p.rhai --context staging -o json");
    let found = ended.json()["findings"].as_array().unwrap().clone();
    let unchecked: Vec<&str> = found
        .iter()
        .filter(|finding| finding["rule"] == "unchecked")
        .map(|finding| finding["message"].as_str().unwrap())
        .collect();
    assert_eq!(unchecked.len(), 2, "{ended}");
    assert_eq!(
        unchecked[0],
        "whether ConfigMap/default/map-p0, ConfigMap/default/map-p1, ConfigMap/default/map-p2 and 9 more are there could not be checked: account eve may not: list configmaps and secrets in namespace default",
        "{ended}"
    );
    assert!(unchecked[1].contains("the API server gave no answer that counts"), "{ended}");
    assert!(unchecked[1].contains("how much room the quotas leave in namespace default"), "{ended}");
    assert!(unchecked[1].contains("whether the API server would accept Pod/default/p3"), "{ended}");
    // and a run goes on
    server.heals();
    refuse_lists();
    world.go().says("preflight  1 warning").says("account eve may not").says("one/all  started");
}

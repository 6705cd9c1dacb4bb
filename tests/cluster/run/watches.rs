//! Watches that break in the middle of a verify: cut, kept away, too old; and kinds that come late. What is asked is
//! counted by a server in front of the real one, which also breaks the way to it.

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Notify;

use super::{World, eventually, play};
use crate::{
    apiserver::{self, Client, Cluster},
    badserver::{BadServer, Does},
};

/// A world whose context `watched` is a server by way of another one in front of it, with one step and its verify.
struct Way {
    front: BadServer,
    world: World,
    ns: String,
}

impl Way {
    fn to(server: &Cluster, ns: &str, verify: &str) -> Self {
        Self::of(server.client(), ns, verify)
    }

    /// The same, as whoever has this client.
    fn of(client: &Client, ns: &str, verify: &str) -> Self {
        let front = BadServer::before(client.url(), client.http());
        let world = World::new("[contexts.watched]\n", &[]);
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "users": [{ "name": "u", "user": {} }],
            "clusters": [{ "name": "c", "cluster": { "server": front.url() } }],
            "contexts": [{ "name": "watched", "context": { "cluster": "c", "user": "u" } }],
        });
        world.file("kubeconfig", &config.to_string());
        let step = format!(
            "step(\"Write\").change(|| k8s::apply(#{{ apiVersion: \"v1\", kind: \"ConfigMap\",
    metadata: #{{ name: \"a\", namespace: \"{ns}\" }} }})).verify(\"the signal came\", || {verify}).within(\"2m\");"
        );
        world.file("p.rhai", &play("\"watched\"", "true", &step));
        Self { front, world, ns: ns.to_owned() }
    }

    /// What the verify reads, where it reads the signal alone.
    fn signal(ns: &str) -> String {
        format!("k8s::get(\"PodTemplate/{ns}/signal\").metadata.labels.go == \"yes\"")
    }

    /// Lists and watches of the signal so far.
    fn count(&self) -> [usize; 2] {
        let path = format!("GET /api/v1/namespaces/{}/podtemplates?", self.ns);
        let asked = self.front.asked();
        let (watches, lists): (Vec<_>, Vec<_>) =
            asked.iter().filter(|asked| asked.starts_with(&path)).partition(|asked| asked.contains("watch=1"));
        [lists.len(), watches.len()]
    }

    /// Waits until it has been watched so often.
    fn watched(&self, times: usize) {
        eventually("it is watched", || (self.count()[1] >= times).then_some(()));
    }

    /// How long after this moment the step was verified, in ms.
    fn seen_after(&self, run: &str, moment: Timestamp) -> i128 {
        let verified = self.world.sees(run, "step.verified", |_| true);
        verified["t"].as_str().unwrap().parse::<Timestamp>().unwrap().duration_since(moment).as_millis()
    }
}

fn send_signal(server: &Cluster, ns: &str, name: &str, go: &str) {
    server.apply(&format!(
        "{{apiVersion: v1, kind: PodTemplate, metadata: {{name: {name}, namespace: {ns}, labels: {{go: '{go}'}}}},
           template: {{spec: {{containers: [{{name: c, image: x}}]}}}}}}"
    ));
}

#[test]
fn a_watch_that_is_cut_is_read_anew_and_while_nobody_answers_nothing_is_known() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("cut");
    let way = Way::to(server, &ns, &Way::signal(&ns));
    let mut live = way.world.start("run p.rhai --context watched");
    let run = way.world.new_run(&[]);
    let observed = |verdict: &str| way.world.sees(&run, "verify.observed", |p| p["verdict"] == verdict);
    observed("not-yet");
    way.watched(1);
    let before = way.count();

    // cut, and served again at once: a list and a watch, each time
    for times in 1..=3 {
        way.front.cuts();
        way.watched(1 + times);
        assert_eq!(way.count(), [before[0] + times, before[1] + times]);
    }

    // cut and kept away, while what is waited for comes true
    way.front.shuts();
    let (shut, knocked) = (Instant::now(), way.front.turned_away());
    let unknown = observed("unknown");
    assert!(unknown["p"]["reason"].as_str().unwrap().starts_with("unknown since 20"), "{unknown}");
    send_signal(server, &ns, "signal", "yes");
    eventually("it has tried again and again", || (way.front.turned_away() >= knocked + 3).then_some(()));
    let knocks = way.front.turned_away() - knocked;
    println!("shut for {:?}: {knocks} connections", shut.elapsed());
    // 50 ms, and twice as long each time
    assert!(shut.elapsed().as_millis() > 1000, "{:?}", shut.elapsed());
    assert!(live.works());
    let journal = way.world.journal(&run);
    assert!(journal.of("step.verified").is_empty(), "it came true where nobody could see it");
    assert_eq!(journal.of("verify.observed").last().unwrap()["verdict"], "unknown");
    way.front.opens();
    let opened = Timestamp::now();
    live.ends().exits(0);
    println!("open again -> seen: {} ms", way.seen_after(&run, opened));
    // the watch is opened only where it still has to wait
    let lists = before[0] + 4;
    assert!([[lists, before[1] + 3], [lists, before[1] + 4]].contains(&way.count()), "{:?}", way.count());
}

#[test]
fn a_watch_that_breaks_without_a_word_fails_no_verify_that_holds() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("silent");
    let way = Way::to(server, &ns, &Way::signal(&ns));
    let playbook = std::fs::read_to_string(way.world.path("p.rhai")).unwrap();
    way.world.file("p.rhai", &playbook.replace("within(\"2m\")", "within(\"3s\")"));
    way.front.next(1, "GET", "watch=1", Does::Stalls(Arc::new(Notify::new())));
    let live = way.world.start("run p.rhai --context watched");
    let run = way.world.new_run(&[]);
    way.watched(1);
    let before = way.count();
    send_signal(server, &ns, "signal", "yes");
    live.ends().exits(0);
    // only at the end of its time, by one more list
    let verified = &way.world.journal(&run).of("step.verified")[0]["verifies"][0];
    assert!(verified["took"].as_str().unwrap().starts_with('3'), "{verified}");
    assert_eq!(way.count(), [before[0] + 1, before[1]]);
}

#[test]
fn a_resource_version_that_the_server_has_forgotten_is_answered_410_and_listed_again() {
    let Some(server) = Cluster::start("forgets") else { return };
    server.uid();
    let ns = server.namespace("gone");
    let way = Way::to(&server, &ns, &Way::signal(&ns));
    // the first watch brings nothing from the beginning, as behind a proxy that is stuck
    let told = Arc::new(Notify::new());
    way.front.next(1, "GET", "watch=1", Does::Stalls(told.clone()));
    let live = way.world.start("run p.rhai --context watched");
    let run = way.world.new_run(&[]);
    way.world.sees(&run, "verify.observed", |p| p["verdict"] == "not-yet");
    way.watched(1);
    let before = way.count();
    for n in 0..5 {
        send_signal(&server, &ns, "other", &n.to_string());
    }
    send_signal(&server, &ns, "signal", "yes");
    // what it had kept of changes is gone with it
    server.stop_api();
    server.start_api();
    let path = format!("/api/v1/namespaces/{ns}/podtemplates?resourceVersion=0");
    let kept = || server.client().read(&path)["items"].as_array().map(Vec::len);
    eventually("its watch cache is filled", || (kept() == Some(2)).then_some(()));
    assert!(way.world.journal(&run).of("step.verified").is_empty());
    let ends = Timestamp::now();
    told.notify_one();
    live.ends().exits(0);
    println!("a watch that is too old ends -> seen: {} ms", way.seen_after(&run, ends));
    let refused = way.front.refused();
    let gone: Vec<_> = refused.iter().filter(|said| said.contains("\"code\":410")).collect();
    assert!(matches!(gone[..], [said] if said.contains("too old resource version")), "{refused:?}");
    println!("{}", gone[0].trim_end());
    // it went on where it was, was told that this is too old, and listed
    let [lists, watches] = way.count();
    assert_eq!(lists, before[0] + 1);
    assert!((before[1] + 1..=before[1] + 2).contains(&watches), "{watches}");
}

#[test]
fn a_verify_that_may_not_watch_lists_again_at_a_pace_that_slows_down() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("polls");
    let user = format!("user-{ns}");
    server.permit_identity(&user);
    let rules = "{apiGroups: [''], resources: [podtemplates], verbs: [get, list]}, {apiGroups: [''], resources: [configmaps], verbs: [get, create, patch]}";
    server.permit(&user, &ns, rules);
    let way = Way::of(&server.client_as(&user, &[]), &ns, &Way::signal(&ns));
    let live = way.world.start("run p.rhai --context watched");
    let run = way.world.new_run(&[]);
    way.watched(1);
    let (began, before) = (Instant::now(), way.count());
    eventually("it lists", || (way.count()[0] >= before[0] + 5).then_some(()));
    println!("5 lists in {:?}", began.elapsed());
    // after 250 ms, and half as long again each time
    assert!(began.elapsed().as_millis() > 2500, "{:?}", began.elapsed());
    send_signal(server, &ns, "signal", "yes");
    let sent = Timestamp::now();
    live.ends().exits(0).says("PodTemplate cannot be watched, so it is listed again and again");
    println!("sent -> seen by polling: {} ms", way.seen_after(&run, sent));
    let [lists, watches] = way.count();
    assert!(lists <= before[0] + 7 && watches == 1, "{lists} {watches}");
    let refused = way.front.refused();
    assert!(refused.iter().any(|said| said.contains("watch=1") && said.contains("403")), "{refused:?}");
}

#[test]
fn a_kind_that_is_served_only_while_a_verify_waits_for_one_of_it_is_seen() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = server.namespace("late-kind");
    let group = format!("{ns}.example.com");
    let way = Way::to(server, &ns, &format!("k8s::get(\"Widget.{group}/{ns}/one\").spec.size == 3"));
    let live = way.world.start("run p.rhai --context watched");
    let run = way.world.new_run(&[]);
    let seen = way.world.sees(&run, "verify.observed", |p| p["verdict"] == "not-yet");
    assert!(seen.to_string().contains("Widget"), "{seen}");
    let definitions = || {
        way.front
            .asked()
            .iter()
            .filter(|asked| asked.contains("customresourcedefinitions") && asked.contains("watch=1"))
            .count()
    };
    eventually("definitions are watched", || (definitions() > 0).then_some(()));
    let before = way.front.asked().len();
    let defined = Timestamp::now();
    server.apply(&format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: widgets.{group}}}
spec:
  group: {group}
  names: {{kind: Widget, plural: widgets}}
  scope: Namespaced
  versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}]
"
    ));
    let path = format!("GET /apis/{group}/v1/namespaces/{ns}/widgets?");
    let watched = || way.front.asked().iter().any(|asked| asked.starts_with(&path) && asked.contains("watch=1"));
    eventually("the kind is watched", || watched().then_some(()));
    let found = Timestamp::now();
    println!("defined -> watched: {} ms", found.duration_since(defined).as_millis());
    let widget = json!({ "apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": { "name": "one" }, "spec": { "size": 3 } });
    let at = format!("/apis/{group}/v1/namespaces/{ns}/widgets/one");
    server.client().apply_at(&at, widget.to_string().into_bytes());
    let made = Timestamp::now();
    live.ends().exits(0);
    println!("made -> seen: {} ms", way.seen_after(&run, made));
    let asked = way.front.asked().len() - before;
    println!("requests from the definition to the end: {asked}");
    assert!(asked < 40, "{:#?}", way.front.asked());
    server.client().delete(&format!("CustomResourceDefinition/widgets.{group}"));
}

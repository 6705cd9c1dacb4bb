//! What preflight says of a change that others depend on, or that nobody looked at before: against a real API server.

use super::{World, play};
use crate::apiserver;

/// A `ConfigMap`, and a Deployment that reads it.
fn settings_and_shop(server: &apiserver::Cluster, name: &str) -> String {
    let ns = server.namespace(name);
    server.apply(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings, namespace: {ns}}}, data: {{a: '1'}}}}"
    ));
    server.apply(&format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: shop, namespace: {ns}}}, spec: {{replicas: 0, selector: {{matchLabels: {{app: shop}}}}, \
         template: {{metadata: {{labels: {{app: shop}}}}, spec: {{containers: [{{name: c, image: i}}], volumes: [{{name: v, configMap: {{name: settings}}}}]}}}}}}}}"
    ));
    ns
}

/// What a run says that changes the settings, with what its playbook declares beside it, and does before.
fn said(server: &apiserver::Cluster, ns: &str, declared: &str, before: &str, exit: i32) -> String {
    let world = World::new("[contexts.staging]\n", &[("staging", server)]);
    let items = format!(
        "{declared}\nstep(\"Change\"){before}.change(|| k8s::patch(\"ConfigMap/NS/settings\", #{{ data: #{{ a: \"2\" }} }}))
    .verify(\"so\", || k8s::get(\"ConfigMap/NS/settings\").data.a == \"2\").within(\"5s\");"
    );
    world.file("p.rhai", &play("\"staging\"", &format!("k8s::exists(\"Namespace/{ns}\")"), &items.replace("NS", ns)));
    let ended = world.run("run p.rhai --context staging");
    ended.exits(exit);
    ended.err.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_depends_on_a_change_and_is_in_no_risk_is_found_with_the_field_that_shows_why() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = settings_and_shop(server, "blast");
    let words = said(server, &ns, "", "", 0);
    let found = format!(
        "1 object depends on ConfigMap/{ns}/settings, and no risk names what: Deployment/{ns}/shop \
         (spec.template.spec.volumes[0].configMap)"
    );
    assert!(words.contains(&found), "{words}");
    assert!(words.contains(&format!("risk(\"…\").affects([\"Deployment/{ns}/shop\"])")), "{words}");
    // as it is by now, the change changes nothing
    let words = said(server, &ns, "", "", 0);
    assert!(!words.contains("no risk names") && !words.contains("nothing in the playbook read"), "{words}");
}

#[test]
fn what_a_risk_names_is_known_and_an_unknown_blast_radius_is_acknowledged() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    for (name, affects, exit) in [
        ("named", ".affects([\"deployments/NS/shop\"])", 0),
        ("inside", ".affects([\"Namespace/NS\"])", 0),
        ("unknown", ".unknown_blast_radius(\"nobody wrote it down\")", 20),
    ] {
        let ns = settings_and_shop(server, name);
        let risk = format!("risk(\"the shop does not start\"){affects}.rollback(\"put it back\");");
        let words = said(server, &ns, &risk, "", exit);
        assert!(!words.contains("no risk names"), "{name}: {words}");
        assert_eq!(
            words.contains("its blast radius is not known: nobody wrote it down"),
            exit == 20,
            "{name}: {words}"
        );
    }
    // a risk of another context says nothing about this one
    let ns = settings_and_shop(server, "elsewhere");
    let risk =
        "risk(\"the shop does not start\").on([\"main\"]).affects([\"Namespace/NS\"]).rollback(\"put it back\");";
    assert!(said(server, &ns, risk, "", 0).contains("and no risk names what"));
}

#[test]
fn a_change_of_what_nothing_read_before_is_found_and_any_look_before_it_will_do() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = settings_and_shop(server, "unread");
    let unread = "it is there, and nothing in the playbook read it before";
    let words = said(server, &ns, "", "", 0);
    assert!(words.contains(&format!("step one/change changes ConfigMap/{ns}/settings: {unread}")), "{words}");
    for (name, declared, before) in [
        ("precheck", "", ".precheck(\"it has a\", || k8s::get(\"ConfigMap/NS/settings\").data.a == \"1\")"),
        ("listed", "discover(\"maps\", [], || k8s::list(\"configmaps\", \"NS\").map(|m| m.metadata.name));", ""),
        (
            "assumed",
            "const REF = \"cm/NS/settings\";\nassume(\"it is there\", \"medium\", || k8s::exists(REF)).impact(\"x\");",
            "",
        ),
        ("earlier", "step(\"Look\").verify(\"it is there\", || k8s::exists(\"ConfigMap/NS/settings\"));", ""),
    ] {
        let ns = settings_and_shop(server, name);
        let words = said(server, &ns, declared, before, 0);
        assert!(!words.contains("nothing in the playbook read"), "{name}: {words}");
    }
}

#[test]
fn kinds_that_may_not_be_listed_are_said_and_stop_nothing() {
    let Some(clusters) = apiserver::shared() else { return };
    let server = clusters.staging();
    let ns = settings_and_shop(server, "unlisted");
    let user = format!("user-{ns}");
    server.permit_identity(&user);
    server.permit(&user, &ns, "{apiGroups: [''], resources: [configmaps], verbs: [get, list, watch, patch]}");
    let world = World::new("[contexts.staging]\n", &[]);
    world.kubeconfig_of(&[("staging", server.kubeconfig_as(&user, &[]))], None);
    let step = "step(\"Change\").change(|| k8s::patch(\"ConfigMap/NS/settings\", #{ data: #{ a: \"2\" } }))
    .verify(\"so\", || k8s::get(\"ConfigMap/NS/settings\").data.a == \"2\").within(\"5s\");";
    let verify = format!("k8s::exists(\"ConfigMap/{ns}/settings\")");
    world.file("p.rhai", &play("\"staging\"", &verify, &step.replace("NS", &ns)));
    world
        .run("run p.rhai --context staging")
        .exits(0)
        .says("not all could be checked: account")
        .says("depends on what is changed");
}

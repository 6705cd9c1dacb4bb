use super::*;
use crate::{
    check::check as all_rules,
    model::{Item, Place, Severity, Touch, Verb},
    script::{Setting, Sources, Texts, declare},
};
use std::sync::Arc;

/// Phrases that name a solution, each with its points: what its words add up to.
const FIRES: [(&str, i32); 34] = [
    // the plainest two
    ("Add a fallback ingress controller", 3),
    ("Add rook-ceph PVC", 3),
    // a build verb alone
    ("Deploy Grafana", 2),
    ("Install the metrics stack on both nodes", 2),
    ("Replace the old database", 2),
    ("Migrate the photos to the new disks", 2),
    ("Switch to the other provider", 2),
    ("Enabling compression everywhere", 2),
    // behind an opening
    ("Please add a second replica", 2),
    ("We should use Loki for our logs", 3),
    ("We need to deploy Velero", 3),
    ("Let's create a NetworkPolicy per namespace", 3),
    ("I want to enable the MutatingAdmissionPolicy feature gate", 3),
    // with what, and by which means
    ("Use Helm for the monitoring namespace", 3),
    ("Install Prometheus via its operator", 4),
    ("Migrate backups from restic to kopia using VolSync", 4),
    ("Replace ingress-nginx by Envoy Gateway", 4),
    ("Create the secret by running a CronJob", 4),
    ("Grafana is reached by an HTTPRoute on the shared gateway", 2),
    ("Secrets come from Vault via External-Secrets", 2),
    // a solution that is missed, where a problem would stand
    ("There is no PVC for the photos", 2),
    ("Immich needs a PVC for its photos", 2),
    ("We lack a service mesh", 2),
    ("Lack of a NetworkPolicy in the namespace web", 2),
    ("The API has no cache in front of it", 2),
    ("The team needs an ingress controller on staging", 2),
    ("A missing PodDisruptionBudget for the database", 2),
    // what is no measure and no reason
    ("Add a 10Gi PVC to immich", 3),
    ("Add a CronJob every 5 minutes", 3),
    ("Use Kubernetes 1.33 on all nodes", 2),
    ("Add a PVC, not an emptyDir", 3),
    ("Create an error page for the gateway", 3),
    ("Add an ingress controller (INC-42)", 2),
    // a measure does not make up for it
    ("Install Loki via Helm using the new chart so that search answers within 2 seconds", 2),
];

/// Phrases that say what is wrong, for whom, or what will be seen.
const SILENT: [(&str, i32); 38] = [
    // the plainest two
    ("Users can't access the app when Tailscale is down", -1),
    ("Immich needs persistent storage for photos on main cluster", -2),
    // what somebody cannot do
    ("On-call has no dashboards while an incident is running", -2),
    ("Nobody can restore a photo that was deleted last week", -2),
    ("The app cannot reach its database after a node reboot", -2),
    ("Developers are not able to see the logs of their own pods", -2),
    ("The scheduler never places the batch pods on main", -2),
    ("Restores of the photos fail when the volume is larger than the node's disk", -2),
    ("Add a fallback ingress controller: users cannot log in when Tailscale is down", 1),
    // what is seen
    ("Requests time out between 9 and 10 on weekdays", -2),
    ("The shop answers 502s during each rollout", -2),
    ("The nightly backup takes six hours", -2),
    ("Pods of the namespace media are stuck in ContainerCreating", -2),
    ("The volume of the registry is full", -2),
    ("The certificate of the gateway expires on Friday", -1),
    ("The nodes run a Talos older than v1.13.2", -2),
    ("The registry's image has CVE-2025-1234 open", -2),
    ("The kubelet restarts the ingress controller every hour", -1),
    ("Secrets are rotated by hand, and each time one is forgotten", -1),
    ("Replace the old database, which loses writes at midnight", 0),
    ("Deploy Velero: a lost volume is lost for good", 1),
    // needed for what
    ("The build farm needs more memory for its nightly jobs", -1),
    ("On-call needs a view of the queue depth during incidents", -1),
    // so that, or a measure
    ("Deploy Grafana so that on-call sees what is going on", 0),
    ("Add a cache so that the start page is there at once", 1),
    ("Use the new disks so that a restore ends within ten minutes", 0),
    ("Restores end within 10 minutes", -2),
    ("Latency of the API is under 200ms at p99", -2),
    ("99.9% of requests are answered", -2),
    ("https://grafana.example.com answers 200", -2),
    // what is there in the end
    ("Grafana answers on its route in the target cluster", 0),
    ("Every node runs the new version and takes pods", 0),
    ("Every backup of the namespace media is a kopia snapshot that restores", 1),
    ("The ExternalSecrets of web are in sync", 1),
    ("We use Helm 3 everywhere", 1),
    // no build verb in front
    ("The team will add a second cluster next year", 0),
    // a link to what happened
    ("Enable retries, see https://git.example.com/ops/incidents/42", 1),
    ("Switch the resolver, see incident 7", 1),
];

fn own(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn a_phrase_that_names_a_solution_fires() {
    for (phrase, points) in FIRES {
        let score = score(phrase, &own(&[]));
        assert_eq!((score.points, score.problem), (points, false), "{phrase}");
        assert!(score.fires(), "{phrase}");
    }
}

#[test]
fn a_phrase_that_says_what_is_wrong_or_what_is_seen_is_silent() {
    let odd = SILENT.iter().map(|(phrase, points)| (phrase, points, score(phrase, &own(&[]))));
    let odd: Vec<_> = odd.filter(|(_, points, score)| score.points != **points || score.fires()).collect();
    assert!(odd.is_empty(), "{odd:#?}");
}

#[test]
fn the_names_of_what_a_plan_is_about_are_no_mechanisms() {
    let phrase = "The redis of the shop is reached by its Service, and there is no redis on main";
    assert!(score(phrase, &own(&[])).fires(), "redis as a means");
    assert_eq!(score(phrase, &own(&["redis"])).points, -2, "it is not there, and it is what the plan is about");
    // a context's name, a name of two words, and one that is only a part of another
    assert_eq!(score("The vault answers on vault", &own(&["vault"])).points, 0);
    assert_eq!(score("There is no shared gateway on staging", &own(&["shared gateway", "staging"])).points, -2);
    assert_eq!(score("Photos are in rook-ceph", &own(&["rook"])).points, 1);
}

fn plan(more: &str) -> Plan {
    let text = format!("plan(\"p\"){more}; phase(\"x\").goal(\"g\"); step(\"s\").change(|| 1).verify(\"v\", || true);");
    let sources: Arc<dyn Sources> = Arc::new(Texts::new("p.rhai", &text));
    let declared = declare(&sources, &Setting::default());
    assert!(declared.complete, "{:?}", declared.findings);
    declared.plan
}

fn found(plan: &Plan) -> Vec<Finding> {
    let mut found = vec![];
    check(plan, &mut found);
    found
}

#[test]
fn it_is_asked_once_and_the_phrase_is_kept_as_it_is_written() {
    let only = |plan: &Plan| {
        let found = found(plan);
        assert_eq!(found.len(), 1, "{found:#?}");
        found.into_iter().next().unwrap()
    };
    let one =
        only(&plan(".problem(\"Add a fallback ingress controller\").outcome(\"Users log in while the VPN is away\")"));
    assert_eq!((one.rule.as_str(), one.severity), ("idea-names-a-solution", Severity::Warning));
    assert_eq!(one.message, "the problem reads like a solution: \"Add a fallback ingress controller\"");
    assert_eq!(
        one.help,
        [
            "What happens today, for whom, without this?",
            "kept as candidate approach #1: \"Add a fallback ingress controller\"",
        ]
    );
    assert_eq!(one.place, Some(Place::new("p.rhai", 1, 1)));
    let both = only(&plan(".problem(\"Add rook-ceph PVC\").outcome(\"Use Helm\")"));
    assert_eq!(both.message, "the problem and the outcome read like solutions: \"Add rook-ceph PVC\", \"Use Helm\"");
    assert_eq!(both.help.len(), 3, "one question, two approaches: {both:?}");
    let outcome = only(&plan(".problem(\"Nobody sees the logs\").outcome(\"Install Loki\")"));
    assert!(outcome.message.starts_with("the outcome reads like a solution"), "{outcome:?}");
}

#[test]
fn it_is_silent_where_problem_and_outcome_are_both_there() {
    let silent =
        plan(".problem(\"Users can't access the app when Tailscale is down\").outcome(\"They log in while it is\")");
    assert!(found(&silent).is_empty());
    // nothing is there to be read: readiness asks for it
    assert!(found(&plan("")).is_empty());
}

#[test]
fn what_has_to_be_done_anyway_is_asked_about_in_other_words() {
    let asked = |kind: &str| {
        let found =
            found(&plan(&format!(".kind(\"{kind}\").problem(\"Replace the CA of the gateway\").outcome(\"x\")")));
        found.first().map(|finding| finding.help[0].clone())
    };
    for kind in ["maintenance", "mandated", "drill"] {
        assert_eq!(asked(kind).as_deref(), Some("What happens if not done, by when?"), "{kind}");
    }
    assert_eq!(asked("change").as_deref(), Some("What happens today, for whom, without this?"));
    assert_eq!(asked("emergency"), None, "nobody is asked for wording then");
}

#[test]
fn workloads_services_and_contexts_of_the_plan_are_its_own_names() {
    let more =
        ".service(\"Immich\").contexts([\"vault\"]).problem(\"There is no redis, no immich, no vault\").outcome(\"y\")";
    let mut plan = plan(more);
    assert_eq!(found(&plan).len(), 1, "redis is a mechanism until a step touches one of that name");
    let Item::Step(step) = &mut plan.phases[0].items[0] else { panic!("a step") };
    step.trial =
        vec![Touch::new(Verb::Apply, "ConfigMap/web/settings"), Touch::new(Verb::Apply, "StatefulSet.apps/web/redis")];
    assert!(found(&plan).is_empty());
    assert_eq!(own_names(&plan), own(&["immich", "redis", "vault"]));
}

#[test]
fn which_cluster_is_a_hint_of_its_own() {
    let text = ".problem(\"Nobody sees the logs of the cluster\").outcome(\"Logs are found\")";
    let found_in = |contexts: &str| found(&plan(&format!("{text}.contexts([{contexts}])")));
    let several = found_in("\"staging\", \"main\"");
    assert_eq!(several.len(), 1);
    assert_eq!((several[0].rule.as_str(), several[0].severity), ("which-cluster", Severity::Note));
    assert_eq!(several[0].message, "the problem speaks of \"the cluster\", and the plan has `staging` and `main`");
    assert!(found_in("\"staging\"").is_empty(), "there is one");
    // none is named at all: readiness says so, with the question
    let text = "plan(\"p\").problem(\"Add rook-ceph PVC\").outcome(\"y\");";
    let sources: Arc<dyn Sources> = Arc::new(Texts::new("p.rhai", text));
    let all = all_rules(&declare(&sources, &Setting::default()));
    let none = all.iter().find(|finding| finding.rule == "no-contexts").expect("no context is named");
    assert!(none.help.iter().any(|help| help.contains("which cluster needs this")), "{none:?}");
}

//! The migration from restic to kopia, on a real API server that is as the cluster was when it was planned. No kubelet and
//! no controller runs there: the test plays the pod that mounts the export, the job, Flux, external-secrets and `VolSync`.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{World, inside::end_this_job};
use crate::{
    apiserver::{
        Cluster, Controllers,
        kubelet::{Ends, Kubelet},
    },
    migration,
};

const PLAYBOOK: &str = "migrate-volsync-kopia.rhai";

/// Copies the playbook and its folder.
fn copy(world: &World) -> String {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
    let folder = "migrate-volsync-kopia";
    for part in ["", "guide", "tried"] {
        fs::create_dir_all(world.path(folder).join(part)).unwrap();
        for entry in fs::read_dir(from.join(folder).join(part)).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_file() {
                fs::copy(&entry, world.path(folder).join(part).join(entry.file_name().unwrap())).unwrap();
            }
        }
    }
    let playbook = fs::read_to_string(from.join(PLAYBOOK)).unwrap();
    world.file(PLAYBOOK, &playbook);
    playbook
}

/// The version of every object that the playbook could have changed, and of every one that it could have made.
fn versions(cluster: &Cluster) -> BTreeMap<String, String> {
    let lists = [
        "/api/v1/namespaces",
        "/api/v1/configmaps",
        "/api/v1/secrets",
        "/api/v1/pods",
        "/api/v1/persistentvolumeclaims",
        "/apis/batch/v1/jobs",
        "/apis/external-secrets.io/v1/clustersecretstores",
        "/apis/external-secrets.io/v1/externalsecrets",
        "/apis/helm.toolkit.fluxcd.io/v2/helmreleases",
        "/apis/source.toolkit.fluxcd.io/v1/ocirepositories",
        "/apis/volsync.backube/v1alpha1/replicationsources",
    ];
    let all = lists.iter().flat_map(|list| {
        let items = cluster.client().read(list)["items"].as_array().unwrap().clone();
        items.into_iter().map(move |item| {
            let meta = &item["metadata"];
            (format!("{list}/{}/{}", meta["namespace"], meta["name"]), meta["resourceVersion"].to_string())
        })
    });
    all.collect()
}

#[test]
fn preflight_finds_the_seven_on_a_real_api_server_and_once_they_are_corrected_the_migration_is_done() {
    let Some(cluster) = Cluster::start("staging") else { return };
    let Some(()) = cluster.crds(&["fluxcd", "external-secrets"]) else { return };
    let mut world =
        World::new("[contexts.staging]\n[tools.task]\nread = [[\"--list-all\"]]\n", &[("staging", &cluster)]);
    let playbook = copy(&world);
    let path = migration::tools(&world.machine("bin"));
    world.env.push(("PATH", path.into()));
    // as it was: the pod that mounts the export is played
    let read = |name: &str| fs::read_to_string(world.path("migrate-volsync-kopia").join(name)).unwrap();
    cluster.apply(&read("crds.yaml"));
    cluster.wait("CustomResourceDefinition/replicationsources.volsync.backube", "it is served", |crd| {
        let conditions = crd["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|one| one["type"] == "Established" && one["status"] == "True")
    });
    let as_it_was: Vec<String> = read("as-it-was.yaml").split("---\n").map(ToOwned::to_owned).collect();
    for document in as_it_was.iter().filter(|document| !document.contains("kind: Pod\n")) {
        cluster.apply(document);
    }
    let kubelet = Kubelet::play(&cluster);
    kubelet.pod("storage", "toolbox", "{app: toolbox}");
    let made = Arc::new(AtomicBool::new(false));
    let there = made.clone();
    kubelet.runs(move |command| {
        assert_eq!(command.argv, ["ls", "-A", "/repository"]);
        Ends::printing(if there.load(Ordering::SeqCst) { "kopia.repository.f\n" } else { "" })
    });

    // no controller runs yet: whatever is written now, the run wrote
    let before = versions(&cluster);
    world.run(&format!("run {PLAYBOOK} --context staging")).exits(12).says("nothing was changed");
    let first = world.new_run(&[]);
    let journal = world.journal(&first);
    migration::are_found(&journal.of("preflight.finished")[0]);
    assert!(journal.of("effect").is_empty());
    assert_eq!(versions(&cluster), before, "nothing was written");
    assert_eq!(kubelet.ran().len(), 1, "the export was looked at");

    let _controllers = Controllers::everywhere(&cluster);
    world.file(PLAYBOOK, &migration::corrected(&playbook));
    let live = world.start(&format!("run {PLAYBOOK} --context staging"));
    end_this_job(&cluster, &kubelet, ("storage", "kopia-create-repository"), "Initialized repository\n", false);
    made.store(true, Ordering::SeqCst);
    live.ends().exits(20).says("Does the kopia server show the repository").says("kopia.repository.f");
    let run = world.new_run(&[first]);
    for (code, words) in [(20, "\"immich first\" is done"), (0, "its outcome was verified")] {
        world.run(&format!("approve {run}")).exits(0);
        world.run(&format!("resume {run}")).exits(code).says(words);
    }
    for app in ["immich", "paperless"] {
        assert_eq!(cluster.get(&format!("ReplicationSource/media/{app}")).unwrap()["spec"]["paused"], true);
        let kopia = cluster.get(&format!("ReplicationSource/media/{app}-kopia")).unwrap();
        assert_eq!(kopia["status"]["latestMoverStatus"]["result"], "Successful", "{kopia}");
        assert!(kopia["spec"]["trigger"]["manual"].is_null(), "the schedule is in force again: {kopia}");
    }
}

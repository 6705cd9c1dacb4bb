//! A cluster in which workloads come up: kube-controller-manager, kube-scheduler, and kwok, which plays two nodes.
//!
//! Some pods do not come up (see `tests/workloads/stages.yaml`): those with the label `kubelet.test/plays`, as `crash` or
//! `fail`, and those with the image `app:nowhere`.

use std::path::Path;

use super::{Cluster, assets, available, crds::once, flux, keeper, kubeconfig, or_not_run, pki};

const NAME: &str = "workloads";
const NODES: [&str; 2] = ["node-a", "node-b"];

/// The cluster with controllers that every test of a run shares, or nothing where it cannot be had (which is said aloud).
pub fn shared() -> Option<Cluster> {
    let (servers, controllers) = (or_not_run(available())?, or_not_run(assets::workloads())?);
    let flux = assets::flux().ok();
    let more = |dir: &Path| {
        prepare(dir, &controllers);
        if let Some(programs) = &flux {
            flux::prepare(dir, programs);
        }
    };
    let held = keeper::shared(NAME, &keeper::Set { assets: &servers, names: &[NAME], more: &more });
    let cluster = Cluster::of(&held, NAME);
    once(&cluster.dir, "nodes", || join(&cluster));
    Some(cluster)
}

impl Cluster {
    /// As [`Cluster::namespace`], on a cluster with controllers: returns once pods are taken there.
    pub fn namespace_for_pods(&self, prefix: &str) -> String {
        let namespace = self.namespace(prefix);
        self.wait(&format!("ServiceAccount/{namespace}/default"), "it is there", |_| true);
        namespace
    }
}

/// Command lines of the controllers.
fn prepare(dir: &Path, programs: &Path) {
    let path = |file: &str| dir.join(file).to_str().unwrap().to_owned();
    let as_user = |user: &str| {
        let (cert, key) = pki::Ca::read(dir).client(user, &[]);
        let read = |file: &str| std::fs::read_to_string(dir.join(file)).unwrap();
        let file = dir.join(format!("kubeconfig-{}", user.replace(':', "-")));
        kubeconfig::write(
            &file,
            &[kubeconfig::Entry { name: NAME, url: &read("url"), ca: &read("ca.crt"), cert: &cert, key: &key }],
        );
        file.to_str().unwrap().to_owned()
    };
    let alone = [("leader-elect", "false".to_owned()), ("secure-port", "0".to_owned())];
    let manager = [
        ("kubeconfig", as_user("system:kube-controller-manager")),
        ("use-service-account-credentials", "true".to_owned()),
        ("service-account-private-key-file", path("sa.key")),
        ("root-ca-file", path("ca.crt")),
        ("cluster-signing-cert-file", path("ca.crt")),
        ("cluster-signing-key-file", path("ca.key")),
        ("horizontal-pod-autoscaler-sync-period", "1s".to_owned()),
    ];
    let manager = [&manager[..], &alone].concat();
    keeper::serve(dir, "controller-manager", &[], &programs.join("kube-controller-manager"), &manager);
    let scheduler = [&[("kubeconfig", as_user("system:kube-scheduler"))], &alone[..]].concat();
    keeper::serve(dir, "scheduler", &[], &programs.join("kube-scheduler"), &scheduler);
    let stages = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workloads/stages.yaml");
    let kwok = [
        ("kubeconfig", path("kubeconfig")),
        ("config", programs.join("stages.yaml").to_str().unwrap().to_owned()),
        ("config", stages.to_str().unwrap().to_owned()),
        ("manage-all-nodes", "true".to_owned()),
        // Without leases the node lifecycle controller would call the nodes lost after 40 s.
        ("node-lease-duration-seconds", "40".to_owned()),
        ("cidr", "10.244.0.0/16".to_owned()),
        ("server-address", String::new()),
    ];
    keeper::serve(dir, "kwok", &[], &programs.join("kwok"), &kwok);
}

/// Registers the nodes, as their kubelets would, and waits until they take pods.
fn join(cluster: &Cluster) {
    for node in NODES {
        cluster.apply(&format!(
            "{{apiVersion: v1, kind: Node, metadata: {{name: {node}, labels: {{kubernetes.io/hostname: {node}, kubernetes.io/os: linux}}}}}}"
        ));
    }
    for node in NODES {
        cluster.wait(&format!("Node/{node}"), "it is Ready and takes pods", |node| {
            let ready = |c: &&serde_json::Value| c["type"] == "Ready" && c["status"] == "True";
            let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.iter().any(|c| ready(&c)) && node["spec"]["taints"].is_null()
        });
    }
}

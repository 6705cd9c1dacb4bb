//! The migration from restic to kopia: what was taken for true and what is so, the tools that know, and the corrections.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

/// Each of the seven: what was assumed, and words of what preflight has to find instead.
pub const SEVEN: [(&str, &[&str]); 7] = [
    (
        "the feature gate of MutatingAdmissionPolicy just works",
        &["MutatingAdmissionPolicy is not served", "--feature-gates=MutatingAdmissionPolicy=true", "--runtime-config="],
    ),
    ("MutatingAdmissionPolicy is served as v1beta1", &["not served as v1beta1", "v1alpha1 from 1.32 on"]),
    (
        "the ClusterSecretStore is named onepassword",
        &["ClusterSecretStore/onepassword does not exist; there is `ClusterSecretStore/onepassword-connect`"],
    ),
    ("names its ConfigMap kopia-config", &["there is no `ConfigMap/kopia-config`; there are `ConfigMap/kopia` and"]),
    ("task talos:apply puts", &["there is no `talos:apply`; there are `talos:apply-node`, `talos:upgrade-node`"]),
    ("the kopia repository is there already", &["there is no `kopia.repository.f`; there is nothing"]),
    ("the reference pattern were tried", &["field not declared in schema"]),
];

/// The lines of the playbook as they were made, and as they are corrected.
const CORRECTIONS: [(&str, &str); 7] = [
    ("const BY_POLICY = true;", "const BY_POLICY = false;"),
    ("const POLICY_VERSION = \"v1beta1\";", "const POLICY_VERSION = \"v1alpha1\";"),
    ("const STORE = \"onepassword\";", "const STORE = \"onepassword-connect\";"),
    ("const CONFIG = \"kopia-config\";", "const CONFIG = \"kopia\";"),
    ("const NODE_TASK = \"talos:apply\";", "const NODE_TASK = \"talos:apply-node\";"),
    ("const REPOSITORY_IS_THERE = true;", "const REPOSITORY_IS_THERE = false;"),
    ("const PATTERN = \"guide\";", "const PATTERN = \"tried\";"),
];

/// The playbook with the seven corrected, and nothing else.
pub fn corrected(playbook: &str) -> String {
    CORRECTIONS.iter().fold(playbook.to_owned(), |text, (made, so)| {
        assert_eq!(text.matches(made).count(), 1, "the playbook states once: {made}");
        text.replace(made, so)
    })
}

const HELM: &str = "#!/bin/sh
case \" $* \" in *' template kopia '*) ;; *) false ;; esac || { echo \"this helm only renders\" >&2; exit 1; }
printf '%s\\n' --- '# Source: app-template/templates/common.yaml' 'apiVersion: v1' 'kind: ConfigMap' 'metadata:' '  name: kopia' \\
    --- 'apiVersion: apps/v1' 'kind: Deployment' 'metadata:' '  name: kopia'
";

const TASK: &str = "#!/bin/sh
[ \"$*\" = '--list-all --json' ] || { echo \"task: $1: no such task\" >&2; exit 200; }
echo '{\"tasks\":[{\"name\":\"flux:reconcile\"},{\"name\":\"talos:apply-node\"},{\"name\":\"talos:upgrade-node\"}]}'
";

/// Writes a helm that renders the chart, and a task that lists what there is, into a folder; gives the PATH with it.
pub fn tools(folder: &Path) -> String {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in [("helm", HELM), ("task", TASK)] {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// Fails unless a journal's preflight found all seven, each as one error with what was assumed, what is so and what follows.
#[track_caller]
pub fn are_found(preflight: &serde_json::Value) {
    let findings: Vec<&serde_json::Value> =
        preflight["findings"].as_array().unwrap().iter().filter(|finding| finding["rule"] == "assumption").collect();
    assert_eq!(findings.len(), SEVEN.len(), "{findings:#?}");
    for (finding, (assumed, found)) in findings.iter().zip(SEVEN) {
        assert_eq!(finding["severity"], "error", "{finding}");
        let lines: Vec<&str> = finding["message"].as_str().unwrap().lines().collect();
        assert!(lines[0].starts_with("assumed: ") && lines[0].contains(assumed), "{assumed}: {lines:#?}");
        assert!(lines[1].starts_with("found: "), "{lines:#?}");
        for words in found {
            assert!(lines[1].contains(words), "{words}: {lines:#?}");
        }
        assert!(lines[2].starts_with("impact: ") && lines[3].starts_with("source: "), "{lines:#?}");
    }
}

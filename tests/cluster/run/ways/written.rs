//! Ways that stand in what a playbook writes.

use super::LABEL;

/// Name, the call, and the words that name the way.
type Way = (&'static str, String, &'static str);

pub(super) fn ways() -> Vec<Way> {
    [arguments(), places(), tools(), programs(), variables()].concat()
}

fn run(argv: &str) -> String {
    format!("cmd::run([{argv}])")
}

/// Arguments of kubectl that choose a cluster, or who is asking.
fn arguments() -> Vec<Way> {
    let kubectl = |more: &str| format!("cmd::run([\"kubectl\", {LABEL}, {more}])");
    vec![
        (
            "--context before",
            run(&format!("\"kubectl\", \"--context\", \"main\", {LABEL}")),
            "`--context` may not be given",
        ),
        ("--context after", kubectl("\"--context\", \"main\""), "`--context` may not be given"),
        ("--context=", kubectl("\"--context=main\""), "`--context` may not be given"),
        ("--context after --", kubectl("\"--\", \"--context=main\""), "`--context` may not be given"),
        ("--cluster", kubectl("\"--cluster\", \"main\""), "`--cluster` may not be given"),
        ("--user", kubectl("\"--user=main\""), "`--user` may not be given"),
        ("--server", kubectl("\"--server\", \"URL\""), "`--server` may not be given"),
        ("-s", kubectl("\"-s\", \"URL\""), "`-s` may not be given"),
        ("-sURL", kubectl("\"-sURL\""), "`-s` may not be given"),
        (
            "-s in a group",
            run("\"kubectl\", \"auth\", \"can-i\", \"-qs\", \"URL\", \"delete\", \"ns\""),
            "`-s` may not be given",
        ),
        ("--kubeconfig", kubectl("\"--kubeconfig\", \"other.kubeconfig\""), "`--kubeconfig` may not be given"),
        ("--as", kubectl("\"--as=admin\""), "`--as` may not be given"),
        ("--as-group", kubectl("\"--as_group=system:masters\""), "`--as_group` may not be given"),
        ("--token", kubectl("\"--token\", \"abc\""), "`--token` may not be given"),
        ("--kuberc", kubectl("\"--kuberc=evil\""), "`--kuberc` may not be given"),
        ("--tls-server-name", kubectl("\"--tls-server-name=main\""), "`--tls-server-name` may not be given"),
        ("config use-context", run("\"kubectl\", \"config\", \"use-context\", \"main\""), "nothing may change it"),
        ("config set-cluster", run("\"kubectl\", \"config\", \"set-cluster\", \"c\""), "nothing may change it"),
        ("a kubectl plugin", run("\"kubectl\", \"foo\", \"main\""), "plugins and unknown subcommands are refused"),
    ]
}

/// Places that kubectl would read from.
fn places() -> Vec<Way> {
    vec![
        (
            "get --raw URL",
            run("\"kubectl\", \"get\", \"--raw\", \"URL/api/v1/namespaces\""),
            "takes a path of this cluster's API, not a URL",
        ),
        (
            "apply -f URL",
            run("\"kubectl\", \"apply\", \"-f\", \"URL/x.yaml\""),
            "would be fetched while the playbook runs",
        ),
        (
            "apply -Rf URL",
            run("\"kubectl\", \"apply\", \"-Rf\", \"URL/x.yaml\""),
            "would be fetched while the playbook runs",
        ),
        ("apply -k URL", run("\"kubectl\", \"apply\", \"-k\", \"URL/x\""), "would be fetched while the playbook runs"),
        ("kubectl proxy", run("\"kubectl\", \"proxy\""), "does not end by itself"),
        (
            "a remote base",
            run("\"kubectl\", \"apply\", \"-k\", \"./remote\""),
            "takes in `https://example.com/base` (resources[0]), which would be fetched",
        ),
        (
            "a base outside",
            run("\"kubectl\", \"apply\", \"-k\", \"./outside\""),
            "which is not below the playbook's folder",
        ),
        (
            "a file outside",
            run("\"kubectl\", \"apply\", \"-f\", \"../other.yaml\""),
            "which is not below the playbook's folder",
        ),
    ]
}

/// The same of the other tools.
fn tools() -> Vec<Way> {
    vec![
        ("kustomize build URL", run("\"kustomize\", \"build\", \"URL/x\""), "would be fetched while the playbook runs"),
        (
            "helm --kube-context",
            run("\"helm\", \"uninstall\", \"shop\", \"--kube-context\", \"main\""),
            "`--kube-context` may not be given",
        ),
        (
            "helm --kube-apiserver",
            run("\"helm\", \"uninstall\", \"shop\", \"--kube-apiserver=URL\""),
            "`--kube-apiserver` may not be given",
        ),
        (
            "helm --kubeconfig",
            run("\"helm\", \"list\", \"--kubeconfig\", \"other.kubeconfig\""),
            "`--kubeconfig` may not be given",
        ),
        ("helm --kube-token", run("\"helm\", \"list\", \"--kube-token=abc\""), "`--kube-token` may not be given"),
        (
            "a helm plugin",
            run("\"helm\", \"secrets\", \"upgrade\", \"shop\""),
            "plugins and unknown subcommands are refused",
        ),
        (
            "a helm downloader plugin",
            run("\"helm\", \"upgrade\", \"shop\", \"s3://charts/shop\""),
            "is fetched by a plugin, which runs anything",
        ),
        (
            "a helm post-renderer",
            run("\"helm\", \"upgrade\", \"shop\", \"oci://x/y\", \"--post-renderer\", \"./evil\""),
            "a post-renderer is a program",
        ),
        (
            "flux --context",
            run("\"flux\", \"suspend\", \"ks\", \"apps\", \"--context\", \"main\""),
            "`--context` may not be given",
        ),
        (
            "flux --kubeconfig",
            run("\"flux\", \"get\", \"ks\", \"--kubeconfig=other.kubeconfig\""),
            "`--kubeconfig` may not be given",
        ),
        ("flux --server", run("\"flux\", \"get\", \"ks\", \"--server\", \"URL\""), "`--server` may not be given"),
        (
            "flux bootstrap",
            run("\"flux\", \"bootstrap\", \"git\", \"--url\", \"URL\""),
            "propose the commit with git::propose",
        ),
        (
            "talosctl --context",
            run("\"talosctl\", \"--context\", \"main\", \"-n\", \"10.0.0.1\", \"reboot\""),
            "`--context` may not be given",
        ),
        (
            "talosctl --talosconfig",
            run("\"talosctl\", \"--talosconfig\", \"x\", \"-n\", \"10.0.0.1\", \"reboot\""),
            "`--talosconfig` may not be given",
        ),
        (
            "talosctl upgrade-k8s --endpoint",
            run("\"talosctl\", \"-n\", \"10.0.0.1\", \"upgrade-k8s\", \"--endpoint\", \"URL\""),
            "`--endpoint` may not be given",
        ),
        ("talosctl without a node", run("\"talosctl\", \"reboot\""), "it does not say which node"),
        (
            "talosctl kubeconfig",
            run("\"talosctl\", \"-n\", \"10.0.0.1\", \"kubeconfig\""),
            "it writes credentials or configuration",
        ),
        (
            "gcloud --project",
            run("\"gcloud\", \"compute\", \"instances\", \"delete\", \"a\", \"--project\", \"main\""),
            "`--project` may not be given",
        ),
        (
            "a project in a name",
            run("\"gcloud\", \"compute\", \"instances\", \"delete\", \"projects/main/zones/z/instances/a\""),
            "names its project itself",
        ),
        (
            "gcloud get-credentials",
            run("\"gcloud\", \"container\", \"clusters\", \"get-credentials\", \"main\""),
            "writes a kubeconfig",
        ),
        ("git push", run("\"git\", \"push\", \"other\", \"main\""), "use git::propose"),
        ("git --exec-path", run("\"git\", \"--exec-path=x\", \"status\""), "`--exec-path` may not be given"),
    ]
}

/// Programs that run another one, and kubectl by another name.
fn programs() -> Vec<Way> {
    vec![
        ("sh -c", run("\"sh\", \"-c\", \"kubectl --context main delete ns THE-NS\""), "`sh` can run anything"),
        (
            "/bin/bash -c",
            run("\"/bin/bash\", \"-c\", \"kubectl --context main delete ns THE-NS\""),
            "`/bin/bash` can run anything",
        ),
        ("python3 -c", run("\"python3\", \"-c\", \"import os\""), "`python3` can run anything"),
        (
            "env",
            run("\"env\", \"KUBECONFIG=other.kubeconfig\", \"kubectl\", \"delete\", \"ns\", \"THE-NS\""),
            "`env` runs another command",
        ),
        ("xargs", run("\"xargs\", \"kubectl\", \"--context\", \"main\""), "`xargs` runs another command"),
        ("sudo", run("\"sudo\", \"kubectl\", \"get\", \"ns\""), "`sudo` runs another command"),
        ("/usr/bin/kubectl", run(&format!("\"/usr/bin/kubectl\", {LABEL}")), "`/usr/bin/kubectl` is a path"),
        ("./kubectl", run(&format!("\"./kubectl\", {LABEL}")), "`./kubectl` is a path"),
        ("a symlink of another name", run(&format!("\"./k\", {LABEL}")), "no rule knows the tool `./k`"),
    ]
}

/// Variables that decide what a tool reaches.
fn variables() -> Vec<Way> {
    let names = [
        "KUBECONFIG",
        "HELM_KUBECONTEXT",
        "HELM_KUBEAPISERVER",
        "HELM_KUBETOKEN",
        "HELM_PLUGINS",
        "KUBERC",
        "KUBERNETES_SERVICE_HOST",
        "TALOSCONFIG",
        "CLOUDSDK_CORE_PROJECT",
        "HOME",
        "XDG_CONFIG_HOME",
        "HTTPS_PROXY",
        "all_proxy",
        "PATH",
        "GIT_SSH_COMMAND",
        "LD_PRELOAD",
    ];
    let call = |name: &str| format!("cmd::run([\"kubectl\", {LABEL}], #{{ env: #{{ {name}: \"URL\" }} }})");
    names.iter().map(|name| (*name, call(name), "it decides what a tool reaches")).collect()
}

use super::*;

fn class(line: &str) -> Result<Class, Refused> {
    classify(&words(line), &BTreeMap::new())
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(ToOwned::to_owned).collect()
}

fn kind(line: &str) -> Kind {
    class(line).unwrap_or_else(|refused| panic!("{line}: {refused}")).kind
}

fn refused(line: &str) -> String {
    match class(line) {
        Ok(class) => panic!("{line} is allowed: {class:?}"),
        Err(refused) => refused.to_string(),
    }
}

#[test]
fn what_reads_is_read_and_what_changes_is_a_change() {
    use Kind::{Change, DryRunnable, Read};
    for (line, expected) in [
        ("kubectl get pods -A -o json", Read),
        ("kubectl -n monitoring --request-timeout=5s get pods", Read),
        ("kubectl get --raw /healthz", Read),
        ("kubectl logs -fp pod/x", Read),
        ("kubectl auth can-i create pods", Read),
        ("kubectl rollout status deploy/x", Read),
        ("kubectl rollout -n x status deploy/x", Read),
        ("kubectl rollout restart deploy/x", Change),
        ("kubectl rollout undo deploy/x", DryRunnable),
        ("kubectl apply -f manifests/", DryRunnable),
        ("kubectl apply --dry-run=server -f manifests/", Read),
        ("kubectl apply view-last-applied deploy/x", Read),
        ("kubectl create secret generic x --from-literal=a=b", DryRunnable),
        ("kubectl create configmap token", DryRunnable),
        ("kubectl patch deploy/x -p{\"spec\":{}}", DryRunnable),
        ("kubectl exec -n x pod -- sh -s --context=of-the-inner-command", Change),
        ("kubectl exec -i pod -- cat", Change),
        ("flux get kustomizations -A", Read),
        ("flux -n apps get sources git", Read),
        ("flux reconcile source git flux-system", Change),
        ("flux create source git x --url=https://example.com/x", DryRunnable),
        ("flux create source git x --export", Read),
        ("flux delete ks apps -s", Change),
        ("helm list -A -o json", Read),
        ("helm upgrade --install x oci://ghcr.io/x", DryRunnable),
        ("helm uninstall x", DryRunnable),
        ("helm uninstall x --dry-run", Read),
        ("talosctl -n 10.0.0.2 get members -o json", Read),
        ("talosctl -n 10.0.0.2 service etcd status", Read),
        ("talosctl -n 10.0.0.2 service etcd restart", Change),
        ("talosctl -n 10.0.0.2 rotate-ca", Read),
        ("talosctl -n 10.0.0.2 rotate-ca --dry-run=false", Change),
        ("talosctl validate -m metal --strict -c machine.yaml", Read),
        ("kustomize build overlays/main", Read),
        ("gcloud compute instances describe delete", Read),
        ("gcloud compute instances delete list", Change),
        ("gcloud projects list --format=json", Read),
        ("git log --oneline", Read),
        ("git -C repo branch --show-current", Read),
        ("git branch new", Change),
        ("git branch -D --list old", Change),
        ("git tag", Read),
        ("git tag v1", Change),
        ("git stash list", Read),
        ("git commit -m x", Change),
    ] {
        assert_eq!(kind(line), expected, "{line}");
    }
}

#[test]
fn another_cluster_is_not_reached_in_any_way_to_write_it() {
    for line in [
        "kubectl --context main get pods",
        "kubectl get pods --context=main",
        "kubectl get pods --kubeconfig /x",
        "kubectl get pods -s https://main",
        "kubectl get pods -shttps://main",
        "kubectl get pods -As https://main",
        "kubectl get pods -s=https://main",
        "kubectl logs -fs https://main pod",
        "kubectl get pods --as_group=system:masters",
        "kubectl get pods --as admin --as-uid=1",
        "kubectl get pods --token=x",
        "kubectl get pods --insecure-skip-tls-verify",
        "kubectl -n -- get pods --context=main",
        "kubectl exec pod -n -- sh --server=x",
        "flux get ks --context main",
        "flux get ks --server=https://main",
        "helm --kube-context main list",
        "helm list --kube-apiserver=https://main",
        "talosctl --talosconfig x -n 10.0.0.1 get members",
        "talosctl --context=main -n 10.0.0.1 reboot",
        "gcloud projects list --project other",
        "gcloud projects list --proj=other",
        "gcloud projects list --p=other",
        "kubectl auth can-i -qs https://main get pods",
        "kubectl get pods -- --context=main",
        "flux get ks -- --context main",
        "talosctl -n 10.0.0.1 upgrade-k8s --endpoint https://main",
        "talosctl -n 10.0.0.1 health --k8s-endpoint=https://main",
        "helm list --kube_context=main",
        "gcloud projects list --flags-file=x",
        "git log --git-dir=/other/.git",
        "git fetch --upload-p=evil",
    ] {
        let message = refused(line);
        assert!(message.contains("may not be given") && message.contains("--context"), "{line}: {message}");
    }
}

#[test]
fn what_is_unknown_or_unattended_or_runs_anything_is_refused() {
    for (line, part) in [
        ("kubectl gte pods", "did you mean `kubectl get`?"),
        ("kubectl rollout restrat deploy/x", "did you mean `kubectl rollout restart`?"),
        ("kubectl rollout", "`kubectl rollout` needs a subcommand"),
        ("kubectl", "needs a subcommand"),
        ("kubectl tree deploy x", "plugins and unknown subcommands are refused"),
        ("kubectl create foo", "no rule knows `kubectl create foo`"),
        ("kubectl create --field-manager mgr token sa", "`token` in"),
        ("kubectl create token sa", "credential"),
        ("kubectl apply -f x edit-last-applied", "may be a subcommand"),
        ("kubectl --unknown get pods", "stands before the subcommand"),
        ("kubectl edit deploy/x", "waits for a person"),
        ("kubectl port-forward svc/x 80", "does not end by itself"),
        ("kubectl exec -it pod -- sh", "no terminal"),
        ("kubectl exec pod ls", "write -- before the inner command"),
        ("kubectl delete --raw /api/v1/namespaces/x", "--raw"),
        ("kubectl config use-context main", "nothing may change it"),
        ("kubectl config view --raw", "credentials"),
        ("kubectl apply -f https://example.com/x.yaml", "would be fetched"),
        ("kubectl apply -Rf https://example.com/x.yaml", "would be fetched"),
        ("kubectl apply -Rfhttps://example.com/x.yaml", "would be fetched"),
        ("kubectl get --raw https://main:6443/api", "not a URL"),
        ("kubectl get --raw=https://main:6443/api", "not a URL"),
        ("gcloud compute instances delete projects/other/zones/z/instances/a", "names its project itself"),
        (
            "gcloud compute instances list --filter=x --zone=https://www.googleapis.com/compute/v1/projects/other/zones/z",
            "names its project itself",
        ),
        ("kubectl apply -k github.com/x/y", "would be fetched"),
        ("kubectl apply --dry-run=none -f x", "write --dry-run=server"),
        ("kubectl apply --dry-run=client -f x", "write --dry-run=server"),
        ("kubectl apply --dry_run=none -f x", "write --dry-run=server"),
        ("kubectl apply --dry-run -f x", "write --dry-run=server"),
        ("kubectl rollout status -l app=x", "ends with 0"),
        ("flux get externalsecrets", "no rule knows `flux get externalsecrets`"),
        ("flux get kustomization --watch", "does not end by itself"),
        ("flux delete ks apps", "--silent"),
        ("flux bootstrap github", "git::propose"),
        ("helm diff upgrade x .", "plugins and unknown subcommands"),
        ("helm install x . --post-renderer ./evil", "post-renderer"),
        ("helm upgrade x . --dry-run", "write --dry-run=server"),
        ("talosctl reboot", "which node"),
        ("talosctl etcd bogus", "no rule knows `talosctl etcd bogus`"),
        ("talosctl -n 1 apply-config --insecure -f x", "without the cluster's identity"),
        ("talosctl -n 1 apply-config --dry-run --mode=try -f x", "cancels a rollback"),
        ("talosctl -n 1 apply-config --mode=interactive -f x", "waits for a person"),
        ("talosctl -n 1 apply -m interactive -f x", "waits for a person"),
        ("kustomize build --enable-exec .", "run programs"),
        ("kustomize build https://github.com/x/y", "would be fetched"),
        ("gcloud container clusters get-credentials x", "writes a kubeconfig"),
        ("gcloud alpha compute instances list", "no rule knows"),
        ("gcloud compute instances simulate-maintenance-event list", "no rule knows"),
        ("git push origin main", "git::propose"),
        ("git -c core.pager=evil log", "stands before the subcommand"),
        ("git config core.pager evil", "decides what git runs"),
        ("git diff --output=x", "writes a file"),
        ("./kubectl get pods", "write \"kubectl\""),
        ("sudo kubectl get pods", "name that command itself"),
        ("sh -c kubectl", "[tools.sh]"),
        ("sh -c kubectl", "read = []\n  change = [[\"-c\"]]"),
        ("python3 -c print", "change = [[\"-c\"]]"),
        ("task --list-all", "read = []    # only what surely changes nothing\n  change = [[\"--list-all\"]]"),
        ("kubctl get pods", "did you mean `kubectl`?"),
        ("./deploy.sh --now", "[tools.\"./deploy.sh\"]"),
    ] {
        let message = refused(line);
        assert!(message.contains(part), "{line}: {message}");
    }
    assert!(classify(&[], &BTreeMap::new()).is_err());
}

#[test]
fn the_context_is_named_before_anything_that_could_swallow_it() {
    let of =
        |line: &str, rehearsal| class(line).expect(line).command(&words(line), Some("staging"), rehearsal).join(" ");
    assert_eq!(of("kubectl -n x get pods", false), "kubectl --context staging -n x get pods");
    assert_eq!(of("kubectl apply -f x", false), "kubectl --context staging apply -f x");
    assert_eq!(of("kubectl apply -f x", true), "kubectl --context staging apply --dry-run=server -f x");
    // -l swallows the script's flag; the one that is set stands where nothing can.
    assert_eq!(
        of("kubectl delete pods -l --dry-run=server", false),
        "kubectl --context staging delete --dry-run=server pods -l --dry-run=server"
    );
    assert_eq!(of("kubectl rollout restart deploy/x", true), "kubectl --context staging rollout restart deploy/x");
    assert_eq!(of("helm uninstall x", true), "helm --kube-context staging uninstall --dry-run x");
    assert_eq!(of("flux install", true), "flux --context staging install --export");
    assert_eq!(of("gcloud projects list", false), "gcloud --project staging --quiet projects list");
    assert_eq!(of("git log", false), "git --no-pager log");
}

#[test]
fn files_nodes_and_stdin_are_told() {
    let files = |line: &str| class(line).expect(line).files;
    assert_eq!(files("kubectl apply -f a.yaml,b.yaml --filename=c -k d"), ["a.yaml", "b.yaml", "c", "d"]);
    assert_eq!(files("kubectl create cm x --from-file=key=../secret --from-env-file env"), ["../secret", "env"]);
    assert_eq!(files("kubectl logs -f pod"), [""; 0]);
    assert_eq!(files("kustomize build overlays/main"), ["overlays/main"]);
    assert_eq!(files("kubectl apply -Rf a --recursive -Rfb"), ["a", "b"]);
    assert_eq!(
        files("talosctl -n 1 apply-config -f machine.yaml -p @p.yaml -p {\"a\":1,\"b\":2}"),
        ["machine.yaml", "@p.yaml"]
    );
    assert_eq!(files("talosctl validate -m metal -c machine.yaml"), ["machine.yaml"]);
    assert_eq!(files("helm upgrade x oci://x -if values.yaml"), ["values.yaml"]);
    let stdin = class("kubectl apply -f -").expect("allowed");
    assert!(stdin.reads_stdin && stdin.files.is_empty());
    let talos = class("talosctl -n 10.0.0.1,10.0.0.2 get members -e 10.0.0.9").expect("allowed");
    assert_eq!((talos.nodes.join(" ").as_str(), talos.reach), ("10.0.0.1 10.0.0.2 10.0.0.9", Reach::Talosconfig));
    let grouped = class("talosctl -n 1 netstat -an 2 -kn3").expect("allowed");
    assert_eq!(grouped.nodes, ["1", "2", "3"]);
    assert_eq!(class("talosctl -n 1 health --worker-nodes 2,3").expect("allowed").nodes, ["1", "2", "3"]);
}

#[test]
fn a_declared_tool_is_known_by_its_prefixes_and_never_held_to_the_context() {
    let decl: ToolDecl = toml::from_str(
        "read = [[\"--list-all\"], [\"db\", \"status\"]]\nchange = [[\"talos:*\"], [\"db\"]]\ncluster = \"kubeconfig\"",
    )
    .expect("a declaration");
    let declared = BTreeMap::from([("task".to_owned(), decl)]);
    let class = |line: &str| classify(&words(line), &declared);
    let told = |line: &str| class(line).map(|c| (c.kind, c.subcommand, c.held_to_context, c.reach));
    assert_eq!(told("task --list-all"), Ok((Kind::Read, "--list-all".into(), false, Reach::Kubeconfig)));
    assert_eq!(told("task talos:upgrade x"), Ok((Kind::Change, "talos:upgrade".into(), false, Reach::Kubeconfig)));
    assert_eq!(class("task db status").map(|c| c.kind), Ok(Kind::Read));
    assert_eq!(class("task db migrate").map(|c| c.kind), Ok(Kind::Change));
    let message = class("task --list-al").expect_err("undeclared").to_string();
    assert!(message.contains("did you mean `task --list-all`?") && message.contains("[tools.task]"), "{message}");
    let kubectl = BTreeMap::from([("kubectl".to_owned(), ToolDecl { read: vec![vec![]], ..ToolDecl::default() })]);
    assert!(classify(&words("kubectl edit x"), &kubectl).is_err(), "a declaration does not replace the rules");
}

#[test]
fn every_row_of_every_table_is_found_by_its_own_words() {
    for tool in TOOLS {
        for (row, rule) in tool.rows {
            let words: Vec<&str> = row.split(' ').map(|word| word.split('|').next().unwrap_or(word)).collect();
            let argv: Vec<String> = [&[tool.name], words.as_slice()].concat().iter().map(ToString::to_string).collect();
            if let Err(refused) = classify(&argv, &BTreeMap::new()) {
                assert!(!refused.message.contains("no rule knows"), "{argv:?}: {refused}");
                assert!(!refused.message.contains("may be a subcommand"), "{argv:?}: {refused} {rule:?}");
            }
        }
    }
}

mod never_panics {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn on_any_arguments(
            tool in prop::sample::select(vec!["kubectl", "flux", "helm", "talosctl", "kustomize", "gcloud", "git", "x"]),
            args in prop::collection::vec("(--?[a-z_é-]{0,8}=?|[a-z]{0,6}|get|apply|create|--|-f|.{0,4})", 0..6),
        ) {
            let argv: Vec<String> = std::iter::once(tool.to_owned()).chain(args).collect();
            if let Ok(class) = classify(&argv, &BTreeMap::new()) {
                let command = class.command(&argv, Some("c"), true);
                prop_assert!(command.len() >= argv.len());
            }
        }
    }
}

//! What prints secrets by type: whatever is in it, nobody looks at it to find out.

use super::flags::values;

/// Whether what a command prints is secret by type: values of Secrets, machine configs and their diffs, the values and
/// manifests of releases, credentials.
pub(super) fn prints(tool: &str, subcommand: &str, args: &[String]) -> bool {
    let has = |names: &[&str]| args.iter().any(|arg| names.contains(&arg.split('=').next().unwrap_or_default()));
    match tool {
        "kubectl" => kubectl(subcommand, args),
        "helm" => matches!(subcommand, "get all" | "get hooks" | "get manifest" | "get values"),
        "talosctl" => talosctl(subcommand, args),
        "flux" => {
            subcommand.starts_with("create secret")
                || (subcommand.starts_with("debug") && has(&["--show-values", "--show-vars"]))
                || has(&["--with-credentials"])
        }
        _ => false,
    }
}

/// Objects as they are, with a Secret among them.
fn kubectl(subcommand: &str, args: &[String]) -> bool {
    let raw = values(args, "--raw", None, "").into_iter().any(|path| path.contains("/secrets"));
    let made = subcommand.starts_with("create secret");
    let kept = subcommand == "apply view-last-applied";
    raw || ((made || names_secrets(args)) && (kept || prints_objects(args)))
}

/// Whether an argument names Secrets: `secret`, `secrets/x`, `configmaps,secrets`.
fn names_secrets(args: &[String]) -> bool {
    let is_secret = |part: &str| {
        let kind = part.split(['/', '.']).next().unwrap_or_default().to_ascii_lowercase();
        kind == "secret" || kind == "secrets"
    };
    args.iter().any(|arg| arg.split(',').any(is_secret))
}

/// Whether more than a table or names is printed, in any way to write `--output`.
fn prints_objects(args: &[String]) -> bool {
    let outputs = values(args, "--output", Some('o'), "AhRwpq");
    outputs.iter().any(|output| !matches!(*output, "name" | "wide"))
        || args.iter().any(|arg| arg.split('=').next() == Some("--template"))
}

/// Resources that hold keys, the node's own files, and what is about a machine config.
fn talosctl(subcommand: &str, args: &[String]) -> bool {
    let names = |parts: &[&str]| args.iter().any(|arg| parts.iter().any(|part| arg.to_lowercase().contains(part)));
    match subcommand {
        "get" | "g" => names(&["machineconfig", "secret", "cert", "rootca"]) || args.iter().any(|arg| arg == "mc"),
        "read" | "cat" => names(&["/system/", "/etc/kubernetes", "/secrets", "config.yaml", ".key"]),
        "apply-config" | "apply" | "patch" => names(&["--dry-run"]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::classify;

    fn is_secret(line: &str) -> bool {
        let argv: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
        classify(&argv, &std::collections::BTreeMap::new()).unwrap_or_else(|refused| panic!("{line}: {refused}")).secret
    }

    #[test]
    fn what_prints_values_is_secret_by_type_and_a_table_is_not() {
        for (line, secret) in [
            ("kubectl get secret x -o yaml", true),
            ("kubectl get secrets/x -ojson", true),
            ("kubectl -n web get Secrets.v1. -Ao json", true),
            ("kubectl get configmap,secret --output=jsonpath={.items}", true),
            ("kubectl get secret x --template={{.data}}", true),
            ("kubectl get --raw=/api/v1/namespaces/web/secrets/x", true),
            ("kubectl get --raw /api/v1/namespaces/web/secrets", true),
            ("kubectl create secret generic x --from-literal=a=b --dry-run=server -o yaml", true),
            ("kubectl patch secret x --type=merge --patch={} -o yaml", true),
            ("kubectl apply view-last-applied secret/x", true),
            ("kubectl get secret x", false),
            ("kubectl get secrets -A -o name", false),
            ("kubectl get secrets -owide", false),
            ("kubectl get pods -o yaml", false),
            ("kubectl describe secret x", false),
            ("kubectl get externalsecrets -o yaml", false),
            ("helm get values shop -o json", true),
            ("helm get manifest shop", true),
            ("helm get notes shop", false),
            ("helm status shop -o json", false),
            ("talosctl -n 10.0.0.2 get mc -o yaml", true),
            ("talosctl -n 10.0.0.2 get machineconfigs v1alpha1 -o yaml", true),
            ("talosctl -n 10.0.0.2 get kubernetesrootsecrets -o yaml", true),
            ("talosctl -n 10.0.0.2 read /system/state/config.yaml", true),
            ("talosctl -n 10.0.0.2 apply-config --file machine.yaml --dry-run", true),
            ("talosctl -n 10.0.0.2 patch mc --patch-file patch.yaml --dry-run", true),
            ("talosctl -n 10.0.0.2 apply-config --file machine.yaml", false),
            ("talosctl -n 10.0.0.2 get members -o json", false),
            ("talosctl -n 10.0.0.2 read /proc/cpuinfo", false),
            ("flux debug hr shop --show-values", true),
            ("flux debug hr shop", false),
            ("flux create secret git x --url=https://example.com/x --export", true),
            ("flux export source git x --with-credentials", true),
            ("flux export source git x", false),
        ] {
            assert_eq!(is_secret(line), secret, "{line}");
        }
    }
}

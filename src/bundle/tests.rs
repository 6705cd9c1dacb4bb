use std::{fs, os::unix::fs::symlink};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn load(dir: &TempDir) -> Bundle {
    Bundle::load(&dir.path().join("a.rhai")).unwrap()
}

const NS: &str = "kind: Namespace\nmetadata: {name: x}\n";
const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\nstringData:\n  password: hunter22\n";

#[test]
fn files_come_by_path_by_folder_and_by_pattern_each_once() {
    let dir =
        folder(&[("a.rhai", "plan"), ("m/ns.yaml", NS), ("m/deep/x.yaml", "x"), ("m/.hidden", ""), ("b.txt", "b")]);
    let mut bundle = load(&dir);
    assert_eq!((bundle.entry(), bundle.script()), ("a.rhai", "plan"));
    assert_eq!(bundle.add("./m//ns.yaml").unwrap(), ["m/ns.yaml"]);
    assert_eq!(bundle.add("m/deep/../ns.yaml").unwrap(), ["m/ns.yaml"]);
    assert_eq!(bundle.add("m").unwrap(), ["m/deep/x.yaml", "m/ns.yaml"]);
    assert_eq!(bundle.add_glob("m/*.yaml").unwrap(), ["m/ns.yaml"]);
    assert_eq!(bundle.add_glob("m/**").unwrap(), ["m/deep/x.yaml", "m/ns.yaml"]);
    assert_eq!(bundle.add_glob("*.{txt,rhai}").unwrap(), ["a.rhai", "b.txt"]);
    assert_eq!(bundle.below("m").collect::<Vec<_>>(), ["m/deep/x.yaml", "m/ns.yaml"]);
    // what was read once is not read again
    fs::write(dir.path().join("m/ns.yaml"), "other").unwrap();
    bundle.add("m/ns.yaml").unwrap();
    assert_eq!(bundle.text("m/ns.yaml").unwrap(), NS);
}

#[test]
fn a_path_that_leads_out_is_refused_with_the_reason() {
    let dir = folder(&[("in/a.rhai", ""), ("out.yaml", "x"), ("in/real/x.yaml", "x")]);
    symlink("../out.yaml", dir.path().join("in/link.yaml")).unwrap();
    symlink("real", dir.path().join("in/inner")).unwrap();
    symlink(".", dir.path().join("in/loop")).unwrap();
    let mut bundle = Bundle::load(&dir.path().join("in/a.rhai")).unwrap();
    for (path, why) in [
        ("../out.yaml", "leads out"),
        ("real/../../out.yaml", "leads out"),
        ("/etc/passwd", "absolute"),
        ("link.yaml", "is a link to"),
        (".", "whole folder"),
        ("", "whole folder"),
        ("a\0b", "zero byte"),
    ] {
        let error = bundle.add(path).unwrap_err();
        assert!(error.to_string().contains(why), "{path}: {error}");
    }
    assert_eq!(bundle.add("inner").unwrap(), ["inner/x.yaml"]);
    assert!(bundle.add_glob("loop/**").unwrap_err().to_string().contains("too deep"));
}

#[test]
fn what_is_missing_is_named_with_the_nearest_existing_name() {
    let dir = folder(&[("a.rhai", ""), ("manifests/namespace.yaml", "")]);
    let mut bundle = load(&dir);
    for path in ["manifests/namespce.yaml", "manifest/namespace.yaml"] {
        let error = bundle.add(path).unwrap_err().to_string();
        assert!(error.contains("did you mean `manifests"), "{error}");
    }
    let error = bundle.add_glob("manifets/**").unwrap_err().to_string();
    assert!(error.contains("no file matches") && error.contains("`manifests`"), "{error}");
    let error = bundle.add_glob("manifests").unwrap_err().to_string();
    assert!(error.contains("`manifests/**`"), "a folder's files are all below it: {error}");
    assert!(bundle.add_glob("a[").unwrap_err().to_string().contains("is not a pattern"));
    let error = bundle.text("manifests/namespace.yaml").unwrap_err();
    assert_eq!(
        error.finding(None).help,
        ["say before the run that it is needed: files(\"manifests/namespace.yaml\");"]
    );

    let missing = |name: &str| Bundle::load(&dir.path().join(name)).unwrap_err().to_string();
    assert!(missing("b.rhai").contains("a.rhai`?"), "{}", missing("b.rhai"));
    assert!(missing("no/such/a.rhai").contains("no/such/a.rhai"));
    assert!(missing("").contains("a.rhai"), "{}", missing(""));
    assert!(missing("manifests").contains("without a playbook"));
    fs::write(dir.path().join("bin.rhai"), b"ok\n\xff\xfe").unwrap();
    assert!(missing("bin.rhai").contains("not UTF-8 text (line 2)"));
}

#[test]
fn a_file_that_is_too_large_and_a_pipe_are_refused_by_name() {
    let dir = folder(&[("a.rhai", "")]);
    let large = fs::File::create(dir.path().join("large.bin")).unwrap();
    large.set_len(FILE_LIMIT + 1).unwrap();
    assert!(load(&dir).add("large.bin").unwrap_err().to_string().contains("`large.bin` has 16777217 bytes"));
    for n in 0..4 {
        fs::File::create(dir.path().join(format!("part{n}"))).unwrap().set_len(FILE_LIMIT).unwrap();
    }
    fs::write(dir.path().join("part5"), "x").unwrap();
    let error = load(&dir).add_glob("part*").unwrap_err().to_string();
    assert!(error.contains("with `part5` the bundle"), "{error}");
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe"), rustix::fs::Mode::RUSR).unwrap();
    assert!(load(&dir).add("pipe").unwrap_err().to_string().contains("a pipe"));
}

#[test]
fn the_digest_covers_paths_and_contents_and_not_runbook_toml() {
    let dir = folder(&[("a.rhai", ""), ("x", "1"), ("y", "2")]);
    let with = |paths: &[&str]| {
        let mut bundle = load(&dir);
        for path in paths {
            bundle.add(path).unwrap();
        }
        bundle
    };
    assert_eq!(with(&["x", "y"]).digest(), with(&["y", "x"]).digest());
    assert_ne!(with(&["x"]).digest(), with(&["y"]).digest());
    let mut configured = with(&["x"]);
    configured.set_config(&Config::parse(Path::new("/c/runbook.toml"), "[contexts.a]\n").unwrap());
    assert_eq!(configured.digest(), with(&["x"]).digest());
    let before = with(&["x"]).digest();
    fs::write(dir.path().join("x"), "3").unwrap();
    assert_ne!(with(&["x"]).digest(), before);
}

#[test]
fn an_archive_brings_everything_back_but_what_is_secret() {
    let dir = folder(&[("a.rhai", "plan"), ("ns.yaml", NS), ("secret.yaml", SECRET), ("known.txt", "token abc")]);
    fs::write(dir.path().join("bin"), [0u8, 255, 7]).unwrap();
    let mut bundle = load(&dir);
    bundle.add_glob("*").unwrap();
    bundle.add_source("std/flux", "fn x() {}");
    bundle.set_config(&Config::parse(Path::new("/c/runbook.toml"), "[contexts.a]\n").unwrap());
    let bytes = bundle.to_bytes(&|bytes| bytes.windows(3).any(|part| part == b"abc")).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(!text.contains("hunter22") && !text.contains("token abc"), "{text}");
    // no digest that could be tried against guesses without the archive's key
    assert!(!text.contains(Digest::of(SECRET).as_str()));

    let mut read = Bundle::from_bytes(&bytes).unwrap();
    assert_eq!((read.script(), read.text("std/flux").unwrap()), ("plan", "fn x() {}"));
    assert_eq!(read.bytes("bin").unwrap(), [0, 255, 7]);
    assert_eq!(read.config(), Some((Path::new("/c/runbook.toml"), "[contexts.a]\n")));
    assert!(matches!(read.bytes("secret.yaml"), Err(BundleError::NotReadAgain { .. })));
    assert_eq!(read.digest(), bundle.digest());
    assert_eq!(read.files()["secret.yaml"].sensitive, Some(Sensitive::Secret));
    assert_eq!(read.files()["known.txt"].sensitive, Some(Sensitive::KnownValue));
    assert_eq!(bundle.changed_since(&read), []);
    read.read_again().unwrap();
    assert_eq!(read.text("secret.yaml").unwrap(), SECRET);
    assert_eq!(read.digest(), bundle.digest());

    // another archive of the same bundle has other keyed digests
    assert_ne!(bundle.to_bytes(&|_| false).unwrap(), bundle.to_bytes(&|_| false).unwrap());
}

#[test]
fn a_secret_file_that_changed_or_went_is_named() {
    let dir = folder(&[("a.rhai", ""), ("secret.yaml", SECRET)]);
    let mut bundle = load(&dir);
    bundle.add("secret.yaml").unwrap();
    let bytes = bundle.to_bytes(&|_| false).unwrap();
    fs::write(dir.path().join("secret.yaml"), SECRET.replace("22", "23")).unwrap();
    let error = Bundle::from_bytes(&bytes).unwrap().read_again().unwrap_err().to_string();
    assert!(error.contains("`secret.yaml` is not what it was") && error.contains("digest"), "{error}");
    let changed = Bundle::load(&dir.path().join("a.rhai")).and_then(|mut new| new.add("secret.yaml").map(|_| new));
    let changes = changed.unwrap().changed_since(&Bundle::from_bytes(&bytes).unwrap());
    assert_eq!(changes, [Change { path: "secret.yaml".into(), kind: ChangeKind::Changed, diff: None }]);
    fs::remove_file(dir.path().join("secret.yaml")).unwrap();
    assert!(Bundle::from_bytes(&bytes).unwrap().read_again().is_err());
}

#[test]
fn a_changed_bundle_is_shown_as_a_diff() {
    let dir = folder(&[("a.rhai", "one\ntwo\n"), ("x", "x"), ("y", "y")]);
    let mut old = load(&dir);
    old.add("x").unwrap();
    fs::write(dir.path().join("a.rhai"), "one\nthree\n").unwrap();
    let mut new = load(&dir);
    new.add("y").unwrap();
    let changes = new.changed_since(&old);
    let kinds: Vec<_> = changes.iter().map(|change| (change.path.as_str(), change.kind)).collect();
    assert_eq!(kinds, [("a.rhai", ChangeKind::Changed), ("x", ChangeKind::Removed), ("y", ChangeKind::Added)]);
    assert!(changes[0].diff.as_ref().unwrap().contains("-two\n+three\n"));
}

#[test]
fn a_damaged_or_newer_archive_is_refused() {
    let bytes = Bundle::in_memory("a.rhai", "plan").to_bytes(&|_| false).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    for (from, to, why) in [
        ("\"version\":1", "\"version\":2", "version 2"),
        ("\"text\":\"plan\"", "\"text\":\"plan2\"", "digest"),
        ("\"text\":\"plan\"", "\"other\":1", "no content"),
        ("\"entry\":\"a.rhai\"", "\"entry\":\"b.rhai\"", "is not in it"),
        ("\"a.rhai\":{", "\"../a.rhai\":{", "leads out"),
        ("{", "", "damaged"),
    ] {
        let error = Bundle::from_bytes(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn files_that_hold_secrets_are_told_from_those_that_speak_of_them() {
    for (path, text, expected) in [
        ("s.yaml", SECRET, Some(Sensitive::Secret)),
        ("s.json", r#"{"kind":"Secret","data":{"a":"Yg=="}}"#, Some(Sensitive::Secret)),
        ("l.yaml", "kind: List\nitems:\n- kind: \"Secret\"\n  data: {a: Yg==}\n", Some(Sensitive::Secret)),
        ("two.yaml", "kind: ConfigMap\n---\nkind: Secret\nstringData:\n  a: b\n", Some(Sensitive::Secret)),
        ("c.yaml", "kind: ConfigMap\ndata: {kind: Secretive}\n", None),
        ("ns.yaml", NS, None),
        ("es.yaml", "kind: ExternalSecret\nspec:\n  data: []\n", None),
        ("s.yaml", "kind: Secret\ntype: Opaque\n", None),
        ("x.enc", "a: ENC[AES256_GCM,data:x,type:str]", Some(Sensitive::Sops)),
        ("config", "apiVersion: v1\nkind: Config\nclusters: []\nusers: []\n", Some(Sensitive::Kubeconfig)),
        (
            "talosconfig",
            "context: a\ncontexts:\n  a:\n    ca: x\n    crt: y\n    key: z\n",
            Some(Sensitive::Talosconfig),
        ),
        ("cp.yaml", "machine:\n  token: abc\ncluster: {}\n", Some(Sensitive::MachineConfig)),
        ("id", "-----BEGIN OPENSSH PRIVATE KEY-----\n", Some(Sensitive::Key)),
        ("a.rhai", "// kind: Secret and data: in one manifest\n", None),
    ] {
        assert_eq!(sensitive::of(path, text.as_bytes()), expected, "{path}: {text}");
    }
}

const CONFIG: &str = r#"
[contexts.staging]
kube-context = "admin@talos-staging"
kubeconfig = "kube/config"
tier = "staging"
[contexts.main]
requires = "staging"
max-age = "7d"
soak = "30m"
gate = "human"
window = "Mon-Thu 09:00-16:00 Europe/Berlin"
hosts = ["*.example.com"]
params = { host = "x", n = 3, deep = { a = [1.5, true] } }
[contexts.main.git]
repo = ".."
branch = "main"
path = "kubernetes/main"
shared = ["kubernetes/base"]
[contexts.gcp.target]
project = "p1"
[contexts.try]
sandbox = true
[tools.task]
read = [["--list-all"]]
change = [["talos:*"]]
cluster = "kubeconfig"
[notify]
on = ["waiting"]
run = ["notify-send"]
[repo]
path = "../home-ops"
clusters = { staging = "kubernetes/staging" }
references = ["../others/example-ops"]
"#;

#[test]
fn runbook_toml_is_read_with_all_its_keys() {
    let config = Config::parse(Path::new("/c/runbook.toml"), CONFIG).unwrap();
    let main = config.context("main").unwrap();
    assert_eq!((main.tier(), main.requires.as_deref()), ("main", Some("staging")));
    assert_eq!(main.max_age.unwrap().to_string(), "7d");
    assert_eq!(main.gate, Some(crate::model::GateClass::Human));
    assert_eq!(
        serde_json::to_value(&main.params).unwrap(),
        serde_json::json!({"host": "x", "n": 3, "deep": {"a": [1.5, true]}})
    );
    assert_eq!(main.git.as_ref().unwrap().repo, Path::new("/c/.."));
    assert_eq!(config.context("staging").unwrap().kubeconfig.as_deref(), Some(Path::new("/c/kube/config")));
    assert!(config.context("try").unwrap().sandbox);
    assert_eq!(config.context("gcp").unwrap().target["project"], "p1");
    assert_eq!(config.tools["task"].change, [["talos:*"]]);
    assert_eq!(config.tools["task"].cluster, Reach::Kubeconfig);
    assert_eq!(config.notify.unwrap().run, ["notify-send"]);
    assert_eq!(config.repo.path.as_deref(), Some(Path::new("/c/../home-ops")));
    assert_eq!(config.repo.references, [Path::new("/c/../others/example-ops")]);
    let clusters: Vec<(&str, &Path)> = config.repo.clusters.iter().map(|(name, path)| (&**name, &**path)).collect();
    assert_eq!(
        clusters,
        [("main", Path::new("/c/../kubernetes/main")), ("staging", Path::new("/c/../home-ops/kubernetes/staging"))]
    );
}

#[test]
fn everything_wrong_in_runbook_toml_is_found_at_once_with_its_line_and_column() {
    let text = "[contexts.main]\nrequire = \"staging\"\nmax-age = \"7 days\"\ngate = 3\n  window = \"always\"\n\
                hosts = [\"a\", 1]\nsandbox = \"yes\"\n[contexts.b]\nrequires = \"mein\"\n[tools.x]\ncluster = \"all\"\n[notfy]\n";
    let found = Config::parse(Path::new("r.toml"), text).unwrap_err();
    let lines: Vec<String> = found.to_string().lines().map(str::to_owned).collect();
    for expected in [
        "r.toml:2:1: unknown key `contexts.main.require`; did you mean `requires`?",
        "r.toml:3:11: `contexts.main.max-age` cannot be used: `7 days` is not a duration",
        "r.toml:4:8: `contexts.main.gate` must be a text in quotes, and is an integer",
        "r.toml:5:12: `contexts.main.window` cannot be used: `always` is not a window",
        "r.toml:6:15: `contexts.main.hosts[1]` must be a text in quotes",
        "r.toml:7:11: `contexts.main.sandbox` must be true or false, and is a string",
        "`contexts.b` requires `mein`, which is not declared; did you mean `main`?",
        "`tools.x.cluster` must be \"none\" or \"kubeconfig\"",
        "unknown key `notfy`; did you mean `notify`?",
    ] {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected}\n{}", lines.join("\n"));
    }
    assert_eq!(lines.len(), 9, "{lines:#?}");
    let syntax = Config::parse(Path::new("r.toml"), "[contexts.main\nx = 1\n").unwrap_err().to_string();
    assert!(syntax.starts_with("r.toml:1:"), "{syntax}");
}

#[test]
fn contexts_that_contradict_each_other_are_found() {
    let text = "[contexts.a]\nrequires = \"b\"\nuid = \"1\"\n[contexts.b]\nrequires = \"a\"\nuid = \"1\"\n\
                [contexts.c]\nsandbox = true\nkube-context = \"x\"\n";
    let found = Config::parse(Path::new("r.toml"), text).unwrap_err().to_string();
    for expected in
        ["`contexts.a` requires itself", "two names for one cluster", "names a kubeconfig or kube-context too"]
    {
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn a_cluster_s_folder_is_said_in_one_place() {
    let text =
        "[contexts.main.git]\npath = \"kubernetes/main\"\n[repo]\nclusters = { main = \"clusters/main\", mian = 3 }\n";
    let found = Config::parse(Path::new("/c/runbook.toml"), text).unwrap_err().to_string();
    assert!(found.contains("`repo.clusters.main` is another folder than that of contexts.main.git"), "{found}");
    assert!(found.contains("`repo.clusters.mian` must be a text in quotes"), "{found}");
}

#[test]
fn an_undeclared_context_is_named_with_those_there_are() {
    let config = Config::parse(Path::new("r.toml"), "[contexts.staging]\n[contexts.main]\n").unwrap();
    assert_eq!(config.context("stagin").unwrap_err().help[0], "did you mean --context staging?");
    assert_eq!(config.context("xyz").unwrap_err().help[0], "there are: main, staging");
}

#[test]
fn runbook_toml_is_found_upwards_and_one_that_is_named_must_be_there() {
    let dir = folder(&[("runbook.toml", "[contexts.up]\n"), ("a/b/x.rhai", ""), ("other.toml", "[contexts.other]\n")]);
    let folder = dir.path().join("a/b");
    let found = Config::find(&folder, None).unwrap().unwrap();
    assert!(found.contexts.contains_key("up"));
    let named = Config::find(&folder, Some(&dir.path().join("other.toml"))).unwrap().unwrap();
    assert!(named.contexts.contains_key("other"));
    let error = Config::find(&folder, Some(&dir.path().join("none.toml"))).unwrap_err().to_string();
    assert!(error.contains("none.toml` could not be read") && error.contains("--config FILE"), "{error}");
}

proptest! {
    #[test]
    fn no_config_and_no_archive_panics(text in "[\\[\\]a-z.=\"0-9\n {}#,éß]{0,80}") {
        let _ = Config::parse(Path::new("r.toml"), &text);
        let _ = Config::parse(Path::new("r.toml"), &format!("[contexts.x]\n{text}"));
        let _ = Bundle::from_bytes(text.as_bytes());
        let _ = sensitive::of("x.yaml", text.as_bytes());
    }

    #[test]
    fn a_normal_path_never_leads_out(path in "[a./\\\\]{0,20}") {
        if let Ok(normal) = read::normal(&path) {
            prop_assert!(!normal.starts_with('/') && !normal.split('/').any(|part| part == ".." || part.is_empty()));
        }
    }
}

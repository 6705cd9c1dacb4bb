//! The modules that come with runbook, importable as `std/<name>`.

/// Name and text of each, sorted by name.
const MODULES: &[(&str, &str)] = &[
    ("eso", include_str!("../../stdlib/eso.rhai")),
    ("flux", include_str!("../../stdlib/flux.rhai")),
    ("gateway", include_str!("../../stdlib/gateway.rhai")),
    ("gcloud", include_str!("../../stdlib/gcloud.rhai")),
    ("helm", include_str!("../../stdlib/helm.rhai")),
    ("rollout", include_str!("../../stdlib/rollout.rhai")),
    ("talos", include_str!("../../stdlib/talos.rhai")),
    ("volsync", include_str!("../../stdlib/volsync.rhai")),
];

/// The text of `std/<name>`.
pub fn text(name: &str) -> Option<&'static str> {
    MODULES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of all modules, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, sync::Arc};

    use super::*;
    use crate::{
        model::Target,
        script::{Declared, Setting, Sources, Texts, declare},
    };

    /// A playbook of this repository, with every file below its folder.
    fn playbook(name: &str) -> Arc<dyn Sources> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
        let mut texts = Texts::new(name, &fs::read_to_string(folder.join(name)).expect("a playbook"));
        let mut folders = vec![folder.clone()];
        while let Some(below) = folders.pop() {
            for entry in fs::read_dir(below).expect("a folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let inside = path.strip_prefix(&folder).expect("below it").to_string_lossy().into_owned();
                    texts = texts.with(&inside, &fs::read_to_string(&path).expect("a text"));
                }
            }
        }
        Arc::new(texts)
    }

    fn without_findings(declared: &Declared) {
        assert!(declared.findings.is_empty(), "{:#?}", declared.findings);
    }

    #[test]
    fn every_module_can_be_imported_beside_every_other() {
        let imports = names().map(|name| format!("import \"std/{name}\" as {name};\n")).collect::<Vec<_>>().concat();
        let sources: Arc<dyn Sources> = Arc::new(Texts::new("p.rhai", &format!("{imports}plan(\"All\");")));
        without_findings(&declare(&sources, &Setting::default()));
    }

    #[test]
    fn the_playbooks_that_come_with_runbook_declare_without_findings() {
        for name in [
            "deploy-app.rhai",
            "hello.rhai",
            "migrate-volsync-kopia.rhai",
            "rollout-image.rhai",
            "suspend-and-patch.rhai",
            "upgrade-talos-node.rhai",
        ] {
            let sources = playbook(name);
            for context in [None, Some("staging"), Some("main")] {
                let context = context.map(|name| Target { name: name.into(), tier: name.into(), sandbox: true });
                let declared = declare(&sources, &Setting { context, ..Setting::default() });
                without_findings(&declared);
                assert!(!declared.plan.phases.is_empty(), "{name} has phases");
            }
        }
    }

    #[test]
    fn every_export_has_words_and_an_example() {
        for name in names() {
            let text = text(name).expect("a module");
            assert!(text.starts_with("//! "), "std/{name} says what it is for");
            let lines: Vec<&str> = text.lines().collect();
            for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("fn ")) {
                assert_eq!(lines[number - 1], "/// ```", "std/{name}: `{line}` ends its words with an example");
            }
        }
    }
}

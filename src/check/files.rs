use crate::{
    model::Finding,
    script::{Facts, suggest},
};

/// Natives whose first argument is a file or folder of the bundle.
const TAKE_FILES: [&str; 3] = ["apply", "dry_run", "diff"];

/// Files that are named and are not in the bundle.
pub(super) fn check(facts: &Facts, found: &mut Vec<Finding>) {
    for site in &facts.calls {
        let Some(path) = site.literal.as_deref() else { continue };
        let takes_file = site.module == "k8s" && TAKE_FILES.contains(&site.name.as_str());
        // what is given to an imported helper is a file where it looks like one
        let handed_on =
            !site.module.is_empty() && !facts.names.modules().contains_key(&site.module) && is_manifest(path);
        // a manifest may also be given as text
        if !(takes_file || handed_on) || path.contains('\n') || is_there(facts, path) {
            continue;
        }
        let finding = Finding::error("missing-file", format!("there is no file `{path}` beside the playbook"))
            .at(site.place.clone());
        found.push(match suggest::nearest(path, facts.paths.iter().map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help("paths are read from the playbook's folder on"),
        });
    }
}

fn is_manifest(path: &str) -> bool {
    let extension = std::path::Path::new(path).extension();
    extension.is_some_and(|it| it == "yaml" || it == "yml")
}

fn is_there(facts: &Facts, path: &str) -> bool {
    let path = path.trim_start_matches("./").trim_end_matches('/');
    facts.paths.iter().any(|known| known == path || known.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
}

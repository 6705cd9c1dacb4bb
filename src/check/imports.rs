use crate::{
    model::Finding,
    script::{Facts, stdlib, suggest},
};

/// Imports whose path is computed, that stand where they would run later, or that lead to nothing.
pub(super) fn check(facts: &Facts, found: &mut Vec<Finding>) {
    for import in &facts.imports {
        let at = |finding: Finding| finding.at(import.place.clone());
        let Some(path) = &import.path else {
            found.push(
                at(Finding::error("computed-import", "the path of an import is a plain text"))
                    .help("write it out: the bundle holds what is imported, and has to know it before anything runs"),
            );
            continue;
        };
        if !import.top {
            found.push(
                at(Finding::error("import-inside", format!("`{path}` is imported inside a function or closure")))
                    .help("move the import to the top of the file"),
            );
        } else if !import.loaded {
            let finding = at(Finding::error("missing-import", format!("there is no module `{path}`")));
            let std: Vec<String> = stdlib::names().map(|name| format!("std/{name}")).collect();
            let known = facts.paths.iter().chain(&std).map(String::as_str);
            found.push(
                match suggest::nearest(path, known.filter(|known| known.contains(".rhai") || known.starts_with("std/")))
                {
                    Some(near) => finding.help(format!("did you mean `{}`?", near.trim_end_matches(".rhai"))),
                    None => finding,
                },
            );
        }
    }
}

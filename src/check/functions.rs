use crate::{
    model::Finding,
    script::{Facts, Site, suggest},
};

/// Functions, methods and modules that nothing defines.
pub(super) fn check(facts: &Facts, found: &mut Vec<Finding>) {
    for site in &facts.calls {
        if site.module.is_empty() {
            plain(facts, site, found);
        } else {
            qualified(facts, site, found);
        }
    }
}

fn plain(facts: &Facts, site: &Site, found: &mut Vec<Finding>) {
    let name = &site.name;
    // a closure in a map is called like a method
    if facts.names.plain(name).is_some() || (site.method && facts.keys.contains(name)) {
        return;
    }
    let what = if site.method { "method" } else { "function" };
    let finding = Finding::error("unknown-function", format!("there is no {what} `{name}`")).at(site.place.clone());
    let module = facts.names.modules().iter().find(|(_, functions)| functions.contains_key(name));
    found.push(match (module, suggest::nearest(name, facts.names.written())) {
        (Some((module, _)), _) if !site.method => finding.help(format!("did you mean `{module}::{name}`?")),
        (_, Some(near)) => finding.help(format!("did you mean `{near}`?")),
        _ => finding,
    });
}

fn qualified(facts: &Facts, site: &Site, found: &mut Vec<Finding>) {
    let (module, name) = (&site.module, &site.name);
    let Some(functions) = facts.functions_of(site) else {
        // an import that could not be loaded is a finding of its own
        if facts.imports.iter().any(|import| import.place.file == site.place.file && import.alias == *module) {
            return;
        }
        let finding = Finding::error("unknown-module", format!("there is no module `{module}`")).at(site.place.clone());
        let natives = facts.names.modules().keys().map(String::as_str);
        let aliases = facts.imports.iter().filter(|import| import.place.file == site.place.file);
        let known = natives.chain(aliases.map(|import| import.alias.as_str()));
        found.push(match suggest::nearest(module, known) {
            Some(near) => finding.help(format!("did you mean `{near}::{name}`?")),
            None if crate::script::stdlib::text(module).is_some() => {
                finding.help(format!("write `import \"std/{module}\" as {module};` at the top"))
            }
            None => finding.help(format!("import it at the top: `import \"…\" as {module};`")),
        });
        return;
    };
    if !functions.contains_key(name) {
        let finding = Finding::error("unknown-function", format!("there is no function `{module}::{name}`"))
            .at(site.place.clone());
        found.push(match suggest::nearest(name, functions.keys().map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{module}::{near}`?")),
            None => finding.help(format!("`{module}` has {}", suggest::list(functions.keys()))),
        });
    }
}

use toml_edit::{DocumentMut, Item, Value};

/// The text of a `runbook.toml` with a context pinned to this UID; comments, order and spaces stay as they are.
///
/// # Errors
/// It is no TOML, or has no such context.
pub fn pinned(text: &str, context: &str, uid: &str) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    let table = document.get_mut("contexts").and_then(|contexts| contexts.get_mut(context));
    let table = table.and_then(Item::as_table_like_mut).ok_or_else(|| format!("it has no [contexts.{context}]"))?;
    match table.get_mut("uid").and_then(Item::as_value_mut) {
        Some(value) => {
            let decor = value.decor().clone();
            *value = Value::from(uid);
            *value.decor_mut() = decor;
        }
        None => drop(table.insert("uid", Item::Value(Value::from(uid)))),
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_leaves_everything_else_as_it_was_written() {
        let text = "# our clusters\n[contexts.staging] # the small one\ntier = \"staging\"   # aligned\n\n[contexts.main]\nuid   = \"old\" # of 2024\ngate = \"human\"\n";
        let pinned_once = pinned(text, "staging", "s-1").unwrap();
        assert_eq!(
            pinned_once,
            text.replace("tier = \"staging\"   # aligned\n", "tier = \"staging\"   # aligned\nuid = \"s-1\"\n")
        );
        assert_eq!(pinned(text, "main", "new").unwrap(), text.replace("\"old\"", "\"new\""));
        assert_eq!(
            pinned("contexts = { a = { tier = \"x\" } }\n", "a", "u").unwrap(),
            "contexts = { a = { tier = \"x\" , uid = \"u\" } }\n"
        );
        assert_eq!(
            pinned("[contexts]\na.tier = \"x\"\n", "a", "u").unwrap(),
            "[contexts]\na.tier = \"x\"\na.uid = \"u\"\n"
        );
        assert!(pinned(text, "other", "u").unwrap_err().contains("[contexts.other]"));
    }
}

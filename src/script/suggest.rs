//! "Did you mean": the nearest real name, and lists of names in words.

/// The nearest of `names`, if it is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    names
        .into_iter()
        .filter(|known| *known != name)
        .map(|known| (strsim::normalized_damerau_levenshtein(&wanted, &known.to_lowercase()), known))
        .filter(|(near, known)| {
            *near >= 0.6
                || (wanted.len() >= 3 && (known.starts_with(&wanted) || wanted.starts_with(known)) && *near >= 0.4)
        })
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// "`a`, `b` and `c`".
pub(crate) fn list(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match names.as_slice() {
        [] => "none".into(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name_and_a_stranger_finds_none() {
        let names = ["apply", "delete", "dry_run", "get"];
        assert_eq!(nearest("aply", names), Some("apply"));
        assert_eq!(nearest("dryrun", names), Some("dry_run"));
        assert_eq!(nearest("banana", names), None);
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}

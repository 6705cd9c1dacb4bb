//! Reading flags as the tools' own parsers do, on the safe side where those differ.

/// The nearest real name, where one is near enough to be meant.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= (name.len().max(known.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// A long flag's name without its value.
pub(super) fn long_name(arg: &str) -> Option<&str> {
    let name = arg.strip_prefix("--").filter(|name| !name.is_empty())?;
    Some(&arg[..2 + name.find('=').unwrap_or(name.len())])
}

/// Whether an argument is a flag; `-` alone is not one.
pub(super) fn is_flag(arg: &str) -> bool {
    arg.len() > 1 && arg.starts_with('-')
}

/// The values that arguments give to one flag, in all the ways to write it: `--file x`, `--file=x`, `-f x`, `-fx`, `-f=x`,
/// and behind letters of flags without a value, `-Rf x`.
pub(super) fn values<'a>(args: &'a [String], long: &str, short: Option<char>, switches: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        let next = || args.get(index + 1).map(String::as_str);
        if arg == long {
            found.extend(next());
        } else if let Some(value) = arg.strip_prefix(long).and_then(|rest| rest.strip_prefix('=')) {
            found.push(value);
        } else if let Some(value) = short.and_then(|short| in_group(arg, short, switches)) {
            let value = value.strip_prefix('=').unwrap_or(value);
            if value.is_empty() { found.extend(next()) } else { found.push(value) }
        }
    }
    found
}

/// What follows a letter in a group of flags (`-As`) where it stands as a flag, not as the value of one before it.
pub(super) fn in_group<'a>(arg: &'a str, letter: char, switches: &str) -> Option<&'a str> {
    let group = arg.strip_prefix('-').filter(|group| !group.starts_with('-'))?;
    let (at, _) = group.char_indices().find(|(_, c)| *c == letter || !switches.contains(*c))?;
    group[at..].strip_prefix(letter)
}

/// Whether a place is read over the network rather than from the bundle.
pub fn is_remote(place: &str) -> bool {
    place.contains("://") || place.contains("git@") || place.contains("?ref=") || place.starts_with("github.com/")
}

/// The arguments that the tool itself reads: up to a `--` that is surely one, not the value of the flag before it.
pub(super) fn own(args: &[String], is_switch: impl Fn(&str) -> bool) -> &[String] {
    let end = (0..args.len()).find(|&index| {
        let before = index.checked_sub(1).map_or("", |before| args[before].as_str());
        args[index] == "--" && (!is_flag(before) || before.contains('=') || is_switch(before))
    });
    &args[..end.unwrap_or(args.len())]
}

use std::collections::BTreeSet;

use super::{
    document::Read,
    references::{Reference, from},
};

/// Finds the lines of a file on which a name stands as a word, but for those that are known by meaning.
pub(super) fn find(read: &Read, name: &str, known: Option<&BTreeSet<u32>>, found: &mut Vec<Reference>) {
    if !read.file.text.contains(name) {
        return;
    }
    let by = match &read.unread {
        None => "mentioned in text".to_owned(),
        Some(error) => format!("mentioned in text; the file cannot be read by meaning: {error}"),
    };
    for (number, line) in (1u32..).zip(read.file.text.lines()) {
        if !is_mentioned(line, name) || known.is_some_and(|known| known.contains(&number)) {
            continue;
        }
        let document = read.documents.iter().rev().find(|document| document.lines.line() <= number);
        found.push(Reference {
            kind: "text",
            file: read.file.path.clone(),
            line: number,
            cluster: read.file.cluster.clone(),
            from: from(read, document),
            by: by.clone(),
            to: name.to_owned(),
        });
    }
}

/// Whether the name stands in the line as a word of its own: `grafana` is not in `grafana-admin`, and is in `grafana.web.svc`.
fn is_mentioned(line: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    line.match_indices(name).any(|(start, _)| {
        !line[..start].chars().next_back().is_some_and(part)
            && !line[start + name.len()..].chars().next().is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_mentioned_as_a_word_and_not_as_a_part_of_another() {
        for line in ["grafana", "url: http://grafana.web.svc/", "- name=grafana,", "see 'grafana'."] {
            assert!(is_mentioned(line, "grafana"), "{line}");
        }
        for line in ["grafana-admin", "my-grafana", "grafana_x", "grafanas", "graf"] {
            assert!(!is_mentioned(line, "grafana"), "{line}");
        }
    }
}

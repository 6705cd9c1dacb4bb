use std::collections::BTreeMap;

use super::{
    Similar,
    document::Repo,
    references::same_kind,
    shape::{Shape, points, share},
};

impl Repo {
    /// Objects of a kind, those first that set what most of them set and little else.
    pub(super) fn typical(&self, kind: &str) -> Vec<Similar> {
        let plain = kind.split('.').next().unwrap_or(kind);
        let all: Vec<_> = self
            .documents()
            .filter(|(_, document)| document.object.is_some() && same_kind(plain, document.kind()))
            .map(|(read, document)| (read, document, Shape::of(&document.value)))
            .collect();
        let mut sets: BTreeMap<&str, usize> = BTreeMap::new();
        let own = all.iter().filter(|(read, ..)| !read.file.foreign).count();
        // one's own repository says what is usual here, where there is anything
        let counted = all.iter().filter(|(read, ..)| own == 0 || !read.file.foreign);
        for field in counted.flat_map(|(.., shape)| shape.fields()) {
            *sets.entry(field).or_default() += 1;
        }
        let most = if own == 0 { all.len() } else { own };
        let usual: Vec<&str> = sets.into_iter().filter(|(_, n)| 2 * n > most).map(|(field, _)| field).collect();
        let similar = all.iter().map(|(read, document, shape)| {
            let has = usual.iter().filter(|field| shape.fields().any(|own| own == **field)).count();
            let more = shape.fields().count() - has;
            let mut why =
                vec![format!("sets {has} of the {} fields that most {} set here", usual.len(), document.kind())];
            if more > 0 {
                why.push(format!("and {more} more"));
            }
            Similar {
                file: read.file.path.clone(),
                line: document.lines.line(),
                cluster: read.file.cluster.clone(),
                object: document.object.as_ref().map(ToString::to_string),
                score: points(100.0 * share(has, usual.len() + more)),
                why,
                foreign: read.file.foreign,
            }
        });
        similar.collect()
    }
}

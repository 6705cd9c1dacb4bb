//! What is searched for, and where: each form of each value, in each reading of a text.

use std::{
    collections::{BTreeSet, HashSet},
    ops::Range,
};

use aho_corasick::AhoCorasick;
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};

use super::{REPLACEMENT, SHORTEST, view::View};

/// A line or word of a value of several lines is guarded on its own from this length.
const LONG_WORD: usize = 16;
/// Across line ends, forms of fewer bytes than this are not searched for: they would match ordinary words.
const LONG_FORM: usize = 8;
/// A value of more bytes is searched for as it is and in base64 as a whole: each form takes many times its memory, and a
/// namespace's Secrets hold megabytes of what Helm installed.
const LARGE: usize = 16 << 10;
/// How often JSON may stand in a string of JSON.
const DEPTH: usize = 3;

/// A value and its complete base64 forms.
pub(super) fn whole(value: &[u8]) -> Vec<Vec<u8>> {
    let mut out = vec![value.to_vec()];
    for engine in [BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD] {
        out.push(engine.encode(value).into_bytes());
    }
    out
}

/// The base64 digits that stand for this value and nothing else when it begins one or two bytes into a group of three,
/// or is followed by more.
fn inside(value: &[u8]) -> Vec<Vec<u8>> {
    let mut out = vec![];
    for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
        for (before, skip) in [(0, 0), (1, 2), (2, 3)] {
            let mut shifted = vec![0; before];
            shifted.extend_from_slice(value);
            let digits = engine.encode(&shifted);
            out.extend(digits.as_bytes().get(skip..shifted.len() * 8 / 6).map(<[u8]>::to_vec));
        }
    }
    out
}

/// Lines and words of a value of several lines that are long enough to be a secret of their own, e.g. of a key.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let several = value.trim_ascii().contains(&b'\n');
    value.split(u8::is_ascii_whitespace).filter(move |word| several && word.len() >= LONG_WORD && !word.ends_with(b":"))
}

/// One searcher, and its forms in order, to tell a form's beginning.
struct Forms {
    search: Option<AhoCorasick>,
    sorted: Vec<Vec<u8>>,
    longest: usize,
}

impl Forms {
    fn of(forms: BTreeSet<Vec<u8>>) -> Self {
        let sorted: Vec<Vec<u8>> = forms.into_iter().collect();
        let longest = sorted.iter().map(Vec::len).max().unwrap_or(0);
        let search = if sorted.is_empty() { None } else { AhoCorasick::new(&sorted).ok() };
        Self { search, sorted, longest }
    }

    fn find<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
        self.search.iter().flat_map(move |search| search.find_overlapping_iter(bytes)).map(|found| found.range())
    }

    /// Where the longest ending of `bytes` starts that could be a form's beginning.
    fn beginning(&self, bytes: &[u8]) -> Option<usize> {
        let first = bytes.len().saturating_sub(self.longest.saturating_sub(1));
        (first..bytes.len()).find(|&at| {
            let ending = &bytes[at..];
            let next = self.sorted.partition_point(|form| form.as_slice() < ending);
            self.sorted.get(next).is_some_and(|form| form.starts_with(ending))
        })
    }
}

/// All that is searched for.
pub(super) struct Patterns {
    exact: Forms,
    squeezed: Forms,
    spaces: bool,
    shortest: usize,
}

impl Patterns {
    pub(super) fn of(known: &HashSet<Vec<u8>>) -> Self {
        let mut exact = BTreeSet::new();
        for value in known {
            if value.len() > LARGE {
                exact.extend([value.clone(), BASE64_STANDARD_NO_PAD.encode(value).into_bytes()]);
                exact.extend(words(value).map(<[u8]>::to_vec));
                continue;
            }
            exact.extend(whole(value));
            exact.extend(inside(value));
            exact.extend(words(value).map(<[u8]>::to_vec));
        }
        exact.retain(|form| form.len() >= SHORTEST);
        let squeezed: BTreeSet<Vec<u8>> = exact
            .iter()
            .map(|form| form.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>())
            .filter(|form| form.len() >= LONG_FORM)
            .collect();
        let spaces = known.iter().any(|value| value.contains(&b' '));
        // a squeezed form is as long as an exact one without white space
        let forms = exact.iter().chain(&squeezed);
        let shortest = forms.map(Vec::len).min().unwrap_or(usize::MAX);
        Self { shortest, exact: Forms::of(exact), squeezed: Forms::of(squeezed), spaces }
    }

    /// No text of fewer bytes holds any of them: no reading of a text is longer than it.
    pub(super) fn shortest(&self) -> usize {
        self.shortest
    }

    /// The ranges to replace: sorted, apart from each other, and without those inside of an earlier replacement.
    pub(super) fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = self.exact.find(bytes).collect();
        self.each_view(bytes, |view, squeezed| {
            if squeezed {
                // only what is broken by a line end: words that stand beside each other are not a value
                found.extend(self.squeezed.find(&view.bytes).map(|range| view.original(range)));
            } else {
                found.extend(self.exact.find(&view.bytes).map(|range| view.original(range)));
            }
        });
        merge(found, bytes)
    }

    /// How many bytes at the end may be the beginning of a value, in any reading.
    pub(super) fn pending(&self, bytes: &[u8]) -> usize {
        let mut from = self.exact.beginning(bytes).unwrap_or(bytes.len());
        self.each_view(bytes, |view, squeezed| {
            let forms = if squeezed { &self.squeezed } else { &self.exact };
            let begun = forms.beginning(&view.bytes).map(|at| view.original(at..at + 1).start);
            from = from.min(begun.unwrap_or(from)).min(view.unfinished.unwrap_or(from));
        });
        bytes.len() - from
    }

    /// Calls `each` with every reading that differs from the bytes themselves; true: its white space is gone.
    fn each_view(&self, bytes: &[u8], mut each: impl FnMut(&View, bool)) {
        let has = |bytes: &[u8], byte: u8| bytes.contains(&byte);
        let mut squeeze = |view: &View| {
            if has(&view.bytes, b'\n') || has(&view.bytes, b'\r') {
                each(&view.squeezed(), true);
            }
            each(view, false);
        };
        if has(bytes, b'\n') || has(bytes, b'\r') {
            squeeze(&View::plain(bytes));
        }
        if has(bytes, b'%') || (self.spaces && has(bytes, b'+')) {
            let plain = View::plain(bytes);
            squeeze(&plain.percent_decoded(false));
            if self.spaces {
                squeeze(&plain.percent_decoded(true));
            }
        }
        if has(bytes, b'\\') {
            let mut view = View::plain(bytes);
            for _ in 0..DEPTH {
                view = view.unescaped();
                squeeze(&view);
                if has(&view.bytes, b'%') {
                    squeeze(&view.percent_decoded(false));
                }
                if !has(&view.bytes, b'\\') {
                    break;
                }
            }
        }
    }
}

fn merge(mut found: Vec<Range<usize>>, bytes: &[u8]) -> Vec<Range<usize>> {
    if found.is_empty() {
        return found;
    }
    let mark = REPLACEMENT.as_bytes();
    let marks: Vec<usize> = (0..bytes.len().saturating_sub(mark.len() - 1))
        .filter(|&at| bytes[at] == mark[0] && bytes[at..].starts_with(mark))
        .collect();
    found.retain(|range| {
        let before = marks.partition_point(|&at| at <= range.start);
        before == 0 || range.end > marks[before - 1] + mark.len()
    });
    found.sort_by_key(|range| (range.start, range.end));
    let mut out: Vec<Range<usize>> = vec![];
    for range in found {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

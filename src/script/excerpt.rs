//! A finding as a person sees it: what was found, the lines where it stands, what to do.

use std::sync::Arc;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Sources, stdlib};
use crate::model::{Finding, Place, Severity};

/// The line of a place with a mark under its column, as failures and records show it.
pub fn line(source: &str, place: &Place) -> Option<String> {
    let text = source.lines().nth(usize::try_from(place.line.checked_sub(1)?).ok()?)?;
    let number = place.line.to_string();
    let column = usize::try_from(place.column.saturating_sub(1)).unwrap_or(0);
    // tabs stay tabs, so that the mark stands under its character
    let before: String = text.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    Some(format!("{number} | {text}\n{} | {before}^", " ".repeat(number.len())))
}

/// The finding without colours, for 100 columns.
pub fn excerpt(finding: &Finding, sources: &dyn Sources) -> String {
    render(finding, sources, false, 100)
}

/// The finding with an excerpt under it. Files that cannot be read are named without one.
pub fn render(finding: &Finding, sources: &dyn Sources, color: bool, width: usize) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(finding.message.clone()).id(finding.rule.clone());
    let mut group = Group::with_title(title);
    for part in parts(finding, sources) {
        group = match part {
            Part::Lines(snippet) => group.element(snippet),
            Part::Words(words) => group.element(Level::NOTE.message(words)),
        };
    }
    for help in &finding.help {
        group = group.element(Level::HELP.message(help.clone()));
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    renderer.term_width(width.max(40)).render(&[group])
}

enum Part {
    Lines(Snippet<'static, Annotation<'static>>),
    Words(String),
}

/// One excerpt for each file, the finding's own first.
fn parts(finding: &Finding, sources: &dyn Sources) -> Vec<Part> {
    let own = finding.place.iter().map(|place| (place, AnnotationKind::Primary, None));
    let related = finding.related.iter().map(|(place, words)| (place, AnnotationKind::Context, Some(words.clone())));
    let mut marks: Vec<(&Place, AnnotationKind, Option<String>)> = own.chain(related).collect();
    let mut parts = vec![];
    while let Some(path) = marks.first().map(|(place, ..)| place.file.clone()) {
        let (here, rest): (Vec<_>, Vec<_>) = marks.into_iter().partition(|(place, ..)| place.file == path);
        marks = rest;
        let Some(text) = text(sources, &path) else {
            parts.extend(here.into_iter().map(|(place, _, words)| {
                Part::Words(words.map_or_else(|| format!("at {place}"), |words| format!("{words}: {place}")))
            }));
            continue;
        };
        let annotations: Vec<_> =
            here.into_iter().map(|(place, kind, words)| kind.span(span(&text, place)).label(words)).collect();
        parts.push(Part::Lines(Snippet::source(text.to_string()).path(path).fold(true).annotations(annotations)));
    }
    parts
}

fn text(sources: &dyn Sources, path: &str) -> Option<Arc<str>> {
    let text = sources.text(path).ok().or_else(|| path.strip_prefix("std/").and_then(stdlib::text).map(Arc::from))?;
    Some(text.strip_prefix('\u{feff}').map(Arc::from).unwrap_or(text))
}

/// The word that stands at a place, in bytes; an empty span at the end of a text that is shorter.
fn span(text: &str, place: &Place) -> std::ops::Range<usize> {
    let mut start = 0;
    for _ in 1..place.line {
        match text[start..].find('\n') {
            Some(at) => start += at + 1,
            None => return text.len()..text.len(),
        }
    }
    let line = &text[start..text[start..].find('\n').map_or(text.len(), |at| start + at)];
    let column = usize::try_from(place.column).unwrap_or(usize::MAX).saturating_sub(1);
    let begin = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    let rest = &line[begin..];
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '`' | '|'))
        && let Some(end) = rest[1..].find(quote)
    {
        return start + begin..start + begin + end + 2;
    }
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let length = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
    start + begin..start + begin + length
}

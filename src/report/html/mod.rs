//! The plan as one HTML file that needs nothing else: no script, no font, no picture from elsewhere, no network.
//! The text is the Markdown document's, so that both say the same; the picture of dependencies is drawn into it.
//! Whatever a playbook says is text in it, never markup.

mod body;

use std::fmt::Write as _;

use super::{
    Document, OpenQuestion,
    picture::{EdgeSort, NodeSort, Picture, svg},
};
use crate::model::{
    markdown::inline,
    text::{count, one_line},
};

const STYLE: &str = include_str!("style.css");
/// Tables of more edges than these are folded.
const UNFOLDED: usize = 40;

/// Text as it stands between tags and in attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // no character that XML does not have
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The plan document of [`super::markdown`] as a page, with its open questions at the top and the picture before its
/// sections. The same document gives the same bytes.
pub fn html(document: &Document) -> String {
    let plan = &document.plan;
    let steps: Vec<&str> = plan.steps().map(|step| step.id.as_str()).collect();
    let body::Body { head, contents, sections } = body::render(&document.text, &steps);
    let title = if plan.title.trim().is_empty() { "Untitled plan".into() } else { one_line(&plan.title) };
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n{head}</header>\n",
        escape(&title)
    );
    out.push_str(&open(&document.open_questions));
    out.push_str(&drawn(&document.graph));
    let _ = write!(out, "<nav aria-label=\"Sections\"><ol>\n{contents}</ol></nav>\n<main>\n{sections}</main>\n");
    let _ = write!(
        out,
        "<footer>Plan digest <code>{}</code></footer>\n</body>\n</html>\n",
        escape(document.digest.as_str())
    );
    out
}

fn open(open: &[OpenQuestion]) -> String {
    if open.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "<section class=\"questions\" aria-labelledby=\"open\">\n<h2 id=\"open\">{}</h2>\n<ul>\n",
        if open.len() == 1 { "1 open question".into() } else { format!("{} open questions", open.len()) }
    );
    for question in open {
        let _ = writeln!(
            out,
            "<li><a href=\"#s{}\">§{0}</a> {} <code>{}</code></li>",
            question.section,
            body::line(&inline(&question.question)),
            escape(&question.write)
        );
    }
    out.push_str("</ul>\n</section>\n");
    out
}

fn drawn(picture: &Picture) -> String {
    let (image, drawn) = svg(picture);
    if image.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "<figure>\n<h2 id=\"picture\">Dependencies and blast radius</h2>\n\
         <div class=\"wide\" role=\"region\" aria-labelledby=\"picture\" tabindex=\"0\">\n{image}</div>\n<figcaption>\n"
    );
    let has = |wanted: fn(&super::picture::Node) -> bool| drawn.nodes.iter().any(wanted);
    let keys = [
        ("phase", "phase", has(|node| node.sort == NodeSort::Phase)),
        ("step", "step", has(|node| node.sort == NodeSort::Step)),
        ("touched", "touched by a step", has(|node| node.touched)),
        ("named", "not touched", has(|node| is_object(node.sort) && !node.touched)),
        ("risk", "risk, and what it would affect", has(|node| node.sort == NodeSort::Risk)),
        ("absent", "not in the cluster", has(|node| node.exists == Some(false))),
    ];
    out.push_str("<ul class=\"keys\">");
    for (class, words, _) in keys.iter().filter(|(_, _, there)| *there) {
        let _ = write!(out, "<li class=\"{class}\">{words}</li>");
    }
    out.push_str("</ul>\n");
    let unfolded = if drawn.edges.len() <= UNFOLDED { " open" } else { "" };
    let _ = write!(
        out,
        "<details{unfolded}><summary>As a table: {}</summary>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" \
         aria-label=\"Table of edges\"><table>\n<thead><tr><th scope=\"col\">From</th><th scope=\"col\">To</th>\
         <th scope=\"col\">How</th></tr></thead>\n<tbody>\n",
        count(drawn.edges.len(), "edge")
    );
    let name = |id: &str| {
        let Some(node) = drawn.node(id) else { return escape(id) };
        let absent = if node.exists == Some(false) { " <em>not in the cluster</em>" } else { "" };
        let label = escape(&node.label);
        match id.strip_prefix("step:") {
            Some(step) => format!("<a href=\"#step-{}\">{label}</a>", escape(step)),
            None => format!("{label}{absent}"),
        }
    };
    for edge in &drawn.edges {
        let why = match (&edge.why, edge.sort) {
            (why, _) if why.is_empty() => edge.sort.word().to_string(),
            (why, EdgeSort::Touches) => escape(why),
            (why, sort) => format!("{} <code>{}</code>", sort.word(), escape(why)),
        };
        let _ = writeln!(out, "<tr><td>{}</td><td>{}</td><td>{why}</td></tr>", name(&edge.from), name(&edge.to));
    }
    out.push_str("</tbody>\n</table></div></details>\n</figcaption>\n</figure>\n");
    out
}

fn is_object(sort: NodeSort) -> bool {
    matches!(sort, NodeSort::Object | NodeSort::Thing)
}

#[cfg(test)]
mod tests;

//! The Markdown document as HTML: headings become sections, steps can be linked to, and nothing in it is markup that a
//! playbook brought along.

use std::fmt::Write as _;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::escape;

/// The parts of a page.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// The title and what stands before the first section.
    pub head: String,
    /// List items that link to the sections.
    pub contents: String,
    /// The sections.
    pub sections: String,
}

struct Writer<'a> {
    body: Body,
    /// Which section is written; 0 before the first.
    section: usize,
    heading: String,
    in_heading: Option<HeadingLevel>,
    in_table_head: bool,
    /// Whether nothing of the list item has been written yet.
    at_item: bool,
    lists: usize,
    steps: &'a [&'a str],
}

/// Renders the document. `steps` are the ids that can be linked to, as `#step-<id>`.
pub(super) fn render(markdown: &str, steps: &[&str]) -> Body {
    let mut writer = Writer {
        body: Body::default(),
        section: 0,
        heading: String::new(),
        in_heading: None,
        in_table_head: false,
        at_item: false,
        lists: 0,
        steps,
    };
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS) {
        writer.event(event);
    }
    if writer.section > 0 {
        writer.put("</section>\n");
    }
    writer.body
}

/// One line of it, for elsewhere on the page.
pub(super) fn line(markdown: &str) -> String {
    let text = render(markdown, &[]).head;
    text.trim_end().trim_start_matches("<p>").trim_end_matches("</p>").to_string()
}

impl Writer<'_> {
    fn put(&mut self, text: &str) {
        if self.in_heading.is_some() {
            self.heading.push_str(text);
        } else if self.section == 0 {
            self.body.head.push_str(text);
        } else {
            self.body.sections.push_str(text);
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text),
            // markup of a playbook is shown, not obeyed
            Event::Html(text) | Event::InlineHtml(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.put(&escape(&text));
            }
            Event::Code(text) => {
                let step = self.steps.contains(&&*text) && self.section == 5 && self.lists == 1;
                let id = if step { format!(" id=\"step-{}\"", escape(&text)) } else { String::new() };
                self.put(&format!("<code{id}>{}</code>", escape(&text)));
                self.at_item = false;
            }
            Event::TaskListMarker(done) => {
                let (mark, words) = if done { ("✓", "done") } else { ("○", "open") };
                self.put(&format!("<span class=\"tick {words}\" role=\"img\" aria-label=\"{words}\">{mark}</span> "));
            }
            Event::SoftBreak => self.put("\n"),
            Event::HardBreak => self.put("<br>\n"),
            Event::Rule => self.put("<hr>\n"),
            Event::FootnoteReference(text) => self.put(&escape(&text)),
        }
    }

    /// What an item begins with, up to its colon, says what the rest is.
    fn text(&mut self, text: &str) {
        let key = text.split_once(": ").map(|(key, _)| key).or_else(|| text.strip_suffix(':'));
        let key = key.filter(|key| self.at_item && self.section > 0 && key.len() < 32 && is_key(key));
        self.at_item = false;
        match key {
            Some(key) => {
                self.put(&format!("<span class=\"key\">{}:</span>{}", escape(key), escape(&text[key.len() + 1..])));
            }
            None => self.put(&escape(text)),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.in_heading = Some(level);
                self.heading.clear();
            }
            Tag::Paragraph => self.put("<p>"),
            Tag::BlockQuote(_) => self.put("<blockquote>\n"),
            Tag::CodeBlock(_) => self.put("<pre>"),
            Tag::List(from) => {
                self.lists += 1;
                let start = from.filter(|from| *from != 1).map(|from| format!(" start=\"{from}\"")).unwrap_or_default();
                self.put(&if from.is_some() { format!("\n<ol{start}>\n") } else { "\n<ul>\n".into() });
            }
            Tag::Item => {
                self.put("<li>");
                self.at_item = true;
            }
            Tag::Table(_) => self.put("<div class=\"wide\" tabindex=\"0\"><table>\n"),
            Tag::TableHead => {
                self.in_table_head = true;
                self.put("<thead><tr>");
            }
            Tag::TableRow => self.put("<tr>"),
            Tag::TableCell => self.put(if self.in_table_head { "<th scope=\"col\">" } else { "<td>" }),
            Tag::Emphasis => self.put("<em>"),
            Tag::Strong => {
                self.put("<strong>");
                self.at_item = false;
            }
            // a link's words stay, its address does not: a page that goes nowhere cannot be made to
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => {
                self.in_heading = None;
                let text = std::mem::take(&mut self.heading);
                self.headed(level, &text);
            }
            TagEnd::Paragraph => self.put("</p>\n"),
            TagEnd::BlockQuote(_) => self.put("</blockquote>\n"),
            TagEnd::CodeBlock => self.put("</pre>\n"),
            TagEnd::List(ordered) => {
                self.lists = self.lists.saturating_sub(1);
                self.put(if ordered { "</ol>\n" } else { "</ul>\n" });
            }
            TagEnd::Item => self.put("</li>\n"),
            TagEnd::Table => self.put("</tbody>\n</table></div>\n"),
            TagEnd::TableHead => {
                self.in_table_head = false;
                self.put("</tr></thead>\n<tbody>\n");
            }
            TagEnd::TableRow => self.put("</tr>\n"),
            TagEnd::TableCell => self.put(if self.in_table_head { "</th>" } else { "</td>" }),
            TagEnd::Emphasis => self.put("</em>"),
            TagEnd::Strong => self.put("</strong>"),
            _ => {}
        }
    }

    fn headed(&mut self, level: HeadingLevel, text: &str) {
        match level {
            HeadingLevel::H1 => self.put(&format!("<h1>{text}</h1>\n")),
            HeadingLevel::H2 => {
                if self.section > 0 {
                    self.put("</section>\n");
                }
                self.section += 1;
                let n = self.section;
                let _ = writeln!(self.body.contents, "<li><a href=\"#s{n}\">{text}</a></li>");
                self.put(&format!("<section aria-labelledby=\"s{n}\">\n<h2 id=\"s{n}\">{text}</h2>\n"));
            }
            _ => self.put(&format!("<h3>{text}</h3>\n")),
        }
    }
}

/// Whether words say what follows them: lowercase letters, blanks and commas.
fn is_key(words: &str) -> bool {
    let plain = words.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | ',' | '-'));
    plain && !words.trim().is_empty() && words.split(' ').count() <= 4
}

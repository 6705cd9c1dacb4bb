use std::{borrow::Cow, fmt::Write as _};

use console::{Style, measure_text_width, truncate_str};
use jiff::Timestamp;

use super::super::{
    ending::Next,
    follow::{Follow, Seen, between},
    words::{Entry, Mark},
};
use crate::model::{
    Target, Verdict,
    text::{elapsed, one_line},
};

const MOST_VERIFIES: usize = 8;

/// How things look: colours or not. Every glyph has its word, every colour its text.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub colors: bool,
}

/// The line, cut by display width with an ellipsis.
pub fn fit(line: &str, width: usize) -> String {
    match truncate_str(line, width, "…") {
        Cow::Borrowed(line) => line.to_string(),
        Cow::Owned(line) => line,
    }
}

/// The text in lines of at most `width` columns, broken between words: the first has `before` columns less, the others
/// begin with `indent` spaces. A line with a command in it stays whole, to be copied; so does a word, as a path.
pub fn wrap(text: &str, before: usize, indent: usize, width: usize) -> Vec<String> {
    let indent = if indent * 2 > width { 2 } else { indent };
    let mut lines = vec![String::new()];
    let mut room = width.saturating_sub(before);
    if before + measure_text_width(text) <= width || text.contains("runbook ") {
        return vec![text.to_string()];
    }
    for word in text.split_inclusive(' ') {
        let columns = measure_text_width(word.trim_end());
        let fits_below = lines.len() == 1 && before > indent && columns + indent <= width;
        if columns > room && (fits_below || lines.last().is_some_and(|line| !line.trim().is_empty())) {
            lines.push(" ".repeat(indent));
            room = width.saturating_sub(indent);
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
        }
        room = room.saturating_sub(measure_text_width(word));
    }
    lines.iter().map(|line| line.trim_end().to_string()).collect()
}

/// ` [3/4]`, once the plan is known.
pub fn steps(follow: &Follow) -> String {
    follow.total().map(|total| format!(" [{}/{total}]", follow.done.len())).unwrap_or_default()
}

/// The colour of a context: a cluster that people depend on is red, the sandbox is cyan.
fn tier(target: Option<&Target>) -> Style {
    let style = Style::new().bold();
    let Some(target) = target else { return style };
    let tier = target.tier.to_lowercase();
    match () {
        () if target.sandbox => style.cyan(),
        () if tier.contains("main") || tier.contains("prod") => style.red(),
        () if tier.contains("stag") => style.yellow(),
        () if tier.contains("dev") || tier.contains("test") => style.green(),
        () => style.magenta(),
    }
}

impl Look {
    fn paint(self, style: &Style, text: &str) -> String {
        if self.colors && !text.is_empty() {
            style.apply_to(text).force_styling(true).to_string()
        } else {
            text.to_string()
        }
    }

    fn context(self, follow: &Follow) -> String {
        self.paint(&tier(follow.target.as_ref()), &follow.context())
    }

    /// Something that scrolls by.
    pub fn entry(self, follow: &Follow, context: &str, entry: &Entry, width: usize) -> Vec<String> {
        let before = measure_text_width(context) + measure_text_width(&entry.about) + 6;
        let context = self.paint(&tier(follow.target.as_ref()), context);
        let (glyph, style) = match entry.mark {
            Mark::Bad => ("✗", Style::new().red().bold()),
            Mark::Odd => ("!", Style::new().yellow()),
            _ => ("·", Style::new().bold()),
        };
        let mut lines = wrap(&entry.text, before, 4, width);
        let head = format!("{} {context}  {}", self.paint(&style, glyph), self.paint(&style, &entry.about));
        lines[0] = format!("{head}  {}", lines[0]).trim_end().to_string();
        lines
    }

    /// A finished step; `skipped` is the text of a change that was not made.
    pub fn good(self, follow: &Follow, entry: &Entry, skipped: Option<&str>, width: usize) -> String {
        let context = self.context(follow);
        let (glyph, style) = match skipped {
            Some(_) => ("↷", Style::new().cyan()),
            None => ("✓", Style::new().green()),
        };
        let skipped = skipped.map(|text| format!("skipped ({text}), ")).unwrap_or_default();
        let glyph = self.paint(&style, glyph);
        let line = |about: &str| format!("{glyph} {context}  {about}  {skipped}{}", entry.text);
        let whole = line(&entry.about);
        match entry.about.split_once('/') {
            // how it ended is worth more than the phase
            Some((_, title)) if measure_text_width(&whole) > width => fit(&line(&format!("…/{title}")), width),
            _ => fit(&whole, width),
        }
    }

    /// A line below an entry. Expected and observed stand out.
    pub fn block(self, line: &str, width: usize) -> Vec<String> {
        let text = line.trim_start();
        // an excerpt: its marks stand below its words
        if text.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|') {
            return vec![format!("  {line}")];
        }
        let style = match text.split_whitespace().next() {
            Some("expected") => Style::new().green(),
            Some("observed" | "error:") => Style::new().red(),
            Some("help:" | "opened") => Style::new().cyan(),
            Some("accept" | "to") if text.starts_with("to accept") => Style::new().yellow(),
            _ => Style::new(),
        };
        let indent = line.len() - text.len() + 2;
        // below the value where it begins with a word that names it, as on a gate's card
        let value = text.find("  ").map(|at| at + text[at..].len() - text[at..].trim_start().len());
        let value = value.or_else(|| text.starts_with("will touch ").then_some(11)).filter(|at| *at <= 11).unwrap_or(2);
        let lines = wrap(text, indent, indent + value, width).into_iter();
        lines
            .enumerate()
            .map(|(n, line)| match n {
                0 => format!("{:indent$}{}", "", self.paint(&style, &line)),
                _ => self.paint(&style, &line),
            })
            .collect()
    }

    /// A line of the last words.
    pub fn last(self, follow: &Follow, what: &str, words: &str, width: usize) -> Vec<String> {
        let style = match what {
            "record" => Style::new().cyan(),
            "outcome" => Style::new().bold(),
            _ => Style::new(),
        };
        let before = measure_text_width(&follow.context()) + 15;
        let mut lines: Vec<_> = wrap(words, before, 4, width).iter().map(|line| self.paint(&style, line)).collect();
        lines[0] = format!("  {}  {what:<9}  {}", self.context(follow), lines[0]).trim_end().to_string();
        lines
    }

    /// What to type next: on one line where the terminal is wide enough, so that a command is never broken.
    pub fn next(self, follow: &Follow, next: &Next, width: usize) -> Vec<String> {
        let command = self.paint(&Style::new().cyan(), &next.command);
        let line = format!("  {}  next       {:<29} {command}", self.context(follow), next.why);
        if measure_text_width(&line) <= width {
            return vec![line];
        }
        let mut lines = self.last(follow, "next", &next.why, width);
        lines.push(format!("    {command}"));
        lines
    }

    /// The live lines: context, plan and progress; the running step; under it what each verify observed last. At most
    /// `most` lines of at most `width` columns.
    pub fn live(self, follow: &Follow, now: Timestamp, cancelled: bool, width: usize, most: usize) -> Vec<String> {
        if follow.run.is_none() {
            return vec![];
        }
        let mut out = vec![self.head(follow, now, cancelled)];
        if let Some(running) = &follow.running {
            let time = elapsed(follow.since(now));
            let step = one_line(running.step.as_str());
            // the time stays in sight on a narrow terminal
            let room = width.saturating_sub(measure_text_width(&time) + 6);
            let what = fit(&format!("{step}  {}", running.doing), room);
            let style = Style::new().bold();
            out.push(format!("  {} {what}  {}", self.paint(&style, "▸"), self.paint(&style, &time)));
            let shown = MOST_VERIFIES.min(most.saturating_sub(out.len()));
            out.extend(self.verifies(running.seen.values().collect(), now, shown));
        } else if follow.waits_at().is_some() {
            out.push(format!("  {} waits for a go or no-go", self.paint(&Style::new().yellow(), "?")));
        }
        out.truncate(most.max(1));
        out.iter().map(|line| fit(line, width)).collect()
    }

    fn head(self, follow: &Follow, now: Timestamp, cancelled: bool) -> String {
        let mut text = format!("{}{}", self.context(follow), steps(follow));
        if cancelled {
            let words = " cancelled, comes to an end (Ctrl-C once more: at once)";
            text.push_str(&self.paint(&Style::new().yellow().bold(), words));
        }
        if follow.target.as_ref().is_some_and(|target| target.sandbox) {
            text.push_str(" sandbox");
        }
        if let Some(started) = follow.started {
            let _ = write!(text, " {}", elapsed(between(started, now)));
        }
        let _ = write!(text, "  {}", one_line(&follow.title));
        if let Some((index, title)) = &follow.phase {
            let _ = write!(text, ", {}. {}", index + 1, one_line(title));
        }
        text
    }

    fn verifies(self, mut all: Vec<&Seen>, now: Timestamp, shown: usize) -> Vec<String> {
        let total = all.len();
        if total > shown {
            // what holds already is the least of interest
            all.sort_by_key(|seen| seen.verdict.holds());
        }
        let room = if total > shown { shown.saturating_sub(1) } else { shown };
        let mut out: Vec<String> = all.iter().take(room).map(|seen| self.verify(seen, now)).collect();
        if total > shown && shown > 0 {
            out.push(format!("    … and {} more", total - room));
        }
        out
    }

    fn verify(self, seen: &Seen, now: Timestamp) -> String {
        let (glyph, style) = match seen.verdict {
            Verdict::Holds => ("✓", Style::new().green()),
            Verdict::DoesNotHold => ("✗", Style::new().red()),
            Verdict::NotYet => ("…", Style::new().yellow()),
            Verdict::Unknown => ("?", Style::new().magenta()),
        };
        let brief = if seen.brief.is_empty() { String::new() } else { format!(" {}", seen.brief) };
        let words = seen.verdict.words();
        let since = elapsed(between(seen.at, now));
        let stays = match seen.stays {
            Some(stays) if seen.verdict.holds() => format!(", has to stay true for {stays}"),
            _ => String::new(),
        };
        format!("    {} {} {words} ({since}{stays}){brief}", self.paint(&style, glyph), seen.text)
    }
}

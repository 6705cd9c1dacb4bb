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
    pub fn entry(self, follow: &Follow, context: &str, entry: &Entry) -> String {
        let context = self.paint(&tier(follow.target.as_ref()), context);
        let (glyph, style) = match entry.mark {
            Mark::Bad => ("✗", Style::new().red().bold()),
            Mark::Odd => ("!", Style::new().yellow()),
            _ => ("·", Style::new().bold()),
        };
        format!("{} {context}  {}  {}", self.paint(&style, glyph), self.paint(&style, &entry.about), entry.text)
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

    /// The head of a failure that is told again at the end.
    pub fn failed(self, follow: &Follow, about: &str, what: &str) -> String {
        let style = Style::new().red().bold();
        format!("{} {}  {}  failed: {what}", self.paint(&style, "✗"), self.context(follow), self.paint(&style, about))
    }

    /// A line below an entry. Expected and observed stand out.
    pub fn block(self, line: &str) -> String {
        let text = line.trim_start();
        let style = match text.split_whitespace().next() {
            Some("expected") => Style::new().green(),
            Some("observed" | "error:") => Style::new().red(),
            Some("help:" | "opened") => Style::new().cyan(),
            Some("accept" | "to") if text.starts_with("to accept") => Style::new().yellow(),
            _ => return format!("  {line}"),
        };
        format!("  {}", self.paint(&style, line))
    }

    /// A line of the last words.
    pub fn last(self, follow: &Follow, what: &str, words: &str) -> String {
        let style = match what {
            "record" => Style::new().cyan(),
            "outcome" => Style::new().bold(),
            _ => Style::new(),
        };
        format!("  {}  {what:<9}  {}", self.context(follow), self.paint(&style, words))
    }

    /// What to type next: on one line where the terminal is wide enough, so that a command is never broken.
    pub fn next(self, follow: &Follow, next: &Next, width: usize) -> Vec<String> {
        let why = format!("  {}  next       {}", self.context(follow), next.why);
        let command = self.paint(&Style::new().cyan(), &next.command);
        let line = format!("  {}  next       {:<29} {command}", self.context(follow), next.why);
        if measure_text_width(&line) < width { vec![line] } else { vec![why, format!("    {command}")] }
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
            text.push_str(&self.paint(&Style::new().yellow().bold(), " cancelled, comes to an end"));
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
        format!("    {} {} {words} ({since}){brief}", self.paint(&style, glyph), seen.text)
    }
}

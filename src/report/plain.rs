use std::{io::Write, time::Duration};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    Verbs,
    ending::{block, next},
    follow::{Follow, between},
    words::{Mark, entries},
};
use crate::{
    event::{Line, Sink},
    model::text::elapsed,
};

/// One line per transition, each with its time and the context's name. No colours, no cursor movement: for logs, pipes
/// and screen readers. Times are the lines', so a replay prints what the run printed.
#[derive(Debug)]
pub struct Plain<W> {
    out: W,
    zone: TimeZone,
    verbs: Verbs,
    follow: Follow,
    heartbeat: Duration,
    printed: Option<Timestamp>,
    day: Option<jiff::civil::Date>,
    /// A process has ended and its last words are not printed yet: the record's path may still come.
    owes: bool,
}

impl<W: Write + Send> Plain<W> {
    /// Lines go to `out`; times are shown in `zone`; `verbs` are the commands that may be suggested.
    pub fn new(out: W, zone: TimeZone, verbs: Verbs) -> Self {
        Self {
            out,
            zone,
            verbs,
            follow: Follow::default(),
            heartbeat: Duration::from_secs(30),
            printed: None,
            day: None,
            owes: false,
        }
    }

    /// How long nothing may be printed while a step runs.
    #[must_use]
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every;
        self
    }

    /// Takes a line that was written before this view began, without printing it: for a run that is resumed.
    pub fn catch_up(&mut self, line: &Line) {
        self.follow.take(line);
    }

    /// To be called now and then: where nothing was printed for the heartbeat's time, says which step runs, for how long,
    /// and what each of its verifies observed last.
    pub fn tick(&mut self, now: Timestamp) {
        let quiet = self.printed.is_none_or(|printed| between(printed, now) >= self.heartbeat);
        let Some(running) = self.follow.running.clone().filter(|_| quiet) else { return };
        let about = running.step.to_string();
        self.print(now, &about, &format!("{} for {}", running.doing, elapsed(self.follow.since(now))));
        for seen in running.seen.values() {
            let brief = if seen.brief.is_empty() { String::new() } else { format!(" ({})", seen.brief) };
            let since = elapsed(between(seen.at, now));
            self.print(now, &about, &format!("  {}: {} since {since}{brief}", seen.text, seen.verdict.words()));
        }
    }

    fn print(&mut self, at: Timestamp, about: &str, text: &str) {
        self.printed = Some(at);
        let zoned = at.to_zoned(self.zone.clone());
        let (context, time) = (self.follow.context(), zoned.strftime("%H:%M:%S"));
        // a run may wait for days: each day is named once
        let day = zoned.date();
        let mut text = format!("{time} {context}  {about}  {text}\n");
        if self.day.replace(day) != Some(day) {
            text.insert_str(0, &format!("{time} {context}  date  {}\n", zoned.strftime("%Y-%m-%d %:z")));
        }
        // a reader that went away stops nothing
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    fn last_words(&mut self, last: bool) {
        if !std::mem::take(&mut self.owes) {
            return;
        }
        let Some(at) = self.follow.last else { return };
        for (what, words) in block(&self.follow) {
            self.print(at, what, &words);
        }
        // what was to be typed then is over where the run went on
        for next in next(&self.follow, self.verbs).into_iter().filter(|_| last) {
            self.print(at, "next", &format!("{:<30} {}", next.why, next.command));
        }
    }
}

impl<W: Write + Send> Sink for Plain<W> {
    fn line(&mut self, line: &Line) {
        if self.follow.begins_anew(line) {
            self.last_words(false);
        }
        let entries = entries(&self.follow, line, self.verbs);
        self.follow.take(line);
        self.owes |= Follow::owes_an_end(line);
        for entry in entries {
            // what belongs to the line before stands below it, still with context and step
            let text = if entry.mark == Mark::Block { format!("  {}", entry.text) } else { entry.text };
            self.print(line.t, &entry.about, &text);
        }
    }

    fn end(&mut self) {
        self.last_words(true);
    }
}

#[cfg(test)]
mod tests;

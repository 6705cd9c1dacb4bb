use std::io::Write;

use crate::event::{Line, Sink};

/// The journal's lines as they are: `--output json` of a run. There is no second format.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
}

impl<W: Write + Send> Json<W> {
    /// Lines go to `out`, each flushed, so that a reader at the other end of a pipe sees them as they happen.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Sink for Json<W> {
    fn line(&mut self, line: &Line) {
        // a reader that went away stops nothing
        let _ = writeln!(self.out, "{}", line.text).and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn json_is_the_journal_byte_for_byte() {
        let (mut out, story) = (Vec::new(), fixture::done());
        let mut view = Json::new(&mut out);
        story.lines.iter().for_each(|line| view.line(line));
        let journal: Vec<&str> = story.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(String::from_utf8(out).unwrap(), journal.join("\n") + "\n");
    }
}

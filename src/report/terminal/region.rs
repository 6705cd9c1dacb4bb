use std::{fmt::Write as _, io};

use console::measure_text_width;
use indicatif::TermLike;

/// The live lines at the end of the terminal. The cursor stands below them between two drawings.
///
/// Drawn by hand rather than with progress bars: those fill each line up to the terminal's width, which leaves trailing
/// spaces in what scrolls away and half of the old lines on a terminal that was made narrower.
#[derive(Debug, Default)]
pub struct Region {
    /// The lines as they were drawn last, with their widths in columns.
    drawn: Vec<(String, usize)>,
    /// The terminal's width then.
    width: usize,
}

impl Region {
    /// Takes the live lines away, writes `above` where they were, and draws `live` below. Each of `live` must fit the
    /// terminal's width. One write, so that nothing flickers.
    pub fn draw(&mut self, term: &dyn TermLike, above: &[String], live: &[String]) -> io::Result<()> {
        let width = usize::from(term.width()).max(1);
        let same = above.is_empty() && width == self.width && self.drawn.iter().map(|(line, _)| line).eq(live);
        if same {
            return Ok(());
        }
        let mut out = String::new();
        // a terminal that was made narrower has wrapped what stood there
        let rows: usize = self.drawn.iter().map(|(_, columns)| columns.div_ceil(width).max(1)).sum();
        if rows > 0 {
            let _ = write!(out, "\r\x1b[{rows}A\x1b[J");
        }
        for line in above.iter().chain(live) {
            out.push_str(line);
            out.push_str("\r\n");
        }
        self.drawn = live.iter().map(|line| (line.clone(), measure_text_width(line))).collect();
        self.width = width;
        term.write_str(&out)?;
        term.flush()
    }
}

use super::{REPLACEMENT, SHORTEST, Scrubber};

/// Scrubs what arrives in pieces, such as a child's output. Holds back only what could be the beginning of a value.
#[derive(Debug)]
pub struct ScrubStream {
    scrubber: Scrubber,
    held: Vec<u8>,
    /// How many of the bytes held stand for a value whose replacement was given already.
    covered: usize,
    begun: bool,
}

impl ScrubStream {
    pub(super) fn new(scrubber: Scrubber) -> Self {
        Self { scrubber, held: vec![], covered: 0, begun: false }
    }

    /// Takes a piece and gives what can be written now.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        // short values count where they are the whole text, which the first bytes may turn out to be
        if self.scrubber.knows_any() && !self.begun && self.held.trim_ascii().len() <= 2 * SHORTEST {
            return vec![];
        }
        let keep = self.scrubber.patterns().map_or(0, |patterns| patterns.pending(&self.held));
        self.give(self.held.len() - keep)
    }

    /// Gives what was held back: nothing follows.
    pub fn finish(mut self) -> Vec<u8> {
        if self.begun { self.give(self.held.len()) } else { self.scrubber.scrub_bytes(&self.held).into_owned() }
    }

    /// Gives the bytes before `end`; a value that reaches beyond it is given once.
    fn give(&mut self, end: usize) -> Vec<u8> {
        let found = self.scrubber.patterns().map(|patterns| patterns.find(&self.held)).unwrap_or_default();
        let mut out = vec![];
        let mut from = self.covered;
        for range in found.into_iter().take_while(|range| range.start < end) {
            // one that touches what was replaced before belongs to it
            if self.covered == 0 || range.start > self.covered {
                out.extend_from_slice(self.held.get(from..range.start).unwrap_or_default());
                out.extend_from_slice(REPLACEMENT.as_bytes());
            }
            from = from.max(range.end);
        }
        out.extend_from_slice(self.held.get(from..end).unwrap_or_default());
        self.covered = from.saturating_sub(end);
        self.held.drain(..end);
        self.begun |= end > 0;
        out
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.held.len()
    }
}

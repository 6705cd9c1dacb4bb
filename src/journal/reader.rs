//! Reads a journal line by line with one buffer. What does not prove itself at the end is left out; before it, refused.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    EVIDENCE, JOURNAL, LINE_LIMIT, VERSION,
    envelope::{self, Hash, Head, Payload},
    io_error,
};
use crate::{
    event::{Event, Line, RunState, StoreError},
    model::Digest,
};

/// The end of what was read and proven.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    /// The last line's number.
    pub(super) n: u64,
    /// The bytes up to its end.
    pub(super) offset: u64,
    /// Its hash.
    pub(super) hash: Option<Hash>,
    /// The newest minor version so far.
    pub(super) minor: u32,
    /// Whether its line end is missing: it was written, and the line end was not.
    pub(super) unended: bool,
}

/// Reads the journal in a run's folder.
pub(super) struct Reader {
    folder: PathBuf,
    path: PathBuf,
    file: BufReader<File>,
    buffer: Vec<u8>,
    /// Up to where lines are proven.
    pub(super) mark: Mark,
    /// How many bytes stand behind that.
    pub(super) torn: u64,
}

/// A line that proved itself.
pub(super) struct Proven {
    head: OwnedHead,
    event: Option<Event>,
}

struct OwnedHead {
    n: u64,
    t: jiff::Timestamp,
    kind: String,
}

impl Reader {
    /// Reads on from a mark that an earlier reader left.
    pub(super) fn open(folder: &Path, mark: Mark) -> Result<Self, StoreError> {
        let path = folder.join(JOURNAL);
        let mut file = File::open(&path).map_err(|source| io_error(&path, source))?;
        if mark.offset > 0 {
            file.seek(SeekFrom::Start(mark.offset)).map_err(|source| io_error(&path, source))?;
        }
        let file = BufReader::with_capacity(256 << 10, file);
        Ok(Self { folder: folder.to_owned(), path, file, buffer: vec![], mark, torn: 0 })
    }

    fn damaged(&self, message: String) -> StoreError {
        StoreError::Damaged { path: self.path.display().to_string(), line: self.mark.n + 1, message }
    }

    /// Reads the next line's bytes into the buffer and proves them; false at the end.
    fn advance(&mut self) -> Result<bool, StoreError> {
        if self.mark.unended {
            return Ok(false);
        }
        self.buffer.clear();
        let limit = u64::try_from(LINE_LIMIT).unwrap_or(u64::MAX);
        let read = self.file.by_ref().take(limit).read_until(b'\n', &mut self.buffer);
        let read = read.map_err(|source| io_error(&self.path, source))?;
        if read == 0 {
            return Ok(false);
        }
        let ended = self.buffer.last() == Some(&b'\n');
        if ended {
            self.buffer.pop();
        }
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        if let Ok(hash) = envelope::prove(&self.buffer, self.mark.hash.as_ref()) {
            self.mark.hash = Some(hash);
            self.mark.offset += bytes;
            self.mark.unended = !ended;
            return Ok(true);
        }
        if !ended && bytes < limit {
            // the file ends here, or a living writer is about to go on
            self.torn = bytes;
            return self.check_tail();
        }
        // only the last line may be torn, and a line with another behind it is not the last
        let behind = self.file.fill_buf().map_err(|source| io_error(&self.path, source))?;
        if !behind.is_empty() {
            return Err(self.damaged(
                "it does not prove itself, and lines stand behind it: the journal was damaged or edited. Put back a copy \
                 of it, or close the run with `runbook abandon`"
                    .into(),
            ));
        }
        self.torn = bytes;
        self.check_tail()
    }

    /// Refuses a tail in which a whole line stands: that is not what a torn write leaves.
    fn check_tail(&self) -> Result<bool, StoreError> {
        if envelope::begins_with_line(&self.buffer, self.mark.hash.as_ref()) {
            return Err(self.damaged("its line end is damaged, and something stands behind it".into()));
        }
        Ok(false)
    }

    /// The next line, proven and read; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Proven>, StoreError> {
        if !self.advance()? {
            return Ok(None);
        }
        let read = self.interpret().map_err(|message| self.damaged(message))?;
        self.mark.n += 1;
        Ok(Some(read))
    }

    /// The next line, proven and not read; false at the end.
    pub(super) fn skip(&mut self) -> Result<bool, StoreError> {
        let more = self.advance()?;
        self.mark.n += u64::from(more);
        Ok(more)
    }

    fn interpret(&mut self) -> Result<Proven, String> {
        let head = Head::of(&self.buffer)?;
        self.mark.minor = self.mark.minor.max(head.minor()?);
        if head.n != self.mark.n + 1 {
            return Err(format!("it says that it is line {}", head.n));
        }
        let (n, t, at) = (head.n, head.t, head.event);
        if let Some(event) = at.and_then(|at| envelope::event_at(&mut self.buffer, at)) {
            return Ok(Proven { head: OwnedHead { n, t, kind: String::new() }, event: Some(event) });
        }
        let head = Head::of(&self.buffer)?;
        let event = match envelope::payload(&self.buffer, &head)? {
            Payload::Event(event) => Some(*event),
            Payload::Unknown => None,
            Payload::Elsewhere(digest) => {
                let bytes = evidence(&self.folder, &digest).map_err(|error| error.to_string())?;
                Some(envelope::event_of(&head.k, &bytes)?)
            }
        };
        let kind = if event.is_some() { String::new() } else { head.k.into_owned() };
        Ok(Proven { head: OwnedHead { n: head.n, t: head.t, kind }, event })
    }

    /// The line that was read last, with its text.
    pub(super) fn line(&self, proven: Proven) -> Line {
        let text = String::from_utf8_lossy(&self.buffer).into_owned();
        proven.line(text)
    }

    /// Folds all lines that are left.
    pub(super) fn fold(&mut self, state: &mut RunState) -> Result<(), StoreError> {
        self.fold_telling(state, &mut |_| {})
    }

    /// The same; `each` gets the lines, without their texts.
    pub(super) fn fold_telling(&mut self, state: &mut RunState, each: &mut dyn FnMut(&Line)) -> Result<(), StoreError> {
        while let Some(proven) = self.next()? {
            // the fold looks at no line's text, and at its kind only where that is unknown
            let Proven { head: OwnedHead { n, t, kind }, event } = proven;
            let line = Line { n, t, kind, event, text: String::new() };
            each(&line);
            if let Err(error) = state.take(&line) {
                let kind = line.event.as_ref().map_or(line.kind.as_str(), |event| event.kind());
                return Err(StoreError::Damaged {
                    path: self.path.display().to_string(),
                    line: error.line,
                    message: format!("`{kind}` cannot follow here: {}", error.why),
                });
            }
        }
        Ok(())
    }

    /// Refuses to go on writing what a newer program wrote.
    pub(super) fn may_append(&self) -> Result<(), StoreError> {
        if self.mark.minor <= VERSION.1 {
            return Ok(());
        }
        Err(StoreError::Damaged {
            path: self.path.display().to_string(),
            line: self.mark.n,
            message: format!(
                "it was written in version {}.{} of the journal: this program can show the run and not go on with it. \
                 Use a newer runbook",
                VERSION.0, self.mark.minor
            ),
        })
    }
}

impl Proven {
    fn line(self, text: String) -> Line {
        let kind = self.event.as_ref().map_or(self.head.kind, |event| event.kind().to_owned());
        Line { n: self.head.n, t: self.head.t, kind, event: self.event, text }
    }
}

/// A payload in a file of its own, which must have its digest.
pub(super) fn evidence(folder: &Path, digest: &Digest) -> Result<Vec<u8>, StoreError> {
    let path = folder.join(EVIDENCE).join(digest.as_str());
    if !digest.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "not a digest");
        return Err(io_error(&path, source));
    }
    let bytes = std::fs::read(&path).map_err(|source| io_error(&path, source))?;
    if Digest::of(&bytes) == *digest {
        Ok(bytes)
    } else {
        let source =
            io::Error::new(io::ErrorKind::InvalidData, "its content does not have the digest that is its name");
        Err(io_error(&path, source))
    }
}

//! The `Log`, `Store` and `Lock` of `event` on files: envelope, writer, reader, inbox, runs, locks.
//! A line proves itself and the ones before it; a torn tail is cut and kept; earlier damage is refused and named.
//!
//! A line is `{"v":"1.0","n":7,"t":"…","k":"step.verified","p":{…},"h":"…"}` and a line end. `h` is, in hex, the SHA-256
//! of the previous line's `h` (its 64 hex digits; nothing for the first line) followed by this line's bytes up to and not
//! including `,"h":"`, which is always the last member. The chain shows damage, not a rewrite by the file's owner.
//! `"must":true` before `"k"` marks a line that must be understood.
//!
//! A folder of state holds `runs/<run>/` with `journal.jsonl`, `bundle.json`, `writer` (who writes it: a lock and a process
//! id), `evidence/`, `inbox/` and `journal.torn`; `locks/`; and `incidents/`.

mod disk;
mod envelope;
mod footing;
mod inbox;
mod locks;
mod reader;
mod scrub;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use disk::{Disk, Hindered, OsDisk};
pub use footing::{Footing, footing};
pub use locks::{FileLock, folder};
pub use store::FileStore;

use std::{io, path::Path};

use crate::event::StoreError;

/// The version of the envelope that this program writes.
pub const VERSION: (u32, u32) = (1, 0);
/// A payload of more bytes stands in a file of its own.
pub const PAYLOAD_LIMIT: usize = 32 << 10;
/// A line of more bytes is no line.
const LINE_LIMIT: usize = 1 << 20;

const JOURNAL: &str = "journal.jsonl";
const BUNDLE: &str = "bundle.json";
const WRITER: &str = "writer";
const TORN: &str = "journal.torn";
const EVIDENCE: &str = "evidence";
const INBOX: &str = "inbox";

fn io_error(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { path: path.display().to_string(), source }
}

//! The `Log`, `Store` and `Lock` of `event` on files: envelope, writer, reader, inbox, runs, locks.
//! A line proves itself and the ones before it; a torn tail is cut and kept; earlier damage is refused and named.

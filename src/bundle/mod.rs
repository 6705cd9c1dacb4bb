//! All that a run is made of: script, imports, files, `runbook.toml`.
//! Read once, digested, copied to the run folder; natives open bundle paths, never the disk.

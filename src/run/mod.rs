//! From a loaded playbook to an ended run: bind, trial, preflight, executor, verify, gate, resume, promotion.
//! It knows the journal, locks and other runs only through the traits of `event`.

//! Findings about a plan without a cluster: one rule a file, all findings at once.

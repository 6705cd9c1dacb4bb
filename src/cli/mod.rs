//! The command line on the public API of `runbook`: arguments, prompts, signals, exit codes; `commands/<verb>`.

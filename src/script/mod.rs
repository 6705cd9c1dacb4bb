//! The playbook language: engine and limits, declarations, natives, observations, diagnostics. rhai only here.
//! `declare` runs a script and gives a plan with its closures; `evaluate` and `call` run one closure later.
//! A script declares; nothing has an effect until the runner calls a closure.

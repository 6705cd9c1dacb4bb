//! Values only: what a plan, a step, a gate, a risk, a reference, a finding, a touch, an observation, a verdict is.
//! Nothing here does I/O or knows how a value came to be; every other module may use it.
//! One concept, one type: `Finding` serves check, preflight and lints; `Touch` serves risk, staging and ways back.
//! All types are serde values: they stand in the journal as they are.

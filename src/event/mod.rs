//! What can happen in a run (`Event`, which is also the wire format) and the fold of events into a run's state.
//! The traits through which `run` and `effect` know the journal, locks and other runs: `Log`, `Store`, `Lock`, `Clock`.
//! A view is called after the line is durable; its failure stops nothing.

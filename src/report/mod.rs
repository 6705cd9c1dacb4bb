//! Views of events: plan, terminal, plain, JSON lines. A live run and a replay go through the same ones.

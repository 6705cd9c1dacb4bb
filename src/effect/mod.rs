//! The one door from scripts to the world: every native goes through it.
//! Checks the mode (declare, read, change), the deadline and the cancel; records what a verify read and what a step touched.
//! An effect is journaled before it is sent and after it was answered; on resume it is replayed from the journal.

//! The blameless incident record: a pure function of a run's journal. Build, render, questions.
//! It says what was seen, expected and known, and how; never who.

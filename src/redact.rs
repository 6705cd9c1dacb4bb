//! The `Secret` type and the scrubber: nothing is written that did not pass it.

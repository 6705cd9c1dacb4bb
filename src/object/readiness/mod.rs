//! When is an object ready: kstatus with the deviations that its users asked for, one rule a file.

//! Commands: argv rules per tool, environment, process groups, streams. duct only here.
//! A command without a rule is refused; what a rule knows is read, dry-runnable, change or refused.

//! The native modules of playbooks, thin: arguments in, one call of `effect`, a value out.

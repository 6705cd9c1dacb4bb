//! HTTP requests of playbooks. reqwest only here.

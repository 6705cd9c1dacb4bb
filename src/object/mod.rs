//! A Kubernetes object as JSON, without I/O: YAML as kubectl reads it, references, readiness rules, diff.
//! Everything here is a pure function over `serde_json::Value`.

pub mod path;
pub mod readiness;
mod reference;
pub mod yaml;

pub use reference::{Head, head, reference, split_api_version};
pub use yaml::{YamlError, objects};

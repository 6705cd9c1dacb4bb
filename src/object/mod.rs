//! A Kubernetes object as JSON, without I/O: YAML as kubectl reads it, references, readiness rules, diff.
//! Everything here is a pure function over `serde_json::Value`.

mod image;
pub mod path;
pub mod readiness;
mod reference;
pub mod way_back;
pub mod yaml;

pub use image::image;
pub use reference::{Head, head, reference, split_api_version};
pub use yaml::{YamlError, objects};

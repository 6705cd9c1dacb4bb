//! A Kubernetes object as JSON, without I/O: YAML as kubectl reads it, references, edges, readiness rules, diff.
//! Everything here is a pure function over `serde_json::Value`.

pub mod api;
mod diff;
pub mod edges;
mod image;
pub mod kept;
mod lines;
mod merge;
/// What a change takes of its namespace's quotas.
pub mod need;
/// Values at dotted paths.
pub mod path;
pub mod quantity;
pub mod readiness;
mod reference;
pub mod repo;
/// Where the values of Secrets stand.
pub mod secret;
pub mod usage;
pub mod way_back;
/// YAML and JSON text.
pub mod yaml;

pub use diff::{Difference, diff, without_server_fields};
pub use image::{image, into_image};
pub use lines::{Lined, Lines, lined};
pub use merge::merge;
pub use quantity::Quantity;
pub use reference::{Head, head, reference, split_api_version};
pub use yaml::{YamlError, objects};

//! A Kubernetes object as JSON, without I/O: YAML as kubectl reads it, references, readiness rules, diff.
//! Everything here is a pure function over `serde_json::Value`.

//! What a step's change returned, as far as it is kept: later closures ask for it, in this process or another.

use serde_json::{Value, json};

/// What is kept of an output at most, in bytes of JSON.
pub const OUTPUT: usize = 64 * 1024;

/// The one field of what stands for an output that is too large.
const LARGE: &str = "$output-bytes";

/// The output itself, or in its place how large it was. The change was made: that it returned much does not undo it, and
/// most outputs are never read.
pub fn kept(output: Value) -> Value {
    let bytes = output.to_string().len();
    if bytes > OUTPUT { json!({ LARGE: bytes }) } else { output }
}

/// How large an output was that is not kept, in bytes.
pub fn too_large(output: &Value) -> Option<u64> {
    let fields = output.as_object().filter(|fields| fields.len() == 1)?;
    fields.get(LARGE)?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_kept_whole_or_by_its_size() {
        assert_eq!(kept(json!({ "a": 1 })), json!({ "a": 1 }));
        assert_eq!(too_large(&json!({ "a": 1 })), None);
        let large = kept(json!("x".repeat(OUTPUT)));
        assert_eq!(too_large(&large), Some(OUTPUT as u64 + 2));
    }
}

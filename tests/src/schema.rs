//! The documented JSON schemas of output: docs/reference/schemas.

use std::path::Path;

use serde_json::Value;

/// Checks a command's output against its documented schema.
///
/// # Panics
/// When the output does not match. The message lists each difference.
pub fn assert_documented(name: &str, output: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/schemas");
    let path = path.join(format!("{name}.schema.json"));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let schema: Value = serde_json::from_slice(&text).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema is one");
    let wrong: Vec<String> =
        validator.iter_errors(output).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{}\n{output:#}", wrong.join("\n"));
}

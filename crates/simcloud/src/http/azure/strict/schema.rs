//! The form of a request's body: known properties, with their types, their values, and those that must be there.
//!
//! `schemas/virtual-machine.json` is written for the properties that azlin sends and reads. A test compares it with
//! Azure's own schema, where that is at hand.

use std::sync::LazyLock;

use serde_json::Value;

use super::StrictRefusal;

const TEXT: &str = include_str!("../../../../schemas/virtual-machine.json");

#[expect(clippy::expect_used, reason = "a test reads the file")]
pub(super) static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(TEXT).expect("the schema is JSON"));

/// Checks a body against the schema for this version of the API.
pub(super) fn check(body: &Value, version: &str) -> Result<(), StrictRefusal> {
    if body["location"].as_str().is_none_or(str::is_empty) {
        let message = "The location property is required for this definition.".to_owned();
        return Err(StrictRefusal::bad("LocationRequired", message));
    }
    value(&SCHEMA, body, "", version)
}

fn value(schema: &Value, found: &Value, path: &str, version: &str) -> Result<(), StrictRefusal> {
    let wanted = schema["type"].as_str().unwrap_or_default();
    let fits = match wanted {
        "object" => found.is_object(),
        "array" => found.is_array(),
        "string" => found.is_string(),
        "boolean" => found.is_boolean(),
        "integer" => found.is_i64() || found.is_u64(),
        "number" => found.is_number(),
        _ => true,
    };
    if !fits {
        let message = format!("Error converting value {found} to type '{wanted}'. Path '{path}', line 1.");
        return Err(StrictRefusal::bad("BadRequest", message));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(found)
    {
        let names: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        let message = format!(
            "The value {found} of parameter '{path}' is not allowed. Allowed values are: {}.",
            names.join(", ")
        );
        return Err(StrictRefusal::parameter(path, message));
    }
    match found {
        Value::Object(found) => {
            for (name, inner) in found {
                property(schema, name, inner, &below(path, name), version)?;
            }
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if found.get(name).is_none_or(Value::is_null) {
                    let target = below(path, name);
                    let message = format!("Required parameter '{target}' is missing (null).");
                    return Err(StrictRefusal::parameter(&target, message));
                }
            }
            Ok(())
        }
        Value::Array(found) => found.iter().enumerate().try_for_each(|(number, inner)| {
            value(&schema["items"], inner, &format!("{path}[{number}]"), version)
        }),
        _ => Ok(()),
    }
}

/// One property of an object. Azure takes null for a property that is not there.
fn property(
    schema: &Value,
    name: &str,
    found: &Value,
    path: &str,
    version: &str,
) -> Result<(), StrictRefusal> {
    let known = &schema["properties"][name];
    let since = known["x-since"].as_str().unwrap_or_default();
    if known.is_object() && since <= version {
        return if found.is_null() { Ok(()) } else { value(known, found, path, version) };
    }
    match &schema["additionalProperties"] {
        Value::Bool(false) => {
            let message = format!("Could not find member '{name}' on object. Path '{path}', line 1.");
            let code = if path == name { "InvalidRequestContent" } else { "BadRequest" };
            Err(StrictRefusal::bad(code, message))
        }
        any if any.is_object() => value(any, found, path, version),
        _ => Ok(()),
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

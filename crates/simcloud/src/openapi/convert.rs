//! Schemas of OpenAPI 3.0 as JSON Schema 2020-12.

use serde_json::{Map, Value, json};

/// Converts every schema of a document in place. `nullable` becomes a type or an alternative, references lead
/// to [`super::SCHEMAS`], and objects that name their fields allow no others, except errors.
pub(super) fn to_json_schema(document: &mut Value) {
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        for (name, schema) in schemas {
            convert(schema, !name.contains("error"));
        }
    }
    for part in ["parameters", "responses", "headers"] {
        convert(&mut document["components"][part], true);
    }
    convert(&mut document["paths"], true);
}

fn convert(value: &mut Value, closes: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| convert(item, closes)),
        Value::Object(schema) => {
            schema.values_mut().for_each(|part| convert(part, closes));
            if let Some(Value::String(reference)) = schema.get_mut("$ref") {
                reference.insert_str(0, super::SCHEMAS);
            }
            if closes && schema.get("type") == Some(&json!("object")) && names_all_fields(schema) {
                schema.insert("additionalProperties".to_owned(), json!(false));
            }
            if schema.get("nullable") == Some(&json!(true)) {
                allow_null(schema);
            }
        }
        _ => {}
    }
}

fn names_all_fields(schema: &Map<String, Value>) -> bool {
    schema.get("properties").is_some_and(Value::is_object)
        && !["additionalProperties", "allOf", "anyOf", "oneOf"].iter().any(|key| schema.contains_key(*key))
}

fn allow_null(schema: &mut Map<String, Value>) {
    schema.remove("nullable");
    if let Some(Value::Array(allowed)) = schema.get_mut("enum") {
        allowed.push(Value::Null);
    }
    if let Some(name) = schema.get("type").and_then(Value::as_str).map(str::to_owned) {
        schema.insert("type".to_owned(), json!([name, "null"]));
    } else {
        let others = Value::Object(std::mem::take(schema));
        schema.insert("anyOf".to_owned(), json!([others, {"type": "null"}]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_openapi_has_its_form_in_json_schema() {
        let rows = [
            ("a text", json!({"type": "string"}), json!({"type": "string"})),
            (
                "a text or nothing",
                json!({"type": "string", "nullable": true}),
                json!({"type": ["string", "null"]}),
            ),
            (
                "one of some words or nothing",
                json!({"type": "string", "enum": ["a"], "nullable": true}),
                json!({"type": ["string", "null"], "enum": ["a", null]}),
            ),
            (
                "alternatives or nothing",
                json!({"anyOf": [{"type": "string"}], "nullable": true}),
                json!({"anyOf": [{"anyOf": [{"type": "string"}]}, {"type": "null"}]}),
            ),
            (
                "a reference",
                json!({"$ref": "#/components/schemas/job"}),
                json!({"$ref": "urn:github-rest#/components/schemas/job"}),
            ),
            (
                "an object, and a field that is called as a keyword is",
                json!({"type": "object", "properties": {"type": {"type": "string"}, "nullable": {"type": "boolean"}}}),
                json!({
                    "type": "object", "additionalProperties": false,
                    "properties": {"type": {"type": "string"}, "nullable": {"type": "boolean"}},
                }),
            ),
            (
                "an object that takes anything",
                json!({"type": "object", "properties": {}, "additionalProperties": true}),
                json!({"type": "object", "properties": {}, "additionalProperties": true}),
            ),
            ("an object that says nothing", json!({"type": "object"}), json!({"type": "object"})),
        ];
        for (situation, mut schema, expected) in rows {
            convert(&mut schema, true);
            assert_eq!(schema, expected, "{situation}");
        }
    }
}

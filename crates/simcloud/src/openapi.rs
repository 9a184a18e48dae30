//! Checks exchanges with GitHub against GitHub's own description of its API.
//!
//! Where the description is open, the check is strict, since a simulation must not invent and a client must
//! not hope: a field that it does not name is an error, in requests and in responses. Error responses are not
//! checked so, since GitHub says more in them than it documents.

mod convert;
mod routes;

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonschema::{Draft, Registry, Resource, Validator};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::http::Exchange;
use routes::{MatchedRoute, Routes};

const TEXT: &str = include_str!("../specs/github-rest.json");

/// The URI of the schemas, for references between them.
const SCHEMAS: &str = "urn:github-rest";

/// GitHub's description of its REST API (`specs/github-rest.json`).
pub struct Spec {
    document: Value,
    routes: Routes,
    registry: Registry<'static>,
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
}

impl Spec {
    /// Reads the description. Schemas are compiled when they are first needed.
    #[expect(clippy::missing_panics_doc, reason = "the file is part of the program, and a test reads it")]
    #[expect(clippy::expect_used, reason = "an invariant, which the message states")]
    pub fn load() -> Spec {
        let mut document: Value = serde_json::from_str(TEXT).expect("specs/github-rest.json is JSON");
        convert::to_json_schema(&mut document);
        let schemas = json!({"components": {"schemas": document["components"]["schemas"]}});
        let schemas = Draft::Draft202012.create_resource(schemas);
        let registry = registry(schemas).expect("references within specs/github-rest.json can be followed");
        Spec { routes: Routes::of(&document), document, registry, validators: Mutex::default() }
    }

    /// What is wrong with an exchange; empty if nothing is.
    pub fn check(&self, exchange: &Exchange) -> Vec<String> {
        let Exchange { method, path, status, .. } = exchange;
        let mut faults = match self.routes.find(method, path) {
            None => vec!["no such route".to_owned()],
            Some(found) => {
                let operation = &self.document["paths"][found.template][method.to_ascii_lowercase()];
                let mut faults = self.parameters(&found, operation, exchange);
                faults.extend(self.request(&found, operation, exchange));
                faults.extend(self.response(&found, operation, exchange));
                faults
            }
        };
        for fault in &mut faults {
            *fault = format!("{method} {path} → {status}: {fault}");
        }
        faults
    }

    fn parameters(&self, found: &MatchedRoute<'_>, operation: &Value, exchange: &Exchange) -> Vec<String> {
        let declared: Vec<&Value> =
            operation["parameters"].as_array().into_iter().flatten().map(|one| self.followed(one)).collect();
        let of = |place: &str, name: &str| {
            declared.iter().find(|one| one["in"] == place && one["name"] == name).map(|one| &one["schema"])
        };
        let mut faults = Vec::new();
        let mut sent = Vec::new();
        for (name, value) in &found.parameters {
            if let Some(schema) = of("path", name) {
                faults.extend(self.parameter(name, value, schema));
            }
        }
        for (name, value) in url::form_urlencoded::parse(exchange.query.as_bytes()) {
            match of("query", &name) {
                Some(schema) => faults.extend(self.parameter(&name, &value, schema)),
                None => faults.push(format!("the query parameter {name} is not documented")),
            }
            sent.push(name);
        }
        let missing = declared.iter().filter(|one| one["in"] == "query" && one["required"] == true);
        let missing =
            missing.filter_map(|one| one["name"].as_str()).filter(|name| sent.iter().all(|s| s != name));
        faults.extend(missing.map(|name| format!("the query parameter {name} is missing")));
        faults
    }

    fn parameter(&self, name: &str, value: &str, schema: &Value) -> Vec<String> {
        let value = match schema["type"].as_str() {
            Some("integer" | "boolean" | "number") => {
                serde_json::from_str(value).unwrap_or_else(|_| json!(value))
            }
            _ => json!(value),
        };
        self.fits(&format!("parameter {name}"), &format!("parameter {name} {schema}"), schema, &value)
    }

    fn request(&self, found: &MatchedRoute<'_>, operation: &Value, exchange: &Exchange) -> Vec<String> {
        let wanted = self.followed(&operation["requestBody"]);
        match (exchange.request.is_empty(), wanted.is_null()) {
            (true, _) if wanted["required"] == true => vec!["the request needs a body".to_owned()],
            (true, _) => Vec::new(),
            (false, true) => vec!["the request must have no body".to_owned()],
            (false, false) => {
                let key = format!("{} {} request", exchange.method, found.template);
                self.body("request", &key, wanted, &exchange.request)
            }
        }
    }

    fn response(&self, found: &MatchedRoute<'_>, operation: &Value, exchange: &Exchange) -> Vec<String> {
        let status = exchange.status;
        let key = format!("{} {} {status}", exchange.method, found.template);
        let described = self.followed(&operation["responses"][status.to_string()]);
        let has_body = !exchange.response.is_empty();
        match described {
            Value::Null if !is_everywhere(status) => vec!["this status is not documented".to_owned()],
            Value::Null if status == 304 && has_body => vec!["the answer must have no body".to_owned()],
            Value::Null if has_body => {
                let error = json!({"$ref": format!("{SCHEMAS}#/components/schemas/basic-error")});
                self.text("answer", "basic-error", &error, &exchange.response)
            }
            Value::Null => Vec::new(),
            _ if described["content"].is_null() && has_body => {
                vec!["the answer must have no body".to_owned()]
            }
            _ if described["content"].is_null() => Vec::new(),
            _ => self.body("answer", &key, described, &exchange.response),
        }
    }

    fn body(&self, what: &str, key: &str, described: &Value, bytes: &[u8]) -> Vec<String> {
        self.text(what, key, &described["content"]["application/json"]["schema"], bytes)
    }

    fn text(&self, what: &str, key: &str, schema: &Value, bytes: &[u8]) -> Vec<String> {
        match serde_json::from_slice(bytes) {
            Ok(value) => self.fits(what, key, schema, &value),
            Err(error) => vec![format!("{what}: not JSON: {error}")],
        }
    }

    /// Where a value does not fit a schema. The key names the schema, so that it is compiled only once.
    fn fits(&self, what: &str, key: &str, schema: &Value, value: &Value) -> Vec<String> {
        match self.validator(key, schema) {
            Err(why) => vec![format!("{what}: the schema of {key} is no schema: {why}")],
            Ok(validator) => validator
                .iter_errors(value)
                .map(|error| format!("{what}{}: {}", error.instance_path(), brief(&error.to_string())))
                .collect(),
        }
    }

    fn validator(&self, key: &str, schema: &Value) -> Result<Arc<Validator>, String> {
        let mut validators = self.validators.lock();
        if let Some(known) = validators.get(key) {
            return Ok(Arc::clone(known));
        }
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        let made = options.with_registry(&self.registry).build(schema).map_err(|error| error.to_string())?;
        let made = Arc::new(made);
        validators.insert(key.to_owned(), Arc::clone(&made));
        Ok(made)
    }

    /// The value, or what its `$ref` refers to.
    fn followed<'v>(&'v self, value: &'v Value) -> &'v Value {
        let pointer =
            value["$ref"].as_str().and_then(|reference| reference.strip_prefix(SCHEMAS)?.strip_prefix('#'));
        pointer.map_or(value, |pointer| self.document.pointer(pointer).unwrap_or(&Value::Null))
    }
}

fn registry(schemas: Resource) -> Result<Registry<'static>, jsonschema::ReferencingError> {
    Registry::new().add(SCHEMAS, schemas)?.prepare()
}

/// Whether GitHub sends this status on any route, listed or not.
fn is_everywhere(status: u16) -> bool {
    matches!(status, 304 | 401 | 403 | 404 | 429 | 500..=599)
}

/// Cuts a message, which quotes the whole value and can hold a page of runs.
fn brief(message: &str) -> String {
    const MOST: usize = 300;
    match message.char_indices().rev().nth(MOST) {
        Some((from, _)) => format!("…{}", &message[from..]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests;

//! Reads the body of a refusal leniently: Azure's services frame errors in several ways, spell their keys in several
//! cases, and hide the code that says most inside a general one.

use serde_json::{Map, Value};

use crate::error::meaning;

/// How deep errors are read inside each other.
const DEEPEST: usize = 8;
/// How many errors of one body are read.
const MOST: usize = 32;

/// An error in a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BodyError {
    pub(crate) code: String,
    pub(crate) message: String,
    /// The property of the request that it concerns: `vmSize`.
    pub(crate) target: String,
}

/// What a body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ErrorBody {
    /// An error in Azure's frame: `{"error": {"code", "message"}}`.
    Framed(BodyError),
    /// An error with a code and without a frame: `{"code", "message"}`.
    Bare(BodyError),
    /// An error as a text: `{"error": "invalid_request", "error_description": "…"}`. It is not the resource
    /// manager's.
    Text(String),
    /// Anything else.
    Other,
}

impl ErrorBody {
    /// What a body says: of all errors in it, the outermost one that says something that azlin knows.
    pub(crate) fn read(body: &[u8]) -> ErrorBody {
        let Ok(Value::Object(top)) = serde_json::from_slice(body) else { return ErrorBody::Other };
        match get(&top, "error") {
            Some(Value::Object(error)) => ErrorBody::Framed(most_telling(error)),
            Some(Value::String(text)) => {
                let more = text_of(&top, "error_description");
                ErrorBody::Text(if more.is_empty() { text.clone() } else { format!("{text}: {more}") })
            }
            _ if text_of(&top, "code").is_empty() => match text_of(&top, "message") {
                message if message.is_empty() => ErrorBody::Other,
                message => ErrorBody::Text(message),
            },
            _ => ErrorBody::Bare(most_telling(&top)),
        }
    }
}

fn most_telling(error: &Map<String, Value>) -> BodyError {
    let mut all = Vec::new();
    collect(error, 0, &mut all);
    let known = all.iter().position(|error| meaning::of(error).is_some());
    let mut found = known.map_or_else(|| all.first().cloned().unwrap_or_default(), |at| all[at].clone());
    if found.message.is_empty() {
        found.message = all
            .into_iter()
            .map(|error| error.message)
            .find(|message| !message.is_empty())
            .unwrap_or_default();
    }
    found
}

/// All errors of an error, the outermost first.
fn collect(error: &Map<String, Value>, depth: usize, all: &mut Vec<BodyError>) {
    if depth > DEEPEST || all.len() >= MOST {
        return;
    }
    let message = text_of(error, "message");
    // Resource Manager puts the answer of a resource provider into the message, as JSON in a text.
    let quoted = serde_json::from_str::<Value>(&message).ok();
    all.push(BodyError { code: text_of(error, "code"), message, target: text_of(error, "target") });
    let inside = |value: &Value, all: &mut Vec<BodyError>| {
        if let Value::Object(inner) = value {
            match get(inner, "error") {
                Some(Value::Object(framed)) => collect(framed, depth + 1, all),
                _ => collect(inner, depth + 1, all),
            }
        }
    };
    if let Some(Value::Array(details)) = get(error, "details") {
        details.iter().for_each(|detail| inside(detail, all));
    }
    for inner in get(error, "innererror").into_iter().chain(quoted.as_ref()) {
        inside(inner, all);
    }
}

/// The value of a key in any case.
fn get<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

/// A text; empty if it is absent, null or anything else.
fn text_of(object: &Map<String, Value>, key: &str) -> String {
    get(object, key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

//! Texts as a hostile server, or a person who may name a job, would choose them: with escape sequences, line breaks,
//! characters that are not seen and such that change the order of what stands beside them.

use serde_json::Value;

use crate::http::message::SimResponse;

/// What stands behind each text. A terminal, a log or a page that shows one of these as it is acts on it.
const ODD: [&str; 9] = [
    "\u{1b}]0;pwned\u{7}",
    "\u{1b}]52;c;cHduZWQ=\u{1b}\\",
    "\u{1b}[2J\u{1b}[31m",
    "\r\n2026-11-28T00:00:00Z  INFO ci: forged\n",
    "\u{9b}31m\u{85}",
    "\u{202e}gnp.\u{2066}",
    "\u{200b}\u{feff}\u{e0041}",
    "\u{2028}\u{2029}",
    "\0\u{8}\u{7f}",
];

/// Keys whose values lead a client on, or are no texts of people: an answer without them is of no use at all.
const FUNCTIONAL: [&str; 16] = [
    "id",
    "node_id",
    "guid",
    "status",
    "state",
    "provisioningState",
    "powerState",
    "type",
    "path",
    "full_name",
    "token",
    "access_token",
    "encoded_jit_config",
    "vmId",
    "resourceType",
    "event",
];

/// The text with all of it.
pub(crate) fn odd(text: &str) -> String {
    format!("{text}{}", ODD.concat())
}

/// The answer with odd texts in it, where it is JSON.
pub(crate) fn answer(answer: SimResponse) -> SimResponse {
    match serde_json::from_slice(&answer.body) {
        Ok(mut body) => {
            decorate("", &mut body);
            SimResponse { body: body.to_string().into(), ..answer }
        }
        Err(_) => answer,
    }
}

fn decorate(key: &str, value: &mut Value) {
    let is_functional = FUNCTIONAL.contains(&key)
        || ["url", "Link", "_at", "_on", "Id"].iter().any(|end| key.ends_with(end))
        || key.starts_with("azlin-");
    match value {
        Value::String(text) if !is_functional => *text = odd(text),
        Value::Array(items) => items.iter_mut().for_each(|item| decorate(key, item)),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, field)| decorate(name, field)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_odd_and_what_leads_on_is_not() {
        let body = json!({"jobs": [{"id": 7, "name": "build", "html_url": "https://x", "labels": ["a"], "status": "queued"}]});
        let odd_one = answer(SimResponse::json(200, &body));
        let read: Value = serde_json::from_slice(&odd_one.body).expect("JSON");
        let job = &read["jobs"][0];
        assert_eq!(
            (job["name"].as_str(), job["labels"][0].as_str()),
            (Some(&*odd("build")), Some(&*odd("a")))
        );
        assert_eq!((job["html_url"].as_str(), job["status"].as_str()), (Some("https://x"), Some("queued")));
        assert!(ODD.iter().all(|part| azlin_fleet::model::foreign::has_odd(part)));
    }
}

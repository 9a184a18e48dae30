//! The change that makes a VM on standby the one of a runner.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::api::Sealed;

/// The version of the API that the body is written for.
const API: &str = "2024-07-01";

/// The body of the change: all tags of the VM, since what is sent replaces those that it has, and its user data.
pub(crate) fn change(
    has: BTreeMap<String, String>,
    more: &BTreeMap<String, String>,
    order: &SecretString,
) -> Sealed {
    let tags: BTreeMap<String, String> =
        has.into_iter().chain(more.iter().map(|(name, value)| (name.clone(), value.clone()))).collect();
    let encoded = BASE64_STANDARD.encode(order.expose_secret());
    let body = json!({"tags": tags, "properties": {"userData": encoded}});
    Sealed { api_version: API, body: Bytes::from(body.to_string()), secrets: vec![encoded] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_tags_that_are_there_and_shows_its_secret_to_nobody() {
        let tags = |all: &[(&str, &str)]| {
            all.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let has = tags(&[("cost-centre", "7"), ("azlin-standby", "kept")]);
        let more = tags(&[("azlin-standby", "2026-01-02T03:04:05Z"), ("azlin-runner-id", "7")]);
        let sealed = change(has, &more, &SecretString::from("azlin-run 7 r SECRET".to_owned()));
        let body: serde_json::Value = serde_json::from_slice(&sealed.body).expect("JSON");
        assert_eq!(
            body["tags"],
            json!({"cost-centre": "7", "azlin-standby": "2026-01-02T03:04:05Z", "azlin-runner-id": "7"})
        );
        let encoded = body["properties"]["userData"].as_str().expect("a text");
        assert_eq!(BASE64_STANDARD.decode(encoded).expect("base64"), b"azlin-run 7 r SECRET");
        assert_eq!(sealed.secrets, [encoded]);
    }
}

//! Takes the credential of a request out of its answer, whatever the server made of it: a proxy that reports what it was
//! sent, or a server that wants it in a log.

use std::sync::Arc;

use azlin_fleet::model::redact::KnownSecret;
use parking_lot::Mutex;
use reqwest::header::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

/// So many credentials are in use at the same time, at most. Each lasts for an hour or longer.
const MOST: usize = 16;

/// The credentials of the last requests, with the forms that are looked for.
#[derive(Debug, Default)]
pub(crate) struct Credentials(Mutex<Vec<(SecretString, Option<Arc<KnownSecret>>)>>);

impl Credentials {
    /// Takes the credential out of the headers and the body of an answer.
    pub(crate) fn take_out(&self, credential: &str, headers: &mut HeaderMap, body: Vec<u8>) -> Vec<u8> {
        let Some(known) = self.forms(credential) else { return body };
        for value in headers.values_mut() {
            if let Some(clean) = known.blot_bytes(value.as_bytes()) {
                *value = HeaderValue::from_bytes(&clean).unwrap_or(HeaderValue::from_static(""));
            }
        }
        known.blot_bytes(&body).unwrap_or(body)
    }

    fn forms(&self, credential: &str) -> Option<Arc<KnownSecret>> {
        let mut all = self.0.lock();
        if let Some((_, known)) = all.iter().find(|(one, _)| one.expose_secret() == credential) {
            return known.clone();
        }
        let known = KnownSecret::of([credential]).map(Arc::new);
        if all.len() >= MOST {
            all.remove(0);
        }
        all.push((SecretString::from(credential), known.clone()));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_holds_the_credential_is_read_without_it() {
        let (credentials, token) = (Credentials::default(), "ghp_16C7e42F292c6912E7710c838347Ae178B4a");
        let mut headers = HeaderMap::new();
        headers.insert("x-debug", HeaderValue::from_static("ghp%5F16C7e42F292c6912E7710c838347Ae178B4a"));
        headers.insert("etag", HeaderValue::from_static("\"1\""));
        let body =
            b"{\"name\": \"Z2hwXzE2QzdlNDJGMjkyYzY5MTJFNzcxMGM4MzgzNDdBZTE3OEI0YQ\", \"id\": 7}".to_vec();
        let body = credentials.take_out(token, &mut headers, body);
        assert_eq!(String::from_utf8_lossy(&body), "{\"name\": \"[redacted]Q\", \"id\": 7}");
        assert_eq!(
            (headers["x-debug"].as_bytes(), headers["etag"].as_bytes()),
            (&b"[redacted]"[..], &b"\"1\""[..])
        );
        let other = credentials.take_out("another-credential-1234", &mut headers, b"x".to_vec());
        assert_eq!((other, credentials.0.lock().len()), (b"x".to_vec(), 2));
    }
}

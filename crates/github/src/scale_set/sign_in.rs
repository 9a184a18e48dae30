//! Signing in to the service, for each scope: a registration token of the REST API is exchanged for the address of the
//! service and a token for it, which says itself when it ends.

use std::time::Duration;

use azlin_fleet::model::{CallError, CallErrorKind, Scope};
use azlin_http::RequestEffect;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use url::Url;

use super::wire::{AdminConnectionJson, address, without_mark};
use crate::answer::Expects;
use crate::error;
use crate::http::{As, GitHubCall, Http};
use crate::runners;

/// So long before its end a token is replaced.
const AHEAD: Duration = Duration::from_secs(60);
/// A token is used for so long at least, whatever this machine's clock makes of its end: a refusal ends it too.
const LEAST: Duration = Duration::from_secs(30);
/// What is believed of a token that does not say when it ends.
const UNTOLD: Duration = Duration::from_secs(10 * 60);
/// GitHub refuses a fresh registration token at times: so often both steps are tried.
const TRIES: u32 = 3;

/// The address of the service for a scope, and a token for it.
pub(super) struct Admin {
    pub(super) url: Url,
    pub(super) token: SecretString,
    ends: Instant,
}

impl Admin {
    pub(super) fn is_fresh(&self) -> bool {
        self.ends > Instant::now()
    }
}

/// Signs in.
pub(super) async fn sign_in(http: &Http, scope: &Scope) -> Result<Admin, CallError> {
    let mut tries = 1;
    loop {
        match once(http, scope).await {
            Err(refused) if refused.kind == CallErrorKind::NotPermitted && tries < TRIES => {
                sleep(http.client.first_pause() * 2_u32.pow(tries)).await;
                tries += 1;
            }
            result => return result,
        }
    }
}

async fn once(http: &Http, scope: &Scope) -> Result<Admin, CallError> {
    let registration = runners::registration_token(http, scope).await?;
    let call = GitHubCall {
        method: Method::POST,
        url: http.api.join("actions/runner-registration")?,
        body: Some(json!({"url": http.api.page(scope), "runner_event": "register"})),
        effect: RequestEffect::Reads,
        expects: Expects::OK,
        needs: runners::needs(scope),
    };
    let answer = http.send_as(&call, None, As::Registration(registration.token)).await?;
    if !answer.status.is_success() {
        return Err(http.failed(&call, &answer));
    }
    let found: AdminConnectionJson = http.read(&call, without_mark(&answer.body))?;
    let Some(url) = address(&found.url).filter(|_| !found.token.is_empty()) else {
        let why = "GitHub named no address of the service that a token may be sent to";
        return Err(error::foreign(&call, why));
    };
    let left = left(&found.token, Timestamp::now());
    Ok(Admin { url, token: SecretString::from(found.token), ends: Instant::now() + left })
}

/// How long a token may be used from now on, by what it says of its end.
fn left(token: &str, now: Timestamp) -> Duration {
    let claims = token
        .split('.')
        .nth(1)
        .and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    let Some(ends) = claims.and_then(|claims| claims["exp"].as_i64()) else { return UNTOLD };
    let left = Duration::from_secs(u64::try_from(ends.saturating_sub(now.as_second())).unwrap_or(0));
    left.saturating_sub(AHEAD).clamp(LEAST, Duration::from_secs(24 * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_token_is_used() {
        let now: Timestamp = "2026-09-21T14:41:40Z".parse().expect("a time");
        let of = |claims: &str| format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims));
        let ends = now.as_second();
        for (situation, token, seconds) in [
            ("a quarter of an hour", of(&format!(r#"{{"exp":{}}}"#, ends + 900)), 840),
            ("it ends at once", of(&format!(r#"{{"exp":{}}}"#, ends + 5)), 30),
            ("it has ended, by our clock", of(&format!(r#"{{"exp":{}}}"#, ends - 500)), 30),
            ("no end", of("{}"), 600),
            ("no JSON web token", "opaque".to_owned(), 600),
            ("an end beyond all numbers", of(r#"{"exp":9223372036854775807}"#), 86_400),
        ] {
            assert_eq!(left(&token, now), Duration::from_secs(seconds), "{situation}");
        }
    }
}

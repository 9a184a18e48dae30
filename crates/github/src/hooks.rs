//! Administers the webhooks of a repository or an organisation: list, create, change, remove, ping,
//! redeliver.

mod deliveries;

use std::collections::HashSet;

use azlin_fleet::model::{CallError, CallErrorKind, ForeignText, Scope};
use azlin_http::RequestEffect;
use jiff::Timestamp;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use self::deliveries::EVENT;
pub use self::deliveries::{DeliveryAttempt, RegisteredWebhook, never_arrived};
use crate::answer::Expects;
use crate::client::GitHubClient;
use crate::http::{GitHubCall, Http};
use crate::pages::follow;

/// The most pages that are read. GitHub allows 20 webhooks for each event.
const MOST_PAGES: usize = 20;

#[derive(Serialize, Deserialize)]
struct HookJson {
    id: u64,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    events: Vec<ForeignText>,
    config: HookConfigJson,
}

#[derive(Serialize, Deserialize)]
struct HookConfigJson {
    #[serde(default)]
    url: Option<ForeignText>,
}

#[derive(Serialize, Deserialize)]
struct DeliveryJson {
    id: u64,
    guid: ForeignText,
    delivered_at: Timestamp,
    redelivery: bool,
    duration: f64,
    status: ForeignText,
    status_code: u16,
    event: ForeignText,
    action: Option<ForeignText>,
}

impl GitHubClient {
    /// Every webhook of a scope.
    ///
    /// # Errors
    /// When GitHub does not answer. For an enterprise there is no such API.
    pub async fn webhooks(&self, scope: &Scope) -> Result<Vec<RegisteredWebhook>, CallError> {
        let mut call = call(&self.http, scope, Method::GET, "?per_page=100", RequestEffect::Reads)?;
        let mut found = Vec::new();
        for _ in 0..MOST_PAGES {
            let (page, next): (Vec<HookJson>, _) = self.http.page(&call).await?;
            let known = found.len();
            for hook in page {
                if !found.iter().any(|seen: &RegisteredWebhook| seen.id == hook.id) {
                    found.push(hook.into());
                }
            }
            let Some(next) = next.filter(|_| found.len() > known) else { break };
            call.url = follow(&self.http, &call, &next)?;
        }
        Ok(found)
    }

    /// Creates a webhook for jobs and returns its number. GitHub pings it at once.
    ///
    /// # Errors
    /// When GitHub refuses, or when it is not known whether the webhook was created.
    pub async fn make_webhook(
        &self,
        scope: &Scope,
        url: &Url,
        secret: &SecretString,
    ) -> Result<u64, CallError> {
        let mut call = call(&self.http, scope, Method::POST, "", RequestEffect::Creates)?;
        call.body =
            Some(json!({ "name": "web", "active": true, "events": [EVENT], "config": config(url, secret) }));
        call.expects = Expects::CREATED;
        let made: HookJson = self.http.value(&call).await?;
        Ok(made.id)
    }

    /// Sets a webhook's address and secret, and jobs as its only event.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn change_webhook(
        &self,
        scope: &Scope,
        id: u64,
        url: &Url,
        secret: &SecretString,
    ) -> Result<(), CallError> {
        // A repeated call changes nothing more.
        let mut call = call(&self.http, scope, Method::PATCH, &format!("/{id}"), RequestEffect::WritesOnce)?;
        call.body = Some(json!({ "active": true, "events": [EVENT], "config": config(url, secret) }));
        self.http.value::<HookJson>(&call).await.map(drop)
    }

    /// Removes a webhook. One that is not there is a success.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn remove_webhook(&self, scope: &Scope, id: u64) -> Result<(), CallError> {
        let mut call = call(&self.http, scope, Method::DELETE, &format!("/{id}"), RequestEffect::WritesOnce)?;
        call.expects = Expects::NO_CONTENT;
        match self.http.done(&call).await {
            Err(error) if error.kind == CallErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Makes GitHub ping a webhook.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn ping_webhook(&self, scope: &Scope, id: u64) -> Result<(), CallError> {
        let mut call =
            call(&self.http, scope, Method::POST, &format!("/{id}/pings"), RequestEffect::WritesOnce)?;
        call.expects = Expects::NO_CONTENT;
        self.http.done(&call).await
    }

    /// The deliveries to a webhook since a time, newest first, at most `most`.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn attempts(
        &self,
        scope: &Scope,
        id: u64,
        since: Timestamp,
        most: usize,
    ) -> Result<Vec<DeliveryAttempt>, CallError> {
        let mut call = call(
            &self.http,
            scope,
            Method::GET,
            &format!("/{id}/deliveries?per_page=100"),
            RequestEffect::Reads,
        )?;
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        loop {
            let (mut page, next): (Vec<DeliveryJson>, _) = self.http.page(&call).await?;
            page.retain(|delivery| seen.insert(delivery.id));
            let is_over = page.last().is_none_or(|last| last.delivered_at < since);
            found.extend(page.into_iter().map(DeliveryAttempt::from).filter(|attempt| attempt.at >= since));
            match next {
                Some(next) if !is_over && found.len() < most => call.url = follow(&self.http, &call, &next)?,
                _ => break,
            }
        }
        found.truncate(most);
        Ok(found)
    }

    /// Makes GitHub repeat a delivery.
    ///
    /// # Errors
    /// When GitHub refuses. It keeps deliveries for three days.
    pub async fn redeliver(&self, scope: &Scope, hook: u64, attempt: u64) -> Result<(), CallError> {
        let below = format!("/{hook}/deliveries/{attempt}/attempts");
        // A second delivery does no harm.
        let mut call = call(&self.http, scope, Method::POST, &below, RequestEffect::WritesOnce)?;
        call.expects = Expects::ACCEPTED;
        self.http.done(&call).await
    }
}

impl From<HookJson> for RegisteredWebhook {
    fn from(hook: HookJson) -> Self {
        let url = hook.config.url.unwrap_or_default();
        RegisteredWebhook { id: hook.id, url, events: hook.events, is_active: hook.active }
    }
}

impl From<DeliveryJson> for DeliveryAttempt {
    fn from(delivery: DeliveryJson) -> Self {
        DeliveryAttempt {
            id: delivery.id,
            guid: delivery.guid,
            at: delivery.delivered_at,
            event: delivery.event,
            action: delivery.action,
            code: delivery.status_code,
            status: delivery.status,
            is_redelivery: delivery.redelivery,
            took_s: delivery.duration,
        }
    }
}

/// Reads a page of deliveries and a page of webhooks, for the fuzzer.
#[cfg(fuzzing)]
pub(crate) fn read(body: &[u8]) -> Vec<DeliveryAttempt> {
    let hooks = serde_json::from_slice::<Vec<HookJson>>(body).unwrap_or_default();
    drop(hooks.into_iter().map(RegisteredWebhook::from).collect::<Vec<_>>());
    let page = serde_json::from_slice::<Vec<DeliveryJson>>(body).unwrap_or_default();
    page.into_iter().map(DeliveryAttempt::from).collect()
}

fn config(url: &Url, secret: &SecretString) -> Value {
    json!({ "url": url.as_str(), "content_type": "json", "insecure_ssl": "0", "secret": secret.expose_secret() })
}

fn call(
    http: &Http,
    scope: &Scope,
    method: Method,
    below: &str,
    effect: RequestEffect,
) -> Result<GitHubCall, CallError> {
    let (root, needs) = match scope {
        Scope::Repo(repo) => (format!("repos/{repo}"), "Webhooks: read and write on the repository"),
        Scope::Org(org) => (format!("orgs/{org}"), "Webhooks: read and write on the organisation"),
        Scope::Enterprise(name) => {
            let message = format!(
                "the webhooks of enterprise:{name} are set up by hand: GitHub has no API for them that a token may use; \
                 docs/how-to/webhook.md says what to enter"
            );
            return Err(CallError::new(CallErrorKind::Invalid, message));
        }
    };
    let url = http.api.join(&format!("{root}/hooks{below}"))?;
    Ok(GitHubCall { method, url, body: None, effect, expects: Expects::OK, needs })
}

//! Deliveries of GitHub to a webhook. Only the signature proves that a delivery is GitHub's.

use azlin_fleet::model::{ForeignText, JobChange, JobEvent, JobId, RepoId, RunId};
use azlin_fleet::ports::{Delivery, NotTaken, RawDelivery};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::wire::null_is_none;

/// The least characters of a secret.
const SHORTEST: usize = 16;

/// Reads deliveries that were signed with one of these secrets. Two are valid at once while a secret is
/// replaced.
pub struct WebhookVerifier {
    keys: Vec<hmac::Key>,
}

/// Why a secret cannot be used. The error never shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("it holds no secret: one stands on each line, and a line that begins with # is a comment")]
    None,
    /// One is so short that it could be guessed.
    #[error(
        "a secret of {0} characters is too short: {SHORTEST} are the least, and `openssl rand -hex 32` makes a good one"
    )]
    TooShort(usize),
}

/// The part of a `workflow_job` delivery that azlin reads.
#[derive(Deserialize)]
struct JobEventJson {
    action: ForeignText,
    workflow_job: EventJobJson,
    repository: EventRepositoryJson,
}

#[derive(Deserialize)]
struct EventJobJson {
    id: u64,
    #[serde(default)]
    run_id: Option<u64>,
    #[serde(default, deserialize_with = "null_is_none")]
    labels: Vec<ForeignText>,
}

#[derive(Deserialize)]
struct EventRepositoryJson {
    full_name: ForeignText,
    #[serde(default)]
    id: Option<u64>,
}

/// The secrets of a text, one on each line. Empty lines and those that begin with # are none.
pub fn webhook_secrets(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

impl WebhookVerifier {
    /// A verifier with the secrets of this text, one on each line.
    ///
    /// # Errors
    /// When there is none, or one that could be guessed.
    pub fn new(secrets: &SecretString) -> Result<Self, SecretError> {
        let lines = webhook_secrets(secrets.expose_secret());
        let key = |secret: &str| match secret.chars().count() {
            short if short < SHORTEST => Err(SecretError::TooShort(short)),
            _ => Ok(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())),
        };
        let keys: Vec<hmac::Key> = lines.map(key).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(SecretError::None) } else { Ok(WebhookVerifier { keys }) }
    }

    /// Whether the signature is the body's. A comparison takes the same time for any input.
    fn is_signed(&self, signature: &[u8], body: &[u8]) -> bool {
        self.keys.iter().any(|key| hmac::verify(key, body, signature).is_ok())
    }
}

impl azlin_fleet::ports::WebhookReader for WebhookVerifier {
    fn read(&self, delivery: RawDelivery<'_>) -> Result<Delivery, NotTaken> {
        if !self.is_signed(delivery.signature.bytes(), delivery.body) {
            return Err(NotTaken::Forged);
        }
        match delivery.event {
            "ping" => Ok(Delivery::Ping),
            "workflow_job" => job(delivery),
            _ => Ok(Delivery::Other),
        }
    }
}

fn job(delivery: RawDelivery<'_>) -> Result<Delivery, NotTaken> {
    let unreadable = |why: &dyn std::fmt::Display| NotTaken::Unreadable(why.to_string());
    // GitHub's own default for a new webhook is a form with the JSON in it.
    let media_type = delivery.content_type.split(';').next().unwrap_or_default().trim();
    let is_form = media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let parsed = if is_form {
        let mut fields = url::form_urlencoded::parse(delivery.body);
        let payload = fields.find_map(|(name, value)| (name == "payload").then_some(value));
        serde_json::from_str(&payload.ok_or_else(|| unreadable(&"it is a form without a payload"))?)
    } else {
        serde_json::from_slice(delivery.body)
    };
    let JobEventJson { action, workflow_job, repository } = parsed.map_err(|error| unreadable(&error))?;
    let change = match action.as_str() {
        "queued" => JobChange::Queued,
        "in_progress" => JobChange::Started,
        "completed" => JobChange::Ended,
        // A job that waits for an approval is reported as queued once it has it.
        _ => return Ok(Delivery::Other),
    };
    let repo = repository.full_name.parse().map_err(|error| unreadable(&error))?;
    let EventJobJson { id, run_id, labels } = workflow_job;
    let (repo_id, run) = (repository.id.map(RepoId), run_id.map(RunId));
    Ok(Delivery::Job(JobEvent { repo, repo_id, run, job: JobId(id), labels, change }))
}

#[cfg(test)]
mod tests;

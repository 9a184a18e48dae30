//! Webhook deliveries, as the fleet needs them.

use crate::model::JobEvent;

/// What GitHub delivers to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// GitHub tries whether anybody is there.
    Ping,
    /// Something has happened to a job.
    Job(JobEvent),
    /// Something that no fleet needs to know.
    Other,
}

/// Why a delivery is not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// It bears no signature.
    #[error("the delivery bears no signature: set a secret at the webhook")]
    Unsigned,
    /// Its signature was not made with one of our secrets.
    #[error("the signature was not made with a secret that is known here")]
    Forged,
    /// It is signed, and not what GitHub sends.
    #[error("the delivery cannot be read: {0}")]
    Unreadable(String),
}

/// A delivery as it came.
#[derive(Debug, Clone, Copy)]
pub struct RawDelivery<'a> {
    /// `X-GitHub-Event`.
    pub event: &'a str,
    /// `X-Hub-Signature-256`.
    pub signature: Option<&'a str>,
    /// `Content-Type`.
    pub content_type: &'a str,
    /// The body, as it was signed.
    pub body: &'a [u8],
}

/// Tells what GitHub has signed from what anybody has sent, and reads it.
pub trait WebhookReader: Send + Sync {
    /// What a delivery says.
    ///
    /// # Errors
    /// When it is not signed with the secret, or cannot be read.
    fn read(&self, delivery: RawDelivery<'_>) -> Result<Delivery, NotTaken>;
}

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

/// A signature as GitHub writes it. Whether it is genuine, only the body shows: one that is not even written like this needs
/// no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliverySignature([u8; 32]);

impl DeliverySignature {
    /// The signature in the values of `X-Hub-Signature-256`: one value, `sha256=` and 64 hexadecimal digits.
    ///
    /// # Errors
    /// When there is none, or several, or one of another form.
    pub fn of_headers<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Result<Self, NotTaken> {
        let mut values = values.into_iter();
        let value = values.next().ok_or(NotTaken::Unsigned)?;
        let digits = value.strip_prefix(b"sha256=").filter(|_| values.next().is_none());
        digits.and_then(bytes_of_hex).map(DeliverySignature).ok_or(NotTaken::Forged)
    }

    /// The HMAC with SHA-256.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn bytes_of_hex(text: &[u8]) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.chunks(2).map(|pair| Some((digit(pair[0])? << 4) | digit(*pair.get(1)?)?));
    pairs.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// A delivery as it came.
#[derive(Debug, Clone, Copy)]
pub struct RawDelivery<'a> {
    /// `X-GitHub-Event`.
    pub event: &'a str,
    /// `X-Hub-Signature-256`.
    pub signature: DeliverySignature,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_that_is_not_written_like_githubs_needs_no_body() {
        let good = format!("sha256={}", "0aB1".repeat(16));
        let read =
            |values: &[&str]| DeliverySignature::of_headers(values.iter().map(|value| value.as_bytes()));
        assert_eq!(read(&[&good]).map(|signature| signature.bytes()[..2].to_owned()), Ok(vec![0x0a, 0xb1]));
        assert_eq!(read(&[]), Err(NotTaken::Unsigned));
        let (cut, odd, bare) = (&good[..good.len() - 2], &good[..good.len() - 1], &good["sha256=".len()..]);
        let longer = format!("{good}00");
        let other = format!("sha256={}", "0ag1".repeat(16));
        for bad in
            ["", "sha256=", "sha1=ab", "sha256=\u{e4}", cut, odd, bare, &longer, &other, &good.to_uppercase()]
        {
            assert_eq!(read(&[bad]), Err(NotTaken::Forged), "{bad}");
        }
        assert_eq!(read(&[&good, &good]), Err(NotTaken::Forged), "two signatures");
    }
}

//! What GitHub delivers to a webhook: whether it is GitHub's is told by its signature alone.

use azlin_fleet::hint::{Hint, News};
use azlin_fleet::job::JobId;
use azlin_fleet::ports::{Delivery, NotTaken, RawDelivery};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The least characters of a secret.
const SHORTEST: usize = 16;

/// Reads what was signed with one of these secrets: a new one is taken while the old one still is.
pub struct Webhook {
    keys: Vec<hmac::Key>,
}

/// Why a secret is of no use. It never shows the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("it is empty: it holds one secret on each line")]
    None,
    /// One could be guessed.
    #[error(
        "a secret of {0} characters is too short: {SHORTEST} are the least, and `openssl rand -hex 32` makes a good one"
    )]
    TooShort(usize),
}

/// A delivery of `workflow_job`, as far as it matters.
#[derive(Deserialize)]
struct JobEvent {
    action: String,
    workflow_job: Job,
    repository: Repository,
}

#[derive(Deserialize)]
struct Job {
    id: u64,
    labels: Vec<String>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

impl Webhook {
    /// With the secrets of this text, one on each line.
    ///
    /// # Errors
    /// When there is none, or one that could be guessed.
    pub fn new(secrets: &SecretString) -> Result<Self, SecretError> {
        let lines = secrets.expose_secret().lines().map(str::trim).filter(|line| !line.is_empty());
        let key = |secret: &str| match secret.chars().count() {
            short if short < SHORTEST => Err(SecretError::TooShort(short)),
            _ => Ok(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())),
        };
        let keys: Vec<hmac::Key> = lines.map(key).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(SecretError::None) } else { Ok(Webhook { keys }) }
    }

    /// Whether the signature is one of the body. Each comparison takes the same time whatever is compared.
    fn is_signed(&self, signature: &[u8], body: &[u8]) -> bool {
        self.keys.iter().any(|key| hmac::verify(key, body, signature).is_ok())
    }
}

impl azlin_fleet::ports::WebhookReader for Webhook {
    fn read(&self, delivery: RawDelivery<'_>) -> Result<Delivery, NotTaken> {
        let signature = delivery.signature.ok_or(NotTaken::Unsigned)?;
        let signature = signature.strip_prefix("sha256=").and_then(bytes_of_hex).ok_or(NotTaken::Forged)?;
        if !self.is_signed(&signature, delivery.body) {
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
    let is_form = delivery.content_type.starts_with("application/x-www-form-urlencoded");
    let parsed = if is_form {
        let mut fields = url::form_urlencoded::parse(delivery.body);
        let payload = fields.find_map(|(name, value)| (name == "payload").then_some(value));
        serde_json::from_str(&payload.ok_or_else(|| unreadable(&"it is a form without a payload"))?)
    } else {
        serde_json::from_slice(delivery.body)
    };
    let JobEvent { action, workflow_job, repository } = parsed.map_err(|error| unreadable(&error))?;
    let news = match action.as_str() {
        "queued" => News::Queued,
        "in_progress" => News::Started,
        "completed" => News::Ended,
        // One that waits for an approval is said to be queued once it has it.
        _ => return Ok(Delivery::Other),
    };
    let repo = repository.full_name.parse().map_err(|error| unreadable(&error))?;
    Ok(Delivery::Job(Hint { repo, job: JobId(workflow_job.id), labels: workflow_job.labels, news }))
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some((digit(pair[0])? << 4) | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use azlin_fleet::ports::WebhookReader as _;

    use super::*;

    const OLD: &str = "an old secret of some length";
    const NEW: &str = "a new secret of some length";

    fn webhook() -> Webhook {
        Webhook::new(&SecretString::from(format!("{NEW}\n\n  {OLD} \n"))).expect("good secrets")
    }

    fn signature(secret: &str, body: &[u8]) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256={hex}")
    }

    fn read(
        event: &str,
        content_type: &str,
        body: &[u8],
        signature: Option<&str>,
    ) -> Result<Delivery, NotTaken> {
        webhook().read(RawDelivery { event, signature, content_type, body })
    }

    fn signed(event: &str, body: &[u8]) -> Result<Delivery, NotTaken> {
        read(event, "application/json", body, Some(&signature(NEW, body)))
    }

    #[test]
    fn the_signature_is_the_one_of_githubs_own_page() {
        // GitHub docs, Validating webhook deliveries: its test values.
        let webhook = Webhook::new(&SecretString::from("It's a Secret to Everybody")).expect("a good secret");
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let delivery = RawDelivery {
            event: "ping",
            signature: Some(signature),
            content_type: "application/json",
            body: b"Hello, World!",
        };
        assert_eq!(webhook.read(delivery), Ok(Delivery::Ping));
        assert_eq!(webhook.read(RawDelivery { body: b"Hello, World?", ..delivery }), Err(NotTaken::Forged));
    }

    #[test]
    fn every_secret_serves_and_nothing_else() {
        let body = b"{}";
        let good = signature(NEW, body);
        let ping = |signature: Option<&str>| read("ping", "application/json", body, signature);
        assert_eq!(ping(Some(&good)), Ok(Delivery::Ping));
        assert_eq!(ping(Some(&signature(OLD, body))), Ok(Delivery::Ping));
        assert_eq!(ping(Some(&good.to_uppercase().replace("SHA256", "sha256"))), Ok(Delivery::Ping));
        assert_eq!(ping(None), Err(NotTaken::Unsigned));
        let cut = &good[..good.len() - 2];
        let odd = &good[..good.len() - 1];
        let bad = [
            &signature("another secret of some length", body),
            "",
            "sha256=",
            cut,
            odd,
            "sha1=ab",
            "sha256=ä",
        ];
        for signature in bad.into_iter().chain([good.trim_start_matches("sha256=")]) {
            assert_eq!(ping(Some(signature)), Err(NotTaken::Forged), "{signature}");
        }
    }

    #[test]
    fn what_is_forged_is_not_even_read() {
        assert_eq!(read("workflow_job", "application/json", b"{", Some("sha256=00")), Err(NotTaken::Forged));
        assert!(matches!(signed("workflow_job", b"{"), Err(NotTaken::Unreadable(_))));
    }

    #[test]
    fn real_deliveries_are_read() {
        let file = include_str!("../../simcloud/specs/workflow-job-examples.json");
        let file: serde_json::Value = serde_json::from_str(file).expect("JSON");
        let mut seen = Vec::new();
        for example in file["examples"].as_array().expect("a list") {
            let body = example.to_string();
            let delivery = signed("workflow_job", body.as_bytes()).expect("a real one");
            let form: String =
                url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &body).finish();
            let type_of_forms = "application/x-www-form-urlencoded";
            let as_form =
                read("workflow_job", type_of_forms, form.as_bytes(), Some(&signature(OLD, form.as_bytes())));
            assert_eq!(as_form.as_ref(), Ok(&delivery));
            if let Delivery::Job(hint) = delivery {
                assert_eq!(Some(hint.job.0), example["workflow_job"]["id"].as_u64());
                assert_eq!(
                    hint.repo.to_string(),
                    example["repository"]["full_name"].as_str().unwrap_or_default().to_lowercase()
                );
                seen.push((hint.news, hint.labels.join(",")));
            }
        }
        let of = |wanted: News| seen.iter().filter(|(news, _)| *news == wanted).count();
        assert_eq!((of(News::Queued), of(News::Started), of(News::Ended)), (2, 3, 2), "and one that waits");
        assert!(seen.iter().any(|(_, labels)| labels == "self-hosted,k8s"));
    }

    #[test]
    fn what_concerns_no_job_is_no_error() {
        assert_eq!(signed("push", b"{}"), Ok(Delivery::Other));
        let waits =
            br#"{"action":"waiting","workflow_job":{"id":1,"labels":[]},"repository":{"full_name":"o/r"}}"#;
        assert_eq!(signed("workflow_job", waits), Ok(Delivery::Other));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let nowhere = br#"{"action":"queued","workflow_job":{"id":1,"labels":[]},"repository":{"full_name":"nothing"}}"#;
        for body in [&b"[]"[..], b"null", b"", b"payload", nowhere] {
            assert!(
                matches!(signed("workflow_job", body), Err(NotTaken::Unreadable(why)) if !why.is_empty())
            );
        }
        let form = b"something=else";
        let read =
            read("workflow_job", "application/x-www-form-urlencoded", form, Some(&signature(NEW, form)));
        assert_eq!(read, Err(NotTaken::Unreadable("it is a form without a payload".to_owned())));
    }

    #[test]
    fn a_secret_that_could_be_guessed_is_refused_without_being_shown() {
        let refused =
            |text: &str| Webhook::new(&SecretString::from(text)).err().map(|error| error.to_string());
        assert!(refused("").is_some_and(|why| why.contains("empty")));
        assert!(refused(" \n\n").is_some_and(|why| why.contains("empty")));
        let told = refused(&format!("{NEW}\nhunter2")).expect("it is too short");
        assert!(told.contains("7 characters") && !told.contains("hunter2"), "{told}");
    }
}

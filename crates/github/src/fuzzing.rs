//! Entry points for the fuzzer. Only a build with `--cfg fuzzing` has them.

use azlin_fleet::model::RunnerInfo;
use azlin_fleet::ports::{DeliverySignature, NotTaken, RawDelivery, WebhookReader as _};
use azlin_http::HttpReply;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use crate::api_url::ApiUrl;
use crate::pages::ListPage;
use crate::{WebhookVerifier, answer, hooks, link, queue, rate, refusal, wire};

/// Reads an answer: a status, one line for each header, an empty line, a body.
///
/// # Panics
/// When something that a caller relies on does not hold.
pub fn answer(status: u16, text: &str) {
    let (head, body) = text.split_once("\n\n").unwrap_or(("", text));
    let mut headers = HeaderMap::new();
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) =
            (name.trim().parse::<HeaderName>(), value.trim().parse::<HeaderValue>())
        {
            headers.insert(name, value);
        }
    }
    let now = rate::date(&headers).unwrap_or(Timestamp::UNIX_EPOCH);
    if let Ok(status) = StatusCode::from_u16(status) {
        let answer = HttpReply { status, headers: headers.clone(), body: body.as_bytes().to_vec() };
        let asked = rate::asked(status, &headers, refusal::meaning(&answer), now);
        if let rate::AskedWait::Wait(wait) | rate::AskedWait::UsedUp(wait) = asked {
            assert!(wait <= azlin_http::LONGEST_WAIT, "nobody waits for ever: {wait:?}");
        }
        let _ = (rate::stated(status, &headers), refusal::words(body.as_bytes()));
        let _ = answer::heard(answer::Expects::OK, &answer);
    }
    let _ = rate::token_ends(&headers);
    if let Some(next) = headers.get("link").and_then(|value| link::next(value.to_str().ok()?)) {
        assert!(!next.contains('>'), "a target ends where it ends: {next}");
    }
    read(body.as_bytes());
}

/// Reads a delivery to a webhook, as JSON and as a form.
///
/// # Panics
/// When an unsigned delivery is accepted, or a signed one is called forged.
pub fn webhook(body: &[u8]) {
    const SECRET: &str = "a secret for the fuzzer";
    let webhook = WebhookVerifier::new(&SecretString::from(SECRET)).expect("it is long enough");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let (good, text) = (format!("sha256={hex}"), String::from_utf8_lossy(body));
    for content_type in ["application/json", "application/x-www-form-urlencoded"] {
        let delivery = |signature: Option<&str>| {
            let signature = DeliverySignature::of_headers(signature.map(str::as_bytes))?;
            webhook.read(RawDelivery { event: "workflow_job", signature, content_type, body })
        };
        assert_ne!(delivery(Some(&good)), Err(NotTaken::Forged));
        assert_eq!(delivery(Some(&text)), Err(NotTaken::Forged));
        assert_eq!(delivery(None), Err(NotTaken::Unsigned));
    }
}

fn read(body: &[u8]) {
    let _ = page::<wire::RunsJson>(body);
    let _ = page::<wire::RunnerGroupsJson>(body);
    let _ = page::<wire::RepositoriesJson>(body);
    for runner in page::<wire::RunnersJson>(body) {
        let _ = RunnerInfo::from(runner);
    }
    let repo = "o/r".parse().expect("a repository");
    let api = ApiUrl::new(&"https://api.github.com".parse().expect("a URL")).expect("a good one");
    for job in page::<wire::JobsJson>(body).into_iter().chain(serde_json::from_slice(body).ok()) {
        let _ = queue::found(job, &repo, &api);
    }
    for attempt in hooks::read(body) {
        let _ = attempt.has_arrived();
    }
    let _ = serde_json::from_slice::<wire::RegistrationTokenJson>(body);
    let _ = serde_json::from_slice::<wire::JitConfigJson>(body);
    for offered in serde_json::from_slice::<Vec<wire::RunnerApplicationJson>>(body).unwrap_or_default() {
        let _ = azlin_fleet::model::Download::from(offered).version();
    }
}

/// The items of a page. Written and read again, as the cache does, the page has the same items.
fn page<P: ListPage + DeserializeOwned>(body: &[u8]) -> Vec<P::Item> {
    let Ok(page) = serde_json::from_slice::<P>(body) else { return Vec::new() };
    let kept = serde_json::to_vec(&page).expect("it can be written");
    let again: P = serde_json::from_slice(&kept).expect("what was written can be read");
    let (count, kept) = (page.total_count(), again.total_count());
    assert_eq!(count, kept);
    page.items()
}

//! One call to the resource manager: authorised, sent, counted, tried again, held back while Azure
//! asks for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{self, HeaderMap};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use url::Url;

use azlin_fleet::model::CallOutcome;

use crate::bearer::Bearer;
use crate::counters::Counters;
use crate::error::{ArmError, Effect, How, Refusal};
use crate::gates::{Counted, Extent, Gates};
use crate::https::{self, Https};
use crate::retry::{self, Failure, PATIENCE, Spent};

/// Requests under way at once, over all subscriptions.
const AT_ONCE: usize = 64;

/// A request as the generated client makes it, with the parts that were kept from it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Without the authorization.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Texts in the body that belong into no message.
    pub(crate) secrets: Vec<String>,
}

/// An answer with a 2xx status.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Arm {
    root: Url,
    https: Arc<Https>,
    pub(crate) bearer: Bearer,
    pause: Duration,
    at_once: Semaphore,
    gates: Gates,
    pub(crate) counters: Counters,
}

impl Arm {
    pub(crate) fn new(root: Url, https: Arc<Https>, bearer: Bearer, pause: Duration) -> Self {
        Arm {
            root,
            https,
            bearer,
            pause,
            at_once: Semaphore::new(AT_ONCE),
            gates: Gates::default(),
            counters: Counters::default(),
        }
    }

    pub(crate) fn https(&self) -> &Https {
        &self.https
    }

    pub(crate) fn root(&self) -> &Url {
        &self.root
    }

    /// Sends a request until it has an answer that another try would not change.
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, ArmError> {
        let mut may_be_done = false;
        if call.url.origin() != self.root.origin() {
            let why =
                "the link to the next page leads to another host, where the token is not sent".to_owned();
            return Err(ArmError { how: How::NoAnswer { was_sent: false, why }, may_be_done });
        }
        let counted = Counted::of(&call.method, &call.url);
        let started = Instant::now();
        let mut tries = 0;
        loop {
            while let Some(wait) = self.gates.shut_for(&counted) {
                if wait > PATIENCE {
                    return Err(ArmError { how: How::HeldBack(wait), may_be_done });
                }
                sleep(wait).await;
            }
            tries += 1;
            let how = match self.try_once(call).await {
                Ok(answer) => {
                    self.counters.ended(CallOutcome::of(answer.status, false));
                    return Ok(answer);
                }
                Err(how) => how,
            };
            match &how {
                How::Refused(refusal) => self.counters.ended(CallOutcome::of(refusal.status, false)),
                How::NoAnswer { .. } => self.counters.ended(CallOutcome::NoAnswer),
                How::HeldBack(_) | How::NoToken(_) => {}
            }
            let failure = match &how {
                How::Refused(refusal) => {
                    if refusal.status == 429 {
                        let wait = refusal.retry_after.unwrap_or(UNTOLD_WAIT);
                        self.gates.shut(&counted, refusal.extent, wait);
                    }
                    if refusal.is_about_capacity() {
                        return Err(ArmError { how, may_be_done });
                    }
                    Failure::Status(refusal.status, refusal.retry_after)
                }
                How::NoAnswer { was_sent: true, .. } => Failure::Lost,
                How::NoAnswer { was_sent: false, .. } => Failure::NotSent,
                How::HeldBack(_) | How::NoToken(_) => return Err(ArmError { how, may_be_done }),
            };
            let spent = Spent {
                tries,
                elapsed: started.elapsed(),
                request_timeout: self.https.request_timeout(),
                pause: self.pause,
                jitter: rand::random(),
            };
            let error = ArmError { how, may_be_done };
            let Some(pause) = retry::pause(failure, spent) else {
                return Err(error);
            };
            may_be_done |= leaves_doubt(counted.effect(), failure);
            tracing::debug!(
                method = %call.method, path = call.url.path(), error = %error,
                pause_ms = pause.as_millis() as u64, "Azure call {} {} tried again: {error}", call.method, call.url.path()
            );
            sleep(pause).await;
        }
    }

    async fn try_once(&self, call: &Call) -> Result<Answer, How> {
        let _permit = self.at_once.acquire().await.ok();
        let token = self.bearer.token().await.map_err(How::NoToken)?;
        let client = self.https.client(&call.url).map_err(|why| How::NoAnswer { was_sent: false, why })?;
        self.counters.request();
        let mut response = client
            .request(call.method.clone(), call.url.clone())
            .headers(call.headers.clone())
            .bearer_auth(token.secret())
            .body(call.body.clone())
            .send()
            .await
            .map_err(|error| How::NoAnswer { was_sent: !error.is_connect(), why: https::cause(error) })?;
        let body = https::body(&mut response).await.map_err(|why| How::NoAnswer { was_sent: true, why })?;
        self.counters.received(body.len());
        self.counters.saw(response.headers());
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_success() {
            return Ok(Answer { status: status.as_u16(), headers, body });
        }
        let mut secrets: Vec<&str> = call.secrets.iter().map(String::as_str).collect();
        secrets.push(token.secret());
        let refusal = Refusal::new(status.as_u16(), &body, retry_after(&headers), &secrets);
        Err(How::Refused(Refusal { extent: extent(&headers), ..refusal }))
    }
}

/// Whether a try that failed so may have been carried out all the same.
fn leaves_doubt(effect: Effect, failure: Failure) -> bool {
    effect != Effect::Reads
        && match failure {
            Failure::NotSent => false,
            Failure::Lost => true,
            Failure::Status(status, _) => status >= 500 && status != 503,
        }
}

/// How long is waited where Azure refuses for too many requests and tells no time.
const UNTOLD_WAIT: Duration = Duration::from_secs(15);

/// What a refusal is about: a resource provider names its own budgets, the resource manager does not.
fn extent(headers: &HeaderMap) -> Extent {
    let is_used_up = |kind: &str| {
        let name = format!("x-ms-ratelimit-remaining-subscription-{kind}");
        headers.get(name).is_some_and(|left| left.as_bytes() == b"0")
    };
    let is_of_provider = headers.contains_key("x-ms-ratelimit-remaining-resource");
    if is_of_provider && !["reads", "writes", "deletes"].into_iter().any(is_used_up) {
        Extent::Operation
    } else {
        Extent::Subscription
    }
}

/// The longest wait that is believed: what is longer comes from something that is not Azure.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Azure tells seconds, and at times milliseconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let ms = ["retry-after-ms", "x-ms-retry-after-ms"].into_iter().find_map(number);
    let wait = ms
        .map(Duration::from_millis)
        .or_else(|| number(header::RETRY_AFTER.as_str()).map(Duration::from_secs));
    wait.map(|wait| wait.min(LONGEST_WAIT))
}

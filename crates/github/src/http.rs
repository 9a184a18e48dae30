//! One call to GitHub: sent, counted, tried again where that is safe, held back while GitHub asks
//! for it.

use std::fmt;
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use azlin_fleet::model::CallOutcome;
use azlin_fleet::ports::CallError;
use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Certificate, Method, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use url::Url;

use crate::api_url::ApiUrl;
use crate::counters::Counters;
use crate::error;
use crate::etags::{Etags, Kept};
use crate::gate::{Gate, Weight};
use crate::link;
use crate::rate::{self, Asked};
use crate::retry::{self, Effect, Failure, PATIENCE, Spent};
use crate::sign_in::SignIn;

/// Requests under way at once, over all repositories. GitHub allows 100 for each token.
const AT_ONCE: usize = 64;

/// The largest body that is read. A page of 100 runs has about one megabyte.
const LARGEST_BODY: usize = 32 * 1024 * 1024;

/// A request, and what is known of it beforehand.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Value>,
    pub(crate) effect: Effect,
    /// The permission that it takes, in GitHub's words.
    pub(crate) needs: &'static str,
}

impl Call {
    /// What it is to GitHub's limits.
    fn weight(&self) -> Weight {
        let has = |name: &str| self.url.query_pairs().any(|(key, _)| key == name);
        let reads = self.method == Method::GET;
        Weight {
            // Lists are read again and again. One that is asked for a name is part of a removal.
            is_look: reads && has("per_page") && !has("name"),
            points: if reads { 1.0 } else { 5.0 },
            makes_content: !reads && self.method != Method::DELETE,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url.path())?;
        // The status is what tells one list of runs from the other.
        match self.url.query_pairs().find(|(name, _)| name == "status") {
            Some((_, status)) => write!(f, "?status={status}"),
            None => Ok(()),
        }
    }
}

/// Who a request is from.
pub(crate) enum As {
    /// Whoever all others are from.
    Us(Arc<SecretString>),
    /// The app itself, with a word that it signed.
    App(SecretString),
}

impl As {
    fn secret(&self) -> &SecretString {
        match self {
            As::Us(token) => token,
            As::App(jwt) => jwt,
        }
    }
}

/// An answer that is neither lost nor throttled nor GitHub's trouble.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A try without a whole answer.
struct Lost {
    was_sent: bool,
    why: String,
}

pub(crate) struct Http {
    /// Made at its first use: reading the system's certificates takes a while (40 ms), which a start
    /// need not wait for.
    client: OnceLock<reqwest::Client>,
    pub(crate) api: ApiUrl,
    pub(crate) sign_in: SignIn,
    /// When the token ends, as GitHub told last.
    pub(crate) token_ends: Mutex<Option<Timestamp>>,
    /// What is trusted beside the system's certificates.
    certificates: Option<Vec<u8>>,
    request_timeout: Duration,
    pause: Duration,
    at_once: Semaphore,
    etags: Etags,
    pub(crate) gate: Gate,
    pub(crate) counters: Counters,
}

impl Http {
    pub(crate) fn new(
        api: ApiUrl,
        sign_in: SignIn,
        request_timeout: Duration,
        pause: Duration,
        untold_wait: Duration,
        certificates: Option<Vec<u8>>,
    ) -> Self {
        Http {
            client: OnceLock::new(),
            api,
            sign_in,
            token_ends: Mutex::default(),
            certificates,
            request_timeout,
            pause,
            at_once: Semaphore::new(AT_ONCE),
            etags: Etags::default(),
            gate: Gate::new(untold_wait),
            counters: Counters::default(),
        }
    }

    /// Reads one page: what it holds, and the link to the next. `T` is read and written alike, so
    /// that it can be kept for a conditional request.
    pub(crate) async fn page<T>(&self, call: &Call) -> Result<(T, Option<String>), CallError>
    where
        T: Serialize + DeserializeOwned,
    {
        let kept = self.etags.get(call.url.as_str());
        let answer = self.send(call, kept.as_ref().map(|kept| kept.etag.as_str())).await?;
        if let (StatusCode::NOT_MODIFIED, Some(kept)) = (answer.status, &kept) {
            return Ok((self.read(call, &kept.body)?, kept.next.clone()));
        }
        let page: T = self.read(call, self.success(call, &answer)?)?;
        let text = |name| answer.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let next = text(header::LINK).and_then(link::next).map(str::to_owned);
        if let (Some(etag), Ok(body)) = (text(header::ETAG), serde_json::to_vec(&page)) {
            let kept = Kept { etag: etag.to_owned(), body: body.into(), next: next.clone() };
            self.etags.keep(call.url.as_str(), kept);
        }
        Ok((page, next))
    }

    /// The body of an answer with a 2xx status.
    pub(crate) fn success<'a>(&self, call: &Call, answer: &'a Answer) -> Result<&'a [u8], CallError> {
        if answer.status.is_success() { Ok(&answer.body) } else { Err(self.refused(call, answer)) }
    }

    pub(crate) fn refused(&self, call: &Call, answer: &Answer) -> CallError {
        error::refused(call, answer, self.sign_in.secret().expose_secret())
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, call: &Call, body: &[u8]) -> Result<T, CallError> {
        serde_json::from_slice(body)
            .map_err(|error| error::unreadable(call, &error, self.sign_in.secret().expose_secret()))
    }

    /// Sends a request until it has an answer that another try would not change.
    pub(crate) async fn send(&self, call: &Call, etag: Option<&str>) -> Result<Answer, CallError> {
        let token = self.sign_in.token(self).await?;
        let answer = self.send_as(call, etag, As::Us(Arc::clone(&token))).await?;
        // A request that is refused so has done nothing.
        if answer.status == StatusCode::UNAUTHORIZED && self.sign_in.refused(&token) {
            let token = self.sign_in.token(self).await?;
            return self.send_as(call, etag, As::Us(token)).await;
        }
        Ok(answer)
    }

    /// The same, as somebody in particular.
    pub(crate) async fn send_as(
        &self,
        call: &Call,
        etag: Option<&str>,
        who: As,
    ) -> Result<Answer, CallError> {
        let started = Instant::now();
        let mut tries = 0;
        let mut may_be_done = false;
        let give_up = |error, may_be_done| if may_be_done { error::after_a_lost_try(error) } else { error };
        loop {
            let ticket = match self.gate.pass(call.weight(), PATIENCE).await {
                Ok(ticket) => ticket,
                Err(wait) => return Err(give_up(error::throttled(call, wait), may_be_done)),
            };
            tries += 1;
            let answer = self.try_once(call, etag, &who).await;
            let asked = answer.as_ref().ok().and_then(|answer| self.asked_to_wait(answer, &who));
            self.counters.ended(answer.as_ref().map_or(CallOutcome::NoAnswer, |answer| {
                CallOutcome::of(answer.status.as_u16(), asked.is_some())
            }));
            // What the answer tells of the limits is taken in before others pass.
            drop(ticket);
            let (failure, error) = match answer {
                Ok(answer) => match asked {
                    Some(wait) if !answer.status.is_server_error() => {
                        if tries < retry::TRIES {
                            continue;
                        }
                        return Err(give_up(error::throttled(call, wait), may_be_done));
                    }
                    asked if answer.status.is_server_error() => {
                        (Failure::Status(answer.status, asked), self.refused(call, &answer))
                    }
                    _ => return Ok(answer),
                },
                Err(Lost { was_sent, why }) => (
                    if was_sent { Failure::Lost } else { Failure::NotSent },
                    error::unanswered(call, &why, was_sent, who.secret().expose_secret()),
                ),
            };
            let spent = Spent {
                tries,
                elapsed: started.elapsed(),
                request_timeout: self.request_timeout,
                pause: self.pause,
                jitter: rand::random(),
            };
            let Some(pause) = retry::pause(failure, call.effect, spent) else {
                return Err(give_up(error, may_be_done));
            };
            may_be_done |= call.effect != Effect::Reads && failure != Failure::NotSent;
            tracing::debug!(call = %call, error = %error, pause_ms = pause.as_millis() as u64, "GitHub call {call} tried again: {error}");
            sleep(pause).await;
        }
    }

    /// Takes note of what an answer says of limits, and shuts the gate where it is refused for one.
    fn asked_to_wait(&self, answer: &Answer, who: &As) -> Option<Duration> {
        let now = rate::date(&answer.headers).unwrap_or_else(Timestamp::now);
        // An app has another budget than its installation.
        if let As::Us(_) = who {
            if let Some(ends) = rate::token_ends(&answer.headers) {
                *self.token_ends.lock() = Some(ends);
            }
            self.gate.told(rate::budget(&answer.headers).map(|budget| (budget, rate::left(&budget, now))));
        }
        let message = if answer.status == StatusCode::FORBIDDEN {
            error::github_message(&answer.body).to_ascii_lowercase()
        } else {
            String::new()
        };
        match rate::asked(answer.status, &answer.headers, &message, now) {
            Asked::Nothing => {
                if !answer.status.is_server_error() {
                    self.gate.passed();
                }
                None
            }
            // A server in trouble asks for patience with this call, not with every other.
            Asked::Wait(wait) if answer.status.is_server_error() => Some(wait),
            Asked::Wait(wait) => {
                self.gate.shut(wait);
                Some(wait)
            }
            Asked::WaitUntold => Some(self.gate.shut_untold()),
        }
    }

    /// The client that was made, or a new one: what could not be made is tried again, since the
    /// certificates that it lacked may be there the next time.
    fn client(&self) -> Result<&reqwest::Client, Lost> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let made = client(&self.api, self.request_timeout, self.certificates.as_deref());
        let client = made.map_err(|error| Lost {
            was_sent: false,
            why: format!("no HTTPS client: {}", error::cause(error)),
        })?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn try_once(&self, call: &Call, etag: Option<&str>, who: &As) -> Result<Answer, Lost> {
        let _permit = self.at_once.acquire().await.ok();
        let client = self.client()?;
        let mut request =
            client.request(call.method.clone(), call.url.clone()).bearer_auth(who.secret().expose_secret());
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        self.counters.request();
        let mut response = request
            .send()
            .await
            .map_err(|error| Lost { was_sent: !error.is_connect(), why: error::cause(error) })?;
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| Lost { was_sent: true, why: error::cause(error) })?
        {
            self.counters.received(chunk.len());
            if body.len() + chunk.len() > LARGEST_BODY {
                return Err(Lost {
                    was_sent: true,
                    why: format!("the body has more than {LARGEST_BODY} bytes"),
                });
            }
            body.extend_from_slice(&chunk);
        }
        if response.status() == StatusCode::NOT_MODIFIED {
            self.counters.not_modified();
        }
        Ok(Answer { status: response.status(), headers: response.headers().clone(), body })
    }
}

fn client(
    api: &ApiUrl,
    request_timeout: Duration,
    certificates: Option<&[u8]>,
) -> reqwest::Result<reqwest::Client> {
    static RING: Once = Once::new();
    // An error says that the process has a provider already, which will do as well.
    RING.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));

    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
    headers.insert("x-github-api-version", HeaderValue::from_static("2022-11-28"));
    let builder = reqwest::Client::builder()
        .user_agent(concat!("azlin-github-runner/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .timeout(request_timeout)
        .connect_timeout(request_timeout.min(Duration::from_secs(10)))
        .redirect(same_origin(api.clone()));
    if api.is_plain_http() {
        // This machine: through no proxy, and without the system's certificates, which take a while
        // to read and which a small container lacks.
        builder.no_proxy().tls_certs_only([]).build()
    } else {
        let builder = builder.https_only(true);
        let builder = match certificates {
            Some(more) => builder.tls_certs_merge(Certificate::from_pem_bundle(more)?),
            None => builder,
        };
        builder.build()
    }
}

/// A repository that was renamed answers with a redirect on the same host. To another host the token
/// must not go: the answer is then the redirect itself, and an error.
fn same_origin(api: ApiUrl) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() <= 3 && api.has_same_origin(attempt.url()) {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

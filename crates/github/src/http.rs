//! One call to GitHub: sent, counted, tried again where that is safe, and held back while GitHub asks to
//! wait.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::{Advice, CallError, CallOutcome};
use azlin_http::{
    ApiClient, FailedTry, HttpReply, HttpRequest, HttpSettings, HttpTransport, NoReply, PATIENCE,
    RequestEffect,
};
use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::answer::{Expects, Heard, heard};
use crate::api_url::ApiUrl;
use crate::blocked::BlockedRepositories;
use crate::client::GitHubSettings;
use crate::error;
use crate::etags::{CachedAnswer, Etags};
use crate::gate::{Family, Gate, Weight};
use crate::link;
use crate::rate::{self, AskedWait, StatedLimit};
use crate::redirect::{self, MovedRepositories};
use crate::refusal::{Meaning, meaning};
use crate::sign_in::SignIn;

/// The most requests in flight, over all repositories. GitHub allows 100 for each token.
const AT_ONCE: usize = 64;

/// The largest body that is read. A page of 100 runs has about one megabyte, and more where commits have long messages.
const LARGEST_BODY: usize = 8 * 1024 * 1024;

/// A request, its effect, the answer that it understands, and the permission that it needs.
#[derive(Debug, Clone)]
pub(crate) struct GitHubCall {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Value>,
    pub(crate) effect: RequestEffect,
    pub(crate) expects: Expects,
    /// The permission that it needs, in GitHub's words.
    pub(crate) needs: &'static str,
}

impl GitHubCall {
    /// What it costs of GitHub's rate limits.
    fn weight(&self) -> Weight {
        let has = |name: &str| self.url.query_pairs().any(|(key, _)| key == name);
        let reads = self.method == Method::GET;
        let family = match reads {
            // Lists are polled. A list that is filtered by name is part of a removal.
            true if has("per_page") && !has("name") => Family::Looks,
            false if self.is_jit_config() || self.url.path().ends_with("-token") => Family::Registrations,
            _ => Family::Others,
        };
        Weight { family, points: if reads { 1 } else { 5 } }
    }

    /// Whether it makes a JIT configuration.
    pub(crate) fn is_jit_config(&self) -> bool {
        self.url.path().ends_with("/generate-jitconfig")
    }
}

impl fmt::Display for GitHubCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url.path())?;
        // Lists of runs differ in the status alone.
        match self.url.query_pairs().find(|(name, _)| name == "status") {
            Some((_, status)) => write!(f, "?status={status}"),
            None => Ok(()),
        }
    }
}

/// The credential of a request.
pub(crate) enum As {
    /// The token or the installation that all other requests use.
    Us(Arc<SecretString>),
    /// The app itself, with a JSON web token that it signed.
    App(SecretString),
    /// A runner that registers, with a registration token.
    Registration(SecretString),
}

impl As {
    fn secret(&self) -> &SecretString {
        match self {
            As::Us(token) => token,
            As::App(jwt) => jwt,
            As::Registration(token) => token,
        }
    }
}

pub(crate) struct Http {
    pub(crate) client: ApiClient,
    pub(crate) api: ApiUrl,
    pub(crate) sign_in: SignIn,
    /// When the token ends, from GitHub's last answer.
    pub(crate) token_ends: Mutex<Option<Timestamp>>,
    etags: Etags,
    blocked: BlockedRepositories,
    pub(crate) moved: MovedRepositories,
    pub(crate) gate: Gate,
}

impl Http {
    pub(crate) fn new(api: ApiUrl, settings: GitHubSettings) -> Self {
        let transport = HttpTransport::new(HttpSettings {
            user_agent: Some(concat!("azlin-github-runner/", env!("CARGO_PKG_VERSION"))),
            headers: headers(),
            certificates: settings.certificates,
            ..HttpSettings::new(settings.request_timeout, LARGEST_BODY)
        });
        Http {
            client: ApiClient::new("GitHub", Arc::new(transport), AT_ONCE, settings.retry_pause),
            api,
            sign_in: SignIn::new(settings.credential),
            token_ends: Mutex::default(),
            etags: Etags::default(),
            moved: MovedRepositories::default(),
            blocked: BlockedRepositories::default(),
            gate: Gate::new(settings.untold_wait),
        }
    }

    /// Reads one page and the link to the next. `T` is both read and written, so that the page can be cached
    /// for a conditional request.
    pub(crate) async fn page<T>(&self, call: &GitHubCall) -> Result<(T, Option<String>), CallError>
    where
        T: Serialize + DeserializeOwned,
    {
        self.counted_page(call).await.map(|(page, next, _)| (page, next))
    }

    /// The same, with the number of bytes that the page has.
    pub(crate) async fn counted_page<T>(
        &self,
        call: &GitHubCall,
    ) -> Result<(T, Option<String>, usize), CallError>
    where
        T: Serialize + DeserializeOwned,
    {
        let kept = self.etags.get(call.url.as_str());
        let answer = self.send(call, kept.as_ref().map(|kept| kept.etag.as_str())).await?;
        if let (StatusCode::NOT_MODIFIED, Some(kept)) = (answer.status, &kept) {
            return Ok((self.read(call, &kept.body)?, kept.next.clone(), kept.body.len()));
        }
        let page: T = self.read(call, self.success(call, &answer)?)?;
        if let Some(error) = error::shortened(call, &answer.headers) {
            return Err(error);
        }
        let text = |name| answer.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let next = text(header::LINK).and_then(link::next).map(str::to_owned);
        if let (Some(etag), Ok(body)) = (text(header::ETAG), serde_json::to_vec(&page)) {
            let kept = CachedAnswer { etag: etag.to_owned(), body: body.into(), next: next.clone() };
            self.etags.keep(call.url.as_str(), kept);
        }
        Ok((page, next, answer.body.len()))
    }

    /// What a call reads that has one answer and no pages.
    pub(crate) async fn value<T: DeserializeOwned>(&self, call: &GitHubCall) -> Result<T, CallError> {
        let answer = self.send(call, None).await?;
        self.read(call, self.success(call, &answer)?)
    }

    /// Carries out a call whose success has nothing to read.
    pub(crate) async fn done(&self, call: &GitHubCall) -> Result<(), CallError> {
        let answer = self.send(call, None).await?;
        self.success(call, &answer).map(drop)
    }

    /// The body of the success that the call understands.
    pub(crate) fn success<'a>(
        &self,
        call: &GitHubCall,
        answer: &'a HttpReply,
    ) -> Result<&'a [u8], CallError> {
        match heard(call.expects, answer) {
            Heard::Success(body) => Ok(body),
            Heard::Refusal(..) | Heard::Foreign => Err(self.failed(call, answer)),
        }
    }

    pub(crate) fn failed(&self, call: &GitHubCall, answer: &HttpReply) -> CallError {
        let error = error::failed(call, answer, self.sign_in.secret().expose_secret());
        match &error.advice {
            Some(Advice::ReplaceToken(_)) => error.advise(Advice::ReplaceToken(self.sign_in.origin())),
            _ => error,
        }
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, call: &GitHubCall, body: &[u8]) -> Result<T, CallError> {
        serde_json::from_slice(body)
            .map_err(|error| error::unreadable(call, &error, self.sign_in.secret().expose_secret()))
    }

    /// Sends a request until it has a final answer. A redirect is followed once, where it may be.
    pub(crate) async fn send(&self, call: &GitHubCall, etag: Option<&str>) -> Result<HttpReply, CallError> {
        let owner = self.api.owner(&call.url);
        if let Some(error) = self.blocked.get(owner) {
            return Err(error.during(call));
        }
        let answer = self.send_signed_in(call, etag).await?;
        if meaning(&answer) == Some(Meaning::Blocked) {
            self.blocked.add(owner, self.failed(call, &answer));
        }
        let Some(url) = redirect::target(&self.api, call, &answer)? else { return Ok(answer) };
        self.moved.add(owner, &self.api, &url);
        let moved = GitHubCall { url, ..call.clone() };
        let answer = self.send_signed_in(&moved, etag).await?;
        match redirect::after_one(call, &moved, &answer) {
            Some(error) => Err(error),
            None => Ok(answer),
        }
    }

    async fn send_signed_in(&self, call: &GitHubCall, etag: Option<&str>) -> Result<HttpReply, CallError> {
        let (path, owner) = (self.api.below(&call.url), self.api.owner(&call.url));
        let token = self.sign_in.token(self, path, owner).await?;
        let answer = self.send_as(call, etag, As::Us(Arc::clone(&token))).await?;
        // GitHub did nothing for a request whose token did not count.
        let counted = match heard(call.expects, &answer) {
            Heard::Refusal(StatusCode::UNAUTHORIZED, _) => false,
            _ => meaning(&answer) != Some(Meaning::NotSignedIn),
        };
        if !counted && self.sign_in.refused(&token) {
            let token = self.sign_in.token(self, path, owner).await?;
            return self.send_as(call, etag, As::Us(token)).await;
        }
        Ok(answer)
    }

    /// The same, with an explicit credential.
    pub(crate) async fn send_as(
        &self,
        call: &GitHubCall,
        etag: Option<&str>,
        who: As,
    ) -> Result<HttpReply, CallError> {
        let mut attempts = self.client.attempts(call.effect, None);
        let give_up = |error, may_be_done| if may_be_done { error::after_a_lost_try(error) } else { error };
        loop {
            // An app signs in whatever the limits of its installation are.
            let ticket = match &who {
                As::App(_) | As::Registration(_) => None,
                As::Us(_) => match self.gate.pass(call.weight(), PATIENCE).await {
                    Ok(ticket) => Some(ticket),
                    Err(wait) => return Err(give_up(error::throttled(call, wait), attempts.may_be_done())),
                },
            };
            attempts.begin();
            let answer = self.try_once(call, etag, &who).await;
            let asked = answer.as_ref().ok().and_then(|answer| self.asked_to_wait(call, answer, &who));
            self.client.traffic.ended(match &answer {
                Ok(answer) if !is_portals(call, answer) => {
                    CallOutcome::of(answer.status.as_u16(), asked.is_some())
                }
                Ok(_) => CallOutcome::NoAnswer,
                Err(no_reply) => no_reply.outcome(),
            });
            // The limits in the answer are recorded before other requests pass.
            drop(ticket);
            let (failure, error) = match answer {
                Ok(answer) => match asked {
                    Some(wait) if !answer.status.is_server_error() => {
                        if wait <= PATIENCE && attempts.has_more() && matches!(who, As::Us(_)) {
                            continue;
                        }
                        let error = error::asked_to_wait(call, &answer, wait, who.secret().expose_secret());
                        return Err(give_up(error, attempts.may_be_done()));
                    }
                    asked if answer.status.is_server_error() => {
                        (FailedTry::Status(answer.status.as_u16(), asked), self.failed(call, &answer))
                    }
                    _ => return Ok(answer),
                },
                Err(lost) => {
                    (lost.failed_try(), error::unanswered(call, &lost, who.secret().expose_secret()))
                }
            };
            let doubt = failure != FailedTry::NotSent;
            if !attempts.again(failure, doubt, call, &error).await {
                return Err(give_up(error, attempts.may_be_done()));
            }
        }
    }

    /// Records the rate limits in an answer, and holds back what a rate limit refuses. Returns the wait that GitHub asks
    /// for.
    fn asked_to_wait(&self, call: &GitHubCall, answer: &HttpReply, who: &As) -> Option<Duration> {
        let HttpReply { status, headers, .. } = answer;
        let now = rate::date(headers).unwrap_or_else(Timestamp::now);
        let asked = rate::asked(*status, headers, meaning(answer), now);
        // An app and its installation have separate rate limits.
        let As::Us(_) = who else {
            return match asked {
                AskedWait::Nothing => None,
                AskedWait::UsedUp(wait) | AskedWait::Wait(wait) => Some(wait),
                AskedWait::WaitUntold => Some(self.gate.first_untold()),
            };
        };
        if let Some(ends) = rate::token_ends(headers) {
            *self.token_ends.lock() = Some(ends);
        }
        let family = call.weight().family;
        match rate::stated(*status, headers) {
            StatedLimit::Of { resource, budget } => {
                let told = (resource.as_str(), budget, rate::left(&budget, now));
                self.gate.told(family, Some(told));
            }
            StatedLimit::None if is_githubs(call, answer) => self.gate.told(family, None),
            StatedLimit::None | StatedLimit::OfTheAddress => {}
        }
        match asked {
            AskedWait::Nothing => {
                if !status.is_server_error() {
                    self.gate.passed();
                }
                None
            }
            // The limit that was recorded holds back the requests of its resource, and no others.
            AskedWait::UsedUp(wait) => Some(wait),
            // A failing server delays this call, not all others.
            AskedWait::Wait(wait) if status.is_server_error() => Some(wait),
            AskedWait::Wait(wait) => {
                self.gate.shut(wait);
                Some(wait)
            }
            AskedWait::WaitUntold => Some(self.gate.shut_untold()),
        }
    }

    async fn try_once(&self, call: &GitHubCall, etag: Option<&str>, who: &As) -> Result<HttpReply, NoReply> {
        let mut request = HttpRequest::new(call.method.clone(), &call.url);
        match who {
            As::Us(_) | As::App(_) => request.bearer = Some(who.secret().expose_secret()),
            As::Registration(token) => {
                let value = format!("RemoteAuth {}", token.expose_secret());
                if let Ok(mut value) = HeaderValue::from_str(&value) {
                    value.set_sensitive(true);
                    request.headers.insert(header::AUTHORIZATION, value);
                }
            }
        }
        if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            request.headers.insert(header::IF_NONE_MATCH, etag);
        }
        if let Some(body) = &call.body {
            request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request.body = Some(body.to_string().into());
        }
        self.client.send(request).await
    }
}

/// Whether a status of success belongs to an answer that is not GitHub's.
fn is_portals(call: &GitHubCall, answer: &HttpReply) -> bool {
    answer.status.is_success() && matches!(heard(call.expects, answer), Heard::Foreign)
}

/// Whether an answer shows that the server states no limits. A 401 states none, and no other server does.
fn is_githubs(call: &GitHubCall, answer: &HttpReply) -> bool {
    match heard(call.expects, answer) {
        Heard::Success(_) => true,
        Heard::Refusal(status, _) => status.is_client_error() && status != StatusCode::UNAUTHORIZED,
        Heard::Foreign => answer.status == StatusCode::NOT_MODIFIED,
    }
}

/// Headers of every request.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
    headers.insert("x-github-api-version", HeaderValue::from_static("2022-11-28"));
    headers
}

//! One call to the service: signed in, sent, and tried again where that is safe.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::{CallError, CallErrorKind, CallOutcome, ScaleSetConfig, ScaleSetId, Scope};
use azlin_http::{ApiClient, FailedTry, HttpReply, HttpRequest, HttpSettings, HttpTransport, RequestEffect};
use parking_lot::Mutex;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::refused::{failed, unanswered, unreadable};
use super::sign_in::{Admin, sign_in};
use super::wire::without_mark;
use crate::client::{GitHubClient, GitHubSettings};

/// The most requests in flight. Polls are not among them.
const AT_ONCE: usize = 64;
/// The largest body: a list of all runners of a large organisation.
const LARGEST_BODY: usize = 8 * 1024 * 1024;
/// The version of the service's API.
const VERSION: &str = "6.0-preview";

/// The service.
pub(crate) struct ActionsService {
    pub(super) client: ApiClient,
    signed_in: Mutex<HashMap<Scope, Arc<SignedIn>>>,
    /// Ids of sets, by scope, runner group and name, as the last answers have them.
    pub(super) ids: Mutex<HashMap<SetKey, ScaleSetId>>,
}

/// What a set is found by.
type SetKey = (Scope, Option<String>, String);

/// What is known of one scope. One client signs in at a time, and the others wait for it.
#[derive(Default)]
struct SignedIn(tokio::sync::Mutex<Option<Arc<Admin>>>);

/// A call that the admin token authorises.
pub(super) struct ServiceCall<'c> {
    pub(super) method: Method,
    /// Below the address of the service, without `_apis/`.
    pub(super) path: Vec<&'c str>,
    pub(super) query: Vec<(&'c str, String)>,
    pub(super) body: Option<Value>,
    pub(super) effect: RequestEffect,
}

impl<'c> ServiceCall<'c> {
    pub(super) fn new(method: Method, path: Vec<&'c str>) -> Self {
        let effect = match method {
            Method::GET => RequestEffect::Reads,
            Method::POST => RequestEffect::Creates,
            _ => RequestEffect::WritesOnce,
        };
        ServiceCall { method, path, query: Vec::new(), body: None, effect }
    }

    pub(super) fn name(&self) -> String {
        format!("{} /_apis/{}", self.method, self.path.join("/"))
    }

    fn url(&self, root: &Url) -> Url {
        let mut url = root.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("_apis").extend(&self.path);
        }
        let has_version = url.query_pairs().any(|(name, _)| name == "api-version");
        let mut query = url.query_pairs_mut();
        query.extend_pairs(&self.query);
        if !has_version {
            query.append_pair("api-version", VERSION);
        }
        drop(query);
        url
    }
}

impl ActionsService {
    pub(crate) fn new(settings: &GitHubSettings) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json; api-version=6.0-preview"));
        let transport = HttpTransport::new(HttpSettings {
            user_agent: Some(concat!("azlin-github-runner/", env!("CARGO_PKG_VERSION"))),
            headers,
            certificates: settings.certificates.clone(),
            ..HttpSettings::new(settings.request_timeout, LARGEST_BODY)
        });
        let client = ApiClient::new("GitHub Actions", Arc::new(transport), AT_ONCE, settings.retry_pause);
        ActionsService { client, signed_in: Mutex::default(), ids: Mutex::default() }
    }

    /// The id of a set, if an answer has had it.
    pub(super) fn id_of(&self, set: &ScaleSetConfig) -> Option<ScaleSetId> {
        self.ids.lock().get(&key(set)).copied()
    }

    /// Keeps what an answer says of a set.
    pub(super) fn know(&self, set: &ScaleSetConfig, id: Option<ScaleSetId>) {
        let mut ids = self.ids.lock();
        match id {
            Some(id) => drop(ids.insert(key(set), id)),
            None => drop(ids.remove(&key(set))),
        }
    }

    /// Sends a request until it has a final answer: a status below 500 that is not 429. `call` says what is tried.
    pub(super) async fn send(
        &self,
        call: &str,
        effect: RequestEffect,
        request: impl Fn() -> HttpRequest<'static> + Send,
        (url, token): (&Url, &SecretString),
    ) -> Result<HttpReply, CallError> {
        let mut attempts = self.client.attempts(effect, None);
        loop {
            attempts.begin();
            let HttpRequest { method, headers, body, time_limit, .. } = request();
            let bearer = Some(token.expose_secret());
            let sent = HttpRequest { method, url, headers, bearer, body, time_limit };
            let (failure, error) = match self.client.send(sent).await {
                Ok(reply) => {
                    let is_throttled = reply.status == StatusCode::TOO_MANY_REQUESTS;
                    self.client.traffic.ended(CallOutcome::of(reply.status.as_u16(), is_throttled));
                    if !is_throttled && !reply.status.is_server_error() {
                        return Ok(reply);
                    }
                    let error = failed(call, &reply, effect, token.expose_secret());
                    (FailedTry::Status(reply.status.as_u16(), error.retry_after), error)
                }
                Err(lost) => {
                    self.client.traffic.ended(lost.outcome());
                    (lost.failed_try(), unanswered(call, &lost, effect, token.expose_secret()))
                }
            };
            let doubt = failure != FailedTry::NotSent;
            if !attempts.again(failure, doubt, &call, &error).await {
                let is_in_doubt = attempts.may_be_done() && error.kind == CallErrorKind::Unavailable;
                let kind = if is_in_doubt { CallErrorKind::OutcomeUnknown } else { error.kind };
                return Err(CallError { kind, ..error });
            }
        }
    }
}

fn key(set: &ScaleSetConfig) -> SetKey {
    (set.scope.clone(), set.runner_group.clone(), set.name.to_ascii_lowercase())
}

/// A request with this body, whose URL and token are added when it is sent.
pub(super) fn request(method: &Method, body: Option<&Value>) -> HttpRequest<'static> {
    static NOWHERE: std::sync::LazyLock<Url> = std::sync::LazyLock::new(|| {
        #[expect(clippy::expect_used, reason = "an invariant, which the message states")]
        Url::parse("https://nowhere.invalid").expect("it is a URL")
    });
    let mut request = HttpRequest::new(method.clone(), &NOWHERE);
    request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.body = body.map(|body| body.to_string().into());
    request
}

impl GitHubClient {
    /// The address of the service and a token for it.
    async fn admin(&self, scope: &Scope, refused: Option<&Arc<Admin>>) -> Result<Arc<Admin>, CallError> {
        let known = Arc::clone(self.service.signed_in.lock().entry(scope.clone()).or_default());
        let mut known = known.0.lock().await;
        let is_good = |admin: &&Arc<Admin>| {
            admin.is_fresh() && refused.is_none_or(|refused| !Arc::ptr_eq(refused, admin))
        };
        if let Some(admin) = known.as_ref().filter(is_good) {
            return Ok(Arc::clone(admin));
        }
        let admin = Arc::new(sign_in(&self.http, scope).await?);
        *known = Some(Arc::clone(&admin));
        Ok(admin)
    }

    /// The answer to a call on a scope, whatever it says. A token that is refused is replaced once.
    pub(super) async fn service_answer(
        &self,
        scope: &Scope,
        call: &ServiceCall<'_>,
    ) -> Result<HttpReply, CallError> {
        let mut refused = None;
        loop {
            let admin = self.admin(scope, refused.as_ref()).await?;
            let (name, url) = (call.name(), call.url(&admin.url));
            let made = || request(&call.method, call.body.as_ref());
            let reply = self.service.send(&name, call.effect, made, (&url, &admin.token)).await?;
            if reply.status == StatusCode::UNAUTHORIZED && refused.is_none() {
                refused = Some(admin);
                continue;
            }
            return Ok(reply);
        }
    }

    /// Where a call on a scope goes.
    pub(super) async fn address_of(&self, scope: &Scope, call: &ServiceCall<'_>) -> Result<Url, CallError> {
        Ok(call.url(&self.admin(scope, None).await?.url))
    }

    /// What a call on a scope reads.
    pub(super) async fn service_value<T: DeserializeOwned>(
        &self,
        scope: &Scope,
        call: &ServiceCall<'_>,
    ) -> Result<T, CallError> {
        let reply = self.service_answer(scope, call).await?;
        read(&call.name(), &reply, call.effect)
    }
}

/// The JSON of a success.
pub(super) fn read<T: DeserializeOwned>(
    call: &str,
    reply: &HttpReply,
    effect: RequestEffect,
) -> Result<T, CallError> {
    if reply.status != StatusCode::OK {
        return Err(failed(call, reply, effect, ""));
    }
    let read = serde_json::from_slice(without_mark(&reply.body));
    read.map_err(|error| {
        unreadable(call, effect, &format!("line {}, column {}", error.line(), error.column()))
    })
}

/// How long a poll may take: longer than GitHub holds it, and never without end.
pub(super) const POLL_LIMIT: Duration = Duration::from_secs(120);

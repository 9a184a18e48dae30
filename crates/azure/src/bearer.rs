//! The bearer token: requested once, and used until shortly before it expires.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::{Advice, CallError, CallErrorKind};
use azlin_http::quote;
use azure_core_1::credentials::{AccessToken, Secret, TokenCredential};
use azure_core_1::error::ErrorKind;
use azure_core_1::time::OffsetDateTime;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::credential::{CredentialError, CredentialKind};

/// How long before its end a token is renewed, which is also azure_identity's rule.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// How often a refused token is replaced at most. A role or a tenant that is wrong refuses every token.
const RENEW_PAUSE: Duration = Duration::from_secs(60);

/// How long before its end a token is still used when it cannot be renewed.
const USE_UNTIL: Duration = Duration::from_secs(30);

/// Makes a credential with an empty cache.
type MakeCredential = Box<dyn Fn() -> Result<Arc<dyn TokenCredential>, CredentialError> + Send + Sync>;

pub(crate) struct Bearer {
    pub(crate) kind: CredentialKind,
    make: MakeCredential,
    scope: String,
    request_timeout: Duration,
    /// azure_identity caches tokens, except the Azure CLI's, which takes a second to get. Locked while a
    /// token is requested, so that only one request runs.
    kept: Mutex<BearerState>,
}

struct BearerState {
    credential: Arc<dyn TokenCredential>,
    token: Option<AccessToken>,
    /// The last failure and its time. It is the answer for all callers that waited for it.
    failure: Option<(Instant, CallError)>,
    /// When a token was last dropped because Azure refused it.
    dropped: Option<Instant>,
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").field("kind", &self.kind).field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Bearer {
    pub(crate) fn new(
        kind: CredentialKind,
        make: MakeCredential,
        scope: String,
        request_timeout: Duration,
    ) -> Result<Self, CredentialError> {
        let state = BearerState { credential: make()?, token: None, failure: None, dropped: None };
        Ok(Bearer { kind, make, scope, request_timeout, kept: Mutex::new(state) })
    }

    /// Drops a token that Azure refused, and with it the credential, whose cache would give it again. Returns whether
    /// another try has another token.
    pub(crate) async fn renew(&self, refused: &Secret) -> bool {
        let mut kept = self.kept.lock().await;
        if kept.token.as_ref().is_none_or(|token| token.token.secret() != refused.secret()) {
            return true;
        }
        let is_early = kept.dropped.is_some_and(|at| at.elapsed() < RENEW_PAUSE);
        let Some(credential) = (self.make)().ok().filter(|_| !is_early) else { return false };
        tracing::debug!(credential = %self.kind, "Azure refused the token by {}; another is requested", self.kind);
        *kept = BearerState { credential, token: None, failure: None, dropped: Some(Instant::now()) };
        true
    }

    pub(crate) async fn token(&self) -> Result<Secret, CallError> {
        let came = Instant::now();
        let mut kept = self.kept.lock().await;
        if let Some(token) = kept.token.as_ref().filter(|token| lasts(token, RENEW_BEFORE)) {
            return Ok(token.token.clone());
        }
        let failure = match &kept.failure {
            Some((known, error)) if *known >= came => error.clone(),
            _ => match self.ask(&kept.credential).await {
                Ok(token) => return Ok(kept.token.insert(token).token.clone()),
                Err(error) => {
                    tracing::debug!(credential = %self.kind, error = %error, "no new Azure token by {}: {error}", self.kind);
                    kept.failure.insert((Instant::now(), error)).1.clone()
                }
            },
        };
        match kept.token.as_ref().filter(|token| lasts(token, USE_UNTIL)) {
            Some(token) => Ok(token.token.clone()),
            None => Err(failure),
        }
    }

    async fn ask(&self, credential: &Arc<dyn TokenCredential>) -> Result<AccessToken, CallError> {
        let scopes = [self.scope.as_str()];
        match timeout(self.request_timeout, credential.get_token(&scopes, None)).await {
            Ok(Ok(token)) => Ok(token),
            Ok(Err(error)) => Err(self.refused(&error)),
            Err(_) => {
                let limit = self.request_timeout.as_secs_f32();
                let why = format!("no Azure token by {} within {limit} s", self.kind);
                Err(CallError::new(CallErrorKind::Unavailable, why).advise(self.advice()))
            }
        }
    }

    fn refused(&self, error: &azure_core_1::Error) -> CallError {
        let kind = if is_passing(error) { CallErrorKind::Unavailable } else { CallErrorKind::NotPermitted };
        let text = error.to_string();
        // The rest is a link to a page about all credentials.
        let text = text.split("To troubleshoot, visit").next().unwrap_or_default();
        let why = format!("no Azure token by {}: {}", self.kind, quote(text, &[]));
        CallError::new(kind, why).advise(self.advice())
    }

    fn advice(&self) -> Advice {
        Advice::CheckCredential(self.kind.advice())
    }
}

fn lasts(token: &AccessToken, time: Duration) -> bool {
    token.expires_on > OffsetDateTime::now_utc() + time
}

/// Whether the innermost cause is a failure that passes by itself.
fn is_passing(error: &azure_core_1::Error) -> bool {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = at {
        if let Some(error) = error.downcast_ref::<azure_core_1::Error>() {
            match error.kind() {
                ErrorKind::Connection | ErrorKind::Io => return true,
                ErrorKind::HttpResponse { status, .. } => {
                    // A redirect is a portal's.
                    return !(400..500).contains(&u16::from(*status)) || u16::from(*status) == 429;
                }
                _ => {}
            }
        }
        at = error.source();
    }
    false
}

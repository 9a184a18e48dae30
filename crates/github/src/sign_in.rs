//! How requests are authorised: with a configured token, or with an installation's token, which is renewed
//! before it expires.
//!
//! One renewal runs at a time. Meanwhile, and after a renewal that failed, the old token is used while it is
//! valid.

use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::{Advice, CallError, CallErrorKind};
use azlin_fleet::ports::preflight::TokenKind;
use azlin_http::{HttpReply, RequestEffect, quote};
use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::time::Instant;

use crate::app::App;
use crate::http::{As, GitHubCall, Http};
use crate::rate;
use crate::token::Token;

/// How long before its end a token is renewed.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// The pause after a renewal that failed.
const PAUSE: Duration = Duration::from_secs(10);
/// A larger difference of the clocks, in seconds, is reported.
const OFF: i64 = 30;

/// How requests are authorised.
#[derive(Debug, Clone)]
pub enum GitHubCredential {
    /// A configured token.
    Token(Token),
    /// The tokens of an app's installation.
    App(App),
}

impl From<Token> for GitHubCredential {
    fn from(token: Token) -> Self {
        GitHubCredential::Token(token)
    }
}

impl From<App> for GitHubCredential {
    fn from(app: App) -> Self {
        GitHubCredential::App(app)
    }
}

/// A token of an installation.
struct Issued {
    token: Arc<SecretString>,
    ends: Instant,
}

/// The credential in use.
pub(crate) struct SignIn {
    credential: GitHubCredential,
    issued: Mutex<Option<Issued>>,
    /// The time and the error of the last failed renewal.
    failed: Mutex<Option<(Instant, CallError)>>,
    renewing: tokio::sync::Mutex<()>,
}

impl SignIn {
    pub(crate) fn new(credential: GitHubCredential) -> Self {
        SignIn {
            credential,
            issued: Mutex::default(),
            failed: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn kind(&self) -> TokenKind {
        match &self.credential {
            GitHubCredential::Token(token) => token.kind(),
            GitHubCredential::App(_) => TokenKind::App,
        }
    }

    pub(crate) fn app(&self) -> Option<&App> {
        match &self.credential {
            GitHubCredential::App(app) => Some(app),
            GitHubCredential::Token(_) => None,
        }
    }

    /// The token, so that texts can be redacted.
    pub(crate) fn secret(&self) -> Arc<SecretString> {
        match &self.credential {
            GitHubCredential::Token(token) => token.secret(),
            GitHubCredential::App(_) => {
                self.issued().as_ref().map(|issued| Arc::clone(&issued.token)).unwrap_or_default()
            }
        }
    }

    /// A valid token.
    pub(crate) async fn token(&self, http: &Http) -> Result<Arc<SecretString>, CallError> {
        let GitHubCredential::App(app) = &self.credential else { return Ok(self.secret()) };
        let good = match self.good_for(Duration::ZERO) {
            Some((token, left)) if left > AHEAD => return Ok(token),
            good => good.map(|(token, _)| token),
        };
        let turn = match (&good, self.renewing.try_lock()) {
            (_, Ok(turn)) => turn,
            (Some(token), Err(_)) => return Ok(Arc::clone(token)),
            (None, Err(_)) => self.renewing.lock().await,
        };
        // Another call may have renewed the token meanwhile.
        if let Some((token, _)) = self.good_for(AHEAD) {
            return Ok(token);
        }
        let renewed = match self.failed_lately() {
            Some(error) => Err(error),
            None => renew(http, app).await,
        };
        drop(turn);
        match (renewed, good) {
            (Ok(issued), _) => {
                let token = Arc::clone(&issued.token);
                *self.issued() = Some(issued);
                *self.failed() = None;
                Ok(token)
            }
            (Err(error), Some(token)) => {
                tracing::debug!(reason = %error, "the app's token is not renewed yet: {error}");
                self.note_failure(error);
                Ok(token)
            }
            (Err(error), None) => {
                self.note_failure(error.clone());
                Err(error)
            }
        }
    }

    /// Records that GitHub refused a token. Returns whether a new one is possible.
    pub(crate) fn refused(&self, token: &Arc<SecretString>) -> bool {
        if self.app().is_none() {
            return false;
        }
        let mut issued = self.issued();
        if issued.as_ref().is_some_and(|issued| Arc::ptr_eq(&issued.token, token)) {
            *issued = None;
        }
        true
    }

    fn good_for(&self, least: Duration) -> Option<(Arc<SecretString>, Duration)> {
        let issued = self.issued();
        let issued = issued.as_ref()?;
        let left = issued.ends.saturating_duration_since(Instant::now());
        (left > least).then(|| (Arc::clone(&issued.token), left))
    }

    fn failed_lately(&self) -> Option<CallError> {
        self.failed().as_ref().filter(|(at, _)| at.elapsed() < PAUSE).map(|(_, error)| error.clone())
    }

    fn note_failure(&self, error: CallError) {
        let mut failed = self.failed();
        if failed.as_ref().is_none_or(|(at, _)| at.elapsed() >= PAUSE) {
            *failed = Some((Instant::now(), error));
        }
    }

    fn issued(&self) -> MutexGuard<'_, Option<Issued>> {
        self.issued.lock()
    }

    fn failed(&self) -> MutexGuard<'_, Option<(Instant, CallError)>> {
        self.failed.lock()
    }
}

/// Requests a token of the installation.
async fn renew(http: &Http, app: &App) -> Result<Issued, CallError> {
    #[derive(Deserialize)]
    struct Made {
        token: String,
        expires_at: Timestamp,
    }
    let call = GitHubCall {
        method: Method::POST,
        url: http.api.join(&format!("app/installations/{}/access_tokens", app.installation_id))?,
        body: None,
        // An unneeded token does no harm.
        effect: RequestEffect::Reads,
        needs: "a GitHub App that is installed",
    };
    let here = Timestamp::now();
    let answer = Box::pin(http.send_as(&call, None, As::App(app.jwt(here)))).await?;
    if answer.status != StatusCode::CREATED {
        return Err(not_signed_in(&call, &answer, here));
    }
    let Made { token, expires_at } = http.read(&call, &answer.body)?;
    let there = rate::date(&answer.headers).unwrap_or(here);
    let left = Duration::try_from(expires_at.duration_since(there)).unwrap_or_default();
    tracing::debug!(%expires_at, "the app's installation has a new token, good until {expires_at}");
    Ok(Issued { token: Arc::new(SecretString::from(token)), ends: Instant::now() + left })
}

/// Why an app gets no token, and what to do about it.
pub(crate) fn not_signed_in(call: &GitHubCall, answer: &HttpReply, here: Timestamp) -> CallError {
    let off = rate::date(&answer.headers).map(|there| here.duration_since(there));
    let off = off.filter(|off: &SignedDuration| off.as_secs().abs() > OFF);
    let advice = match (answer.status, off) {
        (StatusCode::UNAUTHORIZED, Some(off)) => Advice::SetClock(off.as_secs()),
        (StatusCode::UNAUTHORIZED, None) => Advice::CheckAppKey,
        (StatusCode::NOT_FOUND, _) => Advice::CheckInstallation,
        (StatusCode::FORBIDDEN, _) => Advice::UnsuspendInstallation,
        _ => Advice::Wait,
    };
    let kind = match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => {
            CallErrorKind::NotPermitted
        }
        _ => CallErrorKind::Unavailable,
    };
    let said = quote(&crate::error::github_message(&answer.body), &[]);
    let status = answer.status;
    CallError::new(kind, format!("{status} \"{said}\""))
        .during(format_args!("sign in as a GitHub App: {call}"))
        .advise(advice)
}

//! How requests are authorised: with a configured token, or with an installation's token, which is renewed
//! before it expires.
//!
//! One renewal runs at a time. Meanwhile, and after a renewal that failed, the old token is used while it is
//! valid. After a renewal the repositories move to the new token one after another ([`tokens`]).

mod tokens;

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

use self::tokens::{InstallationTokens, Issued};
use crate::answer::{Expects, Heard, heard};
use crate::app::App;
use crate::error;
use crate::http::{As, GitHubCall, Http};
use crate::rate;
use crate::refusal::{Meaning, meaning};
use crate::token::Token;

/// How long before its end a token is renewed. In this time its users move to the new one.
const AHEAD: Duration = Duration::from_secs(10 * 60);
/// The shortest pause after a renewal that failed.
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

/// The credential in use.
pub(crate) struct SignIn {
    credential: GitHubCredential,
    tokens: Mutex<InstallationTokens>,
    /// The time and the error of the last failed renewal.
    failed: Mutex<Option<(Instant, CallError)>>,
    renewing: tokio::sync::Mutex<()>,
}

impl SignIn {
    pub(crate) fn new(credential: GitHubCredential) -> Self {
        SignIn {
            credential,
            tokens: Mutex::default(),
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
            GitHubCredential::App(_) => self.tokens().newest().unwrap_or_default(),
        }
    }

    /// A valid token for the requests of an owner or repository.
    pub(crate) async fn token(&self, http: &Http, owner: &str) -> Result<Arc<SecretString>, CallError> {
        let GitHubCredential::App(app) = &self.credential else { return Ok(self.secret()) };
        let good = match self.good_for(owner) {
            (Some(token), left) if left > AHEAD => return Ok(token),
            (good, _) => good,
        };
        let turn = match (&good, self.renewing.try_lock()) {
            (_, Ok(turn)) => turn,
            (Some(token), Err(_)) => return Ok(Arc::clone(token)),
            (None, Err(_)) => self.renewing.lock().await,
        };
        // Another call may have renewed the token meanwhile.
        if let (Some(token), left) = self.good_for(owner)
            && left > AHEAD
        {
            return Ok(token);
        }
        let renewed = match self.failed_lately() {
            Some(error) => Err(error),
            None => renew(http, app).await,
        };
        drop(turn);
        match (renewed, good) {
            (Ok(issued), _) => {
                let (now, token) = (Instant::now(), Arc::clone(&issued.token));
                let mut tokens = self.tokens();
                tokens.renew(issued, now);
                *self.failed() = None;
                Ok(tokens.of(owner, now).unwrap_or(token))
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
        self.tokens().refuse(token);
        true
    }

    /// The token for an owner or repository, and how long the newest token is good.
    fn good_for(&self, owner: &str) -> (Option<Arc<SecretString>>, Duration) {
        let (now, tokens) = (Instant::now(), self.tokens());
        (tokens.of(owner, now), tokens.left(now))
    }

    fn failed_lately(&self) -> Option<CallError> {
        self.failed()
            .as_ref()
            .filter(|(at, error)| at.elapsed() < pause(error))
            .map(|(_, error)| error.clone())
    }

    fn note_failure(&self, error: CallError) {
        let mut failed = self.failed();
        if failed.as_ref().is_none_or(|(at, error)| at.elapsed() >= pause(error)) {
            *failed = Some((Instant::now(), error));
        }
    }

    fn tokens(&self) -> MutexGuard<'_, InstallationTokens> {
        self.tokens.lock()
    }

    fn failed(&self) -> MutexGuard<'_, Option<(Instant, CallError)>> {
        self.failed.lock()
    }
}

/// The pause after a renewal that failed: as long as GitHub asks for, at least.
fn pause(error: &CallError) -> Duration {
    error.retry_after.map_or(PAUSE, |asked| asked.max(PAUSE))
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
        expects: Expects::CREATED,
        needs: "a GitHub App that is installed",
    };
    let here = Timestamp::now();
    let answer = Box::pin(http.send_as(&call, None, As::App(app.jwt(here)))).await?;
    let Heard::Success(body) = heard(call.expects, &answer) else {
        return Err(not_signed_in(&call, &answer, here));
    };
    let Made { token, expires_at } = http.read(&call, body)?;
    let there = rate::date(&answer.headers).unwrap_or(here);
    let left = Duration::try_from(expires_at.duration_since(there)).unwrap_or_default();
    tracing::debug!(%expires_at, "the app's installation has a new token, good until {expires_at}");
    Ok(Issued { token: Arc::new(SecretString::from(token)), ends: Instant::now() + left })
}

/// Why an app gets no token, and what to do about it.
pub(crate) fn not_signed_in(call: &GitHubCall, answer: &HttpReply, here: Timestamp) -> CallError {
    let off = rate::date(&answer.headers).map(|there| here.duration_since(there));
    let off = off.filter(|off: &SignedDuration| off.as_secs().abs() > OFF);
    let Heard::Refusal(status, refusal) = heard(call.expects, answer) else {
        return error::failed(call, answer, "").during(signing_in(call));
    };
    let is_the_clock = meaning(answer) == Some(Meaning::WrongClock);
    let advice = match (status, off) {
        (StatusCode::UNAUTHORIZED, Some(off)) => Advice::SetClock(off.as_secs()),
        (StatusCode::UNAUTHORIZED, None) if is_the_clock => Advice::CheckClock,
        (StatusCode::UNAUTHORIZED, None) => Advice::CheckAppKey,
        (StatusCode::NOT_FOUND, _) => Advice::CheckInstallation,
        (StatusCode::FORBIDDEN, _) => Advice::UnsuspendInstallation,
        _ => Advice::Wait,
    };
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => {
            CallErrorKind::NotPermitted
        }
        _ => CallErrorKind::Unavailable,
    };
    let said = quote(&refusal.says(), &[]);
    CallError::new(kind, format!("{status} \"{said}\"")).during(signing_in(call)).advise(advice)
}

fn signing_in(call: &GitHubCall) -> String {
    format!("sign in as a GitHub App: {call}")
}

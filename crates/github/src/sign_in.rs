//! How requests are authorised: with a configured token, or with an installation's token, which is renewed
//! before it expires.
//!
//! The token is asked for with what the fleets need, and no more. Where GitHub does not give it so, more is asked for, step by
//! step, so that fleets that work go on; `check` says why.
//!
//! One renewal runs at a time. Meanwhile, and after a renewal that failed, the old token is used while it is
//! valid. After a renewal the repositories move to the new token one after another ([`tokens`]).

mod tokens;

use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::{Advice, CallError, CallErrorKind, TokenAccess};
use azlin_fleet::ports::preflight::TokenKind;
use azlin_http::{HttpReply, RequestEffect, quote};
use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
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
    access: Mutex<AskedAccess>,
}

/// What the token is asked for with.
#[derive(Default)]
struct AskedAccess {
    /// What the fleets need.
    served: Arc<TokenAccess>,
    /// What requests have needed besides.
    added: TokenAccess,
    /// Both.
    all: TokenAccess,
    /// What GitHub said when it refused a token of this access, in the last renewal.
    refusal: Option<String>,
}

impl AskedAccess {
    fn add(&mut self, served: &Arc<TokenAccess>, added: &TokenAccess) {
        self.served = Arc::clone(served);
        self.added.add(added);
        self.all = self.served.and(&self.added);
    }
}

impl SignIn {
    pub(crate) fn new(credential: GitHubCredential) -> Self {
        SignIn {
            credential,
            tokens: Mutex::default(),
            failed: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
            access: Mutex::default(),
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

    /// Where the configured token came from, if that is known.
    pub(crate) fn origin(&self) -> Option<Arc<str>> {
        match &self.credential {
            GitHubCredential::Token(token) => token.origin(),
            GitHubCredential::App(_) => None,
        }
    }

    /// The token, so that texts can be redacted.
    pub(crate) fn secret(&self) -> Arc<SecretString> {
        match &self.credential {
            GitHubCredential::Token(token) => token.secret(),
            GitHubCredential::App(_) => self.tokens().newest().unwrap_or_default(),
        }
    }

    /// Takes in what the fleets need. A token that is too narrow for them is left.
    pub(crate) fn serve(&self, access: &Arc<TokenAccess>) {
        let mut asked = self.access.lock();
        // Each look of each fleet calls this, with the same value.
        if !Arc::ptr_eq(&asked.served, access) {
            asked.add(access, &TokenAccess::default());
            self.tokens().leave_narrow(&asked.all);
        }
    }

    /// Takes in what a request needs.
    fn add(&self, needed: &TokenAccess) {
        let mut asked = self.access.lock();
        if !asked.all.covers(needed) {
            let served = Arc::clone(&asked.served);
            asked.add(&served, needed);
            self.tokens().leave_narrow(&asked.all);
        }
    }

    /// What GitHub said when it refused to issue a token with no more than is needed.
    pub(crate) fn narrow_refused(&self) -> Option<String> {
        self.access.lock().refusal.clone()
    }

    /// A valid token for a request, by the path of its URL and the part of it that names the owner or the repository.
    pub(crate) async fn token(
        &self,
        http: &Http,
        path: &str,
        owner: &str,
    ) -> Result<Arc<SecretString>, CallError> {
        let GitHubCredential::App(app) = &self.credential else { return Ok(self.secret()) };
        self.add(&TokenAccess::of_request(path));
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
            None => self.renew(http, app).await,
        };
        let ended = match (renewed, good) {
            (Ok(issued), _) => {
                let (now, token) = (Instant::now(), Arc::clone(&issued.token));
                let all = self.access.lock().all.clone();
                let mut tokens = self.tokens();
                tokens.renew(issued, now);
                // The fleets may have changed meanwhile.
                tokens.leave_narrow(&all);
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
        };
        drop(turn);
        ended
    }

    /// A token with what is needed; where GitHub refuses that, as where the app lacks a permission or a repository is gone,
    /// one for all repositories, and then one with everything.
    async fn renew(&self, http: &Http, app: &App) -> Result<Issued, CallError> {
        let needed = self.access.lock().all.clone();
        let mut refusal = None;
        for access in [needed.clone(), needed.everywhere()] {
            match renew(http, app, &access).await? {
                Renewed::Issued(issued) => {
                    self.note_refusal(refusal);
                    return Ok(issued);
                }
                Renewed::Refused(said) => refusal = refusal.or(Some(said)),
            }
        }
        self.note_refusal(refusal);
        match renew(http, app, &TokenAccess::Everything).await? {
            Renewed::Issued(issued) => Ok(issued),
            Renewed::Refused(said) => Err(CallError::new(CallErrorKind::NotPermitted, said)
                .during("sign in as a GitHub App")
                .advise(Advice::CheckInstallation)),
        }
    }

    fn note_refusal(&self, refusal: Option<String>) {
        let mut asked = self.access.lock();
        if let Some(said) = refusal.as_ref().filter(|said| asked.refusal.as_ref() != Some(said)) {
            tracing::warn!(reason = %said, "the app's token can do more than the fleets need, because GitHub gives none that cannot: {said}; `check` says more");
        }
        asked.refusal = refusal;
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

/// The answer to a request for a token.
enum Renewed {
    Issued(Issued),
    /// The installation has not got what the token should have.
    Refused(String),
}

/// The body of a request for a token; nothing stands for everything.
fn narrowed(access: &TokenAccess) -> Option<Value> {
    let TokenAccess::Only { permissions, .. } = access else { return None };
    let permissions: Value =
        permissions.iter().map(|(name, level)| ((*name).to_owned(), json!(level.as_str()))).collect();
    let mut body = json!({"permissions": permissions});
    if let Some(names) = access.repository_names() {
        body["repositories"] = json!(names);
    }
    Some(body)
}

/// What a token is good for that was asked for so: for all repositories where it names none.
fn given(access: &TokenAccess) -> TokenAccess {
    if access.repository_names().is_some() { access.clone() } else { access.everywhere() }
}

/// Requests a token of the installation.
async fn renew(http: &Http, app: &App, access: &TokenAccess) -> Result<Renewed, CallError> {
    #[derive(Deserialize)]
    struct Made {
        token: String,
        expires_at: Timestamp,
    }
    let call = GitHubCall {
        method: Method::POST,
        url: http.api.join(&format!("app/installations/{}/access_tokens", app.installation_id))?,
        body: narrowed(access),
        // An unneeded token does no harm.
        effect: RequestEffect::Reads,
        expects: Expects::CREATED,
        needs: "a GitHub App that is installed",
    };
    let here = Timestamp::now();
    let answer = Box::pin(http.send_as(&call, None, As::App(app.jwt(here)))).await?;
    let body = match heard(call.expects, &answer) {
        Heard::Success(body) => body,
        Heard::Refusal(StatusCode::UNPROCESSABLE_ENTITY, refusal) => {
            return Ok(Renewed::Refused(quote(&refusal.says(), &[])));
        }
        Heard::Refusal(..) | Heard::Foreign => return Err(not_signed_in(&call, &answer, here)),
    };
    let Made { token, expires_at } = http.read(&call, body)?;
    let there = rate::date(&answer.headers).unwrap_or(here);
    let left = Duration::try_from(expires_at.duration_since(there)).unwrap_or_default();
    tracing::debug!(%expires_at, "the app's installation has a new token, good until {expires_at}");
    let (token, access) = (Arc::new(SecretString::from(token)), given(access));
    Ok(Renewed::Issued(Issued { token, access, ends: Instant::now() + left }))
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

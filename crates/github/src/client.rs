//! The client: made from settings, used through the port.

use std::fmt;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use azlin_fleet::budget::Budget;
use azlin_fleet::calls::Calls;
use azlin_fleet::job::{FoundJob, JobId, Queue};
use azlin_fleet::names::{AccountName, RepoSlug, Scope};
use azlin_fleet::ports::{CallError, Download, GitHub, RunnerError};
use azlin_fleet::runner::{
    Deregistration, RegistrationToken, RunnerConfig, RunnerId, RunnerInfo, RunnerRegistration,
};
use azlin_fleet::runner_name::RunnerName;
use jiff::Timestamp;
use url::Url;

use crate::api_url::{ApiUrl, ApiUrlError};
use crate::counters::Counts;
use crate::http::Http;
use crate::queue::{self, Queues};
use crate::runners::{self, Groups};
use crate::sign_in::{Credential, SignIn};

/// How to reach GitHub.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://api.github.com`, `https://<host>/api/v3` of a GitHub Enterprise Server, or
    /// `https://api.<name>.ghe.com`. Plain HTTP to a loopback address alone.
    pub api_url: Url,
    /// What every request is authorised with.
    pub credential: Credential,
    /// The time limit of one try of a request.
    pub request_timeout: Duration,
    /// The first pause before a request is tried again; it doubles, with jitter.
    pub retry_pause: Duration,
    /// How long nothing is sent where GitHub refuses for a rate limit and tells no time; it doubles.
    /// GitHub asks for a minute at least.
    pub untold_wait: Duration,
    /// Certificates that are trusted beside the system's, as PEM.
    pub certificates: Option<String>,
}

impl Settings {
    /// The settings of SPEC §9: 30 s for a request.
    pub fn new(api_url: Url, credential: impl Into<Credential>) -> Self {
        Settings {
            api_url,
            credential: credential.into(),
            request_timeout: Duration::from_secs(30),
            retry_pause: Duration::from_millis(250),
            untold_wait: Duration::from_secs(60),
            certificates: None,
        }
    }
}

/// GitHub over its REST API. One for the whole process: it holds the connections, what is remembered
/// of each repository, and the rate limits.
pub struct GitHubClient {
    pub(crate) http: Http,
    queues: Queues,
    groups: Groups,
}

impl GitHubClient {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// When the address of the API cannot be used.
    pub fn new(settings: Settings) -> Result<Self, ApiUrlError> {
        let Settings { api_url, credential, request_timeout, retry_pause, untold_wait, certificates } =
            settings;
        let api = ApiUrl::new(&api_url)?;
        let certificates = certificates.map(String::into_bytes);
        let sign_in = SignIn::new(credential);
        let http = Http::new(api, sign_in, request_timeout, retry_pause, untold_wait, certificates);
        Ok(GitHubClient { http, queues: Queues::default(), groups: Groups::default() })
    }

    /// What was sent and received since the client was made.
    pub fn counts(&self) -> Counts {
        self.http.counters.counts()
    }
}

impl fmt::Debug for GitHubClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubClient").field("api_url", &self.http.api.as_str()).finish_non_exhaustive()
    }
}

#[async_trait]
impl GitHub for GitHubClient {
    async fn queue(&self, repo: &RepoSlug) -> Result<Queue, CallError> {
        self.queues.read(&self.http, repo).await
    }

    async fn repositories(&self, owner: &AccountName) -> Result<Vec<RepoSlug>, CallError> {
        queue::repositories(&self.http, owner).await
    }

    async fn job(&self, repo: &RepoSlug, id: JobId) -> Result<Option<FoundJob>, CallError> {
        queue::job(&self.http, repo, id).await
    }

    async fn runners(&self, scope: &Scope) -> Result<Vec<RunnerInfo>, CallError> {
        runners::list(&self.http, scope).await
    }

    async fn runner(&self, scope: &Scope, id: RunnerId) -> Result<Option<RunnerInfo>, CallError> {
        runners::get(&self.http, scope, id).await
    }

    async fn runner_named(&self, scope: &Scope, name: &RunnerName) -> Result<Option<RunnerInfo>, CallError> {
        runners::named(&self.http, scope, name).await
    }

    async fn registration_token(&self, scope: &Scope) -> Result<RegistrationToken, RunnerError> {
        runners::registration_token(&self.http, scope).await.map_err(RunnerError::RegistrationToken)
    }

    async fn jit_config(&self, config: &RunnerConfig) -> Result<RunnerRegistration, RunnerError> {
        runners::jit_config(&self.http, &self.groups, config).await.map_err(RunnerError::Registration)
    }

    async fn deregister(&self, scope: &Scope, id: RunnerId) -> Result<Deregistration, RunnerError> {
        runners::deregister(&self.http, scope, id).await.map_err(RunnerError::Deregistration)
    }

    async fn downloads(&self, scope: &Scope) -> Result<Vec<Download>, CallError> {
        runners::downloads(&self.http, scope).await
    }

    fn token_ends(&self) -> Option<Timestamp> {
        // The tokens of an app are renewed.
        self.http
            .sign_in
            .app()
            .is_none()
            .then(|| *self.http.token_ends.lock().unwrap_or_else(PoisonError::into_inner))?
    }

    fn calls(&self) -> Calls {
        self.http.counters.calls()
    }

    fn budget(&self) -> Option<Budget> {
        self.http.gate.budget()
    }
}

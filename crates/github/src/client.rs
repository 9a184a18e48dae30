//! The client, which implements the port.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azlin_fleet::model::{
    AccountName, Budget, CallError, Calls, Deregistration, Download, FoundJob, JobId, Queue,
    RegistrationToken, RepoSlug, RunId, RunnerConfig, RunnerError, RunnerGroup, RunnerId, RunnerInfo,
    RunnerName, RunnerRegistration, Scope, TokenAccess,
};
use azlin_fleet::ports::{GitHub, ScaleSets};
use azlin_http::TrafficCounts;
use jiff::Timestamp;
use url::Url;

use crate::api_url::{ApiUrl, ApiUrlError};
use crate::http::Http;
use crate::queue::{self, RepositoryQueues};
use crate::runner_counts::RunnerCounts;
use crate::runner_group;
use crate::runners::{self, Groups};
use crate::scale_set::ActionsService;
use crate::sign_in::GitHubCredential;

/// How to reach GitHub.
#[derive(Debug, Clone)]
pub struct GitHubSettings {
    /// `https://api.github.com`, `https://<host>/api/v3` of a GitHub Enterprise Server, or
    /// `https://api.<name>.ghe.com`. Plain HTTP only to a loopback address.
    pub api_url: Url,
    /// The credential of every request.
    pub credential: GitHubCredential,
    /// The time limit of one try of a request.
    pub request_timeout: Duration,
    /// The first pause before a request is tried again; it doubles, with jitter.
    pub retry_pause: Duration,
    /// How long the client waits after a rate limit without a stated time. It doubles each time. GitHub asks
    /// for at least a minute.
    pub untold_wait: Duration,
    /// Certificates that are trusted beside the system's, as PEM.
    pub certificates: Option<String>,
}

impl GitHubSettings {
    /// The settings of SPEC §9: 30 s for a request.
    pub fn new(api_url: Url, credential: impl Into<GitHubCredential>) -> Self {
        GitHubSettings {
            api_url,
            credential: credential.into(),
            request_timeout: Duration::from_secs(30),
            retry_pause: Duration::from_millis(250),
            untold_wait: Duration::from_secs(60),
            certificates: None,
        }
    }
}

/// GitHub over its REST API. The process has one for each credential: it holds the connections, the cache of
/// each repository's lists, and the rate limits.
pub struct GitHubClient {
    pub(crate) http: Http,
    queues: RepositoryQueues,
    groups: Groups,
    pub(crate) service: ActionsService,
    pub(crate) counts: RunnerCounts,
}

impl GitHubClient {
    /// A client. Creating it sends nothing.
    ///
    /// # Errors
    /// When the address of the API cannot be used.
    pub fn new(settings: GitHubSettings) -> Result<Self, ApiUrlError> {
        let api = ApiUrl::new(&settings.api_url)?;
        let service = ActionsService::new(&settings);
        let http = Http::new(api, settings);
        Ok(GitHubClient {
            http,
            queues: RepositoryQueues::default(),
            groups: Groups::default(),
            service,
            counts: RunnerCounts::default(),
        })
    }

    /// Requests and bytes since the client was made.
    pub fn counts(&self) -> TrafficCounts {
        self.http.client.traffic.counts()
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

    async fn queue_after(&self, repo: &RepoSlug, runs: &BTreeSet<RunId>) -> Result<Queue, CallError> {
        self.queues.read_after(&self.http, repo, runs).await
    }

    fn serve_labels(&self, labels: &Arc<BTreeSet<String>>) {
        self.queues.serve_labels(labels);
    }

    fn serve_access(&self, access: &Arc<TokenAccess>) {
        self.http.sign_in.serve(access);
    }

    async fn runner_group(
        &self,
        scope: &Scope,
        name: Option<&str>,
    ) -> Result<Option<RunnerGroup>, CallError> {
        runner_group::read(&self.http, scope, name).await
    }

    fn uncounted_runners(&self, scope: &Scope) -> Option<u64> {
        self.counts.believed(scope)
    }

    async fn repositories(&self, owner: &AccountName) -> Result<Vec<RepoSlug>, CallError> {
        queue::repositories(&self.http, owner).await
    }

    async fn job(&self, repo: &RepoSlug, id: JobId) -> Result<Option<FoundJob>, CallError> {
        queue::job(&self.http, repo, id).await
    }

    async fn runners(&self, scope: &Scope) -> Result<Vec<RunnerInfo>, CallError> {
        runners::list(&self.http, &self.counts, scope).await
    }

    async fn runner(&self, scope: &Scope, id: RunnerId) -> Result<Option<RunnerInfo>, CallError> {
        runners::get(&self.http, scope, id).await
    }

    async fn runner_named(&self, scope: &Scope, name: &RunnerName) -> Result<Option<RunnerInfo>, CallError> {
        runners::named(&self.http, &self.counts, scope, name).await
    }

    async fn registration_token(&self, scope: &Scope) -> Result<RegistrationToken, RunnerError> {
        runners::registration_token(&self.http, scope).await.map_err(RunnerError::RegistrationToken)
    }

    async fn jit_config(&self, config: &RunnerConfig) -> Result<RunnerRegistration, RunnerError> {
        let made = match &config.scale_set {
            Some(set) => self.jit_config_of_set(config, set).await,
            None => runners::jit_config(&self.http, &self.groups, config).await,
        };
        made.map_err(RunnerError::Registration)
    }

    async fn deregister(&self, scope: &Scope, id: RunnerId) -> Result<Deregistration, RunnerError> {
        runners::deregister(&self.http, scope, id).await.map_err(RunnerError::Deregistration)
    }

    async fn downloads(&self, scope: &Scope) -> Result<Vec<Download>, CallError> {
        runners::downloads(&self.http, scope).await
    }

    fn scale_sets(&self) -> &dyn ScaleSets {
        self
    }

    fn burst_reads(&self) -> u64 {
        self.queues.burst_reads()
    }

    fn event_reads(&self) -> u64 {
        self.queues.event_reads()
    }

    fn token_ends(&self) -> Option<Timestamp> {
        // An app's tokens are renewed.
        self.http.sign_in.app().is_none().then(|| *self.http.token_ends.lock())?
    }

    fn calls(&self) -> Calls {
        self.http.client.traffic.calls()
    }

    fn budget(&self) -> Option<Budget> {
        self.http.gate.budget()
    }
}

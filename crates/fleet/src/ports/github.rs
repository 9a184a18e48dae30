//! GitHub, as the fleet needs it.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::{
    AccountName, Budget, CallError, Calls, Deregistration, Download, FoundJob, JobId, Queue,
    RegistrationToken, RepoSlug, RunId, RunnerConfig, RunnerError, RunnerGroup, RunnerId, RunnerInfo,
    RunnerName, RunnerRegistration, Scope, TokenAccess,
};
use crate::ports::ScaleSets;

/// GitHub.
#[async_trait]
pub trait GitHub: Send + Sync {
    /// Every job of the repository that is not completed.
    ///
    /// A part that could not be read is named in [`Queue::missing`]; the call fails only when
    /// nothing is known.
    async fn queue(&self, repo: &RepoSlug) -> Result<Queue, CallError>;

    /// The same, where only the jobs of these runs may have changed since the queue was read last: theirs are read, and
    /// the rest is as it was.
    async fn queue_after(&self, repo: &RepoSlug, runs: &BTreeSet<RunId>) -> Result<Queue, CallError>;

    /// Takes in the labels of all runners that the jobs of queues can count for, in lower case. A run without a job for
    /// them is read less often. Until the first call every label counts.
    fn serve_labels(&self, labels: &Arc<BTreeSet<String>>);

    /// Takes in what the fleets of this credential need. An app's token is asked for with that, and again when they need
    /// more. What a request needs besides is added when it is sent.
    fn serve_access(&self, access: &Arc<TokenAccess>);

    /// What the runner group of that name permits, or the default group where no name is given; `None` when there is no
    /// such group. A repository has no groups.
    async fn runner_group(&self, scope: &Scope, name: Option<&str>)
    -> Result<Option<RunnerGroup>, CallError>;

    /// How many runners of the scope GitHub counted beyond those that it listed, where it did so in the last looks and
    /// [`GitHub::runners`] returns the list nevertheless.
    fn uncounted_runners(&self, scope: &Scope) -> Option<u64>;

    /// The repositories of an account that jobs can run in, all pages.
    async fn repositories(&self, owner: &AccountName) -> Result<Vec<RepoSlug>, CallError>;

    /// One job of the repository, completed or not; `None` when GitHub has none of that number there.
    async fn job(&self, repo: &RepoSlug, id: JobId) -> Result<Option<FoundJob>, CallError>;

    /// Every runner of the scope, all pages, or an error: never a part. Where entries come and go
    /// while the pages are read, one that moved between two of them may be missing.
    async fn runners(&self, scope: &Scope) -> Result<Vec<RunnerInfo>, CallError>;

    /// One runner; `None` when GitHub has no such entry.
    async fn runner(&self, scope: &Scope, id: RunnerId) -> Result<Option<RunnerInfo>, CallError>;

    /// The runner of that name; `None` when GitHub has no such entry.
    async fn runner_named(&self, scope: &Scope, name: &RunnerName) -> Result<Option<RunnerInfo>, CallError>;

    /// A token for `config.sh`.
    async fn registration_token(&self, scope: &Scope) -> Result<RegistrationToken, RunnerError>;

    /// Makes an ephemeral runner's entry, in a scale set where the configuration names one. [`CallErrorKind::NameTaken`](crate::model::CallErrorKind::NameTaken) when the name is in use.
    async fn jit_config(&self, config: &RunnerConfig) -> Result<RunnerRegistration, RunnerError>;

    /// Removes a runner's entry unless GitHub says that it runs a job. That GitHub removes it is no proof of the
    /// opposite.
    async fn deregister(&self, scope: &Scope, id: RunnerId) -> Result<Deregistration, RunnerError>;

    /// Where the runner's program is to be had, for each OS and architecture.
    async fn downloads(&self, scope: &Scope) -> Result<Vec<Download>, CallError>;

    /// GitHub's service of runner scale sets, with the same credential.
    fn scale_sets(&self) -> &dyn ScaleSets;

    /// How the requests that were sent have ended.
    fn calls(&self) -> Calls;

    /// How many requests no poll will repeat: they read the jobs of workflow runs in bursts of new ones, or after
    /// events.
    fn burst_reads(&self) -> u64;

    /// How many of these were made after events, and count.
    fn event_reads(&self) -> u64;

    /// The primary rate limit, as GitHub told it last.
    fn budget(&self) -> Option<Budget>;

    /// When the token ends that signs in, as GitHub told last; `None` where it does not end, or is renewed.
    fn token_ends(&self) -> Option<Timestamp>;
}

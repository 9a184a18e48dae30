//! What the outside fills: GitHub, Azure and machines over SSH, as the fleet needs them.
//!
//! Two implementations of each exist: the adapter that speaks to the real thing, and the
//! simulated cloud.

use core::net::IpAddr;
use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::{
    AccountName, Budget, Calls, Deregistration, FoundJob, JobId, PowerStates, Queue, RegistrationToken,
    Remaining, RepoSlug, ResourceGroup, RunnerConfig, RunnerId, RunnerInfo, RunnerName, RunnerRegistration,
    Scope, Step, Vm, VmSpec,
};
use crate::model::{Orphan, OrphanKind};
use crate::observe::JobEvent;

pub use crate::model::{
    CallError, CallErrorKind, Download, HostKey, Machine, RunnerError, SshError, SshErrorKind,
};

/// GitHub.
#[async_trait]
pub trait GitHub: Send + Sync {
    /// Every job of the repository that is not completed.
    ///
    /// A part that could not be read is named in [`Queue::missing`]; the call fails only when
    /// nothing is known.
    async fn queue(&self, repo: &RepoSlug) -> Result<Queue, CallError>;

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

    /// Makes an ephemeral runner's entry. [`CallErrorKind::NameTaken`] when the name is in use.
    async fn jit_config(&self, config: &RunnerConfig) -> Result<RunnerRegistration, RunnerError>;

    /// Removes a runner's entry unless it runs a job.
    async fn deregister(&self, scope: &Scope, id: RunnerId) -> Result<Deregistration, RunnerError>;

    /// Where the runner's program is to be had, for each OS and architecture.
    async fn downloads(&self, scope: &Scope) -> Result<Vec<Download>, CallError>;

    /// How the requests that were sent have ended.
    fn calls(&self) -> Calls;

    /// The primary rate limit, as GitHub told it last.
    fn budget(&self) -> Option<Budget>;

    /// When the token ends that signs in, as GitHub told last; `None` where it does not end, or is renewed.
    fn token_ends(&self) -> Option<Timestamp>;
}

/// Where a VM is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// It has no address yet.
    Pending,
    /// Here.
    At(IpAddr),
    /// It never will be, and why: Azure could not make it, or removes it.
    Never(String),
}

/// Azure.
#[async_trait]
pub trait Azure: Send + Sync {
    /// Every VM of the group that bears our mark, all pages, or an error: never a part. Power states
    /// are not told.
    async fn vms(&self, group: &ResourceGroup) -> Result<Vec<Vm>, CallError>;

    /// The power states of a subscription's VMs, all pages.
    async fn power_states(&self, subscription_id: &str) -> Result<PowerStates, CallError>;

    /// Asks for a VM, and returns once Azure has taken the request. Safe to repeat: a VM of that
    /// name is never overwritten, and one that an earlier attempt made is a success.
    async fn create(&self, spec: &VmSpec) -> Result<(), CallError>;

    /// Where a VM is reached: at its public address where that is asked for, else at its private one.
    async fn address(&self, group: &ResourceGroup, name: &str, public: bool) -> Result<Address, CallError>;

    /// Why Azure could not make a VM; `None` where it does not tell.
    async fn failure(&self, group: &ResourceGroup, name: &str) -> Result<Option<CallError>, CallError>;

    /// What a VM printed on its serial console, as far as Azure keeps it; `None` where it keeps none.
    async fn console(&self, group: &ResourceGroup, name: &str) -> Result<Option<String>, CallError>;

    /// Asks for a VM's removal with its NIC, disk and IP, and returns once Azure has taken the
    /// request. A VM that is not there is a success.
    async fn delete(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError>;

    /// The parts of VMs of one kind in the group that no VM holds and that bear our mark, all pages, or an
    /// error.
    async fn orphans(&self, group: &ResourceGroup, kind: OrphanKind) -> Result<Vec<Orphan>, CallError>;

    /// Asks for a leftover's removal, which Azure refuses while something holds it. One that is not there is a
    /// success.
    async fn discard(&self, orphan: &Orphan) -> Result<(), CallError>;

    /// How the requests that were sent have ended.
    fn calls(&self) -> Calls;

    /// What is left of Azure's budgets, as it told last.
    fn remaining(&self) -> Remaining;
}

/// What GitHub delivers to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// GitHub tries whether anybody is there.
    Ping,
    /// Something has happened to a job.
    Job(JobEvent),
    /// Something that no fleet needs to know.
    Other,
}

/// Why a delivery is not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// It bears no signature.
    #[error("the delivery bears no signature: set a secret at the webhook")]
    Unsigned,
    /// Its signature was not made with one of our secrets.
    #[error("the signature was not made with a secret that is known here")]
    Forged,
    /// It is signed, and not what GitHub sends.
    #[error("the delivery cannot be read: {0}")]
    Unreadable(String),
}

/// A delivery as it came.
#[derive(Debug, Clone, Copy)]
pub struct RawDelivery<'a> {
    /// `X-GitHub-Event`.
    pub event: &'a str,
    /// `X-Hub-Signature-256`.
    pub signature: Option<&'a str>,
    /// `Content-Type`.
    pub content_type: &'a str,
    /// The body, as it was signed.
    pub body: &'a [u8],
}

/// Tells what GitHub has signed from what anybody has sent, and reads it.
pub trait WebhookReader: Send + Sync {
    /// What a delivery says.
    ///
    /// # Errors
    /// When it is not signed with the secret, or cannot be read.
    fn read(&self, delivery: RawDelivery<'_>) -> Result<Delivery, NotTaken>;
}

/// Machines over SSH.
#[async_trait]
pub trait Ssh: Send + Sync {
    /// The public half of the key that opens a fleet's VMs, as a line of `authorized_keys`.
    ///
    /// # Errors
    /// When there is no key, or it cannot be read.
    fn public_key(&self, private_key: Option<&Path>) -> Result<String, SshError>;

    /// A new host key.
    fn host_key(&self) -> HostKey;

    /// One try to log in, with a bound on its time. [`crate::bootstrap::RUNNER`] is there afterwards.
    async fn connect(&self, machine: &Machine) -> Result<Box<dyn Session>, SshError>;
}

/// A machine that was logged in to. The connection ends when this is dropped.
#[async_trait]
pub trait Session: Send + Sync {
    /// Runs a step as root, for at most [`Step::limit`]; what it printed.
    async fn run(&self, step: &Step) -> Result<String, SshError>;
}

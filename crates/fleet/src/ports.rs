//! What the outside fills: GitHub, Azure and machines over SSH, as the fleet needs them.
//!
//! Two implementations of each exist: the adapter that speaks to the real thing, and the
//! simulated cloud.

use core::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::bootstrap::steps::Step;
use crate::budget::{Budget, Remaining};
use crate::calls::Calls;
use crate::hint::Hint;
use crate::job::{FoundJob, JobId, Queue};
use crate::leftover::{Kind, Leftover};
use crate::names::{AccountName, RepoSlug, Scope};
use crate::redact;
use crate::runner::{
    Deregistration, RegistrationToken, RunnerConfig, RunnerId, RunnerInfo, RunnerRegistration,
};
use crate::runner_name::RunnerName;
use crate::vm::{PowerStates, ResourceGroup, Vm, VmSpec};

/// What a caller does differently about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The credential is wrong, or may not do this: a person must act.
    NotPermitted,
    /// What was asked for is not there, or is not shown to us: a person must act.
    NotFound,
    /// The request is wrong, and stays wrong when it is repeated.
    Invalid,
    /// The name is taken.
    NameTaken,
    /// A rate limit: not before this long.
    Throttled(Option<Duration>),
    /// No machine of this size is to be had there.
    NoCapacity,
    /// The subscription's quota for this family of sizes is used up.
    NoQuota,
    /// Nothing was done; later is worth a try.
    Unavailable,
    /// It is not known whether it was done: the answer was lost.
    OutcomeUnknown,
    /// It was refused, and nobody here has met that refusal before.
    Unknown,
}

/// A call that failed. The message says what was tried, on what, what came back and what to do
/// about it; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// What to do about it.
    pub trouble: Trouble,
    /// For people.
    pub message: String,
}

impl CallError {
    /// An error of that kind.
    pub fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        CallError { trouble, message: redact::secrets(&message.into()).into_owned() }
    }
}

/// Why a runner could not be prepared or removed at GitHub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    /// No registration token.
    #[error("no registration token: {0}")]
    RegistrationToken(#[source] CallError),
    /// No runner entry.
    #[error("runner not registered: {0}")]
    Registration(#[source] CallError),
    /// The entry could not be removed.
    #[error("runner not deregistered: {0}")]
    Deregistration(#[source] CallError),
}

impl RunnerError {
    /// The call that failed.
    pub fn call(&self) -> &CallError {
        match self {
            RunnerError::RegistrationToken(call)
            | RunnerError::Registration(call)
            | RunnerError::Deregistration(call) => call,
        }
    }
}

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

    /// Makes an ephemeral runner's entry. [`Trouble::NameTaken`] when the name is in use.
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

/// The runner's program for one OS and architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// `linux`.
    pub os: String,
    /// `x64`, `arm64`.
    pub architecture: String,
    /// Where the archive is.
    pub url: String,
    /// Its name.
    pub filename: String,
    /// Its SHA-256 in hexadecimal, where GitHub tells it.
    pub sha256: Option<String>,
}

impl Download {
    /// The version in the archive's name: `actions-runner-linux-x64-2.319.1.tar.gz`.
    pub fn version(&self) -> Option<&str> {
        let stem = self.filename.strip_suffix(".tar.gz")?;
        let (_, version) = stem.rsplit_once('-')?;
        version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
    }
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
    async fn leftovers(&self, group: &ResourceGroup, kind: Kind) -> Result<Vec<Leftover>, CallError>;

    /// Asks for a leftover's removal, which Azure refuses while something holds it. One that is not there is a
    /// success.
    async fn discard(&self, leftover: &Leftover) -> Result<(), CallError>;

    /// How the requests that were sent have ended.
    fn calls(&self) -> Calls;

    /// What is left of Azure's budgets, as it told last.
    fn remaining(&self) -> Remaining;
}

/// A machine to reach over SSH.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The VM's name, for messages.
    pub vm: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The account to log in as. It may become root without a password.
    pub user: String,
    /// The only host key that is trusted: `ssh-ed25519 AAAA…`.
    pub host_key: String,
    /// The file with the private key that opens it; the daemon's own where absent.
    pub private_key: Option<PathBuf>,
}

/// A host key for a VM that is to be made.
#[derive(Debug, Clone)]
pub struct HostKey {
    /// `ssh-ed25519 AAAA…`, without a comment.
    pub public: String,
    /// In OpenSSH's format.
    pub private: SecretString,
}

/// What a caller does differently about trouble with a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshTrouble {
    /// Nothing answers there yet: later is worth a try.
    Unreachable,
    /// It did not take our key. While it boots, that may be because it does not know it yet.
    KeyRefused,
    /// Another host key than the one that was planted: another machine is at this address.
    WrongHostKey,
    /// The connection ended, or a step did not end in time: it may have been done in part.
    Lost,
    /// A step ended with an error.
    StepFailed,
    /// Our own private key cannot be used: a person must act.
    NoKey,
}

/// What GitHub delivers to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// GitHub tries whether anybody is there.
    Ping,
    /// Something has happened to a job.
    Job(Hint),
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
pub trait Webhook: Send + Sync {
    /// What a delivery says.
    ///
    /// # Errors
    /// When it is not signed with the secret, or cannot be read.
    fn read(&self, delivery: RawDelivery<'_>) -> Result<Delivery, NotTaken>;
}

/// Trouble with a machine. The message names the VM, says what was tried and what it printed last;
/// it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SshError {
    /// What to do about it.
    pub trouble: SshTrouble,
    /// For people.
    pub message: String,
}

impl SshError {
    /// An error of that kind.
    pub fn new(trouble: SshTrouble, message: impl Into<String>) -> Self {
        SshError { trouble, message: redact::secrets(&message.into()).into_owned() }
    }
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

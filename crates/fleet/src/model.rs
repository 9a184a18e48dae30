//! What there is: the values that everything else speaks of. Knows no other folder.

mod action;
mod advice;
mod architecture;
mod budget;
mod calls;
mod carried;
mod download;
mod drain_reason;
mod error;
mod error_policy;
mod failed_start;
pub mod foreign;
mod job;
mod job_event;
mod machine;
mod named_job;
mod names;
mod offering;
mod orphan;
mod os;
mod outcome;
mod power;
mod prices;
mod provisioning;
mod reason;
pub mod redact;
mod runner;
mod runner_group;
mod runner_id;
pub(crate) mod runner_name;
mod scale_set;
mod step;
mod text;
mod time;
mod token_access;
mod took;
mod untagged_vm;
mod usage_kind;
mod vm;
mod web_link;

pub use action::{Action, ActionReason, Destroy, EntryRef, Install, Proof, StandbyVm};
pub use advice::Advice;
pub use architecture::Architecture;
pub use budget::{Budget, Budgets, Remaining};
pub use calls::{CallOutcome, Calls};
pub use carried::Carried;
pub use download::Download;
pub use drain_reason::{BrokenReason, DrainReason, OtherGitHub, RotationReason, StandbySurplus};
pub use error::{CallError, CallErrorKind, QuotaScope, RunnerError, SshError, SshErrorKind, UnfitScope};
pub use error_policy::{ErrorPolicy, Failure};
pub use failed_start::FailedStart;
pub use foreign::ForeignText;
pub use job::{CompletedJob, FoundJob, Job, JobId, JobStatus, Queue, RepoId, RunId, RunRepository};
pub use job_event::{JobChange, JobEvent};
pub use machine::{HostKey, Machine};
pub use named_job::NamedJob;
pub use names::{AccountName, CredentialName, Label, NameError, PoolName, RepoPattern, RepoSlug, Scope};
pub use offering::Offering;
pub use orphan::{Orphan, OrphanKind};
pub use os::{Os, UnknownOs};
pub use outcome::{
    BootstrapOutcome, Completed, DestroyOutcome, InstallOutcome, ProvisionOutcome, VmChangeOutcome,
};
pub use power::PowerState;
pub use prices::{MicroDollars, Price, PriceTable, Prices, dollars};
pub use provisioning::{FailedVm, ProvisioningState};
pub use reason::{Outdated, Rule, ScalingAction, ScalingCause, ScalingReason, StartReason, WaitingJob};
pub use runner::{
    Deregistration, EphemeralRunner, Phase, PhaseKind, RegistrationToken, RunnerConfig, RunnerInfo,
    RunnerRegistration, RunnerStatus,
};
pub use runner_group::{GroupLimit, GroupRefusal, GroupRepositories, RunnerGroup};
pub use runner_id::RunnerId;
pub use runner_name::{RunnerName, prefix};
pub use scale_set::{
    JobNews, JobNewsKind, MessageId, ScaleSetConfig, ScaleSetId, ScaleSetInfo, ScaleSetLevel,
    ScaleSetMessage, ScaleSetSession, SessionError, SessionKey, SetDeletion, SetRunner,
};
pub use step::{Configure, DrainAnswer, RUNNER_PATH, Register, Step, quoted};
pub use text::{counted, first_few};
pub use time::{age, ago, believable, elapsed, in_words, rounded, short};
pub use token_access::{Level, TokenAccess};
pub use took::Took;
pub use untagged_vm::{TagsLeft, UntaggedVm};
pub use usage_kind::{ByUse, Use};
pub use vm::{Image, PowerStates, ResourceGroup, Spot, StandbyTag, Vm, VmSpec, VmTags};
pub use web_link::{AzurePortal, WebLink};

//! What GitHub's webhook reports of a job.

use crate::model::{ForeignText, JobId, RepoId, RepoSlug, RunId};

/// What GitHub's webhook reports of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEvent {
    /// The job's repository.
    pub repo: RepoSlug,
    /// The repository's id, if the event names it.
    pub repo_id: Option<RepoId>,
    /// The workflow run that the job is part of, if the event names it.
    pub run: Option<RunId>,
    /// GitHub's id of the job.
    pub job: JobId,
    /// The labels that the job asks of a runner.
    pub labels: Vec<ForeignText>,
    /// What happened to the job.
    pub change: JobChange,
}

/// What happened to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobChange {
    /// The job waits for a runner.
    Queued,
    /// A runner has taken the job.
    Started,
    /// The job has ended, and an ephemeral runner with it.
    Ended,
}

//! What GitHub reports of a job by webhook.

use crate::model::{JobId, RepoSlug};

/// What GitHub reports of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEvent {
    /// Its repository.
    pub repo: RepoSlug,
    /// Its number at GitHub.
    pub job: JobId,
    /// The labels that it asks of a runner.
    pub labels: Vec<String>,
    /// What has happened to it.
    pub change: JobChange,
}

/// What has happened to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobChange {
    /// It waits for a runner.
    Queued,
    /// A runner has taken it.
    Started,
    /// It has ended, and its runner with it.
    Ended,
}

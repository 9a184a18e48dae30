//! Jobs of a queue, as GitHub tells of them.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::RepoSlug;

/// GitHub's number of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// GitHub's number of a run of a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The status of a job that is not completed (GitHub's words).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// It could start now if a runner were there.
    Queued,
    /// Held by an environment's protection rule.
    Waiting,
    /// Held by a concurrency group.
    Pending,
    /// Asked for, not yet in the queue.
    Requested,
    /// A runner runs it.
    InProgress,
}

/// A job that is not completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// GitHub's number.
    pub id: JobId,
    /// The run that it is part of.
    pub run_id: RunId,
    /// The repository that it belongs to.
    pub repo: RepoSlug,
    /// The name in the workflow: "build (linux, 3.12)".
    pub name: String,
    /// Where it stands.
    pub status: JobStatus,
    /// What it asks of a runner (`runs-on`).
    pub labels: Vec<String>,
    /// When GitHub made it. For a job in `Queued` that is when its waiting began.
    pub created_at: Timestamp,
    /// When its runner began with it, where it runs.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// The runner that runs it.
    pub runner_name: Option<String>,
}

/// A job that was asked for by its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundJob {
    /// It is not completed.
    Open(Job),
    /// It is.
    Completed(CompletedJob),
}

/// A job that waits no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedJob {
    /// GitHub's number.
    pub id: JobId,
    /// The name in the workflow.
    pub name: String,
    /// How it ended, in GitHub's word: `success`, `cancelled`.
    pub conclusion: String,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// The runner that ran it.
    pub runner_name: Option<String>,
}

/// What was read of a queue: the jobs, and what could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// Every job that is known not to be completed.
    pub jobs: Vec<Job>,
    /// What is missing, each in a sentence for a decision's reason. Not empty: the jobs are a
    /// lower bound.
    pub missing: Vec<String>,
    /// What else a person should know of it.
    pub notes: Vec<String>,
}

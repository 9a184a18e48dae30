//! Runner scale sets: GitHub assigns jobs to a set, and reports that by messages.

use std::fmt;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::model::{CallError, ForeignText, Label, RepoSlug, RunId, RunnerId, Scope, WebLink};

/// GitHub's id of a scale set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScaleSetId(pub u64);

impl fmt::Display for ScaleSetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a message. A set that is made anew begins with small ids again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId(pub u64);

/// What a scale set should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleSetConfig {
    /// Where it is registered.
    pub scope: Scope,
    /// Its name, which is unique in its runner group.
    pub name: String,
    /// The name of its runner group. Absent means the default group.
    pub runner_group: Option<String>,
    /// The labels that its jobs may ask for.
    pub labels: Vec<Label>,
}

/// A scale set, as GitHub shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleSetInfo {
    /// GitHub's id of it.
    pub id: ScaleSetId,
    /// Its name.
    pub name: ForeignText,
    /// The name of its runner group, where GitHub gives it.
    pub runner_group: Option<ForeignText>,
    /// Its labels.
    pub labels: Vec<ForeignText>,
    /// When it was made, by GitHub's clock.
    pub created_at: Option<Timestamp>,
    /// How many jobs and runners it has, where GitHub says so.
    pub level: Option<ScaleSetLevel>,
}

/// How many jobs and runners a scale set has at one moment, as GitHub counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleSetLevel {
    /// Jobs that are offered to it.
    pub available: u32,
    /// Jobs that are assigned to it: those that wait for a runner, and those that run.
    pub assigned: u32,
    /// Jobs that run.
    pub running: u32,
    /// Its runners with an entry.
    pub registered: u32,
    /// Its runners that run a job.
    pub busy: u32,
    /// Its connected runners without one.
    pub idle: u32,
}

/// A session, as it is named to end it. It is no secret: without a token of the scope it opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionKey {
    /// The set.
    pub set: ScaleSetId,
    /// GitHub's id of the session.
    pub id: ForeignText,
}

/// The session by which one client gets the messages of a scale set.
#[derive(Debug, Clone)]
pub struct ScaleSetSession {
    /// Where the set is registered.
    pub scope: Scope,
    /// Which set, and which session.
    pub key: SessionKey,
    /// Where its messages are.
    pub queue: Url,
    /// The token for them.
    pub token: SecretString,
    /// The level when the session was opened or renewed.
    pub level: Option<ScaleSetLevel>,
}

/// A message of a scale set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleSetMessage {
    /// Its id.
    pub id: MessageId,
    /// The level when it was written.
    pub level: Option<ScaleSetLevel>,
    /// What has happened to jobs.
    pub news: Vec<JobNews>,
    /// How many of its entries could not be read.
    pub unread: u32,
}

/// What a message reports of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobNews {
    /// GitHub's id of this assignment of the job. It is not the job's id in the REST API.
    pub job: ForeignText,
    /// What has happened.
    pub kind: JobNewsKind,
    /// The workflow run.
    pub run: RunId,
    /// The repository.
    pub repo: RepoSlug,
    /// The job's name in the workflow.
    pub name: ForeignText,
    /// The file of the workflow.
    pub workflow: ForeignText,
    /// The page of the run.
    pub link: Option<WebLink>,
    /// The labels that the job asks for.
    pub labels: Vec<ForeignText>,
    /// When the job began to wait.
    pub queued_at: Option<Timestamp>,
}

/// What has happened to a job of a scale set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobNewsKind {
    /// The set may acquire it, by this number. GitHub Enterprise Server offers jobs so.
    Offered(u64),
    /// It is the set's, and needs a runner.
    Assigned,
    /// A runner has begun with it.
    Started(SetRunner),
    /// It has ended, or its assignment has.
    Completed {
        /// How, in GitHub's words.
        result: ForeignText,
        /// The runner that ran it, if one did.
        runner: Option<SetRunner>,
    },
}

/// A runner that a message names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRunner {
    /// GitHub's id of the runner.
    pub id: RunnerId,
    /// Its name.
    pub name: ForeignText,
}

/// Why a session gives no messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The set has another session, or one whose holder is gone.
    #[error("the scale set has a session: {0}")]
    Taken(#[source] CallError),
    /// The session is over.
    #[error("the session is over: {0}")]
    Over(#[source] CallError),
    /// The set is gone.
    #[error("the scale set is gone: {0}")]
    SetGone(#[source] CallError),
    /// The call failed in another way.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl SessionError {
    /// The call that failed.
    pub fn call(&self) -> &CallError {
        match self {
            SessionError::Taken(call)
            | SessionError::Over(call)
            | SessionError::SetGone(call)
            | SessionError::Call(call) => call,
        }
    }
}

/// How the request to delete a scale set ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetDeletion {
    /// It is deleted.
    Deleted,
    /// There is none.
    NotFound,
    /// One of its runners runs a job.
    Busy,
}

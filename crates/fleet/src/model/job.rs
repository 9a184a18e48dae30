//! Jobs of a queue, as GitHub reports them.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ForeignText, GroupRefusal, PoolName, RepoSlug, WebLink};

/// GitHub's id of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The ids from here on are not GitHub's: jobs of a scale set have none. The numbers of JSON are exact up to twice as many.
const ASSIGNMENTS: u64 = 1 << 52;

impl JobId {
    /// The id of a job that GitHub has assigned to a scale set under this name. It is none of GitHub's ids.
    pub fn of_assignment(name: &str) -> JobId {
        JobId(ASSIGNMENTS | crate::fnv1a([name.as_bytes()]) & (ASSIGNMENTS - 1))
    }

    /// Whether it is none of GitHub's ids.
    pub fn is_of_assignment(self) -> bool {
        self.0 >= ASSIGNMENTS
    }
}

/// GitHub's id of a workflow run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// GitHub's id of a repository. It stays when the repository is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoId(pub u64);

/// The status of a job that is not completed, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// The job could start now if a runner were there.
    Queued,
    /// An environment's protection rule holds the job.
    Waiting,
    /// A concurrency group holds the job.
    Pending,
    /// The job is requested, and is not in the queue yet.
    Requested,
    /// A runner runs the job.
    InProgress,
}

/// A job that is not completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// GitHub's id of the job.
    pub id: JobId,
    /// The workflow run that the job is part of.
    pub run_id: RunId,
    /// The repository that the job belongs to.
    pub repo: RepoSlug,
    /// The name in the workflow, such as "build (linux, 3.12)".
    pub name: ForeignText,
    /// The name of the workflow. An older GitHub Enterprise Server does not give it.
    #[serde(default)]
    pub workflow: Option<ForeignText>,
    /// The job's page at GitHub.
    #[serde(default)]
    pub link: Option<WebLink>,
    /// The status of the job.
    pub status: JobStatus,
    /// The labels that the job asks of a runner (`runs-on`).
    pub labels: Vec<ForeignText>,
    /// When GitHub made the job. A job in `Queued` has waited since then.
    pub created_at: Timestamp,
    /// When its runner started the job. Absent means that no runner has.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// The runner that runs the job, or that GitHub has given a queued job to; `#7` where GitHub gives only its id.
    pub runner_name: Option<ForeignText>,
}

impl Job {
    /// Whether the job asks for an image that GitHub hosts instead of a self-hosted runner.
    pub fn is_for_hosted(&self) -> bool {
        let is_image = |label: &ForeignText| {
            let label = label.to_ascii_lowercase();
            ["ubuntu-", "windows-", "macos-"].iter().any(|image| label.starts_with(image))
        };
        let is_own = |label: &ForeignText| label.eq_ignore_ascii_case("self-hosted");
        self.labels.iter().any(is_image) && !self.labels.iter().any(is_own)
    }
}

/// A job that was looked up by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundJob {
    /// The job is not completed.
    Open(Job),
    /// The job is completed.
    Completed(CompletedJob),
}

/// A completed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedJob {
    /// GitHub's id of the job.
    pub id: JobId,
    /// The name in the workflow.
    pub name: ForeignText,
    /// The name of the workflow, where GitHub gives it.
    pub workflow: Option<ForeignText>,
    /// The job's page at GitHub.
    pub link: Option<WebLink>,
    /// How the job ended, in GitHub's words: `success`, `cancelled`.
    pub conclusion: ForeignText,
    /// When the job ended.
    pub completed_at: Option<Timestamp>,
    /// The runner that ran the job.
    pub runner_name: Option<ForeignText>,
}

/// What was read of a queue: the jobs, and what could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// Every known job that is not completed.
    pub jobs: Vec<Job>,
    /// What could not be read, one sentence each, for a decision's reason. If this is not empty, the jobs are
    /// a lower bound.
    pub missing: Vec<String>,
    /// Further remarks on the queue, for people.
    pub notes: Vec<String>,
    /// The repository's id, as far as an answer has shown it.
    pub repo_id: Option<RepoId>,
    /// The repository, as its runs show it. Absent if it has no active run.
    pub repository: Option<RunRepository>,
    /// The workflow files that each run is made of, as `owner/repo/.github/workflows/ci.yml`: its own, and the reusable
    /// ones that it calls.
    pub workflows: BTreeMap<RunId, Vec<ForeignText>>,
    /// Since when jobs wait that something held before, such as an approval.
    pub released: BTreeMap<JobId, Timestamp>,
    /// The jobs that a fleet's labels serve and that its runner group refuses.
    pub refused: BTreeMap<PoolName, BTreeMap<JobId, GroupRefusal>>,
}

/// A repository, as its workflow runs show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRepository {
    /// Its name today. A renamed repository is still found by its old name.
    pub name: RepoSlug,
    /// Whether everybody may read it.
    pub is_public: bool,
}

impl Queue {
    /// Why the fleet's runner group refuses a job, if it does.
    pub fn refusal(&self, pool: &PoolName, job: JobId) -> Option<&GroupRefusal> {
        self.refused.get(pool)?.get(&job)
    }

    /// Since when a job waits, as far as that is known.
    pub fn waits_since(&self, job: &Job) -> Timestamp {
        self.released.get(&job.id).map_or(job.created_at, |released| job.created_at.max(*released))
    }
}

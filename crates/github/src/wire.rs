//! GitHub's answers, as far as they are read here. Names are GitHub's.

use azlin_fleet::model::{RunnerId, RunnerInfo, RunnerStatus};
use azlin_fleet::ports::Download;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::pages::Page;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Runs {
    pub(crate) total_count: u64,
    pub(crate) workflow_runs: Vec<Run>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: u64,
}

impl Page for Runs {
    type Item = Run;
    /// GitHub Docs: REST, Workflow runs.
    const MOST: u64 = 1_000;
    fn total_count(&self) -> u64 {
        self.total_count
    }
    fn items(self) -> Vec<Run> {
        self.workflow_runs
    }
    fn id(item: &Run) -> u64 {
        item.id
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Jobs {
    pub(crate) total_count: u64,
    pub(crate) jobs: Vec<Job>,
}

/// A job. An older GitHub Enterprise Server has no `created_at`, and `started_at` is near it while a
/// job waits.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) run_id: u64,
    pub(crate) name: String,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) labels: Vec<String>,
    #[serde(default)]
    pub(crate) created_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) started_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) completed_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) conclusion: Option<String>,
    #[serde(default)]
    pub(crate) runner_name: Option<String>,
}

impl Page for Jobs {
    type Item = Job;
    fn total_count(&self) -> u64 {
        self.total_count
    }
    fn items(self) -> Vec<Job> {
        self.jobs
    }
    fn id(item: &Job) -> u64 {
        item.id
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Runners {
    pub(crate) total_count: u64,
    pub(crate) runners: Vec<Runner>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Runner {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) busy: bool,
    #[serde(default)]
    pub(crate) labels: Vec<Label>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Label {
    pub(crate) name: String,
}

impl Page for Runners {
    type Item = Runner;
    fn total_count(&self) -> u64 {
        self.total_count
    }
    fn items(self) -> Vec<Runner> {
        self.runners
    }
    fn id(item: &Runner) -> u64 {
        item.id
    }
}

impl From<Runner> for RunnerInfo {
    fn from(runner: Runner) -> Self {
        // Whatever is not "online" takes no job.
        let online = runner.status.eq_ignore_ascii_case("online");
        RunnerInfo {
            runner_id: RunnerId(runner.id),
            runner_name: runner.name,
            status: if online { RunnerStatus::Online } else { RunnerStatus::Offline },
            busy: runner.busy,
            labels: runner.labels.into_iter().map(|label| label.name).collect(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunnerGroups {
    pub(crate) total_count: u64,
    pub(crate) runner_groups: Vec<RunnerGroup>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunnerGroup {
    pub(crate) id: u64,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) default: bool,
}

impl Page for RunnerGroups {
    type Item = RunnerGroup;
    fn total_count(&self) -> u64 {
        self.total_count
    }
    fn items(self) -> Vec<RunnerGroup> {
        self.runner_groups
    }
    fn id(item: &RunnerGroup) -> u64 {
        item.id
    }
}

/// No `Debug`: it holds a secret.
#[derive(Deserialize)]
pub(crate) struct RegistrationToken {
    pub(crate) token: String,
    pub(crate) expires_at: Timestamp,
}

/// No `Debug`: it holds a secret.
#[derive(Deserialize)]
pub(crate) struct JitConfig {
    pub(crate) runner: JitRunner,
    pub(crate) encoded_jit_config: String,
}

/// The runner of a JIT configuration: its id is all that is new.
#[derive(Deserialize)]
pub(crate) struct JitRunner {
    pub(crate) id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunnerApplication {
    os: String,
    architecture: String,
    download_url: String,
    filename: String,
    #[serde(default)]
    sha256_checksum: Option<String>,
}

impl From<RunnerApplication> for Download {
    fn from(application: RunnerApplication) -> Self {
        Download {
            os: application.os,
            architecture: application.architecture,
            url: application.download_url,
            filename: application.filename,
            sha256: application.sha256_checksum,
        }
    }
}
/// Repositories of an organisation. The list has no total.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Repositories(Vec<Repository>);

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Repository {
    pub(crate) id: u64,
    pub(crate) full_name: String,
    #[serde(default)]
    pub(crate) archived: bool,
    #[serde(default)]
    pub(crate) disabled: bool,
}

impl Page for Repositories {
    type Item = Repository;

    fn total_count(&self) -> u64 {
        0
    }

    fn items(self) -> Vec<Repository> {
        self.0
    }

    fn id(item: &Repository) -> u64 {
        item.id
    }
}

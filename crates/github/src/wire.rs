//! The parts of GitHub's answers that azlin reads. Names are GitHub's.

use std::borrow::Cow;

use azlin_fleet::model::{Download, ForeignText, RunnerId, RunnerInfo, RunnerStatus};
use azlin_fleet::observe::RunState;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

use crate::pages::ListPage;

/// A list that may be `null`, which has no items.
pub(crate) fn null_is_none<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The beginning of 2008, the year in which GitHub began, in seconds of Unix.
const FIRST: i64 = 1_199_145_600;
/// So far the clocks of a server and of this machine may be apart.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// A time that can be true; `None` where there is none, or one of before GitHub's founding or of days to come.
pub(crate) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<Cow<'de, str>> = Option::deserialize(from)?;
    let read = text.and_then(|text| text.parse::<Timestamp>().ok());
    Ok(read.filter(|at| at.as_second() >= FIRST && *at <= Timestamp::now() + AHEAD))
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunsJson {
    pub(crate) total_count: u64,
    pub(crate) workflow_runs: Vec<RunJson>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunJson {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) status: Option<ForeignText>,
    #[serde(default)]
    pub(crate) run_attempt: Option<u64>,
    #[serde(default)]
    pub(crate) updated_at: Option<ForeignText>,
    /// The workflow's file: `.github/workflows/ci.yml`.
    #[serde(default)]
    pub(crate) path: Option<ForeignText>,
    /// The reusable workflows that it calls.
    #[serde(default)]
    pub(crate) referenced_workflows: Option<Vec<WorkflowJson>>,
    #[serde(default)]
    pub(crate) repository: Option<RunRepositoryJson>,
}

impl RunJson {
    /// What of it may be others when its jobs are.
    pub(crate) fn state(&self) -> RunState {
        RunState {
            attempt: self.run_attempt,
            status: self.status.clone(),
            updated_at: self.updated_at.clone(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WorkflowJson {
    pub(crate) path: ForeignText,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunRepositoryJson {
    #[serde(default)]
    pub(crate) id: Option<u64>,
    pub(crate) full_name: ForeignText,
    #[serde(default)]
    pub(crate) private: Option<bool>,
}

impl ListPage for RunsJson {
    type Item = RunJson;
    /// GitHub Docs: REST, Workflow runs.
    const MOST: u64 = 1_000;
    fn total_count(&self) -> u64 {
        self.total_count
    }
    fn items(self) -> Vec<RunJson> {
        self.workflow_runs
    }
    fn id(item: &RunJson) -> u64 {
        item.id
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JobsJson {
    pub(crate) total_count: u64,
    pub(crate) jobs: Vec<JobJson>,
}

/// A job. An older GitHub Enterprise Server has no `created_at`, and `started_at` is near it while a
/// job waits.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JobJson {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) run_id: u64,
    pub(crate) name: ForeignText,
    pub(crate) status: ForeignText,
    #[serde(default)]
    pub(crate) labels: Option<Vec<ForeignText>>,
    #[serde(default, deserialize_with = "time")]
    pub(crate) created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    pub(crate) started_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    pub(crate) completed_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) conclusion: Option<ForeignText>,
    #[serde(default)]
    pub(crate) runner_name: Option<ForeignText>,
    #[serde(default)]
    pub(crate) runner_id: Option<u64>,
    #[serde(default)]
    pub(crate) workflow_name: Option<ForeignText>,
    #[serde(default)]
    pub(crate) html_url: Option<ForeignText>,
}

impl ListPage for JobsJson {
    type Item = JobJson;
    fn total_count(&self) -> u64 {
        self.total_count
    }
    fn items(self) -> Vec<JobJson> {
        self.jobs
    }
    fn id(item: &JobJson) -> u64 {
        item.id
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunnersJson {
    pub(crate) total_count: u64,
    pub(crate) runners: Vec<RunnerJson>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunnerJson {
    pub(crate) id: u64,
    pub(crate) name: ForeignText,
    pub(crate) status: ForeignText,
    pub(crate) busy: bool,
    #[serde(default, deserialize_with = "null_is_none")]
    pub(crate) labels: Vec<LabelJson>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LabelJson {
    pub(crate) name: ForeignText,
}

impl ListPage for RunnersJson {
    type Item = RunnerJson;
    fn total_count(&self) -> u64 {
        self.total_count
    }
    fn items(self) -> Vec<RunnerJson> {
        self.runners
    }
    fn id(item: &RunnerJson) -> u64 {
        item.id
    }
}

impl From<RunnerJson> for RunnerInfo {
    fn from(runner: RunnerJson) -> Self {
        // A runner with any other status takes no job.
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
pub(crate) struct RunnerGroupsJson {
    pub(crate) total_count: u64,
    pub(crate) runner_groups: Vec<RunnerGroupJson>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunnerGroupJson {
    pub(crate) id: u64,
    pub(crate) name: ForeignText,
    #[serde(default)]
    pub(crate) default: bool,
    /// `all`, `private` or `selected`.
    #[serde(default)]
    pub(crate) visibility: Option<ForeignText>,
    #[serde(default)]
    pub(crate) allows_public_repositories: Option<bool>,
    #[serde(default)]
    pub(crate) restricted_to_workflows: Option<bool>,
    #[serde(default)]
    pub(crate) selected_workflows: Option<Vec<ForeignText>>,
}

impl ListPage for RunnerGroupsJson {
    type Item = RunnerGroupJson;
    fn total_count(&self) -> u64 {
        self.total_count
    }
    fn items(self) -> Vec<RunnerGroupJson> {
        self.runner_groups
    }
    fn id(item: &RunnerGroupJson) -> u64 {
        item.id
    }
}

/// No `Debug`: it holds a secret.
#[derive(Deserialize)]
pub(crate) struct RegistrationTokenJson {
    pub(crate) token: String,
    pub(crate) expires_at: Timestamp,
}

/// No `Debug`: it holds a secret.
#[derive(Deserialize)]
pub(crate) struct JitConfigJson {
    pub(crate) runner: JitRunnerJson,
    pub(crate) encoded_jit_config: String,
}

/// The runner of a JIT configuration. Only its id is new.
#[derive(Deserialize)]
pub(crate) struct JitRunnerJson {
    pub(crate) id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunnerApplicationJson {
    os: ForeignText,
    architecture: ForeignText,
    download_url: String,
    filename: String,
    #[serde(default)]
    sha256_checksum: Option<String>,
}

impl From<RunnerApplicationJson> for Download {
    fn from(application: RunnerApplicationJson) -> Self {
        Download {
            os: application.os.to_string().into(),
            architecture: application.architecture.to_string().into(),
            url: application.download_url,
            filename: application.filename,
            sha256: application.sha256_checksum,
        }
    }
}
/// Repositories of an organisation. The list has no total.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RepositoriesJson(Vec<RepositoryJson>);

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RepositoryJson {
    pub(crate) id: u64,
    pub(crate) full_name: ForeignText,
    #[serde(default)]
    pub(crate) archived: bool,
    #[serde(default)]
    pub(crate) disabled: bool,
    #[serde(default)]
    pub(crate) private: Option<bool>,
}

impl ListPage for RepositoriesJson {
    type Item = RepositoryJson;

    fn total_count(&self) -> u64 {
        0
    }

    fn items(self) -> Vec<RepositoryJson> {
        self.0
    }

    fn id(item: &RepositoryJson) -> u64 {
        item.id
    }
}

/// The repositories that may use a runner group.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GroupRepositoriesJson {
    pub(crate) total_count: u64,
    pub(crate) repositories: Vec<RepositoryJson>,
}

impl ListPage for GroupRepositoriesJson {
    type Item = RepositoryJson;
    fn total_count(&self) -> u64 {
        self.total_count
    }
    fn items(self) -> Vec<RepositoryJson> {
        self.repositories
    }
    fn id(item: &RepositoryJson) -> u64 {
        item.id
    }
}

/// The organisations that may use a runner group of an enterprise.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GroupOrganizationsJson {
    pub(crate) total_count: u64,
    pub(crate) organizations: Vec<OrganizationJson>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrganizationJson {
    pub(crate) id: u64,
    pub(crate) login: ForeignText,
}

impl ListPage for GroupOrganizationsJson {
    type Item = OrganizationJson;
    fn total_count(&self) -> u64 {
        self.total_count
    }
    fn items(self) -> Vec<OrganizationJson> {
        self.organizations
    }
    fn id(item: &OrganizationJson) -> u64 {
        item.id
    }
}

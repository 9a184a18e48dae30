//! A job as people look for it at GitHub: not its number alone.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{ForeignText, Job, JobId, RepoSlug, WebLink};

/// A job with what it is called, where it is, and its page at GitHub, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedJob {
    /// GitHub's id of the job.
    pub id: JobId,
    /// The name in the workflow.
    #[serde(default)]
    pub name: Option<ForeignText>,
    /// The repository.
    #[serde(default)]
    pub repo: Option<RepoSlug>,
    /// The name of the workflow.
    #[serde(default)]
    pub workflow: Option<ForeignText>,
    /// The job's page at GitHub.
    #[serde(default)]
    pub link: Option<WebLink>,
}

impl NamedJob {
    /// What the job is called, without its number: `myorg/myrepo: CI / build (linux)`. Empty where nothing is known.
    pub fn called(&self) -> String {
        let parts = [self.workflow.as_deref(), self.name.as_deref()];
        let name = parts.into_iter().flatten().collect::<Vec<_>>().join(" / ");
        let repo = self.repo.as_ref().map(RepoSlug::as_str);
        [repo, Some(name.as_str()).filter(|name| !name.is_empty())]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(": ")
    }
}

impl From<JobId> for NamedJob {
    fn from(id: JobId) -> Self {
        NamedJob { id, name: None, repo: None, workflow: None, link: None }
    }
}

impl From<&Job> for NamedJob {
    fn from(job: &Job) -> Self {
        NamedJob {
            id: job.id,
            name: Some(job.name.clone()),
            repo: Some(job.repo.clone()),
            workflow: job.workflow.clone(),
            link: job.link.clone(),
        }
    }
}

impl fmt::Display for NamedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.called().as_str() {
            "" if self.id.is_of_assignment() => f.write_str("a job"),
            "" => write!(f, "job {}", self.id),
            called if self.id.is_of_assignment() => write!(f, "a job ({called})"),
            called => write!(f, "job {} ({called})", self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::queued_job;

    #[test]
    fn a_job_is_called_as_github_calls_it_as_far_as_that_is_known() {
        let job = queued_job(7, 0);
        let all = NamedJob { workflow: Some("CI".into()), ..NamedJob::from(&job) };
        let no_repo = NamedJob { repo: None, ..all.clone() };
        let no_name = NamedJob { name: None, workflow: None, ..all.clone() };
        for (job, shown) in [
            (all, "job 7 (o/r: CI / build)"),
            (NamedJob::from(&job), "job 7 (o/r: build)"),
            (no_repo, "job 7 (CI / build)"),
            (no_name, "job 7 (o/r)"),
            (JobId(7).into(), "job 7"),
            (NamedJob { id: JobId::of_assignment("0e1d"), ..NamedJob::from(&job) }, "a job (o/r: build)"),
            (JobId::of_assignment("0e1d").into(), "a job"),
        ] {
            assert_eq!(job.to_string(), shown);
        }
    }
}

//! The jobs of a repository that are not completed. Labels are on jobs, and jobs are listed by run.

use std::collections::{BTreeSet, HashMap};

use azlin_fleet::model::{
    AccountName, CallError, CallErrorKind, CompletedJob, FoundJob, Job, JobId, JobStatus, Queue, RepoSlug,
    RunId,
};
use azlin_http::RequestEffect;
use futures::future::join_all;
use futures::stream::{self, StreamExt};
use parking_lot::Mutex;
use reqwest::Method;

use crate::answer::Expects;
use crate::http::{GitHubCall, Http};
use crate::pages::{self, List, ListPage};
use crate::watched::{HELD, Watched};
use crate::wire;

/// The most requests in flight for the jobs of one repository.
const AT_ONCE: usize = 8;

const NEEDS: &str = "Actions: read";

/// What is kept of each repository between two polls.
#[derive(Debug, Default)]
pub(crate) struct RepositoryQueues {
    watched: Mutex<HashMap<RepoSlug, Watched>>,
}

impl RepositoryQueues {
    /// Reads a repository's queue. A missing part is named in the result; the call fails only when nothing
    /// could be read.
    pub(crate) async fn read(&self, http: &Http, repo: &RepoSlug) -> Result<Queue, CallError> {
        let mut queue = Queue::default();
        let runs = self.active_runs(http, repo, &mut queue.missing).await?;
        let of_runs: Vec<_> = stream::iter(runs.clone())
            .map(|run| jobs(http, repo, run))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;

        let mut failed = Vec::new();
        for of_run in of_runs {
            match of_run {
                Ok(list) => {
                    queue.missing.extend(moved(&list, "jobs of a run"));
                    for job in list.items.into_values() {
                        match known(job, repo) {
                            Ok(Some(job)) => queue.jobs.push(job),
                            Ok(None) => {}
                            Err(sentence) => queue.missing.push(sentence),
                        }
                    }
                }
                // A run that was deleted since it was listed has no jobs.
                Err(error) if error.kind == CallErrorKind::NotFound => {}
                Err(error) => failed.push(error),
            }
        }
        if let Some(first) = failed.first() {
            if failed.len() == runs.len() {
                return Err(first.clone());
            }
            queue.missing.push(format!(
                "the jobs of {} of {} active runs could not be read: {first}",
                failed.len(),
                runs.len()
            ));
        }
        queue.jobs.sort_by_key(|job| (job.created_at, job.id));
        Ok(queue)
    }

    /// The runs that are not completed. The lists are read in the order in which a run passes through them,
    /// so that a run that moves on meanwhile is in one of them.
    async fn active_runs(
        &self,
        http: &Http,
        repo: &RepoSlug,
        missing: &mut Vec<String>,
    ) -> Result<BTreeSet<u64>, CallError> {
        let look = self.of(repo, Watched::next_look);
        let held = join_all(look.iter().map(|list| runs(http, repo, HELD[*list]))).await;
        for (list, found) in look.iter().zip(held) {
            match found {
                Ok(found) => {
                    missing.extend(not_given(&found, HELD[*list]));
                    let ids = found.items.into_keys().collect();
                    self.of(repo, |watched| watched.saw(*list, ids));
                }
                Err(error) => missing.push(format!("{} runs could not be read: {error}", HELD[*list])),
            }
        }
        let mut active: BTreeSet<u64> = self.of(repo, |watched| watched.runs().collect());
        for status in ["queued", "in_progress"] {
            let found = runs(http, repo, status).await?;
            missing.extend(not_given(&found, status));
            active.extend(found.items.into_keys());
        }
        Ok(active)
    }

    fn of<T>(&self, repo: &RepoSlug, with: impl FnOnce(&mut Watched) -> T) -> T {
        let mut watched = self.watched.lock();
        with(watched.entry(repo.clone()).or_default())
    }
}

/// The repositories of an organisation that can have runs: not archived, not disabled.
pub(crate) async fn repositories(http: &Http, owner: &AccountName) -> Result<Vec<RepoSlug>, CallError> {
    let path = format!("orgs/{owner}/repos?per_page=100&type=all");
    let list = pages::all::<wire::RepositoriesJson>(http, read(http, &path)?).await?;
    let live = list.items.into_values().filter(|repo| !repo.archived && !repo.disabled);
    Ok(live.filter_map(|repo| repo.full_name.parse().ok()).collect())
}

async fn runs(http: &Http, repo: &RepoSlug, status: &str) -> Result<List<wire::RunJson>, CallError> {
    let path = format!("repos/{repo}/actions/runs?status={status}&per_page=100&exclude_pull_requests=true");
    pages::all::<wire::RunsJson>(http, read(http, &path)?).await
}

async fn jobs(http: &Http, repo: &RepoSlug, run: u64) -> Result<List<wire::JobJson>, CallError> {
    let path = format!("repos/{repo}/actions/runs/{run}/jobs?filter=latest&per_page=100");
    pages::all::<wire::JobsJson>(http, read(http, &path)?).await
}

/// One job, completed or not; `None` when GitHub has none of that number in the repository.
pub(crate) async fn job(http: &Http, repo: &RepoSlug, id: JobId) -> Result<Option<FoundJob>, CallError> {
    let path = format!("repos/{repo}/actions/jobs/{id}");
    match http.page::<wire::JobJson>(&read(http, &path)?).await {
        Ok((job, _)) => found(job, repo).map(Some),
        Err(error) if error.kind == CallErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn found(job: wire::JobJson, repo: &RepoSlug) -> Result<FoundJob, CallError> {
    if job.status == "completed" {
        return Ok(FoundJob::Completed(CompletedJob {
            id: JobId(job.id),
            name: job.name,
            conclusion: job.conclusion.unwrap_or_else(|| "no conclusion".to_owned()),
            completed_at: job.completed_at,
            runner_name: job.runner_name.filter(|name| !name.is_empty()),
        }));
    }
    let unknown = |sentence| CallError::new(CallErrorKind::Unavailable, format!("{sentence}, in {repo}"));
    match known(job, repo) {
        Ok(Some(job)) => Ok(FoundJob::Open(job)),
        Ok(None) => Err(unknown("the job was completed a moment ago".to_owned())),
        Err(sentence) => Err(unknown(sentence)),
    }
}

fn read(http: &Http, path: &str) -> Result<GitHubCall, CallError> {
    Ok(GitHubCall {
        method: Method::GET,
        url: http.api.join(path)?,
        body: None,
        effect: RequestEffect::Reads,
        expects: Expects::OK,
        needs: NEEDS,
    })
}

/// The sentence about the part of a filtered list that GitHub did not return.
fn not_given(list: &List<wire::RunJson>, status: &str) -> Option<String> {
    let there = list.total_count;
    if there > wire::RunsJson::MOST {
        return Some(format!("GitHub lists at most 1,000 of {there} runs with status {status}"));
    }
    moved(list, &format!("runs with status {status}"))
}

/// The sentence about a list that changed each time it was read.
fn moved<T>(list: &List<T>, what: &str) -> Option<String> {
    (!list.steady).then(|| format!("the {what} changed while their pages were read, so some may be missing"))
}

/// The job as the fleet needs it; `None` when it is completed; a sentence when it cannot be counted.
fn known(job: wire::JobJson, repo: &RepoSlug) -> Result<Option<Job>, String> {
    let status = match job.status.as_str() {
        "completed" => return Ok(None),
        "queued" => JobStatus::Queued,
        "waiting" => JobStatus::Waiting,
        "pending" => JobStatus::Pending,
        "requested" => JobStatus::Requested,
        "in_progress" => JobStatus::InProgress,
        _ => return Err(format!("job {} has a status that is not known here", job.id)),
    };
    let Some(created_at) = job.created_at.or(job.started_at) else {
        return Err(format!("job {} has no time of creation", job.id));
    };
    Ok(Some(Job {
        id: JobId(job.id),
        run_id: RunId(job.run_id),
        repo: repo.clone(),
        name: job.name,
        status,
        labels: job.labels,
        created_at,
        started_at: job.started_at.filter(|_| status == JobStatus::InProgress),
        runner_name: job.runner_name.filter(|name| !name.is_empty()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(status: &str) -> wire::JobJson {
        let json = format!(
            r#"{{"id":7,"name":"build","status":"{status}","labels":["self-hosted"],
                "created_at":"2026-01-02T03:04:05Z","started_at":"2026-01-02T03:05:00Z","runner_name":""}}"#
        );
        serde_json::from_str(&json).expect("a job")
    }

    #[test]
    fn jobs_of_every_status() {
        let repo: RepoSlug = "o/r".parse().expect("valid");
        for (status, expected) in [
            ("queued", Some(JobStatus::Queued)),
            ("waiting", Some(JobStatus::Waiting)),
            ("pending", Some(JobStatus::Pending)),
            ("requested", Some(JobStatus::Requested)),
            ("in_progress", Some(JobStatus::InProgress)),
            ("completed", None),
        ] {
            let found = known(job(status), &repo).expect("a known status");
            assert_eq!(found.as_ref().map(|job| job.status), expected, "{status}");
            assert!(found.is_none_or(|job| job.runner_name.is_none()));
        }
        assert!(known(job("dreaming"), &repo).expect_err("an unknown status").contains("job 7"));
    }

    #[test]
    fn a_job_without_a_time_of_creation_takes_that_of_its_start() {
        let repo: RepoSlug = "o/r".parse().expect("valid");
        let without = wire::JobJson { created_at: None, ..job("queued") };
        let job = known(without, &repo).expect("known").expect("not completed");
        assert_eq!(job.created_at.to_string(), "2026-01-02T03:05:00Z");
    }
}

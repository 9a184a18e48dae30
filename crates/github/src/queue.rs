//! The jobs of a repository that are not completed. Labels are on jobs, and jobs are listed by run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use azlin_fleet::model::{
    AccountName, CallError, CallErrorKind, CompletedJob, ForeignText, FoundJob, Job, JobId, JobStatus, Queue,
    RepoId, RepoSlug, RunId, RunRepository, WebLink,
};
use azlin_fleet::observe::{MOST_RUNS, RunReads, RunState, can_be_ours};
use azlin_http::RequestEffect;
use futures::future::join_all;
use futures::stream::{self, StreamExt};
use parking_lot::Mutex;
use reqwest::Method;

use crate::answer::Expects;
use crate::api_url::ApiUrl;
use crate::http::{GitHubCall, Http};
use crate::pages::{self, List, ListPage};
use crate::watched::{HELD, Watched};
use crate::wire::{self, RunRepositoryJson};

/// The most requests in flight for the jobs of one repository.
const AT_ONCE: usize = 8;

/// For so long the lists of a repository serve that shows as many runs as one look reads: they have many pages then. A
/// poll at the default interval reads them anew.
const FLOODED_LISTS_AGE: Duration = Duration::from_secs(50);

const NEEDS: &str = "Actions: read";

/// What is kept of each repository between two polls.
#[derive(Debug)]
pub(crate) struct RepositoryQueues {
    /// The moment from which the times of [`RunReads`] count.
    began: Instant,
    known: Mutex<HashMap<RepoSlug, KnownQueue>>,
    /// The labels of our runners, in lower case, once they are known.
    labels: Mutex<Option<Arc<BTreeSet<String>>>>,
    /// How many requests have read runs that events named, and runs in bursts of new ones.
    event_reads: AtomicU64,
    burst_reads: AtomicU64,
}

/// What is kept of one repository.
#[derive(Debug, Default)]
struct KnownQueue {
    watched: Watched,
    reads: RunReads,
    /// The workflow files of the active runs.
    workflows: BTreeMap<u64, Vec<ForeignText>>,
    repository: Option<RunRepository>,
    repo_id: Option<RepoId>,
    /// The active runs, when the lists were read last, and what was missing of them.
    lists: Option<ReadLists>,
    /// What the last read of the whole queue says beside its jobs; `None` before there was one.
    remarks: Option<Remarks>,
}

/// What a read of a queue says beside its jobs.
#[derive(Debug, Clone)]
struct Remarks {
    missing: Vec<String>,
    notes: Vec<String>,
}

/// The lists of a repository's runs that are not completed, as they were read at one moment.
#[derive(Debug, Clone)]
struct ReadLists {
    at: Instant,
    active: BTreeMap<u64, Option<RunState>>,
    missing: Vec<String>,
}

impl Default for RepositoryQueues {
    fn default() -> Self {
        let (known, labels, event_reads, burst_reads) = Default::default();
        RepositoryQueues { began: Instant::now(), known, labels, event_reads, burst_reads }
    }
}

impl RepositoryQueues {
    /// How many requests no poll will repeat: they have read runs in bursts of new ones, or after events.
    pub(crate) fn burst_reads(&self) -> u64 {
        self.burst_reads.load(Ordering::Relaxed) + self.event_reads()
    }

    /// How many requests have read runs that events named.
    pub(crate) fn event_reads(&self) -> u64 {
        self.event_reads.load(Ordering::Relaxed)
    }

    /// Takes in the labels of our runners.
    pub(crate) fn serve_labels(&self, labels: &Arc<BTreeSet<String>>) {
        *self.labels.lock() = Some(Arc::clone(labels));
    }

    /// Reads a repository's queue. A missing part is named in the result; the call fails only when nothing
    /// could be read.
    pub(crate) async fn read(&self, http: &Http, repo: &RepoSlug) -> Result<Queue, CallError> {
        let mut queue = Queue::default();
        let ReadLists { active, missing, .. } = self.lists(http, repo).await?;
        queue.missing = missing;
        let labels = self.labels.lock().clone();
        let is_ours = |job: &Job| can_be_ours(job, labels.as_deref());
        let choice = self.of(repo, |known| known.reads.choose(&active, is_ours, self.began.elapsed()));
        self.burst_reads.fetch_add(choice.burst as u64, Ordering::Relaxed);
        let failed = self.read_jobs(http, repo, &choice.read, &active, &mut queue).await;
        if let Some(first) = failed.values().next() {
            if failed.len() == choice.read.len() {
                return Err(first.clone());
            }
            queue.missing.push(unread(&failed, active.len()));
        }
        choice.put_off(&mut queue, active.len(), repo);
        self.fill(http, repo, &failed, &mut queue);
        let remarks = Remarks { missing: queue.missing.clone(), notes: queue.notes.clone() };
        self.of(repo, |known| known.remarks = Some(remarks));
        Ok(queue)
    }

    /// Reads the jobs of these runs alone; the rest is as it was read last. A queue that was never read is read as a
    /// whole.
    pub(crate) async fn read_after(
        &self,
        http: &Http,
        repo: &RepoSlug,
        runs: &BTreeSet<RunId>,
    ) -> Result<Queue, CallError> {
        let Some(Remarks { missing, notes }) = self.of(repo, |known| known.remarks.clone()) else {
            return self.read(http, repo).await;
        };
        let mut queue = Queue { missing, notes, ..Queue::default() };
        let runs: BTreeSet<u64> = runs.iter().map(|run| run.0).collect();
        self.event_reads.fetch_add(runs.len() as u64, Ordering::Relaxed);
        let failed = self.read_jobs(http, repo, &runs, &BTreeMap::new(), &mut queue).await;
        if !failed.is_empty() {
            queue.missing.push(unread(&failed, runs.len()));
        }
        self.fill(http, repo, &BTreeMap::new(), &mut queue);
        Ok(queue)
    }

    /// Reads the jobs of these runs. Returns what failed, by run. `active` has what the lists show of them.
    async fn read_jobs(
        &self,
        http: &Http,
        repo: &RepoSlug,
        runs: &BTreeSet<u64>,
        active: &BTreeMap<u64, Option<RunState>>,
        queue: &mut Queue,
    ) -> BTreeMap<u64, CallError> {
        let of_runs: Vec<_> = stream::iter(runs.clone())
            .map(|run| async move { (run, self.began.elapsed(), jobs(http, repo, run).await) })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;

        let mut failed = BTreeMap::new();
        for (run, at, of_run) in of_runs {
            match of_run {
                Ok(list) => {
                    let missing = queue.missing.len();
                    queue.missing.extend(moved(&list, "jobs of a run"));
                    let mut jobs = Vec::new();
                    for job in list.items.into_values() {
                        match known(job, repo, &http.api) {
                            Ok(Some(job)) => jobs.push(job),
                            Ok(None) => {}
                            Err(sentence) => queue.missing.push(sentence),
                        }
                    }
                    let is_whole = queue.missing.len() == missing;
                    let state = active.get(&run).cloned().flatten();
                    self.of(repo, |known| known.reads.read(run, state, jobs, is_whole, at));
                }
                // A run that was deleted since it was listed has no jobs.
                Err(error) if error.kind == CallErrorKind::NotFound => {
                    self.of(repo, |known| known.reads.forget(run));
                }
                Err(error) => drop(failed.insert(run, error)),
            }
        }
        failed
    }

    /// Fills in what is known: all jobs but those of runs that could not be read, and the repository.
    fn fill(&self, http: &Http, repo: &RepoSlug, failed: &BTreeMap<u64, CallError>, queue: &mut Queue) {
        self.of(repo, |known| {
            let jobs = known.reads.jobs().filter(|(run, _)| !failed.contains_key(run));
            queue.jobs = jobs.map(|(_, job)| job.clone()).collect();
            queue.workflows =
                known.workflows.iter().map(|(run, files)| (RunId(*run), files.clone())).collect();
            queue.repository = known.repository.clone();
            queue.repo_id = known.repo_id.or_else(|| http.moved.id(repo));
        });
        queue.jobs.sort_by_key(|job| (job.created_at, job.id));
    }

    /// The lists of runs. Those of a flooded repository serve for a while.
    async fn lists(&self, http: &Http, repo: &RepoSlug) -> Result<ReadLists, CallError> {
        let last = self.of(repo, |known| known.lists.clone());
        let is_flooded = |last: &ReadLists| last.active.len() >= MOST_RUNS;
        if let Some(mut last) = last.filter(|last| is_flooded(last) && last.at.elapsed() < FLOODED_LISTS_AGE)
        {
            let (count, age) = (last.active.len(), last.at.elapsed().as_secs());
            last.missing.push(format!("the lists of {count} active runs of {repo} are {age}s old"));
            return Ok(last);
        }
        let (at, mut missing) = (Instant::now(), Vec::new());
        let active = self.active_runs(http, repo, &mut missing).await?;
        let lists = ReadLists { at, active, missing };
        self.of(repo, |known| known.lists = is_flooded(&lists).then(|| lists.clone()));
        Ok(lists)
    }

    /// The runs that are not completed. The lists are read in the order in which a run passes through them,
    /// so that a run that moves on meanwhile is in one of them.
    async fn active_runs(
        &self,
        http: &Http,
        repo: &RepoSlug,
        missing: &mut Vec<String>,
    ) -> Result<BTreeMap<u64, Option<RunState>>, CallError> {
        let look = self.of(repo, |known| known.watched.next_look());
        let held = join_all(look.iter().map(|list| runs(http, repo, HELD[*list]))).await;
        let mut shown = BTreeMap::new();
        for (list, found) in look.iter().zip(held) {
            match found {
                Ok(found) => {
                    missing.extend(not_given(&found, HELD[*list]));
                    let ids = found.items.keys().copied().collect();
                    self.of(repo, |known| known.watched.saw(*list, ids));
                    shown.extend(found.items);
                }
                Err(error) => missing.push(format!("{} runs could not be read: {error}", HELD[*list])),
            }
        }
        for status in ["queued", "in_progress"] {
            let found = runs(http, repo, status).await?;
            missing.extend(not_given(&found, status));
            shown.extend(found.items);
        }
        Ok(self.of(repo, |known| known.saw(&shown, repo)))
    }

    fn of<T>(&self, repo: &RepoSlug, with: impl FnOnce(&mut KnownQueue) -> T) -> T {
        let mut known = self.known.lock();
        with(known.entry(repo.clone()).or_default())
    }
}

impl KnownQueue {
    /// Takes in the runs that the lists of this look show. Returns all active runs.
    fn saw(
        &mut self,
        shown: &BTreeMap<u64, wire::RunJson>,
        repo: &RepoSlug,
    ) -> BTreeMap<u64, Option<RunState>> {
        let mut active: BTreeMap<u64, Option<RunState>> = self.watched.runs().map(|id| (id, None)).collect();
        active.extend(shown.iter().map(|(id, run)| (*id, Some(run.state()))));
        self.workflows.retain(|id, _| active.contains_key(id));
        self.workflows.extend(shown.iter().map(|(id, run)| (*id, workflow_files(run, repo))));
        let repository = shown.values().rev().find_map(|run| {
            let RunRepositoryJson { full_name, private, .. } = run.repository.as_ref()?;
            Some(RunRepository { name: full_name.parse().ok()?, is_public: *private == Some(false) })
        });
        self.repository = repository.or(self.repository.take());
        let repo_id = shown.values().rev().find_map(|run| run.repository.as_ref()?.id);
        self.repo_id = repo_id.map(RepoId).or(self.repo_id);
        active
    }
}

/// The workflow files of a run: its own, and the reusable ones that it calls.
fn workflow_files(run: &wire::RunJson, repo: &RepoSlug) -> Vec<ForeignText> {
    let today = run.repository.as_ref().map_or(repo.as_str(), |today| &today.full_name);
    let Some(own) = &run.path else { return Vec::new() };
    let called = run.referenced_workflows.iter().flatten().map(|called| called.path.clone());
    std::iter::once(ForeignText::from(format!("{today}/{own}"))).chain(called).collect()
}

/// The sentence about runs that could not be read, of so many.
fn unread(failed: &BTreeMap<u64, CallError>, all: usize) -> String {
    let first = failed.values().next().map(ToString::to_string).unwrap_or_default();
    format!("the jobs of {} of {all} active runs could not be read: {first}", failed.len())
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
        Ok((job, _)) => found(job, repo, &http.api).map(Some),
        Err(error) if error.kind == CallErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn found(job: wire::JobJson, repo: &RepoSlug, api: &ApiUrl) -> Result<FoundJob, CallError> {
    if job.status == "completed" {
        let link = link(&job, api);
        return Ok(FoundJob::Completed(CompletedJob {
            id: JobId(job.id),
            name: job.name,
            workflow: job.workflow_name,
            link,
            conclusion: job.conclusion.unwrap_or_else(|| "no conclusion".into()),
            completed_at: job.completed_at,
            runner_name: job.runner_name.filter(|name| !name.is_empty()),
        }));
    }
    let unknown = |sentence| CallError::new(CallErrorKind::Unavailable, format!("{sentence}, in {repo}"));
    match known(job, repo, api) {
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
fn known(job: wire::JobJson, repo: &RepoSlug, api: &ApiUrl) -> Result<Option<Job>, String> {
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
        return Err(format!("job {} has no time of creation that can be true", job.id));
    };
    let link = link(&job, api);
    Ok(Some(Job {
        id: JobId(job.id),
        run_id: RunId(job.run_id),
        repo: repo.clone(),
        name: job.name,
        workflow: job.workflow_name,
        link,
        status,
        labels: job.labels.unwrap_or_default(),
        created_at,
        started_at: job.started_at.filter(|_| status == JobStatus::InProgress),
        runner_name: runner_of(job.runner_name, job.runner_id),
    }))
}

/// The job's page, if it is one of this GitHub.
fn link(job: &wire::JobJson, api: &ApiUrl) -> Option<WebLink> {
    WebLink::on_site(job.html_url.as_deref()?, &api.site()?)
}

/// The runner of a job: its name, or `#7` where GitHub gives its id alone. An id of 0 is none.
fn runner_of(name: Option<ForeignText>, id: Option<u64>) -> Option<ForeignText> {
    let numbered = || id.filter(|id| *id > 0).map(|id| format!("#{id}").into());
    name.filter(|name| !name.is_empty()).or_else(numbered)
}

#[cfg(test)]
mod tests;

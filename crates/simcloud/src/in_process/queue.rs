//! The queues of repositories, read as the adapter reads them: which runs a look reads is decided by the same rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azlin_fleet::model::{
    CallError, ForeignText, Job, JobId, JobStatus, Queue, RepoSlug, RunId, RunRepository, Scope,
};
use azlin_fleet::observe::{RunReads, RunState, can_be_ours};
use azlin_fleet::seeded_bug;
use jiff::Timestamp;

use super::InProcess;
use super::github::{known, link, on};
use crate::account::WORKFLOW;
use crate::fault::Lag;
use crate::github::{GitHubState, JobState, SimJob, SimRun};
use crate::world::World;

/// The lists of runs that a queue is read from: queued, in progress, waiting.
const LISTS_OF_RUNS: u32 = 3;

/// What the adapter keeps of the queues that it has read.
#[derive(Default)]
pub(super) struct KnownQueues {
    of_repo: BTreeMap<RepoSlug, RunReads>,
    /// The labels of our runners, in lower case, once they are known.
    pub(super) labels: Option<Arc<BTreeSet<String>>>,
    /// How many requests have read runs that events named.
    pub(super) event_reads: u64,
    burst_reads: u64,
}

impl KnownQueues {
    /// How many requests no poll will repeat.
    pub(super) fn burst_reads(&self) -> u64 {
        self.burst_reads + self.event_reads
    }
}

impl InProcess {
    /// Reads the lists of runs, and the jobs of the runs that the adapter would read.
    pub(super) async fn read_queue(&self, repo: &RepoSlug) -> Result<Queue, CallError> {
        let scope = Scope::Repo(repo.clone());
        let (mut call, jobs_call) =
            (on(&scope, "GET", "runs", None), on(&scope, "GET", "runs/{run_id}/jobs", None));
        call.requests = LISTS_OF_RUNS;
        self.call(call, |world, stale| {
            known(world, &scope)?;
            let active = active_runs(&world.seen(stale).github, repo);
            let mut queues = self.queues.lock();
            let KnownQueues { of_repo, labels, burst_reads, .. } = &mut *queues;
            let reads = of_repo.entry(repo.clone()).or_default();
            let is_ours = |job: &Job| can_be_ours(job, labels.as_deref());
            let choice = reads.choose(&active, is_ours, world.age());
            let requests = u32::try_from(choice.read.len()).unwrap_or(u32::MAX);
            jobs_call.may_send(world, requests)?;
            world.count_requests(requests);
            *burst_reads += choice.burst as u64;
            for run in &choice.read {
                let jobs = jobs_of(world, stale, repo, *run);
                reads.read(*run, active[run].clone(), jobs, true, world.age());
            }
            let mut queue = filled(world, stale, repo, reads);
            choice.put_off(&mut queue, active.len(), repo);
            Ok(queue)
        })
        .await
    }

    /// Reads the jobs of these runs alone; the rest is as it was read last.
    pub(super) async fn read_runs(
        &self,
        repo: &RepoSlug,
        runs: &BTreeSet<RunId>,
    ) -> Result<Queue, CallError> {
        if !self.queues.lock().of_repo.contains_key(repo) {
            return self.read_queue(repo).await;
        }
        let scope = Scope::Repo(repo.clone());
        let mut call = on(&scope, "GET", "runs", None);
        call.requests = u32::try_from(runs.len()).unwrap_or(u32::MAX);
        self.queues.lock().event_reads += u64::from(call.requests);
        self.call(call, |world, stale| {
            known(world, &scope)?;
            let mut queues = self.queues.lock();
            let reads = queues.of_repo.entry(repo.clone()).or_default();
            for run in runs {
                let jobs = jobs_of(world, stale, repo, run.0);
                reads.read(run.0, None, jobs, true, world.age());
            }
            Ok(filled(world, stale, repo, reads))
        })
        .await
    }
}

/// The runs that are not completed, each with what may be others when its jobs are.
fn active_runs(github: &GitHubState, repo: &RepoSlug) -> BTreeMap<u64, Option<RunState>> {
    let active = github.active.get(&github.present_name(repo.as_str()).to_ascii_lowercase());
    let runs = active.into_iter().flatten().filter_map(|id| github.runs.get(id));
    let state = |run: &SimRun| RunState {
        attempt: Some(1),
        status: Some(github.status(run).into()),
        updated_at: Some(github.updated_at(run).to_string().into()),
    };
    runs.map(|run| (run.id, Some(state(run)))).collect()
}

/// The jobs that a list of a run's jobs shows, in the state of the world that it shows.
fn jobs_of(world: &mut World, stale: Lag, repo: &RepoSlug, run: u64) -> Vec<Job> {
    let state = &world.seen(stale).github;
    let Some(run) = state.runs.get(&run) else { return Vec::new() };
    let skips = seeded_bug!(RunLevel, false, state.status(run) == "in_progress");
    let sims = run.jobs.iter().filter_map(|id| state.jobs.get(id));
    let sims: Vec<SimJob> = sims.filter(|sim| !skips || sim.state == JobState::InProgress).cloned().collect();
    let now = world.now();
    sims.into_iter().filter_map(|sim| job(repo, &world.shown_job(sim), now)).collect()
}

/// A queue with the jobs of all runs that were read.
fn filled(world: &World, stale: Lag, repo: &RepoSlug, reads: &RunReads) -> Queue {
    let mut jobs: Vec<Job> = reads.jobs().map(|(_, job)| job.clone()).collect();
    jobs.sort_by_key(|job| (job.created_at, job.id));
    let (name, file) = (repo.clone(), format!("{repo}/{WORKFLOW}"));
    let repository = RunRepository { name, is_public: world.account.is_public(repo.as_str()) };
    let workflows = jobs.iter().map(|job| (job.run_id, vec![file.as_str().into()])).collect();
    let repo_id = world.seen(stale).github.repo_id(repo.as_str());
    Queue { jobs, workflows, repo_id, repository: Some(repository), ..Queue::default() }
}

/// The job as the adapter reads it; `None` when it is completed.
pub(super) fn job(repo: &RepoSlug, job: &SimJob, now: Timestamp) -> Option<Job> {
    let status = match job.shown_state(now) {
        JobState::Requested => JobStatus::Requested,
        JobState::Pending => JobStatus::Pending,
        JobState::Waiting => JobStatus::Waiting,
        JobState::Queued => JobStatus::Queued,
        JobState::InProgress => JobStatus::InProgress,
        JobState::Completed(_) => return None,
    };
    Some(Job {
        id: JobId(job.id),
        run_id: RunId(job.run),
        repo: repo.clone(),
        name: job.name.clone().into(),
        workflow: Some("CI".into()),
        link: link(repo, job),
        status,
        labels: job.labels.iter().map(ForeignText::from).collect(),
        created_at: job.created_at,
        started_at: job.started_at.filter(|_| status == JobStatus::InProgress),
        runner_name: job.runner.as_ref().map(|(_, name)| name.into()),
    })
}

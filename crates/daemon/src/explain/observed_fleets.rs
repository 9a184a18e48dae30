//! The observed fleets, and the explanations that follow.

use azlin_fleet::config::Fleet;
use azlin_fleet::explain::{self, JobQuery, JobRef, nearest};
use azlin_fleet::model::{FoundJob, Job, JobId, PoolName, Queue, RepoSlug, RunId, Scope, believable};
use azlin_fleet::observe::{JobTimes, is_in_scope};

use super::Explained;
use crate::context::DaemonContext;
use crate::plan_once::Planned;

/// The fleets that were observed.
pub(super) struct ObservedFleets<'a> {
    pub(super) looks: &'a [Planned],
    pub(super) fleets: Vec<&'a Fleet>,
    pub(super) pool: Option<&'a PoolName>,
    pub(super) context: DaemonContext,
}

impl ObservedFleets<'_> {
    fn look(&self, pool: &PoolName) -> Result<&Planned, String> {
        self.looks
            .iter()
            .find(|look| look.fleet.name == *pool)
            .ok_or_else(|| format!("{pool} was not looked at"))
    }

    pub(super) fn whole(&self) -> Result<Explained, String> {
        let Some(pool) = self.pool else { return Err("no pool was named".to_owned()) };
        let look = self.look(pool)?;
        let explanation = explain::pool(&look.view(), &self.fleets);
        Ok(Explained {
            pool: Some((pool.clone(), explanation)),
            troubles: look.seen.trouble().into_iter().collect(),
            ..Explained::default()
        })
    }

    pub(super) fn runner(&self, name: &str) -> Result<Explained, String> {
        let Some(pool) = self.pool else { return Err("no pool was named".to_owned()) };
        let look = self.look(pool)?;
        let troubles: Vec<String> = look.seen.trouble().into_iter().collect();
        let runners = &look.plan.runners;
        let Some(runner) =
            runners.iter().find(|runner| runner.runner_name.as_str().eq_ignore_ascii_case(name))
        else {
            if look.seen.entries.is_err() || look.seen.vms.is_err() {
                let why = troubles.join("; ");
                return Err(format!("whether {pool} has a runner {name} cannot be told: {why}"));
            }
            let near = nearest(name, runners.iter().map(|runner| runner.runner_name.as_str())).join(", ");
            let near = if near.is_empty() {
                format!("it has {}", runners.len())
            } else {
                format!("the nearest: {near}")
            };
            return Err(format!("{pool} has no runner {name}: it is gone, or never was; {near}"));
        };
        Ok(Explained {
            explanations: vec![explain::runner(runner, &look.view())],
            troubles,
            ..Explained::default()
        })
    }

    pub(super) async fn job(&self, asked: &JobRef) -> Result<Explained, String> {
        match asked {
            JobRef::Run(repo, run) => self.run(repo, *run),
            JobRef::Job(repo, id) => self.one(*id, Some(repo)).await,
            JobRef::Id(id) => self.one(*id, None).await,
        }
    }

    fn run(&self, repo: &RepoSlug, run: RunId) -> Result<Explained, String> {
        let mut jobs: Vec<&Job> =
            self.queued().filter(|job| job.run_id == run && job.repo == *repo).collect();
        jobs.sort_by_key(|job| job.id);
        jobs.dedup_by_key(|job| job.id);
        if jobs.is_empty() {
            return Err(format!(
                "run {run} of {repo} has no job that waits or runs, as far as the queue was read; for one that is \
                 completed give its own URL: .../actions/runs/{run}/job/JOB"
            ));
        }
        let mut explained = Explained::default();
        for job in jobs {
            self.explain(JobQuery::Open(job), repo, &mut explained);
        }
        Ok(explained)
    }

    /// One job: from the queues that were read, or requested by its number.
    async fn one(&self, id: JobId, repo: Option<&RepoSlug>) -> Result<Explained, String> {
        let mut explained = Explained::default();
        let own = self.pool.and_then(|pool| self.look(pool).ok()).map(|look| &look.fleet);
        if let (Some(fleet), Some(repo)) = (own, repo)
            && !is_in_scope(fleet, repo)
        {
            self.explain(JobQuery::Elsewhere(id, repo), repo, &mut explained);
            return Ok(explained);
        }
        if let Some(repo) = repo
            && !self.fleets.iter().any(|fleet| is_in_scope(fleet, repo))
        {
            self.explain(JobQuery::Elsewhere(id, repo), repo, &mut explained);
            return Ok(explained);
        }
        let is_it = |job: &&Job| job.id == id && repo.is_none_or(|repo| *repo == job.repo);
        if let Some(job) = self.queued().find(is_it) {
            self.explain(JobQuery::Open(job), &job.repo, &mut explained);
            return Ok(explained);
        }
        let mut repos: Vec<&RepoSlug> = repo.into_iter().collect();
        if repos.is_empty() {
            repos = self.looks.iter().filter_map(|look| repo_of(&look.fleet.scope)).collect();
            repos.sort();
            repos.dedup();
        }
        if repos.is_empty() {
            return Err(format!(
                "a number alone is not enough: the runners serve many repositories; give the job's URL: \
                 https://github.com/OWNER/REPO/actions/runs/RUN/job/{id}"
            ));
        }
        let mut failed = None;
        for repo in &repos {
            let asker = self.fleets.iter().find(|fleet| is_in_scope(fleet, repo));
            let credential = asker.and_then(|fleet| fleet.credential.as_ref());
            match self.context.github.of(credential).job(repo, id).await {
                Ok(Some(FoundJob::Open(job))) => {
                    let mut queue = Queue { jobs: vec![job], ..Queue::default() };
                    JobTimes::default().correct(&mut queue, self.context.now());
                    let Some(job) = queue.jobs.pop() else { continue };
                    self.explain(JobQuery::Open(&job), repo, &mut explained);
                    return Ok(explained);
                }
                Ok(Some(FoundJob::Completed(mut job))) => {
                    job.completed_at = job.completed_at.and_then(|at| believable(at, self.context.now()));
                    self.explain(JobQuery::Completed(&job, repo), repo, &mut explained);
                    return Ok(explained);
                }
                Ok(None) => {}
                Err(error) => failed = Some((repo, error.to_string())),
            }
        }
        if let Some((repo, why)) = failed {
            explained.troubles.push(why.clone());
            self.explain(JobQuery::Unseen(id, &why), repo, &mut explained);
            return Ok(explained);
        }
        let repos = repos.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Err(format!(
            "GitHub has no job {id} in {repos}, or does not show it to this token; copy the URL from the job's page: \
             .../actions/runs/RUN/job/JOB (the number of a run is not that of a job)"
        ))
    }

    /// Every job of every queue that was read.
    fn queued(&self) -> impl Iterator<Item = &Job> {
        self.looks.iter().filter_map(|look| look.queue.as_ref().ok()).flat_map(|queue| &queue.jobs)
    }

    /// Explains a job for the named fleet, or for the fleet that fits it best.
    fn explain(&self, asked: JobQuery<'_>, repo: &RepoSlug, explained: &mut Explained) {
        let best = match (self.pool, asked) {
            (Some(pool), _) => Some(pool),
            (None, JobQuery::Open(job)) => explain::best(&self.fleets, job).map(|fleet| &fleet.name),
            (None, _) => self.fleets.iter().find(|fleet| is_in_scope(fleet, repo)).map(|fleet| &fleet.name),
        };
        let Some(look) = best.and_then(|pool| self.look(pool).ok()) else {
            explained.explanations.push(explain::unserved(asked, repo, &self.fleets));
            return;
        };
        explained.explanations.push(explain::job(asked, &look.view(), &self.fleets));
        let is_new = |trouble: &String| !explained.troubles.contains(trouble);
        if let Some(trouble) = look.seen.trouble().filter(is_new) {
            explained.troubles.push(trouble);
        }
    }
}

fn repo_of(scope: &Scope) -> Option<&RepoSlug> {
    match scope {
        Scope::Repo(repo) => Some(repo),
        Scope::Org(_) | Scope::Enterprise(_) => None,
    }
}

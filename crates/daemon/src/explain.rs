//! What `explain` gathers: it looks at the fleets in question as a tick does, and asks for a job that no
//! queue shows. What follows from it, [`azlin_fleet::explain`] says.

use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::demand::is_in_scope;
use azlin_fleet::explain::{self, Asked, Explanation, JobRef, PoolExplanation, View, nearest};
use azlin_fleet::job::{FoundJob, Job, JobId, RunId};
use azlin_fleet::names::{PoolName, RepoSlug, Scope};
use azlin_fleet::runner_name::RunnerName;

use crate::outside::Outside;
use crate::plan_once::{Planned, plan_once};
use crate::state::StateDir;

/// What is to be explained: a job, a runner, or a whole fleet.
#[derive(Debug, Clone)]
pub struct ExplainQuestion {
    /// The pool; without it the one that the job counts for, or the runner is of.
    pub pool: Option<PoolName>,
    /// Only this job.
    pub job: Option<JobRef>,
    /// Only this runner.
    pub runner: Option<String>,
}

/// What was explained.
#[derive(Debug, Default)]
pub struct Explained {
    /// One for each job or runner.
    pub explanations: Vec<Explanation>,
    /// A whole fleet, where neither a job nor a runner was named.
    pub pool: Option<(PoolName, PoolExplanation)>,
    /// What could not be read.
    pub troubles: Vec<String>,
}

/// Why a question is about no fleet.
#[derive(Debug, PartialEq, Eq)]
pub enum NoSuchFleet {
    /// There is no pool of that name.
    Pool(PoolName),
    /// No pool makes runners of that name.
    Runner(String),
}

/// Why there is no explanation.
#[derive(Debug)]
pub struct NotExplained {
    /// In words.
    pub why: String,
    /// Whether everything could be read, so that what was asked about does not exist.
    pub is_all_read: bool,
}

/// A question about fleets that exist.
pub struct Explainer<'a> {
    question: &'a ExplainQuestion,
    fleets: &'a [Fleet],
    /// The fleets to look at.
    in_question: Vec<Fleet>,
    /// The pool that was named, or that the runner is of.
    pool: Option<PoolName>,
}

impl<'a> Explainer<'a> {
    /// Finds the fleets to look at. Fleets of one scope share its jobs, so all of them are.
    ///
    /// # Errors
    /// When there is no such fleet.
    pub fn new(question: &'a ExplainQuestion, fleets: &'a [Fleet]) -> Result<Self, NoSuchFleet> {
        let (in_question, pool) = in_question(question, fleets)?;
        Ok(Explainer { question, fleets, in_question, pool })
    }

    /// Looks, and explains.
    ///
    /// # Errors
    /// When the job or the runner was not found.
    pub async fn explain(
        &self,
        outside: Outside,
        state: &StateDir,
        poll: Duration,
    ) -> Result<Explained, NotExplained> {
        let looks = plan_once(&self.in_question, outside.clone(), state, poll).await;
        let observed = Observed {
            looks: &looks,
            fleets: self.fleets.iter().collect(),
            pool: self.pool.as_ref(),
            outside,
        };
        let explained = match (&self.question.job, &self.question.runner) {
            (Some(job), _) => observed.job(job).await,
            (None, Some(name)) => observed.runner(name),
            (None, None) => observed.whole(),
        };
        let is_all_read = looks.iter().all(|look| look.seen.trouble().is_none());
        explained.map_err(|why| NotExplained { why, is_all_read })
    }
}

/// The fleets to look at, and the one that was named.
fn in_question(
    question: &ExplainQuestion,
    fleets: &[Fleet],
) -> Result<(Vec<Fleet>, Option<PoolName>), NoSuchFleet> {
    let of = |is: &dyn Fn(&Fleet) -> bool| fleets.iter().filter(|fleet| is(fleet)).cloned().collect();
    let runner = question.runner.as_deref().unwrap_or_default().to_ascii_lowercase();
    let named = question.pool.clone().or_else(|| {
        let is_of = |fleet: &&Fleet| RunnerName::of_pool(&fleet.name, &runner).is_some();
        fleets.iter().find(is_of).map(|fleet| fleet.name.clone())
    });
    match (&named, &question.job, &question.runner) {
        (Some(pool), ..) => {
            let own = fleets.iter().find(|fleet| fleet.name == *pool);
            let own = own.ok_or_else(|| NoSuchFleet::Pool(pool.clone()))?;
            Ok((of(&|fleet| fleet.scope == own.scope), named))
        }
        (None, _, Some(name)) => Err(NoSuchFleet::Runner(name.clone())),
        (None, Some(JobRef::Job(repo, _) | JobRef::Run(repo, _)), None) => {
            Ok((of(&|fleet| is_in_scope(fleet, repo)), None))
        }
        (None, _, None) => Ok((fleets.to_vec(), None)),
    }
}

impl Planned {
    /// What an explanation is made from.
    pub fn view(&self) -> View<'_> {
        View {
            fleet: &self.fleet,
            seen: &self.seen,
            memory: &self.memory,
            plan: &self.plan,
            queue: self.queue.as_deref().map_err(String::as_str),
            now: self.at,
        }
    }
}

/// Everything that was looked at.
struct Observed<'a> {
    looks: &'a [Planned],
    fleets: Vec<&'a Fleet>,
    pool: Option<&'a PoolName>,
    outside: Outside,
}

impl Observed<'_> {
    fn look(&self, pool: &PoolName) -> Result<&Planned, String> {
        self.looks
            .iter()
            .find(|look| look.fleet.name == *pool)
            .ok_or_else(|| format!("{pool} was not looked at"))
    }

    fn whole(&self) -> Result<Explained, String> {
        let Some(pool) = self.pool else { return Err("no pool was named".to_owned()) };
        let look = self.look(pool)?;
        let explanation = explain::pool(&look.view(), &self.fleets);
        Ok(Explained {
            pool: Some((pool.clone(), explanation)),
            troubles: look.seen.trouble().into_iter().collect(),
            ..Explained::default()
        })
    }

    fn runner(&self, name: &str) -> Result<Explained, String> {
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

    async fn job(&self, asked: &JobRef) -> Result<Explained, String> {
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
            self.explain(Asked::Open(job), repo, &mut explained);
        }
        Ok(explained)
    }

    /// One job: out of the queues that were read, or asked for.
    async fn one(&self, id: JobId, repo: Option<&RepoSlug>) -> Result<Explained, String> {
        let mut explained = Explained::default();
        let own = self.pool.and_then(|pool| self.look(pool).ok()).map(|look| &look.fleet);
        if let (Some(fleet), Some(repo)) = (own, repo)
            && !is_in_scope(fleet, repo)
        {
            self.explain(Asked::Elsewhere(id, repo), repo, &mut explained);
            return Ok(explained);
        }
        if let Some(repo) = repo
            && !self.fleets.iter().any(|fleet| is_in_scope(fleet, repo))
        {
            self.explain(Asked::Elsewhere(id, repo), repo, &mut explained);
            return Ok(explained);
        }
        let is_it = |job: &&Job| job.id == id && repo.is_none_or(|repo| *repo == job.repo);
        if let Some(job) = self.queued().find(is_it) {
            self.explain(Asked::Open(job), &job.repo, &mut explained);
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
            match self.outside.github.of(credential).job(repo, id).await {
                Ok(Some(FoundJob::Open(job))) => {
                    self.explain(Asked::Open(&job), repo, &mut explained);
                    return Ok(explained);
                }
                Ok(Some(FoundJob::Completed(job))) => {
                    self.explain(Asked::Completed(&job, repo), repo, &mut explained);
                    return Ok(explained);
                }
                Ok(None) => {}
                Err(error) => failed = Some((repo, error.to_string())),
            }
        }
        if let Some((repo, why)) = failed {
            explained.troubles.push(why.clone());
            self.explain(Asked::Unseen(id, &why), repo, &mut explained);
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

    /// Explains a job for the fleet that was named, or for the one that it is best looked at for.
    fn explain(&self, asked: Asked<'_>, repo: &RepoSlug, explained: &mut Explained) {
        let best = match (self.pool, asked) {
            (Some(pool), _) => Some(pool),
            (None, Asked::Open(job)) => explain::best(&self.fleets, job).map(|fleet| &fleet.name),
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

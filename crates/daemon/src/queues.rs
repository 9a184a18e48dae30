//! The queues of repositories, the source of demand: each is read once for all fleets that serve it, and its
//! jobs are shared out among them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azlin_fleet::config::{Fleet, Site};
use azlin_fleet::model::{
    AccountName, CredentialName, Job, JobId, JobStatus, PoolName, Queue, RepoId, RepoSlug, RunnerGroup, Scope,
};
use azlin_fleet::observe::{
    Demand, GROUPS_MAX_AGE, JobTimes, ObservedDemand, REPOSITORIES_MAX_AGE, ScaleSetStatus, Seen, SetWatch,
    Working, attribute, refused, working,
};
use futures::future::join_all;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::debug;

use crate::context::DaemonContext;
use crate::fleet_set::Fleets;
use crate::observe::in_time;
use crate::scale_set::SetCells;
use crate::single_flight::SingleFlight;
use kept::{KeptQueues, ReadPart};

mod kept;

pub(crate) use kept::ReadSince;

/// The last read queues, by credential.
#[derive(Default)]
pub(crate) struct JobQueues {
    of_repo: KeptQueues<(Option<CredentialName>, RepoSlug), RepoQueue>,
    repositories: SingleFlight<(Option<CredentialName>, AccountName), Seen<Vec<RepoSlug>>>,
    /// What each runner group permits; `None` where that could not be read.
    groups: SingleFlight<(Site, Option<String>), Option<RunnerGroup>>,
    /// What the sessions of scale sets show.
    pub(crate) set_cells: SetCells,
    /// The times of jobs, from one read of a queue to the next.
    times: Mutex<BTreeMap<(Option<CredentialName>, RepoSlug), JobTimes>>,
}

/// One repository's queue, shared out among the fleets that serve it.
struct RepoQueue {
    queue: Seen<Arc<Queue>>,
    /// The jobs that the queue shows.
    shown: BTreeSet<JobId>,
    demands: BTreeMap<PoolName, Demand>,
    working: Working,
}

/// The queues that one fleet serves.
pub(crate) struct FleetQueue {
    /// Each queue with its repository. The jobs of a scale set are one queue of many repositories.
    repos: Seen<Vec<(Option<RepoSlug>, Arc<RepoQueue>)>>,
    note: Option<String>,
    scale_set: Option<ScaleSetStatus>,
}

impl JobQueues {
    /// The fleet's queues, each read as recently as `since` says.
    pub(crate) async fn of(
        &self,
        fleet: &Fleet,
        fleets: &Fleets,
        context: &DaemonContext,
        since: impl Fn(&RepoSlug) -> ReadSince,
    ) -> FleetQueue {
        if let Some(name) = fleet.scale_set_name() {
            let cell = self.set_cells.look(fleet, context).await;
            let watch = cell.lock();
            return FleetQueue::of_set(fleet, name, &watch, context.now());
        }
        let repos = match self.repositories(fleet, context).await {
            Ok(repos) => repos,
            Err(why) => return FleetQueue { repos: Err(why), note: None, scale_set: None },
        };
        let scope = &fleet.scope;
        let note = match (fleet.repositories.is_empty(), repos.is_empty()) {
            (_, false) => None,
            (true, true) => Some(format!(
                "GitHub has no list of the queued jobs of {scope}, so this fleet keeps min_runners or manual_count; name \
                 the repositories that it serves, as in repositories = [\"*\"], and it follows their queues"
            )),
            (false, true) => Some(format!("no repository of {scope} is one that the fleet's file names")),
        };
        let repos = repos.into_iter().map(|repo| async {
            let key = (fleet.credential.clone(), repo.clone());
            let read = async |part: ReadPart| self.read(fleet, fleets, context, &repo, part).await;
            let queue = self.of_repo.get(key, &since(&repo), read).await;
            (Some(repo), queue)
        });
        FleetQueue { repos: Ok(join_all(repos).await), note, scale_set: None }
    }

    async fn repositories(&self, fleet: &Fleet, context: &DaemonContext) -> Seen<BTreeSet<RepoSlug>> {
        if let Scope::Repo(repo) = &fleet.scope {
            return Ok(BTreeSet::from([repo.clone()]));
        }
        let now = Instant::now();
        let since = now.checked_sub(REPOSITORIES_MAX_AGE).unwrap_or(now);
        let mut repos = BTreeSet::new();
        for pattern in &fleet.repositories {
            if let Some(repo) = pattern.one() {
                repos.insert(repo);
                continue;
            }
            let owner = pattern.owner();
            let ask = async {
                let found = context.github(fleet).repositories(&owner).await;
                found.map_err(|error| format!("the repositories of {owner}: {error}"))
            };
            let key = (fleet.credential.clone(), owner.clone());
            let all = self.repositories.get(key.clone(), since, ask).await;
            if all.is_err() {
                // A failure is reused for a shorter time than a list.
                self.repositories.forget(&key);
            }
            let all = all.as_ref().as_ref().map_err(String::clone)?;
            repos.extend(all.iter().filter(|repo| pattern.matches(repo)).cloned());
        }
        Ok(repos)
    }

    async fn read(
        &self,
        fleet: &Fleet,
        fleets: &Fleets,
        context: &DaemonContext,
        repo: &RepoSlug,
        part: ReadPart,
    ) -> RepoQueue {
        let github = context.github(fleet);
        let all = fleets.now();
        let serving = all.serving(&fleet.credential, repo);
        let serving = || serving.iter().copied();
        if let Some(labels) = all.labels(&fleet.credential) {
            github.serve_labels(labels);
        }
        let queue = match part {
            ReadPart::Whole => in_time(github.queue(repo)).await,
            ReadPart::Runs(runs) => match in_time(github.queue_after(repo, &runs)).await {
                // Only lists of runs show what a runner group asks of a run.
                Ok(queue) if self.says_too_little(serving(), &queue, context).await => {
                    in_time(github.queue(repo)).await
                }
                queue => queue,
            },
        };
        let mut queue = queue.map_err(|error| format!("the queue of repo:{repo}: {error}"));
        if let Ok(queue) = &mut queue {
            let key = (fleet.credential.clone(), repo.clone());
            self.times.lock().entry(key).or_default().correct(queue, context.now());
            if !queue.jobs.is_empty() {
                let groups = self.groups(serving(), context).await;
                queue.refused = refused(serving(), &groups, queue);
            }
        }
        RepoQueue {
            shown: queue.iter().flat_map(|queue| &queue.jobs).map(|job| job.id).collect(),
            working: queue.as_ref().map(working).unwrap_or_default(),
            demands: queue
                .as_ref()
                .map(|queue| attribute(serving(), queue, context.now()))
                .unwrap_or_default(),
            queue: queue.map(Arc::new),
        }
    }

    /// Whether the queue says too little of its jobs for a runner group with limits.
    async fn says_too_little<'f>(
        &self,
        serving: impl Iterator<Item = &'f Fleet>,
        queue: &Queue,
        context: &DaemonContext,
    ) -> bool {
        if queue.jobs.is_empty() {
            return false;
        }
        let knows_workflows = queue.jobs.iter().all(|job| queue.workflows.contains_key(&job.run_id));
        let groups = self.groups(serving, context).await;
        groups.values().any(|group| group.needs_more(queue.repository.as_ref(), knows_workflows))
    }

    /// What the runner groups of the fleets permit, as far as that is known. A repository has no groups.
    async fn groups<'f>(
        &self,
        fleets: impl Iterator<Item = &'f Fleet>,
        context: &DaemonContext,
    ) -> BTreeMap<PoolName, RunnerGroup> {
        let now = Instant::now();
        let since = now.checked_sub(GROUPS_MAX_AGE).unwrap_or(now);
        let mut known = BTreeMap::new();
        for fleet in fleets.filter(|fleet| !matches!(fleet.scope, Scope::Repo(_))) {
            let ask = async {
                let found =
                    context.github(fleet).runner_group(&fleet.scope, fleet.runner_group.as_deref()).await;
                found
                    .inspect_err(|error| debug!("the runner group of {}: {error}", fleet.name))
                    .ok()
                    .flatten()
            };
            let group = self.groups.get((fleet.site(), fleet.runner_group.clone()), since, ask).await;
            known.extend(Option::clone(&group).map(|group| (fleet.name.clone(), group)));
        }
        known
    }
}

impl FleetQueue {
    /// What the session of a fleet's scale set shows.
    fn of_set(fleet: &Fleet, name: &str, watch: &SetWatch, now: Timestamp) -> FleetQueue {
        let queue = watch.queue();
        let repos = watch.demand(now).map(|demand| {
            let whole = RepoQueue {
                shown: queue.jobs.iter().map(|job| job.id).collect(),
                working: working(&queue),
                demands: BTreeMap::from([(fleet.name.clone(), demand)]),
                queue: Ok(Arc::new(queue)),
            };
            vec![(None, Arc::new(whole))]
        });
        FleetQueue { repos, note: None, scale_set: Some(watch.status(name)) }
    }

    /// The part of the queues that the plan uses.
    pub(crate) fn observed(&self, fleet: &Fleet, now: Timestamp) -> ObservedDemand {
        let scale_set = self.scale_set.clone();
        ObservedDemand { demand: self.demand(fleet, now), working: self.working(), scale_set }
    }

    /// The fleet's jobs, counted. Names each repository whose queue could not be read. If no queue could be
    /// read, nothing is known.
    fn demand(&self, fleet: &Fleet, now: Timestamp) -> Seen<Demand> {
        let repos = self.repos.as_ref().map_err(String::clone)?;
        let mut demands = Vec::new();
        let mut failed = Vec::new();
        for (_, repo) in repos {
            match &repo.queue {
                Ok(_) => {
                    let changed = || "the configuration changed while the queue was read".to_owned();
                    demands.push(repo.demands.get(&fleet.name).ok_or_else(changed)?);
                }
                Err(why) => failed.push(why),
            }
        }
        let mut demand = Demand::of_all(demands, now);
        if let Some(first) = failed.first() {
            if failed.len() == repos.len() {
                return Err((*first).clone());
            }
            demand.missing.push(format!(
                "{} of {} repositories could not be read: {first}",
                failed.len(),
                repos.len()
            ));
        }
        demand.notes.extend(self.note.clone());
        Ok(demand)
    }

    /// Whether a repository's queue shows a job; `None` for a repository that the fleet does not serve.
    pub(crate) fn shows(&self, repo: &RepoSlug, job: JobId) -> Option<bool> {
        let (_, repo) = self.repos.as_ref().ok()?.iter().find(|(of, _)| of.as_ref() == Some(repo))?;
        Some(repo.shown.contains(&job))
    }

    /// The ids of the repositories, as far as they are known.
    pub(crate) fn repo_ids(&self) -> impl Iterator<Item = (&RepoSlug, RepoId)> {
        let repos = self.repos.as_ref().into_iter().flatten();
        repos.filter_map(|(repo, read)| Some((repo.as_ref()?, read.queue.as_ref().ok()?.repo_id?)))
    }

    /// Running jobs by the name of their runner.
    fn working(&self) -> Working {
        let repos = self.repos.as_ref().into_iter().flatten();
        repos.flat_map(|(_, repo)| repo.working.clone()).collect()
    }

    /// Running jobs.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Job> {
        let repos = self.repos.as_ref().into_iter().flatten();
        let queues = repos.filter_map(|(_, repo)| repo.queue.as_ref().ok());
        queues.flat_map(|queue| &queue.jobs).filter(|job| job.status == JobStatus::InProgress)
    }

    /// Whether every queue was read completely.
    pub(crate) fn is_whole(&self) -> bool {
        let is_read = |(_, repo): &(Option<RepoSlug>, Arc<RepoQueue>)| {
            repo.queue.as_ref().is_ok_and(|queue| queue.missing.is_empty())
        };
        self.repos.as_ref().is_ok_and(|repos| repos.iter().all(is_read))
    }

    /// All queues merged into one.
    pub(crate) fn whole(&self) -> Seen<Arc<Queue>> {
        let repos = self.repos.as_ref().map_err(String::clone)?;
        if let [(_, repo)] = repos.as_slice() {
            return repo.queue.clone();
        }
        let mut whole = Queue { notes: self.note.clone().into_iter().collect(), ..Queue::default() };
        for (_, repo) in repos {
            match &repo.queue {
                Ok(queue) => {
                    whole.jobs.extend(queue.jobs.iter().cloned());
                    whole.missing.extend(queue.missing.iter().cloned());
                    whole.notes.extend(queue.notes.iter().cloned());
                    whole.released.extend(queue.released.iter().map(|(job, since)| (*job, *since)));
                    for (pool, refused) in &queue.refused {
                        let refused = refused.iter().map(|(job, why)| (*job, why.clone()));
                        whole.refused.entry(pool.clone()).or_default().extend(refused);
                    }
                }
                Err(why) => whole.missing.push(why.clone()),
            }
        }
        Ok(Arc::new(whole))
    }
}

#[cfg(test)]
mod tests;

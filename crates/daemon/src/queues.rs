//! The queues of repositories: each is read once for all fleets that serve it, and its jobs are shared out
//! among them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::demand::{Demand, attribute, is_in_scope};
use azlin_fleet::job::{Job, JobId, JobStatus, Queue};
use azlin_fleet::names::{AccountName, CredentialName, PoolName, RepoSlug, Scope};
use azlin_fleet::snapshot::{Seen, working};
use futures::future::join_all;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::fleet_set::Fleets;
use crate::outside::Outside;
use crate::single_flight::SingleFlight;

/// How old a list of an organisation's repositories may be.
const REPOSITORIES: Duration = Duration::from_secs(10 * 60);

type Credential = Option<CredentialName>;

/// What was read, by credential.
#[derive(Default)]
pub(crate) struct Queues {
    of_repo: SingleFlight<(Credential, RepoSlug), View>,
    repositories: SingleFlight<(Credential, AccountName), Seen<Vec<RepoSlug>>>,
}

/// One repository's queue, shared out.
struct View {
    queue: Seen<Arc<Queue>>,
    demands: BTreeMap<PoolName, Demand>,
    working: BTreeMap<String, JobId>,
}

/// The queues that a fleet serves.
pub(crate) struct OwnQueue {
    views: Seen<Vec<(RepoSlug, Arc<View>)>>,
    note: Option<String>,
}

impl Queues {
    /// What the fleet serves, each read no earlier than `since`.
    pub(crate) async fn of(
        &self,
        fleet: &Fleet,
        fleets: &Fleets,
        outside: &Outside,
        since: impl Fn(&RepoSlug) -> Instant,
    ) -> OwnQueue {
        let repos = match self.repositories(fleet, outside).await {
            Ok(repos) => repos,
            Err(why) => return OwnQueue { views: Err(why), note: None },
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
        let views = repos.into_iter().map(|repo| async {
            let key = (fleet.credential.clone(), repo.clone());
            let view = self.of_repo.get(key, since(&repo), look(fleet, fleets, outside, &repo)).await;
            (repo, view)
        });
        OwnQueue { views: Ok(join_all(views).await), note }
    }

    async fn repositories(&self, fleet: &Fleet, outside: &Outside) -> Seen<BTreeSet<RepoSlug>> {
        if let Scope::Repo(repo) = &fleet.scope {
            return Ok(BTreeSet::from([repo.clone()]));
        }
        let now = Instant::now();
        let since = now.checked_sub(REPOSITORIES).unwrap_or(now);
        let mut repos = BTreeSet::new();
        for pattern in &fleet.repositories {
            if let Some(repo) = pattern.one() {
                repos.insert(repo);
                continue;
            }
            let owner = pattern.owner();
            let ask = async {
                let found = outside.github(fleet).repositories(&owner).await;
                found.map_err(|error| format!("the repositories of {owner}: {error}"))
            };
            let key = (fleet.credential.clone(), owner.clone());
            let all = self.repositories.get(key.clone(), since, ask).await;
            if all.is_err() {
                // What failed is not kept for as long as what was read.
                self.repositories.forget(&key);
            }
            let all = all.as_ref().as_ref().map_err(String::clone)?;
            repos.extend(all.iter().filter(|repo| pattern.matches(repo)).cloned());
        }
        Ok(repos)
    }
}

async fn look(fleet: &Fleet, fleets: &Fleets, outside: &Outside, repo: &RepoSlug) -> View {
    let queue = outside.github(fleet).queue(repo).await;
    let queue = queue.map_err(|error| format!("the queue of repo:{repo}: {error}"));
    let all = fleets.now();
    let serving = all.of_credential(&fleet.credential).filter(|fleet| is_in_scope(fleet, repo));
    View {
        working: queue.as_ref().map(working).unwrap_or_default(),
        demands: queue.as_ref().map(|queue| attribute(serving, queue, outside.now())).unwrap_or_default(),
        queue: queue.map(Arc::new),
    }
}

impl OwnQueue {
    /// What the fleet is asked for. A repository whose queue could not be read is named as missing; where
    /// none could, nothing is known.
    pub(crate) fn demand(&self, fleet: &Fleet, now: Timestamp) -> Seen<Demand> {
        let views = self.views.as_ref().map_err(String::clone)?;
        let mut demands = Vec::new();
        let mut failed = Vec::new();
        for (_, view) in views {
            match &view.queue {
                Ok(_) => {
                    let changed = || "the configuration changed while the queue was read".to_owned();
                    demands.push(view.demands.get(&fleet.name).ok_or_else(changed)?);
                }
                Err(why) => failed.push(why),
            }
        }
        let mut demand = Demand::of_all(demands, now);
        if let Some(first) = failed.first() {
            if failed.len() == views.len() {
                return Err((*first).clone());
            }
            demand.missing.push(format!(
                "{} of {} repositories could not be read: {first}",
                failed.len(),
                views.len()
            ));
        }
        demand.notes.extend(self.note.clone());
        Ok(demand)
    }

    /// Whether a repository's queue shows a job; `None` where it is none of these.
    pub(crate) fn shows(&self, repo: &RepoSlug, job: JobId) -> Option<bool> {
        let (_, view) = self.views.as_ref().ok()?.iter().find(|(of, _)| of == repo)?;
        Some(view.queue.as_ref().is_ok_and(|queue| queue.jobs.iter().any(|shown| shown.id == job)))
    }

    /// Running jobs by the names of their runners.
    pub(crate) fn working(&self) -> BTreeMap<String, JobId> {
        let views = self.views.as_ref().into_iter().flatten();
        views.flat_map(|(_, view)| view.working.clone()).collect()
    }

    /// Jobs that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Job> {
        let views = self.views.as_ref().into_iter().flatten();
        let queues = views.filter_map(|(_, view)| view.queue.as_ref().ok());
        queues.flat_map(|queue| &queue.jobs).filter(|job| job.status == JobStatus::InProgress)
    }

    /// Whether nothing of it is missing.
    pub(crate) fn is_whole(&self) -> bool {
        let is_read = |(_, view): &(RepoSlug, Arc<View>)| {
            view.queue.as_ref().is_ok_and(|queue| queue.missing.is_empty())
        };
        self.views.as_ref().is_ok_and(|views| views.iter().all(is_read))
    }

    /// All of it as one queue.
    pub(crate) fn whole(&self) -> Seen<Arc<Queue>> {
        let views = self.views.as_ref().map_err(String::clone)?;
        if let [(_, view)] = views.as_slice() {
            return view.queue.clone();
        }
        let mut whole = Queue { notes: self.note.clone().into_iter().collect(), ..Queue::default() };
        for (_, view) in views {
            match &view.queue {
                Ok(queue) => {
                    whole.jobs.extend(queue.jobs.iter().cloned());
                    whole.missing.extend(queue.missing.iter().cloned());
                    whole.notes.extend(queue.notes.iter().cloned());
                }
                Err(why) => whole.missing.push(why.clone()),
            }
        }
        Ok(Arc::new(whole))
    }
}

#[cfg(test)]
#[path = "queues_tests.rs"]
mod tests;

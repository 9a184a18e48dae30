//! Which jobs a scale set holds. A job goes to a set whose labels cover it, where the group admits its repository, as
//! long as the set has a session and room.

use azlin_fleet::model::Scope;
use jiff::Timestamp;

use super::{ServiceRefusal, SimScaleSet};
use crate::github::{Conclusion, JobState, SimJob};
use crate::scale_set_fault::ScaleSetFault;
use crate::world::{World, WorldEvent};

/// So often an assignment may lapse before GitHub fails the job.
const MOST_LAPSES: u32 = 3;

/// A job that a set holds, or is offered.
#[derive(Debug, Clone)]
pub(crate) struct HeldJob {
    /// Its id in messages. A new assignment has a new one.
    guid: String,
    pub(crate) state: HeldState,
    assigned_at: Option<Timestamp>,
}

/// What has become of a job that a set holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeldState {
    /// The set has yet to acquire it.
    Offered,
    /// It waits for a runner of the set.
    Waits,
    /// A runner of the set runs it.
    Running,
}

/// What kind of news a message has of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewsKind {
    /// The set may acquire it.
    Available,
    /// It is the set's.
    Assigned,
    /// A runner has begun with it.
    Started,
    /// It is the set's no more.
    Completed,
}

impl NewsKind {
    /// GitHub's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            NewsKind::Available => "JobAvailable",
            NewsKind::Assigned => "JobAssigned",
            NewsKind::Started => "JobStarted",
            NewsKind::Completed => "JobCompleted",
        }
    }
}

/// What is new of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetNews {
    pub(crate) kind: NewsKind,
    pub(crate) job: u64,
    pub(crate) guid: String,
    pub(crate) request: u64,
    pub(crate) assigned_at: Option<Timestamp>,
    pub(crate) runner: Option<(u64, String)>,
    pub(crate) result: Option<&'static str>,
}

impl SimScaleSet {
    /// Whether the set's runners could run a job of this repository.
    fn covers(&self, job: &SimJob, repo: &str) -> bool {
        let is_of = match &self.scope {
            Scope::Repo(slug) => slug.as_str().eq_ignore_ascii_case(repo),
            Scope::Org(org) => {
                repo.split('/').next().is_some_and(|owner| org.as_str().eq_ignore_ascii_case(owner))
            }
            Scope::Enterprise(_) => true,
        };
        let has = |wanted: &String| self.labels.iter().any(|label| label.eq_ignore_ascii_case(wanted));
        is_of
            && (!job.labels.is_empty() || job.group.is_some())
            && job.group.is_none_or(|group| group == self.group)
            && job.labels.iter().all(has)
    }

    fn has_room(&self) -> bool {
        self.jobs.len() < self.capacity as usize
    }

    fn tell(&mut self, kind: NewsKind, id: u64, is_offered: bool) {
        let Some(job) = self.jobs.get(&id) else { return };
        let (guid, assigned_at) = (job.guid.clone(), job.assigned_at);
        // Only offers have a request.
        let request = if is_offered { id } else { 0 };
        self.news.push(SetNews { kind, job: id, guid, request, assigned_at, runner: None, result: None });
    }
}

/// The id of a job in messages: another one for each assignment, and never the id of the REST API.
fn guid(job: u64, lapses: u32) -> String {
    format!("{:08x}-51ac-4000-8000-{job:012x}", lapses + 1)
}

impl World {
    /// Takes in what has happened to jobs, gives waiting ones to sets, and writes the messages.
    pub(crate) fn settle_scale_sets(&mut self) {
        if self.scale_sets.sets.is_empty() {
            self.state.github.moved_in_sets.clear();
            return;
        }
        for job in std::mem::take(&mut self.state.github.moved_in_sets) {
            self.moved_in_set(job);
        }
        self.give_to_sets();
        let changed: Vec<u64> =
            self.scale_sets.sets.values().filter(|set| !set.news.is_empty()).map(|set| set.id).collect();
        for set in changed {
            self.write_messages(set);
        }
    }

    /// A job of a set has begun or ended.
    fn moved_in_set(&mut self, id: u64) {
        let Some(job) = self.state.github.jobs.get(&id) else { return };
        let (Some(set), state, runner) = (job.scale_set, job.state, job.runner.clone()) else { return };
        let offers = self.settings.scale_set_offers;
        match state {
            JobState::InProgress => {
                let Some(held) = self.scale_sets.sets.get_mut(&set) else { return };
                let Some(job) = held.jobs.get_mut(&id) else { return };
                if job.state != HeldState::Running {
                    job.state = HeldState::Running;
                    held.tell(NewsKind::Started, id, offers);
                    if let Some(news) = held.news.last_mut() {
                        news.runner = runner;
                    }
                }
            }
            JobState::Completed(conclusion) => {
                let result = match conclusion {
                    Conclusion::Success => "succeeded",
                    Conclusion::Failure => "failed",
                    Conclusion::Cancelled => "canceled",
                };
                self.leaves_set(set, id, result, runner.as_ref());
            }
            _ => {}
        }
    }

    /// A job is no longer the set's.
    fn leaves_set(&mut self, set: u64, id: u64, result: &'static str, runner: Option<&(u64, String)>) {
        let offers = self.settings.scale_set_offers;
        let times = if self.set_fault(ScaleSetFault::EndMissing) {
            0
        } else {
            1 + usize::from(self.set_fault(ScaleSetFault::EndTwice))
        };
        if let Some(job) = self.state.github.jobs.get_mut(&id) {
            (job.scale_set, job.is_offered) = (None, false);
        }
        let Some(held) = self.scale_sets.sets.get_mut(&set) else { return };
        let was_offered = held.jobs.get(&id).is_some_and(|job| job.state == HeldState::Offered);
        for _ in 0..if was_offered { 0 } else { times } {
            held.tell(NewsKind::Completed, id, offers);
            if let Some(news) = held.news.last_mut() {
                (news.runner, news.result) = (runner.cloned(), Some(result));
            }
        }
        held.jobs.remove(&id);
    }

    /// Gives waiting jobs to sets that cover them and have room, the oldest job first.
    fn give_to_sets(&mut self) {
        let now = self.now();
        let open: Vec<u64> = self
            .scale_sets
            .sets
            .values()
            .filter(|set| set.has_room() && set.live_session(now).is_some())
            .map(|set| set.id)
            .collect();
        if open.is_empty() {
            return;
        }
        let github = &self.state.github;
        let free = |id: &&u64| {
            github.jobs.get(id).is_some_and(|job| job.scale_set.is_none() && job.runner.is_none())
        };
        let waiting: Vec<u64> = github.queued.iter().filter(free).copied().collect();
        for id in waiting {
            let Some(job) = self.state.github.jobs.get(&id) else { continue };
            let Some(run) = self.state.github.runs.get(&job.run) else { continue };
            let sets = &self.scale_sets.sets;
            let takes = |set: &&u64| {
                sets.get(set).is_some_and(|set| {
                    set.has_room()
                        && set.covers(job, &run.repo)
                        && self.account.lets_take(&set.scope, &run.repo)
                })
            };
            let Some(set) = open.iter().find(takes).copied() else { continue };
            let guid = guid(id, job.lapses);
            let held = HeldJob { guid, state: HeldState::Offered, assigned_at: None };
            if let Some(set) = self.scale_sets.sets.get_mut(&set) {
                set.jobs.insert(id, held);
            }
            if let Some(job) = self.state.github.jobs.get_mut(&id) {
                (job.scale_set, job.is_offered) = (Some(set), true);
            }
            if self.settings.scale_set_offers {
                if let Some(set) = self.scale_sets.sets.get_mut(&set) {
                    set.tell(NewsKind::Available, id, true);
                }
            } else {
                self.belongs_to_set(set, id);
            }
        }
    }

    /// A job belongs to a set now, and needs one of its runners.
    fn belongs_to_set(&mut self, set: u64, id: u64) {
        let (now, offers) = (self.now(), self.settings.scale_set_offers);
        let Some(held) = self.scale_sets.sets.get_mut(&set) else { return };
        let Some(job) = held.jobs.get_mut(&id) else { return };
        (job.state, job.assigned_at) = (HeldState::Waits, Some(now));
        held.tell(NewsKind::Assigned, id, offers);
        let Some(job) = self.state.github.jobs.get_mut(&id) else { return };
        job.is_offered = false;
        let lapses = job.lapses;
        self.after(self.settings.assignment_limit, WorldEvent::Lapse(id, lapses));
    }

    /// Acquires jobs that were offered. Returns those that the set has got.
    ///
    /// # Errors
    /// If jobs are not offered here, or the token is not valid.
    pub(crate) fn acquire_jobs(&mut self, token: &str, jobs: &[u64]) -> Result<Vec<u64>, ServiceRefusal> {
        let (set, _) = self.queue_of(token)?;
        if !self.settings.scale_set_offers {
            return Err(ServiceRefusal::NoRoute);
        }
        let mut won = Vec::new();
        for id in jobs {
            let held = self.scale_sets.sets.get(&set).and_then(|set| set.jobs.get(id));
            if held.is_some_and(|job| job.state == HeldState::Offered) {
                self.belongs_to_set(set, *id);
                won.push(*id);
            }
        }
        self.write_messages(set);
        Ok(won)
    }

    /// The jobs that a set is offered and has not acquired.
    ///
    /// # Errors
    /// If there is no such set.
    pub(crate) fn acquirable_jobs(&self, scope: &Scope, set: u64) -> Result<Vec<u64>, ServiceRefusal> {
        let jobs = &self.scale_set(scope, set)?.jobs;
        Ok(jobs.iter().filter(|(_, job)| job.state == HeldState::Offered).map(|(id, _)| *id).collect())
    }

    /// No runner has taken a job in time: its assignment lapses, and it is assigned anew. At last the job fails.
    pub(crate) fn lapses(&mut self, id: u64, lapses: u32) {
        let Some(job) = self.state.github.jobs.get_mut(&id) else { return };
        let waits = job.state == JobState::Queued && job.runner.is_none();
        let (Some(set), true) = (job.scale_set, waits && job.lapses == lapses) else { return };
        job.lapses += 1;
        self.leaves_set(set, id, "canceled", None);
        if lapses + 1 >= MOST_LAPSES {
            self.statistics.jobs_expired += 1;
            self.complete(id, Conclusion::Failure);
        }
    }
}

//! What a session shows of a fleet's runner scale set: how many jobs there are, and which.
//!
//! The number is a level that GitHub states, never a sum of messages: a message may come twice, late or not at all.
//! Messages give names and times, for people. GitHub has stated zero beside jobs that it had just assigned; then the
//! jobs are believed for a few minutes.

mod status;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{
    ForeignText, Job, JobId, JobNews, JobNewsKind, JobStatus, Label, Queue, ScaleSetId, ScaleSetInfo,
    ScaleSetLevel, ScaleSetMessage, SessionKey, counted, elapsed, in_words,
};
use crate::observe::{Demand, QueuedJob, Seen};
use crate::seeded_bug;

pub use status::ScaleSetStatus;

/// For how long jobs are believed beside a level that has none.
const BELIEVED_FOR: Duration = Duration::from_secs(5 * 60);
/// After so long without a session what it showed last is a lower bound.
const GOOD_FOR: Duration = Duration::from_secs(5 * 60);
/// A job that is assigned anew within this time of its end has lapsed.
const ANEW_WITHIN: Duration = Duration::from_secs(120);
/// GitHub's clock and this machine's differ by no more.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(15 * 60);
/// So many ended jobs are remembered, so that a message that comes again brings none of them back.
const MOST_ENDED: usize = 4_000;

/// What is known of a fleet's scale set.
#[derive(Debug, Default)]
pub struct SetWatch {
    set: Option<ScaleSetInfo>,
    /// Whether GitHub has no set of that name.
    is_absent: bool,
    /// Runners that were made before cannot be of the set.
    made_at: Option<Timestamp>,
    /// Labels that were asked for, and that GitHub has not taken.
    refused_labels: Vec<Label>,
    level: Option<(ScaleSetLevel, Timestamp)>,
    jobs: BTreeMap<ForeignText, SetJob>,
    /// Jobs that have ended, and in which order.
    ended: BTreeSet<ForeignText>,
    ended_in_order: VecDeque<ForeignText>,
    /// Jobs that ended without a runner, and when.
    freed: Vec<(JobKey, Timestamp)>,
    lapses: u32,
    /// What keeps the session from being there, and since when.
    trouble: Option<(String, Timestamp)>,
    session_since: Option<Timestamp>,
    /// The session that is open, or was left open.
    session: Option<SessionKey>,
    heard_at: Option<Timestamp>,
    /// How many assignments were reported, and how many ended without a runner: only bugs that tests seed use these.
    reported: (u32, u32),
}

/// What is the same in each assignment of a job.
type JobKey = (crate::model::RunId, ForeignText);

/// A job of the set that has not ended.
#[derive(Debug, Clone)]
struct SetJob {
    news: JobNews,
    seen_at: Timestamp,
    runner: Option<(ForeignText, Timestamp)>,
}

/// What a message calls for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetEffects {
    /// Jobs that have to be acquired, by their numbers.
    pub offers: Vec<u64>,
    /// Whether a job has ended: its runner and its VM go.
    pub has_ended: bool,
}

impl SetWatch {
    /// The set is there, made or found, with these of the labels that were asked for missing.
    pub fn has_set(&mut self, set: ScaleSetInfo, refused_labels: Vec<Label>, now: Timestamp) {
        match self.set.as_ref().map(|before| before.id == set.id) {
            Some(true) => {}
            // Another set has other jobs. By our own clock it was made no later than now.
            Some(false) => {
                self.forget_jobs();
                self.made_at = Some(now);
            }
            None if self.is_absent => self.made_at = Some(now),
            None => self.made_at = set.created_at.and_then(|at| at.checked_sub(CLOCKS_DIFFER_BY).ok()),
        }
        if let Some(level) = set.level {
            self.level = Some((level, now));
        }
        self.refused_labels = refused_labels;
        self.set = Some(set);
        self.is_absent = false;
    }

    /// The set is gone.
    pub fn set_is_gone(&mut self) {
        self.is_absent |= self.set.take().is_some();
        self.forget_jobs();
    }

    /// GitHub has no set of that name, and so no job for it.
    pub fn has_no_set(&mut self, now: Timestamp) {
        self.set_is_gone();
        self.is_absent = true;
        self.level = Some((ScaleSetLevel::default(), now));
    }

    fn forget_jobs(&mut self) {
        self.jobs.clear();
        self.freed.clear();
        self.level = None;
        self.session_since = None;
    }

    /// The session that is open, or was left open.
    pub fn session(&self) -> Option<&SessionKey> {
        self.session.as_ref()
    }

    /// A daemon before had this session, and may have left it open.
    pub fn remember(&mut self, session: Option<SessionKey>) {
        self.session = self.session.take().or(session);
    }

    /// The session of this set that keeps a new one from being opened, if it is ours. It is told once.
    pub fn left_open(&mut self) -> Option<SessionKey> {
        let set = self.set_id();
        self.session.take_if(|session| Some(session.set) == set)
    }

    /// The session has been ended.
    pub fn closed(&mut self) {
        self.session = None;
    }

    /// A session is open.
    pub fn opened(&mut self, session: &SessionKey, level: Option<ScaleSetLevel>, now: Timestamp) {
        self.session_since = Some(now);
        self.session = Some(session.clone());
        self.heard(level, now);
    }

    /// A poll has ended without a message.
    pub fn heard_nothing(&mut self, now: Timestamp) {
        self.heard(None, now);
        self.drop_old_names(now);
    }

    /// Whether jobs are offered to the set that no message tells of any more: an offer of which a message told is acquired
    /// at once.
    pub fn misses_offers(&self) -> bool {
        let misses = self.level.is_some_and(|(level, _)| level.available > 0);
        seeded_bug!(DeletedFirst, misses, false)
    }

    fn heard(&mut self, level: Option<ScaleSetLevel>, now: Timestamp) {
        self.trouble = None;
        self.heard_at = Some(now);
        if let Some(level) = level {
            self.level = Some((level, now));
        }
    }

    /// There is no session for this reason.
    pub fn is_troubled(&mut self, why: String, now: Timestamp) {
        let since = self.trouble.take().map_or(now, |(_, since)| since);
        self.trouble = Some((why, since));
    }

    /// Takes in a message. One that has come before changes nothing but the level.
    pub fn take(&mut self, message: ScaleSetMessage, now: Timestamp) -> SetEffects {
        let mut effects = SetEffects::default();
        for news in message.news {
            match news.kind {
                JobNewsKind::Offered(number) => effects.offers.push(number),
                JobNewsKind::Assigned => self.assigned(news, now),
                JobNewsKind::Started(ref runner) => {
                    let runner = runner.name.clone();
                    self.started(news, runner, now);
                }
                JobNewsKind::Completed { ref runner, .. } => {
                    let had_runner = runner.is_some();
                    effects.has_ended = true;
                    self.completed(news, had_runner, now);
                }
            }
        }
        self.heard(message.level, now);
        self.drop_old_names(now);
        effects
    }

    fn assigned(&mut self, news: JobNews, now: Timestamp) {
        if self.jobs.contains_key(&news.job) || self.ended.contains(&news.job) {
            return;
        }
        self.reported.0 += 1;
        let key = (news.run, news.name.clone());
        if let Some(at) = self.freed.iter().position(|(freed, _)| *freed == key) {
            self.freed.remove(at);
            self.lapses += 1;
        }
        self.jobs.insert(news.job.clone(), SetJob { news, seen_at: now, runner: None });
    }

    fn started(&mut self, news: JobNews, runner: ForeignText, now: Timestamp) {
        if self.ended.contains(&news.job) {
            return;
        }
        let job = self.jobs.entry(news.job.clone()).or_insert(SetJob { news, seen_at: now, runner: None });
        job.runner.get_or_insert((runner, now));
    }

    fn completed(&mut self, news: JobNews, had_runner: bool, now: Timestamp) {
        let was_known = self.jobs.remove(&news.job).is_some();
        if was_known && !had_runner {
            self.reported.1 += 1;
            self.freed.retain(|(_, at)| elapsed(*at, now) < ANEW_WITHIN);
            self.freed.push(((news.run, news.name.clone()), now));
        }
        if self.ended.insert(news.job.clone()) {
            self.ended_in_order.push_back(news.job);
        }
        if self.ended.len() > MOST_ENDED
            && let Some(first) = self.ended_in_order.pop_front()
        {
            self.ended.remove(&first);
        }
    }

    /// Drops the names of jobs whose end was never reported: more run by name than the level has.
    fn drop_old_names(&mut self, now: Timestamp) {
        let Some((level, at)) = self.level else { return };
        if is_nothing(level) && elapsed(at, now) < BELIEVED_FOR {
            return;
        }
        let old = |job: &&SetJob| elapsed(job.seen_at, now) >= BELIEVED_FOR;
        for (is_running, most) in [(true, level.running), (false, waiting(level))] {
            let of_kind = self.jobs.values().filter(|job| job.runner.is_some() == is_running);
            let count = of_kind.clone().count();
            let mut times: Vec<(Timestamp, ForeignText)> =
                of_kind.filter(old).map(|job| (job.seen_at, job.news.job.clone())).collect();
            times.sort();
            let surplus = count.saturating_sub(most as usize);
            for (_, job) in times.into_iter().take(surplus) {
                self.jobs.remove(&job);
            }
        }
    }

    /// Whether nothing is known yet of how many jobs there are.
    pub fn is_blank(&self) -> bool {
        self.level.is_none()
    }

    /// The id of the set, once it is there.
    pub fn set_id(&self) -> Option<ScaleSetId> {
        self.set.as_ref().map(|set| set.id)
    }

    /// The jobs of the fleet, counted.
    ///
    /// # Errors
    /// Why nothing is known.
    pub fn demand(&self, now: Timestamp) -> Seen<Demand> {
        let Some((level, _)) = self.level else {
            let why = self.trouble.as_ref().map_or("the daemon opens its session", |(why, _)| why.as_str());
            return Err(format!("GitHub has not told yet how many jobs the scale set has: {why}"));
        };
        let right = waiting(level);
        let right = seeded_bug!(LapseIsCancelled, right, right.saturating_sub(self.reported.1));
        let mut waiting = seeded_bug!(MessagesSummed, right, self.reported.0);
        let mut names: Vec<&SetJob> = self.jobs.values().filter(|job| job.runner.is_none()).collect();
        names.sort_by_key(|job| (job.queued_at(), job.seen_at));
        let mut demand = Demand::none(now);
        if is_nothing(level) {
            let recent = names.iter().filter(|job| elapsed(job.seen_at, now) < BELIEVED_FOR).count();
            if recent > 0 {
                let jobs = counted(recent as u64, "job");
                demand.notes.push(format!(
                    "GitHub states that the scale set has no job, and has just assigned {jobs}: these count for five minutes"
                ));
                waiting = u32::try_from(recent).unwrap_or(u32::MAX);
            }
        }
        let metrics = &mut demand.metrics;
        (metrics.pending_jobs, metrics.queued_jobs, metrics.in_progress_jobs) =
            (waiting, waiting, level.running);
        metrics.total_jobs = waiting.saturating_add(level.running);
        let shown = names.into_iter().take((waiting as usize).min(Demand::SHOWN));
        demand.pending =
            shown.map(|job| QueuedJob { job: (&job.job()).into(), since: job.queued_at() }).collect();
        self.add_remarks(&mut demand, now);
        Ok(demand)
    }

    fn add_remarks(&self, demand: &mut Demand, now: Timestamp) {
        if self.is_absent {
            demand.notes.push(
                "GitHub has no such scale set yet, and so no job for it; the daemon makes it".to_owned(),
            );
        }
        if let Some((why, since)) = &self.trouble {
            let lasted = elapsed(*since, now);
            let told = format!("the scale set has had no session for {}: {why}", in_words(lasted));
            if lasted >= GOOD_FOR { &mut demand.missing } else { &mut demand.notes }.push(told);
        }
        if !self.refused_labels.is_empty() {
            let labels: Vec<&str> = self.refused_labels.iter().map(Label::as_str).collect();
            demand.notes.push(format!(
                "GitHub has not taken these labels of the scale set: {}; jobs that ask for them wait for ever; GitHub \
                 Enterprise Server takes several labels from 3.21 on",
                labels.join(", ")
            ));
        }
    }

    /// The jobs by name, as a queue has them.
    pub fn queue(&self) -> Queue {
        Queue { jobs: self.jobs.values().map(SetJob::job).collect(), ..Queue::default() }
    }

    /// What people see of it.
    pub fn status(&self, name: &str) -> ScaleSetStatus {
        let level = self.level.map(|(level, _)| level).unwrap_or_default();
        let set = self.set.as_ref();
        ScaleSetStatus {
            name: name.to_owned(),
            id: set.map(|set| set.id),
            labels: set.map(|set| set.labels.clone()).unwrap_or_default(),
            refused_labels: self.refused_labels.clone(),
            assigned: level.assigned,
            running: level.running,
            session_since: self.session_since.filter(|_| self.trouble.is_none()),
            last_message: self.heard_at,
            lapses: self.lapses,
            trouble: self.trouble.as_ref().map(|(why, _)| why.clone()),
            made_at: self.made_at,
        }
    }
}

impl SetJob {
    fn queued_at(&self) -> Timestamp {
        // A clock of GitHub's that is ahead of ours makes nothing wait for less than no time.
        self.news.queued_at.map_or(self.seen_at, |at| at.min(self.seen_at))
    }

    fn job(&self) -> Job {
        let news = &self.news;
        let (status, started_at) = match &self.runner {
            Some((_, at)) => (JobStatus::InProgress, Some(*at)),
            None => (JobStatus::Queued, None),
        };
        Job {
            id: JobId::of_assignment(&news.job),
            run_id: news.run,
            repo: news.repo.clone(),
            name: news.name.clone(),
            workflow: Some(news.workflow.clone()).filter(|file| !file.is_empty()),
            link: news.link.clone(),
            status,
            labels: news.labels.clone(),
            created_at: self.queued_at(),
            started_at,
            runner_name: self.runner.as_ref().map(|(name, _)| name.clone()),
        }
    }
}

/// Jobs that wait for a runner.
fn waiting(level: ScaleSetLevel) -> u32 {
    level.assigned.saturating_sub(level.running)
}

fn is_nothing(level: ScaleSetLevel) -> bool {
    level.assigned == 0 && level.running == 0
}

#[cfg(test)]
mod tests;

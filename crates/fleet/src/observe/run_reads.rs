//! Which runs' jobs a look at a repository's queue reads, so that a flood of runs in one repository slows that one alone.
//!
//! Each run costs a request. A run whose jobs can count for our runners is read in each look. A run without such a job is
//! read again once it has changed, and now and then, because it is not certain that each new job changes the run. New
//! runs are read the oldest first, some at once and then at a steady rate, which is a share of the credential's budget.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{ForeignText, Job, Queue, RepoSlug};
use crate::seeded_bug;

/// The most runs whose jobs one look reads.
pub const MOST_RUNS: usize = 300;
/// New runs that are read at once, after a time with few.
const NEW_AT_ONCE: usize = 300;
/// Then one more new run is read in each such time: 1,800 in an hour, of a token's 5,000 requests.
const NEW_EVERY: Duration = Duration::from_secs(2);
/// More new runs than these in one look are a burst, whose cost does not recur.
const USUAL_NEW: usize = 20;
/// A run without a job for us that has not changed is read again after this time.
const AGAIN_AFTER: Duration = Duration::from_secs(5 * 60);
/// The most such runs that one look reads.
const AGAIN_AT_ONCE: usize = 10;

/// What a list of runs shows of one run, as far as its jobs may be others when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunState {
    /// The number of the attempt.
    pub attempt: Option<u64>,
    /// Its status.
    pub status: Option<ForeignText>,
    /// When it last changed, as GitHub writes it.
    pub updated_at: Option<ForeignText>,
}

/// The runs of one repository whose jobs were read. Times are since any one moment, and never go back.
#[derive(Debug, Default)]
pub struct RunReads {
    known: BTreeMap<u64, ReadRun>,
    /// How many new runs were read above the rate, and when that was counted.
    ahead: Option<(usize, Duration)>,
}

#[derive(Debug)]
struct ReadRun {
    /// As the list showed it before its jobs were read.
    state: RunState,
    jobs: Vec<Job>,
    /// Whether all of its jobs could be read.
    is_whole: bool,
    at: Duration,
}

/// What one look reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RunChoice {
    /// The runs to read.
    pub read: BTreeSet<u64>,
    /// How many runs a later look reads whose jobs are not known, or may be others.
    pub unknown: usize,
    /// How many runs a later look reads again whose jobs are known from an earlier one.
    pub known: usize,
    /// How many of the runs to read are a burst of new ones, whose cost does not recur.
    pub burst: usize,
}

impl RunChoice {
    /// Says in the queue which of the `active` runs are left to later looks.
    pub fn put_off(&self, queue: &mut Queue, active: usize, repo: &RepoSlug) {
        let RunChoice { unknown, known, .. } = self;
        if *unknown > 0 {
            queue.missing.push(format!(
                "the jobs of {unknown} of {active} active runs of {repo} are read in later looks, the oldest first: one \
                 look reads at most {MOST_RUNS}"
            ));
        }
        if *known > 0 {
            queue.notes.push(format!(
                "the jobs of {known} of {active} active runs of {repo} are those of an earlier look: one look reads at \
                 most {MOST_RUNS}"
            ));
        }
    }
}

impl RunReads {
    /// Chooses among the active runs. A run that no list of this look shows has no state. `is_ours` says whether a job
    /// can count for a runner of ours.
    pub fn choose(
        &mut self,
        active: &BTreeMap<u64, Option<RunState>>,
        is_ours: impl Fn(&Job) -> bool,
        now: Duration,
    ) -> RunChoice {
        self.known.retain(|id, _| active.contains_key(id));
        let (mut ours, mut new, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for (id, state) in active {
            let Some(read) = self.known.get(id) else {
                new.push(*id);
                continue;
            };
            let has_changed = state.as_ref().is_some_and(|state| *state != read.state);
            // The jobs of a run that shows none may not be made yet.
            let is_for_us = read.jobs.is_empty() || !read.is_whole || read.jobs.iter().any(&is_ours);
            if is_for_us {
                ours.push((!has_changed, read.at, *id));
            } else if has_changed {
                new.push(*id);
            } else if now.saturating_sub(read.at) >= AGAIN_AFTER {
                again.push((read.at, *id));
            }
        }
        ours.sort_unstable();
        again.sort_unstable();
        let reads_all = seeded_bug!(EveryRunRead, false, true);
        if reads_all {
            return RunChoice { read: active.keys().copied().collect(), ..RunChoice::default() };
        }
        let allowed = self.allowance(now).min(new.len());
        // Neither kind takes all places of the other.
        let for_new = allowed.min((MOST_RUNS / 2).max(MOST_RUNS.saturating_sub(ours.len())));
        let for_ours = ours.len().min(MOST_RUNS - for_new);
        let for_again = again.len().min(AGAIN_AT_ONCE).min(MOST_RUNS - for_new - for_ours);
        let burst = self.spend(for_new, now);
        let late = &ours[for_ours..];
        let changed = late.iter().filter(|(is_unchanged, ..)| !is_unchanged).count();
        RunChoice {
            read: new[..for_new]
                .iter()
                .copied()
                .chain(ours[..for_ours].iter().map(|(_, _, id)| *id))
                .chain(again[..for_again].iter().map(|(_, id)| *id))
                .collect(),
            unknown: new.len() - for_new + changed,
            known: late.len() - changed,
            burst,
        }
    }

    /// Takes in the jobs of a run.
    pub fn read(&mut self, run: u64, state: Option<RunState>, jobs: Vec<Job>, is_whole: bool, now: Duration) {
        let before = self.known.remove(&run).map(|read| read.state);
        let state = state.or(before).unwrap_or_default();
        self.known.insert(run, ReadRun { state, jobs, is_whole, at: now });
    }

    /// Forgets a run that is gone.
    pub fn forget(&mut self, run: u64) {
        self.known.remove(&run);
    }

    /// The jobs of the runs that were read in this look or an earlier one.
    pub fn jobs(&self) -> impl Iterator<Item = (u64, &Job)> {
        self.known.iter().flat_map(|(run, read)| read.jobs.iter().map(|job| (*run, job)))
    }

    /// How many new runs may be read now.
    fn allowance(&self, now: Duration) -> usize {
        NEW_AT_ONCE - self.ahead(now).0.min(NEW_AT_ONCE)
    }

    /// Returns how many of them are a burst.
    fn spend(&mut self, count: usize, now: Duration) -> usize {
        let (ahead, counted) = self.ahead(now);
        self.ahead = Some((ahead + count, counted));
        count.saturating_sub(USUAL_NEW)
    }

    /// How many new runs were read above the rate, and until when that is counted.
    fn ahead(&self, now: Duration) -> (usize, Duration) {
        let Some((ahead, counted)) = self.ahead else { return (0, now) };
        let passed = now.saturating_sub(counted);
        let earned = usize::try_from(passed.as_millis() / NEW_EVERY.as_millis()).unwrap_or(usize::MAX);
        match ahead.checked_sub(earned) {
            // A part of the time for one more is kept.
            Some(left @ 1..) => (left, counted + NEW_EVERY * u32::try_from(earned).unwrap_or(u32::MAX)),
            Some(0) | None => (0, now),
        }
    }
}

/// Whether a job can count for a runner that has some of these labels, in lower case; with `None` each can. A job
/// without labels asks for a group.
pub fn can_be_ours(job: &Job, labels: Option<&BTreeSet<String>>) -> bool {
    labels.is_none_or(|ours| job.labels.iter().all(|wanted| ours.contains(&wanted.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests;

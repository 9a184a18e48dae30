//! Busy runners whose job GitHub still shows as queued: its lists of jobs are behind its list of runners.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{RunnerInfo, RunnerName, RunnerStatus, counted, elapsed};
use crate::observe::{Seen, Snapshot, Working};

/// For how long a busy runner stands for a queued job. Its job may also be in a repository that the fleet does not
/// follow, and then it stands for none.
const STANDS_FOR: Duration = Duration::from_secs(60);

/// The busy runners of one fleet, from one look to the next.
#[derive(Debug, Clone, Default)]
pub struct BusyRunners(BTreeMap<RunnerName, Busy>);

#[derive(Debug, Clone, Copy)]
struct Busy {
    since: Timestamp,
    /// A job of the queue has named it.
    was_named: bool,
}

impl BusyRunners {
    /// Takes one pending job off the demand for each runner that has become busy within the last minute and that no job
    /// names yet. Jobs that idle runners can take stay, so that none of those is removed as surplus.
    pub fn take_off(&mut self, seen: &mut Snapshot, now: Timestamp) {
        let unnamed = self.unnamed(&seen.entries, &seen.working, now);
        let Ok(demand) = &mut seen.demand else { return };
        let is_idle = |entry: &RunnerInfo| {
            let is_named = seen.working.contains_key(&entry.runner_name);
            entry.status == RunnerStatus::Online && !entry.busy && !is_named
        };
        let idle = seen.entries.iter().flatten().filter(|(_, entry)| is_idle(entry)).count();
        let without_runner =
            demand.metrics.pending_jobs.saturating_sub(u32::try_from(idle).unwrap_or(u32::MAX));
        let taken = unnamed.min(without_runner);
        if taken == 0 {
            return;
        }
        demand.metrics.pending_jobs -= taken;
        if demand.metrics.pending_jobs == 0 {
            demand.pending.clear();
        }
        let are = if taken == 1 { "is" } else { "are" };
        demand.notes.push(format!(
            "{} {are} not counted for a minute at most: as many runners have just become busy, and GitHub does not show yet \
             with which job",
            counted(u64::from(taken), "queued job")
        ));
    }

    fn unnamed(
        &mut self,
        entries: &Seen<BTreeMap<RunnerName, Arc<RunnerInfo>>>,
        working: &Working,
        now: Timestamp,
    ) -> u32 {
        let Ok(entries) = entries else { return 0 };
        let is_busy = |name: &RunnerName| entries.get(name).is_some_and(|entry| entry.busy);
        self.0.retain(|name, _| is_busy(name));
        let mut unnamed = 0;
        for name in entries.keys().filter(|name| is_busy(name)) {
            let busy = self.0.entry(name.clone()).or_insert(Busy { since: now, was_named: false });
            busy.was_named |= working.contains_key(name.as_str());
            unnamed += u32::from(!busy.was_named && elapsed(busy.since, now) < STANDS_FOR);
        }
        unnamed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Entry, Scene, at, runs};
    use crate::model::JobId;
    use crate::observe::{Demand, QueuedJob};

    /// A look at a fleet with two runners: whether each is busy, and whether a job names it.
    fn look(busy: &mut BusyRunners, now: i64, pending: u32, runners: [(bool, bool); 2]) -> (u32, usize) {
        let mut scene = Scene::new("");
        for (number, (is_busy, _)) in (1..).zip(runners) {
            scene = scene.entry(number, 500, if is_busy { Entry::Busy } else { Entry::Idle });
        }
        let mut seen = scene.seen;
        let names: Vec<String> = seen.entries.iter().flatten().map(|(name, _)| name.to_string()).collect();
        for (name, (_, is_named)) in names.into_iter().zip(runners) {
            if is_named {
                seen.working.insert(name.into(), runs(1));
            }
        }
        let mut demand = Demand::none(at(now));
        demand.metrics.pending_jobs = pending;
        demand.metrics.queued_jobs = pending;
        let job = || QueuedJob { job: JobId(2).into(), since: at(0) };
        demand.pending = (pending > 0).then(job).into_iter().collect();
        seen.demand = Ok(demand);
        busy.take_off(&mut seen, at(now));
        let demand = seen.demand.expect("known");
        assert_eq!(!demand.pending.is_empty(), demand.metrics.pending_jobs > 0);
        assert_eq!(demand.metrics.queued_jobs, pending, "GitHub still shows them as queued");
        (demand.metrics.pending_jobs, demand.notes.len())
    }

    #[test]
    fn a_runner_that_has_just_become_busy_stands_for_a_queued_job_for_a_minute() {
        let mut busy = BusyRunners::default();
        let (idle, unnamed, named) = ((false, false), (true, false), (true, true));
        for (situation, now, pending, runners, expected) in [
            ("idle", 0, 1, [idle, idle], (1, 0)),
            ("just busy, and the other can take it", 5, 1, [unnamed, idle], (1, 0)),
            ("just busy, and another job waits", 10, 2, [unnamed, idle], (1, 1)),
            ("another job waits too", 20, 3, [unnamed, unnamed], (1, 1)),
            ("nothing is queued", 30, 0, [unnamed, unnamed], (0, 0)),
            ("the minute of the first is over", 65, 2, [unnamed, unnamed], (1, 1)),
            ("the second is named", 75, 2, [unnamed, named], (2, 0)),
            ("its job has ended", 78, 2, [unnamed, unnamed], (2, 0)),
            ("both minutes are over", 100, 2, [unnamed, unnamed], (2, 0)),
            ("idle again", 110, 2, [idle, idle], (2, 0)),
            ("busy again", 120, 2, [unnamed, idle], (1, 1)),
            ("the other is given to a job", 125, 1, [unnamed, (false, true)], (0, 1)),
        ] {
            assert_eq!(look(&mut busy, now, pending, runners), expected, "{situation}");
        }
    }
}

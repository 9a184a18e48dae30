//! What happens to a runner without an action of the daemon: it comes online, takes jobs, disappears. Each event
//! is reported once, from the state before a poll and after it.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{NamedJob, ResourceGroup, RunnerName, elapsed, in_words};
use crate::state::{FleetState, RunnerState};

/// How many lists in a row have to lack a VM whose runner has an entry.
const MISSED: u32 = 2;

/// An event since the last poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunnerEvent {
    /// It is online for the first time; how long after the request for its VM.
    Online(Duration),
    /// It has taken a job, with its number if the queue names it.
    TookJob(Option<NamedJob>),
    /// It has ended a job and still exists.
    EndedJob(Option<NamedJob>),
    /// Its VM is gone, and this daemon did not remove it; the job that it ran.
    Vanished(Option<NamedJob>),
    /// The same for a spot VM: Azure has most likely evicted it.
    Evicted(Option<NamedJob>),
}

impl RunnerEvent {
    /// Its name in the journal and in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            RunnerEvent::Online(_) => "online",
            RunnerEvent::TookJob(_) => "job_started",
            RunnerEvent::EndedJob(_) => "job_ended",
            RunnerEvent::Vanished(_) => "vanished",
            RunnerEvent::Evicted(_) => "evicted",
        }
    }

    /// The job, if the event has one.
    pub fn job(&self) -> Option<&NamedJob> {
        match self {
            RunnerEvent::Online(_) => None,
            RunnerEvent::TookJob(job)
            | RunnerEvent::EndedJob(job)
            | RunnerEvent::Vanished(job)
            | RunnerEvent::Evicted(job) => job.as_ref(),
        }
    }
}

impl fmt::Display for RunnerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = |job: &Option<NamedJob>| job.as_ref().map_or("a job".to_owned(), ToString::to_string);
        match self {
            RunnerEvent::Online(took) => write!(f, "is online, {} after it was asked for", in_words(*took)),
            RunnerEvent::TookJob(it) => write!(f, "takes {}", job(it)),
            RunnerEvent::EndedJob(it) => write!(f, "has ended {}", job(it)),
            RunnerEvent::Vanished(None) => f.write_str("is gone: something else removed its VM"),
            RunnerEvent::Vanished(it) => write!(f, "is gone with {}: something else removed its VM", job(it)),
            RunnerEvent::Evicted(None) => f.write_str("is gone: Azure has evicted its spot VM"),
            RunnerEvent::Evicted(it) => write!(
                f,
                "is gone with {}: Azure has evicted its spot VM; GitHub fails that job soon: run it again",
                job(it)
            ),
        }
    }
}

/// The events between the state before a poll and the state after it. A runner that was not in the state before
/// has no event, so after the state was lost nothing is reported twice. A VM may be in a group that is `unread`.
pub fn runner_events(
    before: &FleetState,
    after: &FleetState,
    unread: &BTreeMap<ResourceGroup, String>,
    now: Timestamp,
) -> Vec<(RunnerName, RunnerEvent)> {
    let mut found = Vec::new();
    for (name, was) in before.runners.iter() {
        match after.runners.get(name) {
            Some(is) => {
                found.extend(of_one(was, is, now).map(|runner_event| (name.clone(), runner_event)));
                // Its entry stays for a while. One list may be outdated, but not two in a row.
                if was.vm_missed < MISSED && is.vm_missed >= MISSED && unread.is_empty() {
                    found.push((name.clone(), gone(was)));
                }
            }
            None if was.vm_seen
                && was.removal_asked.is_none()
                && was.vm_missed < MISSED
                && unread.is_empty() =>
            {
                found.push((name.clone(), gone(was)));
            }
            None => {}
        }
    }
    found
}

/// How long the steps of a start took: until a list showed the VM as made, and from there until online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BootSteps {
    /// From the request until a list showed the VM as made.
    pub vm: Option<Duration>,
    /// From there until a list showed the runner online.
    pub runner: Option<Duration>,
}

impl BootSteps {
    /// The times of a runner that is online for the first time.
    pub fn of(known: &RunnerState, now: Timestamp) -> Self {
        BootSteps {
            vm: known.asked_for.zip(known.made).map(|(asked_for, made)| elapsed(asked_for, made)),
            runner: known.made.map(|made| elapsed(made, now)),
        }
    }
}

/// The event of a runner whose VM is gone, with the job that it ran.
fn gone(was: &RunnerState) -> RunnerEvent {
    let job = was.jobs.last_job().filter(|_| was.jobs.is_busy);
    if was.is_spot { RunnerEvent::Evicted(job) } else { RunnerEvent::Vanished(job) }
}

fn of_one(was: &RunnerState, is: &RunnerState, now: Timestamp) -> impl Iterator<Item = RunnerEvent> {
    let asked_for = is.asked_for.filter(|_| is.was_online && !was.was_online);
    let has_taken = is.jobs.taken > was.jobs.taken;
    let has_ended = was.jobs.is_busy && (has_taken || !is.jobs.is_busy);
    [
        asked_for.map(|at| RunnerEvent::Online(elapsed(at, now))),
        has_ended.then_some(RunnerEvent::EndedJob(was.jobs.last_job())),
        has_taken.then_some(RunnerEvent::TookJob(is.jobs.last_job())),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests;

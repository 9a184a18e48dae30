//! What happens to a runner without an action of the daemon: it comes online, takes jobs, disappears. Each event
//! is reported once, from the state before a poll and after it.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::job::JobId;
use crate::memory::{Memory, Remembered};
use crate::runner_name::RunnerName;
use crate::time::{elapsed, in_words};
use crate::vm::ResourceGroup;

/// How many lists in a row have to lack a VM whose runner has an entry.
const MISSED: u32 = 2;

/// An event since the last poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// It is online for the first time; how long after the request for its VM.
    Online(Duration),
    /// It has taken a job, with its number if the queue names it.
    TookJob(Option<JobId>),
    /// It has ended a job and still exists.
    EndedJob(Option<JobId>),
    /// Its VM is gone, and this daemon did not remove it; the job that it ran.
    Vanished(Option<JobId>),
    /// The same for a spot VM: Azure has most likely evicted it.
    Evicted(Option<JobId>),
}

impl Milestone {
    /// Its name in the journal and in metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Milestone::Online(_) => "online",
            Milestone::TookJob(_) => "job_started",
            Milestone::EndedJob(_) => "job_ended",
            Milestone::Vanished(_) => "vanished",
            Milestone::Evicted(_) => "evicted",
        }
    }

    /// The job, if the event has one.
    pub fn job(&self) -> Option<JobId> {
        match self {
            Milestone::Online(_) => None,
            Milestone::TookJob(job)
            | Milestone::EndedJob(job)
            | Milestone::Vanished(job)
            | Milestone::Evicted(job) => *job,
        }
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = |job: &Option<JobId>| job.map_or("a job".to_owned(), |job| format!("job {job}"));
        match self {
            Milestone::Online(took) => write!(f, "is online, {} after it was asked for", in_words(*took)),
            Milestone::TookJob(it) => write!(f, "takes {}", job(it)),
            Milestone::EndedJob(it) => write!(f, "has ended {}", job(it)),
            Milestone::Vanished(None) => f.write_str("is gone: something else removed its VM"),
            Milestone::Vanished(it) => write!(f, "is gone with {}: something else removed its VM", job(it)),
            Milestone::Evicted(None) => f.write_str("is gone: Azure has evicted its spot VM"),
            Milestone::Evicted(it) => {
                let job = job(it);
                write!(
                    f,
                    "is gone with {job}: Azure has evicted its spot VM; GitHub fails {job} soon: run it again"
                )
            }
        }
    }
}

/// The events between the state before a poll and the state after it. A runner that was not in the state before
/// has no event, so after the state was lost nothing is reported twice. A VM may be in a group that is `unread`.
pub fn milestones(
    before: &Memory,
    after: &Memory,
    unread: &BTreeMap<ResourceGroup, String>,
    now: Timestamp,
) -> Vec<(RunnerName, Milestone)> {
    let mut found = Vec::new();
    for (name, was) in &before.runners {
        match after.runners.get(name) {
            Some(is) => {
                found.extend(of_one(was, is, now).map(|milestone| (name.clone(), milestone)));
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
    pub fn of(known: &Remembered, now: Timestamp) -> Self {
        BootSteps {
            vm: known.asked_for.zip(known.made).map(|(asked_for, made)| elapsed(asked_for, made)),
            runner: known.made.map(|made| elapsed(made, now)),
        }
    }
}

/// The event of a runner whose VM is gone, with the job that it ran.
fn gone(was: &Remembered) -> Milestone {
    let job = was.jobs.last.filter(|_| was.jobs.is_busy);
    if was.is_spot { Milestone::Evicted(job) } else { Milestone::Vanished(job) }
}

fn of_one(was: &Remembered, is: &Remembered, now: Timestamp) -> impl Iterator<Item = Milestone> {
    let asked_for = is.asked_for.filter(|_| is.was_online && !was.was_online);
    let has_taken = is.jobs.taken > was.jobs.taken;
    let has_ended = was.jobs.is_busy && (has_taken || !is.jobs.is_busy);
    [
        asked_for.map(|at| Milestone::Online(elapsed(at, now))),
        has_ended.then_some(Milestone::EndedJob(was.jobs.last)),
        has_taken.then_some(Milestone::TookJob(is.jobs.last)),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Jobs;
    use crate::testing::at;

    fn remembered(was_online: bool, taken: u32, is_busy: bool, last: Option<u64>) -> Remembered {
        let jobs = Jobs { taken, is_busy, last: last.map(JobId) };
        Remembered { asked_for: Some(at(0)), vm_seen: true, was_online, jobs, ..Remembered::default() }
    }

    #[test]
    fn a_boot_has_two_steps_as_far_as_they_are_known() {
        let known = |asked_for: Option<i64>, made: Option<i64>| Remembered {
            asked_for: asked_for.map(at),
            made: made.map(at),
            ..Remembered::default()
        };
        let steps = |known: Remembered| {
            let BootSteps { vm, runner } = BootSteps::of(&known, at(100));
            (vm.map(|took| took.as_secs()), runner.map(|took| took.as_secs()))
        };
        assert_eq!(steps(known(Some(0), Some(60))), (Some(60), Some(40)));
        assert_eq!(steps(known(None, Some(60))), (None, Some(40)), "another daemon asked for it");
        assert_eq!(steps(known(Some(0), None)), (None, None), "no list has shown its VM yet");
    }

    fn group(name: &&str) -> ResourceGroup {
        ResourceGroup { subscription_id: "s".to_owned(), name: (*name).to_owned() }
    }

    fn between(before: Option<Remembered>, after: Option<Remembered>, unread: &[&str]) -> Vec<String> {
        let pool = "ci".parse().expect("a good name");
        let name = RunnerName::new(&pool, at(0), 1);
        let memory = |one: Option<Remembered>| Memory {
            runners: one.into_iter().map(|one| (name.clone(), one)).collect(),
            ..Memory::default()
        };
        let unread = unread.iter().map(|name| (group(name), "refused".to_owned())).collect();
        let found = milestones(&memory(before), &memory(after), &unread, at(100));
        found.into_iter().map(|(_, milestone)| format!("{}: {milestone}", milestone.word())).collect()
    }

    #[test]
    fn each_is_told_once() {
        let boots = remembered(false, 0, false, None);
        let idle = remembered(true, 0, false, None);
        let busy = remembered(true, 1, true, Some(7));
        let online = "online: is online, 1m 40s after it was asked for";
        let removed = Remembered { removal_asked: Some(at(90)), ..busy.clone() };
        let never_seen = Remembered { vm_seen: false, ..boots.clone() };
        let missed = |vm_missed| Remembered { vm_missed, ..busy.clone() };
        let spot = Remembered { is_spot: true, ..busy.clone() };
        let evicted = "evicted: is gone with job 7: Azure has evicted its spot VM; GitHub fails job 7 soon: run it again";
        for (before, after, expected) in [
            (Some(&boots), Some(&boots), &[][..]),
            (Some(&boots), Some(&idle), &[online]),
            (Some(&boots), Some(&busy), &[online, "job_started: takes job 7"]),
            (Some(&idle), Some(&busy), &["job_started: takes job 7"]),
            (Some(&idle), Some(&remembered(true, 1, true, None)), &["job_started: takes a job"]),
            (Some(&remembered(true, 1, true, None)), Some(&busy), &[]),
            (Some(&busy), Some(&busy), &[]),
            (Some(&busy), Some(&remembered(true, 1, false, Some(7))), &["job_ended: has ended job 7"]),
            (
                Some(&busy),
                Some(&remembered(true, 2, true, Some(8))),
                &["job_ended: has ended job 7", "job_started: takes job 8"],
            ),
            (Some(&busy), None, &["vanished: is gone with job 7: something else removed its VM"]),
            (
                Some(&missed(1)),
                Some(&missed(2)),
                &["vanished: is gone with job 7: something else removed its VM"],
            ),
            (Some(&missed(2)), Some(&missed(3)), &[]),
            (Some(&missed(2)), None, &[]),
            (Some(&missed(3)), None, &[]),
            (Some(&spot), None, &[evicted]),
            (Some(&idle), None, &["vanished: is gone: something else removed its VM"]),
            (Some(&removed), None, &[]),
            (Some(&never_seen), None, &[]),
            // A daemon without a state file.
            (None, Some(&busy), &[]),
        ] {
            assert_eq!(between(before.cloned(), after.cloned(), &[]), expected, "{before:?} {after:?}");
        }
        assert!(between(Some(busy), None, &["old"]).is_empty(), "it may be there");
    }

    #[test]
    fn all_but_the_first_are_about_a_job() {
        let job = Some(JobId(7));
        let all = [
            Milestone::TookJob(job),
            Milestone::EndedJob(job),
            Milestone::Vanished(job),
            Milestone::Evicted(job),
        ];
        assert_eq!(all.map(|milestone| milestone.job()), [job; 4]);
        assert_eq!(Milestone::Online(Duration::ZERO).job(), None);
    }
}

//! What is remembered of the times of jobs between two reads of a queue.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{JobId, JobStatus, Queue, believable, counted};

/// When the jobs of one repository were seen.
#[derive(Debug, Clone, Default)]
pub struct JobTimes(BTreeMap<JobId, SeenJob>);

#[derive(Debug, Clone, Copy)]
struct SeenJob {
    first: Timestamp,
    /// When it was last seen held by a rule or a concurrency group.
    held: Option<Timestamp>,
}

impl JobTimes {
    /// Corrects the times of a queue that was read now. A job whose time of creation cannot be right waits since it was
    /// first seen. A job that something held waits since then, because its age counts from its creation.
    pub fn correct(&mut self, queue: &mut Queue, now: Timestamp) {
        let mut wrong = 0;
        for job in &mut queue.jobs {
            let seen = self.0.entry(job.id).or_insert(SeenJob { first: now, held: None });
            seen.first = seen.first.min(now);
            let created = believable(job.created_at, now);
            wrong += u64::from(created.is_none());
            job.created_at = created.unwrap_or(seen.first);
            job.started_at = job.started_at.and_then(|at| believable(at, now));
            match (job.status, seen.held) {
                (JobStatus::Waiting | JobStatus::Pending | JobStatus::Requested, _) => seen.held = Some(now),
                (JobStatus::Queued, Some(held)) => drop(queue.released.insert(job.id, held.min(now))),
                (JobStatus::Queued | JobStatus::InProgress, _) => {}
            }
        }
        if queue.missing.is_empty() {
            let shown: std::collections::BTreeSet<JobId> = queue.jobs.iter().map(|job| job.id).collect();
            self.0.retain(|id, _| shown.contains(id));
        }
        if wrong > 0 {
            queue.notes.push(format!(
                "GitHub's time of {} cannot be right (before 2008, or ahead of this machine's clock): the wait counts from \
                 when the daemon saw it first",
                counted(wrong, "job")
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, queued_job};
    use crate::model::Job;

    fn read(times: &mut JobTimes, jobs: Vec<Job>, now: i64) -> Queue {
        let mut queue = Queue { jobs, ..Queue::default() };
        times.correct(&mut queue, at(now));
        queue
    }

    #[test]
    fn a_time_that_cannot_be_right_is_when_the_job_was_first_seen() {
        for wrong in ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z"] {
            let created_at: Timestamp = wrong.parse().expect("a time");
            let job = || Job { created_at, started_at: Some(created_at), ..queued_job(1, 0) };
            let mut times = JobTimes::default();
            for (now, jobs) in [(100, vec![job()]), (160, vec![job(), queued_job(2, 50)])] {
                let queue = read(&mut times, jobs, now);
                assert_eq!((queue.jobs[0].created_at, queue.jobs[0].started_at), (at(100), None), "{wrong}");
                assert!(
                    queue.notes[0].starts_with("GitHub's time of 1 job cannot be right"),
                    "{:?}",
                    queue.notes
                );
            }
            assert_eq!(read(&mut times, vec![queued_job(2, 50)], 170).jobs[0].created_at, at(50));
            assert_eq!(read(&mut times, vec![job()], 200).jobs[0].created_at, at(200), "it was forgotten");
        }
        let queue = read(&mut JobTimes::default(), vec![queued_job(1, 110)], 100);
        assert_eq!((queue.jobs[0].created_at, queue.notes.len()), (at(100), 0), "clocks differ a little");
    }

    #[test]
    fn a_job_that_was_held_waits_since_then() {
        for status in [JobStatus::Waiting, JobStatus::Pending, JobStatus::Requested] {
            let mut times = JobTimes::default();
            let job = |status| Job { status, ..queued_job(1, 0) };
            assert!(read(&mut times, vec![job(status)], 90_000).released.is_empty());
            let queue = read(&mut times, vec![job(JobStatus::Queued)], 90_060);
            assert_eq!(queue.waits_since(&queue.jobs[0]), at(90_000), "{status:?}");
        }
        let queue = read(&mut JobTimes::default(), vec![queued_job(1, 0)], 90_060);
        assert_eq!(queue.waits_since(&queue.jobs[0]), at(0));
    }
}

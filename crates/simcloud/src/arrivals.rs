//! How jobs are created: at their times in the workload, or by a submission.

use std::time::Duration;

use rand::RngExt;

use crate::fault::{FaultKind, random_duration};
use crate::registration::group_id;
use crate::workload::{JobCount, Span};
use crate::world::{World, WorldEvent};

impl World {
    pub(crate) fn arrive(&mut self, number: usize) {
        let Some(arrival) = self.arrivals.get(number).cloned() else { return };
        let age = self.age();
        if arrival.until.is_some_and(|until| age >= until) {
            return;
        }
        let count = match arrival.jobs {
            JobCount::Exactly(count) => count,
            JobCount::Between(least, most) => self.arrivals_rng.random_range(least..=most.max(least)),
        };
        let span = arrival.duration.from..arrival.duration.to;
        let then = (0..arrival.then)
            .map(|_| (arrival.labels.clone(), random_duration(span.clone(), &mut self.arrivals_rng)))
            .collect();
        let jobs: Vec<_> = (0..count)
            .map(|_| (arrival.labels.clone(), random_duration(span.clone(), &mut self.arrivals_rng)))
            .collect();
        let ids = self.add(&arrival.repo, jobs, then);
        for id in &ids {
            if let Some(job) = self.state.github.jobs.get_mut(id) {
                job.script = arrival.script.clone();
                job.group = arrival.group.as_deref().map(group_id);
            }
        }
        if arrival.hosted {
            for id in &ids {
                self.begin_hosted(*id);
            }
            return self.next_arrival(number, arrival.every);
        }
        if let Some(held) = arrival.held {
            for id in ids {
                let delay = random_duration(held.from..held.to, &mut self.arrivals_rng);
                if let Some(job) = self.state.github.jobs.get_mut(&id) {
                    job.state = arrival.held_by.state();
                }
                self.state.github.queued.remove(&id);
                self.after(delay, WorldEvent::Release(id));
            }
        }
        self.next_arrival(number, arrival.every);
    }

    fn next_arrival(&mut self, number: usize, every: Option<Span>) {
        if let Some(every) = every {
            let delay =
                random_duration(every.from..every.to, &mut self.arrivals_rng).max(Duration::from_millis(1));
            self.after(delay, WorldEvent::Arrive(number));
        }
    }

    /// Creates a run with these jobs, and with jobs that follow once these succeed. Returns the jobs' ids.
    pub fn submit(
        &mut self,
        repo: &str,
        jobs: Vec<(Vec<String>, Duration)>,
        then: Vec<(Vec<String>, Duration)>,
    ) -> Vec<u64> {
        let ids = self.add(repo, jobs, then);
        self.assign();
        ids
    }

    /// Like [`World::submit`], with the script that each job runs on a real machine.
    pub fn submit_scripts(
        &mut self,
        repo: &str,
        jobs: Vec<(Vec<String>, Duration)>,
        then: Vec<(Vec<String>, Duration)>,
        scripts: Vec<Option<String>>,
    ) -> Vec<u64> {
        let ids = self.add(repo, jobs, then);
        for (id, script) in ids.iter().zip(scripts) {
            if let Some(job) = self.state.github.jobs.get_mut(id) {
                job.script = script;
            }
        }
        self.assign();
        ids
    }

    fn add(
        &mut self,
        repo: &str,
        jobs: Vec<(Vec<String>, Duration)>,
        then: Vec<(Vec<String>, Duration)>,
    ) -> Vec<u64> {
        let now = self.now();
        let run = self.state.github.add_run(repo, then, now);
        let ids: Vec<u64> = jobs
            .into_iter()
            .map(|(labels, duration)| self.state.github.add_job(run, labels, duration, now))
            .collect();
        self.submitted(&ids);
        ids
    }

    pub(crate) fn submitted(&mut self, ids: &[u64]) {
        self.statistics.jobs_submitted += ids.len() as u64;
        for id in ids {
            self.after(self.settings.queue_limit, WorldEvent::Expire(*id));
            if self.strikes(|what| matches!(what, FaultKind::Cancelled)) {
                let delay = random_duration(Duration::from_secs(1)..Duration::from_secs(20), &mut self.rng);
                self.after(delay, WorldEvent::Cancel(*id));
            }
        }
    }
}

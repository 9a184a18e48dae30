//! Which runner gets which job: any idle runner with all labels that the job asks for (Docs: Using
//! self-hosted runners in a workflow). A runner that was started for one job can get another.
//!
//! A runner begins with a job once its program has acquired it. What was sent and never acquired goes back to the
//! queue.

use azlin_fleet::model::{JobChange, Scope};
use jiff::Timestamp;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::account::Account;
use crate::github::{GitHubState, JobState, SimJob, SimRunner};

/// A job that GitHub gave to a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// The id of the job.
    pub job: u64,
    /// The id of the runner.
    pub runner: u64,
    /// Whether the runner has begun with the job. Otherwise its program has yet to acquire it.
    pub has_begun: bool,
}

impl GitHubState {
    /// Gives waiting jobs to idle runners, the oldest job first.
    ///
    /// Runner groups let only some of them, as the account says.
    pub fn assign(&mut self, now: Timestamp, rng: &mut StdRng, account: &Account) -> Vec<Assignment> {
        let mut given = Vec::new();
        let mut idle: Vec<u64> =
            self.runners.values().filter(|runner| is_idle(runner)).map(|runner| runner.id).collect();
        for job in self.queued.clone() {
            if idle.is_empty() {
                break;
            }
            let able: Vec<usize> =
                (0..idle.len()).filter(|place| self.can_take(idle[*place], job, account)).collect();
            if able.is_empty() {
                continue;
            }
            let runner = idle.remove(able[rng.random_range(0..able.len())]);
            // A program that has ended hears nothing, and one on a real machine answers for itself.
            let has_begun =
                self.runners.get(&runner).is_some_and(|it| !it.is_abandoned && it.heard_at.is_none());
            if has_begun {
                self.start(job, runner, now);
            } else {
                self.offer(job, runner);
            }
            given.push(Assignment { job, runner, has_begun });
        }
        given
    }

    /// Whether a runner may have a waiting job.
    pub(crate) fn can_take(&self, runner: u64, job: u64, account: &Account) -> bool {
        let Some((runner, job)) = self.runners.get(&runner).zip(self.jobs.get(&job)) else { return false };
        self.runs
            .get(&job.run)
            .is_some_and(|run| can_run(runner, job, &run.repo) && account.lets_take(&runner.scope, &run.repo))
    }

    /// A runner begins with a job.
    pub(crate) fn start(&mut self, job: u64, runner: u64, now: Timestamp) {
        self.offer(job, runner);
        self.record_event(job, JobChange::Started);
        if let Some(job) = self.jobs.get_mut(&job) {
            job.state = JobState::InProgress;
            job.started_at = Some(now);
        }
    }

    /// Sends a job to a runner. Until its program acquires the job, that stays queued, with the runner's name.
    pub(crate) fn offer(&mut self, job: u64, runner: u64) {
        self.queued.remove(&job);
        let name = self.runners.get_mut(&runner).map(|runner| {
            runner.job = Some(job);
            runner.name.clone()
        });
        if let Some(job) = self.jobs.get_mut(&job) {
            job.runner = name.map(|name| (runner, name));
        }
    }

    /// Puts a job back into the queue that was sent to this runner and never acquired.
    pub(crate) fn take_back(&mut self, job: u64, runner: u64) {
        let Some(sim) = self.jobs.get_mut(&job) else { return };
        if sim.state != JobState::Queued || sim.runner.as_ref().is_none_or(|(id, _)| *id != runner) {
            return;
        }
        sim.runner = None;
        self.queued.insert(job);
        if let Some(entry) = self.runners.get_mut(&runner).filter(|entry| entry.job == Some(job)) {
            entry.job = None;
        }
    }
}

/// Whether GitHub gives jobs to a runner at all.
pub(crate) fn is_idle(runner: &SimRunner) -> bool {
    runner.online && !runner.is_busy() && !runner.lost && !runner.is_hidden
}

/// A job is for runners with all of its labels, in its group. Without labels it goes by its group alone.
fn can_run(runner: &SimRunner, job: &SimJob, repo: &str) -> bool {
    let covers = match &runner.scope {
        Scope::Repo(slug) => slug.as_str().eq_ignore_ascii_case(repo),
        Scope::Org(org) => {
            repo.split('/').next().is_some_and(|owner| org.as_str().eq_ignore_ascii_case(owner))
        }
        Scope::Enterprise(_) => true,
    };
    let is_named = !job.labels.is_empty() || job.group.is_some();
    // A job of a scale set is for the set's runners alone, and those run no other.
    let is_of_set = job.scale_set == runner.scale_set && !job.is_offered;
    if is_of_set && job.scale_set.is_some() {
        return true;
    }
    covers
        && is_of_set
        && is_named
        && job.group.is_none_or(|group| group == runner.group)
        && job
            .labels
            .iter()
            .all(|wanted| runner.labels.iter().any(|label| label.eq_ignore_ascii_case(wanted)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_can_run_what() {
        let now = Timestamp::UNIX_EPOCH;
        for (situation, scope, has, repo, asks, expected) in [
            (
                "all labels, in another case",
                "repo:o/r",
                &["self-hosted", "Docker"][..],
                "O/R",
                &["docker"][..],
                true,
            ),
            ("neither a label nor a group", "repo:o/r", &["docker"], "o/r", &[], false),
            ("a label less", "repo:o/r", &["docker"], "o/r", &["docker", "gpu"], false),
            (
                "an implicit label that it was not given",
                "repo:o/r",
                &["docker"],
                "o/r",
                &["self-hosted"],
                false,
            ),
            ("another repository", "repo:o/r", &["docker"], "o/other", &["docker"], false),
            ("its organisation", "org:O", &["docker"], "o/other", &["docker"], true),
            ("another organisation", "org:o", &["docker"], "p/r", &["docker"], false),
            ("an enterprise", "enterprise:e", &["docker"], "p/r", &["docker"], true),
        ] {
            let text = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
            let runner = SimRunner {
                labels: text(has),
                online: true,
                ..SimRunner::registered(1, scope.parse().expect("valid"), "a".to_owned(), now)
            };
            let mut state = GitHubState::default();
            let run = state.add_run(repo, Vec::new(), now);
            let job = state.add_job(run, text(asks), Duration::ZERO, now);
            assert_eq!(can_run(&runner, &state.jobs[&job], repo), expected, "{situation}");
        }
    }
}

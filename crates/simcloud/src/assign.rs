//! Which runner gets which job: any idle runner with all labels that the job asks for (Docs: Using
//! self-hosted runners in a workflow). A runner that was started for one job can get another.

use azlin_fleet::model::{JobChange, Scope};
use jiff::Timestamp;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::account::Account;
use crate::github::{GitHubState, JobState, SimJob, SimRunner};

impl GitHubState {
    /// Gives waiting jobs to idle runners, the oldest job first. Returns pairs of job and runner.
    ///
    /// Runner groups let only some of them, as the account says.
    pub fn assign(&mut self, now: Timestamp, rng: &mut StdRng, account: &Account) -> Vec<(u64, u64)> {
        let mut given = Vec::new();
        let mut idle: Vec<u64> = self
            .runners
            .values()
            .filter(|runner| runner.online && runner.job.is_none() && !runner.lost)
            .map(|runner| runner.id)
            .collect();
        for id in self.queued.clone() {
            if idle.is_empty() {
                break;
            }
            let Some(job) = self.jobs.get(&id) else { continue };
            let Some(run) = self.runs.get(&job.run) else { continue };
            let able: Vec<usize> = idle
                .iter()
                .enumerate()
                .filter(|(_, id)| {
                    self.runners.get(id).is_some_and(|runner| {
                        can_run(runner, job, &run.repo) && account.lets_take(&runner.scope, &run.repo)
                    })
                })
                .map(|(place, _)| place)
                .collect();
            if able.is_empty() {
                continue;
            }
            let runner = idle.remove(able[rng.random_range(0..able.len())]);
            self.start(id, runner, now);
            given.push((id, runner));
        }
        given
    }

    fn start(&mut self, job: u64, runner: u64, now: Timestamp) {
        self.queued.remove(&job);
        self.record_event(job, JobChange::Started);
        let name = self.runners.get_mut(&runner).map(|runner| {
            runner.job = Some(job);
            runner.name.clone()
        });
        if let Some(job) = self.jobs.get_mut(&job) {
            job.state = JobState::InProgress;
            job.started_at = Some(now);
            job.runner = name.map(|name| (runner, name));
        }
    }
}

fn can_run(runner: &SimRunner, job: &SimJob, repo: &str) -> bool {
    let covers = match &runner.scope {
        Scope::Repo(slug) => slug.as_str().eq_ignore_ascii_case(repo),
        Scope::Org(org) => {
            repo.split('/').next().is_some_and(|owner| org.as_str().eq_ignore_ascii_case(owner))
        }
        Scope::Enterprise(_) => true,
    };
    covers
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
            ("no label asked for", "repo:o/r", &["docker"], "o/r", &[], true),
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
                id: 1,
                scope: scope.parse().expect("valid"),
                name: "a".to_owned(),
                group: 1,
                labels: text(has),
                online: true,
                job: None,
                jit: String::new(),
                offline_since: None,
                lost: false,
                ephemeral: true,
                secret: String::new(),
                heard_at: None,
            };
            let mut state = GitHubState::default();
            let run = state.add_run(repo, Vec::new(), now);
            let job = state.add_job(run, text(asks), Duration::ZERO, now);
            assert_eq!(can_run(&runner, &state.jobs[&job], repo), expected, "{situation}");
        }
    }
}

//! How long jobs have waited for a runner.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::{Job, JobId, PoolName, RunnerName, elapsed};

/// How long each job waited that runs on one of the fleet's runners for the first time. `known` are the jobs
/// of earlier polls, or `None` before the first poll: the jobs that run then may have started at any time. If
/// the queue `is_whole`, jobs that it does not hold are forgotten.
pub fn begun<'a>(
    pool: &PoolName,
    known: &mut Option<BTreeSet<JobId>>,
    running: impl Iterator<Item = &'a Job>,
    is_whole: bool,
) -> Vec<Duration> {
    let is_ours =
        |job: &&Job| job.runner_name.as_ref().is_some_and(|name| RunnerName::of_pool(pool, name).is_some());
    let ours: Vec<&Job> = running.filter(is_ours).collect();
    let mut now: BTreeSet<JobId> = ours.iter().map(|job| job.id).collect();
    let Some(before) = known else {
        *known = is_whole.then_some(now);
        return Vec::new();
    };
    let is_new = |job: &&&Job| !before.contains(&job.id);
    let waited = |job: &&Job| Some(elapsed(job.created_at, job.started_at?));
    let begun = ours.iter().filter(is_new).filter_map(waited).collect();
    if !is_whole {
        now.append(before);
    }
    *before = now;
    begun
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;
    use crate::model::{JobStatus, RunId};

    fn job(id: u64, runner: &str, started_at: Option<i64>) -> Job {
        Job {
            id: JobId(id),
            run_id: RunId(1),
            repo: "o/r".parse().expect("valid"),
            name: "build".into(),
            workflow: None,
            link: None,
            status: JobStatus::InProgress,
            labels: vec![],
            created_at: at(100),
            started_at: started_at.map(at),
            runner_name: Some(runner.into()),
        }
    }

    #[test]
    fn each_job_is_told_once_when_a_runner_of_ours_has_begun_with_it() {
        let pool: PoolName = "ci".parse().expect("valid");
        let ours = RunnerName::new(&pool, at(0), 1).to_string();
        let mut known = None;
        let mut look = |jobs: &[&Job], is_whole: bool| -> Vec<u64> {
            begun(&pool, &mut known, jobs.iter().copied(), is_whole).iter().map(Duration::as_secs).collect()
        };
        let (first, second) = (job(1, &ours, Some(130)), job(2, &ours, Some(160)));
        assert_eq!(look(&[], false), [0; 0], "nothing could be read");
        assert_eq!(look(&[&first], true), [0; 0], "it ran before anybody looked");
        assert_eq!(look(&[&first, &second], true), [60]);
        assert_eq!(look(&[&second], true), [0; 0], "it is known");
        assert_eq!(look(&[], false), [0; 0], "what could not be read does not end");
        assert_eq!(look(&[&second], true), [0; 0], "it is still known");
        assert_eq!(look(&[&job(3, "theirs", Some(160)), &job(4, &ours, None)], true), [0; 0]);
        assert_eq!(look(&[&second], true), [60], "a job that was forgotten is run again");
    }
}

//! Which runs a look reads.

use jiff::Timestamp;

use super::*;
use crate::model::{JobId, JobStatus, RunId};

/// A run's job, for a runner of ours or not.
fn job(run: u64, is_ours: bool) -> Job {
    Job {
        id: JobId(run),
        run_id: RunId(run),
        repo: "o/r".parse().expect("valid"),
        name: "build".into(),
        workflow: None,
        link: None,
        status: JobStatus::Queued,
        labels: vec![if is_ours { "docker" } else { "ubuntu-latest" }.into()],
        created_at: Timestamp::UNIX_EPOCH,
        started_at: None,
        runner_name: None,
    }
}

fn is_ours(job: &Job) -> bool {
    job.labels[0] == "docker"
}

fn state(updated: &str) -> Option<RunState> {
    Some(RunState { updated_at: Some(updated.into()), ..RunState::default() })
}

/// A repository that is looked at.
#[derive(Default)]
struct Looks {
    reads: RunReads,
}

impl Looks {
    fn look(
        &mut self,
        second: u64,
        runs: impl IntoIterator<Item = (u64, Option<RunState>)>,
        is_for_us: impl Fn(u64) -> bool,
    ) -> RunChoice {
        let now = Duration::from_secs(second);
        let active: BTreeMap<u64, Option<RunState>> = runs.into_iter().collect();
        let choice = self.reads.choose(&active, is_ours, now);
        for run in &choice.read {
            let jobs = vec![job(*run, is_for_us(*run))];
            self.reads.read(*run, active[run].clone(), jobs, true, now);
        }
        choice
    }
}

fn ids(choice: &RunChoice) -> Vec<u64> {
    choice.read.iter().copied().collect()
}

#[test]
fn a_run_without_a_job_for_us_is_read_again_when_it_has_changed() {
    let mut looks = Looks::default();
    let ours = |run| run == 1;
    for (situation, second, second_run, expected) in [
        ("both are new", 0, "a", vec![1, 2]),
        ("one is for us", 60, "a", vec![1]),
        ("the other has changed", 120, "b", vec![1, 2]),
        ("and not again", 180, "b", vec![1]),
        ("after five minutes", 420, "b", vec![1, 2]),
        ("and not again", 480, "b", vec![1]),
    ] {
        let choice = looks.look(second, [(1, state("a")), (2, state(second_run))], ours);
        assert_eq!((ids(&choice), choice.unknown, choice.known), (expected, 0, 0), "{situation}");
        assert_eq!(looks.reads.jobs().count(), 2, "its job stays known");
    }
    assert_eq!(
        ids(&looks.look(500, [(1, state("a")), (2, None)], ours)),
        [1],
        "no list of this look shows it"
    );
    assert!(
        ids(&looks.look(500, [(1, state("a"))], ours)) == [1] && looks.reads.jobs().count() == 1,
        "it is gone"
    );
    looks.look(510, [(1, state("a")), (2, state("b"))], ours);
    assert_eq!(looks.reads.jobs().count(), 2);
    looks.reads.forget(2);
    assert_eq!(looks.reads.jobs().count(), 1);
}

#[test]
fn a_run_that_shows_no_job_or_whose_jobs_could_not_all_be_read_is_read_again() {
    let mut reads = RunReads::default();
    let now = Duration::ZERO;
    reads.read(1, state("a"), Vec::new(), true, now);
    reads.read(2, state("a"), vec![job(2, false)], false, now);
    reads.read(3, state("a"), vec![job(3, false)], true, now);
    let active = [1, 2, 3].map(|run| (run, state("a"))).into();
    assert_eq!(ids(&reads.choose(&active, is_ours, now)), [1, 2]);
    assert_eq!(ids(&reads.choose(&active, |_| true, now)), [1, 2, 3], "our labels are others now");
}

#[test]
fn a_flood_is_read_at_a_steady_rate_the_oldest_first() {
    let mut looks = Looks::default();
    let flood = |runs| (1..=runs).map(|run| (run, state("a")));
    let (none, mut burst) = (|_| false, 0);
    for (situation, second, runs, first, count) in [
        ("at once", 0, 400, 1, 300),
        ("then one in two seconds", 10, 600, 301, 5),
        ("and on", 20, 900, 306, 5),
        ("in one minute", 80, 900, 311, 30),
        ("a part of the time is kept", 81, 900, 341, 0),
        ("until it is whole", 82, 900, 341, 1),
    ] {
        let choice = looks.look(second, flood(runs), none);
        let read: Vec<u64> = (first..first + count).collect();
        assert_eq!(ids(&choice), read, "{situation}");
        assert_eq!(choice.unknown as u64, runs - (first + count - 1), "{situation}");
        burst += choice.burst;
    }
    assert_eq!(burst, 280 + 10, "beyond 20 in a look");
    looks.look(10_000, flood(600), none);
    let late = looks.look(20_000, flood(1_000), none).read;
    assert!(late.len() <= 300, "a calm time is not saved up");
}

#[test]
fn a_flood_does_not_keep_from_reading_our_runs_nor_the_other_way_round() {
    let mut looks = Looks::default();
    let ours = |run| run < 1_000;
    let few = (1..=20).map(|run| (run, state("a")));
    looks.look(0, few.clone(), ours);
    let flood = (1_001..=1_500).map(|run| (run, state("a")));
    let choice = looks.look(3_600, few.chain(flood.clone()), ours);
    assert_eq!(choice.read.iter().filter(|run| ours(**run)).count(), 20, "all of ours");
    assert_eq!((choice.read.len(), choice.unknown, choice.known), (300, 220, 0));

    let mut looks = Looks::default();
    let many = || (1..=650).map(|run| (run, state("a")));
    for second in [0, 3_600, 7_200] {
        looks.look(second, many(), ours);
    }
    let choice = looks.look(10_800, many(), ours);
    assert_eq!((choice.read.len(), choice.unknown, choice.known), (300, 0, 350), "the rest is known");
    let next = looks.look(10_860, many(), ours);
    assert!(next.read.is_disjoint(&choice.read), "in turn");
    let changed = many().map(|(run, at)| if run == 650 { (run, state("b")) } else { (run, at) });
    let choice = looks.look(10_920, changed.chain(flood), ours);
    assert!(choice.read.contains(&650), "what has changed comes first");
    assert_eq!(choice.read.iter().filter(|run| ours(**run)).count(), 150, "half of the places");
}

#[test]
fn whose_job_it_can_be() {
    let ours: BTreeSet<String> = ["self-hosted", "linux", "docker"].map(str::to_owned).into();
    for (labels, expected) in [
        (&["Docker"][..], true),
        (&["self-hosted", "LINUX"], true),
        (&["ubuntu-latest"], false),
        (&["docker", "gpu"], false),
        (&[], true),
    ] {
        let job = Job { labels: labels.iter().map(|label| (*label).into()).collect(), ..job(1, true) };
        assert_eq!(can_be_ours(&job, Some(&ours)), expected, "{:?}", job.labels);
        assert!(can_be_ours(&job, None), "nothing is known of our labels");
    }
}

//! Which queued jobs are no demand, and what is said of them.

use super::*;
use crate::fixture::{at, fleet_with, queued_job};
use crate::model::{GroupLimit, GroupRepositories, RunId, RunRepository};
use crate::observe::{Demand, attribute};

const DAY: i64 = 24 * 3600;

fn demand(fleet: &Fleet, queue: &Queue, now: i64) -> Demand {
    attribute([fleet], queue, at(now)).remove(&fleet.name).expect("each fleet has an entry")
}

#[test]
fn a_queued_job_that_has_a_runner_or_that_github_cancels_is_no_demand() {
    let fleet = fleet_with("ci", "", "");
    let given = |job: Job| Job { runner_name: Some("ci-1".into()), ..job };
    let released = |hours: i64| BTreeMap::from([(JobId(1), at(hours * 3600))]);
    for (situation, job, released, pending, note) in [
        ("waits", queued_job(1, DAY), BTreeMap::new(), 1, None),
        ("for exactly a day", queued_job(1, DAY), BTreeMap::new(), 1, None),
        ("for longer", queued_job(1, DAY - 1), BTreeMap::new(), 0, Some("after more than 24h")),
        ("was held until an hour ago", queued_job(1, 0), released(47), 1, None),
        ("was held until long ago", queued_job(1, 0), released(23), 0, Some("after more than 24h")),
        ("has a runner", given(queued_job(1, DAY)), BTreeMap::new(), 0, Some("has given it a runner")),
    ] {
        let queue = Queue { jobs: vec![job], released, ..Queue::default() };
        let demand = demand(&fleet, &queue, 2 * DAY);
        let metrics = demand.metrics;
        assert_eq!((metrics.pending_jobs, metrics.queued_jobs), (pending, 1), "{situation}");
        assert_eq!(demand.oldest_pending().is_some(), pending > 0, "{situation}");
        let begins = "1 queued job is not counted: ";
        assert!(demand.notes.iter().all(|told| told.starts_with(begins)), "{:?}", demand.notes);
        assert_eq!(demand.notes.len(), usize::from(note.is_some()), "{situation}");
        assert!(note.is_none_or(|note| demand.notes[0].contains(note)), "{:?}", demand.notes);
        assert!(demand.missing.is_empty(), "what is left out is known");
    }
}

#[test]
fn only_queued_jobs_are_left_out() {
    for (status, is_left_out) in [
        (JobStatus::Queued, true),
        (JobStatus::Waiting, false),
        (JobStatus::Pending, false),
        (JobStatus::Requested, false),
        (JobStatus::InProgress, false),
    ] {
        let job = Job { status, runner_name: Some("ci-1".into()), ..queued_job(1, 0) };
        assert_eq!(left_out(&job, &Queue::default(), at(0)).is_some(), is_left_out, "{status:?}");
    }
}

#[test]
fn a_group_s_refusal_gives_the_job_to_the_next_fleet_or_to_none() {
    let org = |name, more: &str| fleet_with(name, &format!("org = \"o\"\n{more}"), "");
    let (first, second) = (org("a", "priority = 1"), org("b", ""));
    let group = |repositories, allows_public| RunnerGroup {
        name: "big".into(),
        repositories,
        allows_public,
        workflows: None,
    };
    let of = |pool: &Fleet, group: RunnerGroup| BTreeMap::from([(pool.name.clone(), group)]);
    let public = RunRepository { name: "o/r".parse().expect("valid"), is_public: true };
    let mut queue = Queue { repository: Some(public), ..Queue::default() };
    queue.jobs = vec![queued_job(1, 0), queued_job(2, 0)];
    let closed = of(&first, group(GroupRepositories::All, false));
    queue.refused = refused([&first, &second], &closed, &queue);
    assert_eq!(
        queue.refusal(&first.name, JobId(1)).map(|why| why.refused),
        Some(GroupLimit::PublicRepository)
    );
    let demands = attribute([&first, &second], &queue, at(0));
    assert_eq!(demands[&first.name].metrics.total_jobs, 0);
    assert_eq!(demands[&second.name].metrics.pending_jobs, 2, "its group is another");
    assert!(demands.values().all(|demand| demand.notes.is_empty()), "a fleet can take them");
    let alone = demand(&first, &queue, 0);
    assert_eq!(alone.metrics.total_jobs, 0);
    assert_eq!(
        alone.notes,
        ["2 queued jobs are not counted: the runner group \"big\" does not serve public repositories"]
    );
}

#[test]
fn a_group_refuses_by_workflow() {
    let fleet = fleet_with("ci", "org = \"o\"", "");
    let group = RunnerGroup {
        name: "deploy".into(),
        repositories: GroupRepositories::All,
        allows_public: true,
        workflows: Some(vec!["o/r/.github/workflows/deploy.yml@refs/heads/main".into()]),
    };
    let file = |name: &str| vec![format!("o/r/.github/workflows/{name}.yml").into()];
    let job = |id, run| Job { run_id: RunId(run), ..queued_job(id, 0) };
    let mut queue = Queue { jobs: vec![job(1, 1), job(2, 2), job(3, 3)], ..Queue::default() };
    queue.workflows = BTreeMap::from([(RunId(1), file("deploy")), (RunId(2), file("ci"))]);
    queue.refused = refused([&fleet], &BTreeMap::from([(fleet.name.clone(), group)]), &queue);
    let demand = demand(&fleet, &queue, 0);
    assert_eq!(demand.metrics.pending_jobs, 2, "one is of the workflow, and of one that is not known");
    assert_eq!(
        demand.notes,
        ["1 queued job is not counted: the runner group \"deploy\" does not serve this workflow"]
    );
}

//! What was read goes to the fleet that owns it, and what could not be read is reported.

use super::*;
use crate::fixture::{Entry::Idle, NOW, Scene, at};
use crate::model::{Job, JobId, RunId};
use crate::observe::Demand;

#[test]
fn each_reason_why_something_could_not_be_read_is_reported_once() {
    let mut scene = Scene::new("");
    assert_eq!(scene.seen.trouble(), None);
    scene.seen.demand = Err("GitHub: 502".to_owned());
    scene.seen.entries = Err("GitHub: 502".to_owned());
    assert_eq!(scene.seen.trouble().as_deref(), Some("GitHub: 502"));
    scene.seen.vms = Err("Azure: 503".to_owned());
    scene.seen.demand =
        Ok(Demand { missing: vec!["one of 2 repositories".to_owned()], ..Demand::none(at(NOW)) });
    assert_eq!(scene.seen.trouble().as_deref(), Some("GitHub: 502; Azure: 503; one of 2 repositories"));
    let (group, mut left) = (scene.fleet.vm.group.clone(), Scene::new(""));
    left.seen.unread.insert(group, "refused".to_owned());
    let trouble = left.seen.trouble().expect("a group could not be read");
    assert!(trouble.contains("which cannot be read: refused; let the daemon read it"), "{trouble}");
}

#[test]
fn lists_serve_again_when_both_are_whole() {
    let mut scene = Scene::new("").runner(1, 60, Idle);
    let (group, why) = (scene.fleet.vm.group.clone(), "refused".to_owned());
    scene.seen.unread.insert(group, why);
    assert!(scene.seen.has_whole_lists());
    let observed = ObservedDemand {
        demand: scene.seen.demand.clone(),
        working: scene.seen.working.clone(),
        scale_set: None,
    };
    let again = Snapshot::new(observed, scene.seen.lists());
    assert_eq!((&again.entries, &again.vms), (&scene.seen.entries, &scene.seen.vms));
    assert_eq!((&again.demand, &again.unread), (&scene.seen.demand, &scene.seen.unread));
    for breaks in [
        |seen: &mut Snapshot| seen.entries = Err("GitHub: 502".to_owned()),
        |seen: &mut Snapshot| seen.vms = Err("Azure: 503".to_owned()),
    ] {
        let mut seen = scene.seen.clone();
        breaks(&mut seen);
        assert!(!seen.has_whole_lists());
    }
}

#[test]
fn each_fleet_gets_what_is_its_own() {
    let scene = Scene::new("").runner(1, 60, Idle).runner(2, 60, Idle);
    let entries = scene.seen.entries.clone().expect("readable");
    let mut all: Vec<RunnerInfo> = entries.values().map(|entry| RunnerInfo::clone(entry)).collect();
    for stranger in ["ci-build", "gpu-00000000000000", "build"] {
        all.push(RunnerInfo { runner_name: stranger.into(), ..all[0].clone() });
    }
    let shared = entries_by_prefix(all);
    assert_eq!(
        shared.iter().map(|(prefix, of)| (prefix.as_str(), of.len())).collect::<Vec<_>>(),
        [("ci", 3), ("gpu", 1)]
    );
    assert_eq!(entries_of(&scene.fleet, &shared), entries);

    let vms = scene.seen.vms.clone().expect("readable");
    let mut all: Vec<Vm> = vms.values().map(|vm| Vm::clone(vm)).collect();
    let mut other = all[0].clone();
    other.tags.pool = "gpu".parse().expect("a good name");
    all.push(other);
    let shared = vms_by_pool(all);
    assert_eq!(shared.values().map(BTreeMap::len).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(shared[&scene.fleet.name], vms);
}

#[test]
fn running_jobs_name_their_runner() {
    let job = |id, status, runner: Option<&str>| Job {
        id: JobId(id),
        run_id: RunId(1),
        repo: "o/r".parse().expect("a good name"),
        name: "build".into(),
        workflow: None,
        link: None,
        status,
        labels: vec![],
        created_at: at(NOW),
        started_at: None,
        runner_name: runner.map(ForeignText::from),
    };
    let jobs = vec![
        job(1, JobStatus::InProgress, Some("ci-1")),
        job(2, JobStatus::InProgress, None),
        job(3, JobStatus::Queued, Some("ci-3")),
        job(4, JobStatus::Waiting, Some("ci-4")),
        job(5, JobStatus::Queued, None),
    ];
    let found = working(&Queue { jobs, ..Queue::default() });
    let found: BTreeMap<ForeignText, JobId> = found.into_iter().map(|(name, job)| (name, job.id)).collect();
    assert_eq!(found, BTreeMap::from([("ci-1".into(), JobId(1)), ("ci-3".into(), JobId(3))]));
}

#[test]
fn a_fleet_that_must_be_up_within_minutes_is_in_a_cloud_whose_lists_lag_less() {
    let mut fleet = Scene::new("").fleet;
    assert_eq!(list_lag(&fleet), Duration::from_secs(120));
    fleet.lifecycle.boot_timeout = Duration::from_secs(60);
    assert_eq!(list_lag(&fleet), Duration::from_secs(30));
}

use super::*;
use crate::fixture::at;
use crate::model::JobId;
use crate::state::Jobs;

fn remembered(was_online: bool, taken: u32, is_busy: bool, last: Option<u64>) -> RunnerState {
    let jobs = Jobs { taken, is_busy, last: last.map(JobId), ..Jobs::default() };
    RunnerState { asked_for: Some(at(0)), vm_seen: true, was_online, jobs, ..RunnerState::default() }
}

#[test]
fn a_boot_has_two_steps_as_far_as_they_are_known() {
    let known = |asked_for: Option<i64>, made: Option<i64>| RunnerState {
        asked_for: asked_for.map(at),
        made: made.map(at),
        ..RunnerState::default()
    };
    let steps = |known: RunnerState| {
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

fn between(before: Option<RunnerState>, after: Option<RunnerState>, unread: &[&str]) -> Vec<String> {
    let pool = "ci".parse().expect("a good name");
    let name = RunnerName::new(&pool, at(0), 1);
    let fleet_state = |one: Option<RunnerState>| FleetState {
        runners: one.into_iter().map(|one| (name.clone(), one)).collect(),
        ..FleetState::default()
    };
    let unread = unread.iter().map(|name| (group(name), "refused".to_owned())).collect();
    let found = runner_events(&fleet_state(before), &fleet_state(after), &unread, at(100));
    found.into_iter().map(|(_, runner_event)| format!("{}: {runner_event}", runner_event.as_str())).collect()
}

#[test]
fn each_is_reported_once() {
    let boots = remembered(false, 0, false, None);
    let idle = remembered(true, 0, false, None);
    let busy = remembered(true, 1, true, Some(7));
    let online = "online: is online, 1m 40s after it was asked for";
    let removed = RunnerState { removal_asked: Some(at(90)), ..busy.clone() };
    let never_seen = RunnerState { vm_seen: false, ..boots.clone() };
    let missed = |vm_missed| RunnerState { vm_missed, ..busy.clone() };
    let spot = RunnerState { is_spot: true, ..busy.clone() };
    let evicted = "evicted: is gone with job 7: Azure has evicted its spot VM; GitHub fails that job soon: run it again";
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
    let job = || Some(NamedJob::from(JobId(7)));
    let all = [
        RunnerEvent::TookJob(job()),
        RunnerEvent::EndedJob(job()),
        RunnerEvent::Vanished(job()),
        RunnerEvent::Evicted(job()),
    ];
    assert!(all.iter().all(|runner_event| runner_event.job() == job().as_ref()));
    assert_eq!(RunnerEvent::Online(Duration::ZERO).job(), None);
}

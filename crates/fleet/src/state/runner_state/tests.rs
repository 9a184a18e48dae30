use super::*;
use crate::fixture::{at, runs};

const NOW: i64 = 1_000_000;

#[test]
fn jobs_are_counted_once_whether_named_or_only_told_as_busy() {
    let mut jobs = Jobs::default();
    jobs.see(true, None);
    assert_eq!((jobs.taken, jobs.finished()), (1, 0));
    jobs.see(true, Some(&runs(1)));
    assert_eq!((jobs.taken, jobs.last), (1, Some(JobId(1))), "the same one, named afterwards");
    jobs.see(true, None);
    assert_eq!((jobs.taken, jobs.last), (1, Some(JobId(1))), "the queue did not name it this time");
    jobs.see(true, Some(&runs(2)));
    assert_eq!((jobs.taken, jobs.finished()), (2, 1));
    jobs.see(false, None);
    assert_eq!((jobs.taken, jobs.finished()), (2, 2));
    jobs.see(true, None);
    assert_eq!((jobs.taken, jobs.last), (3, None), "of this one nothing is known");
}

#[test]
fn a_start_from_standby_that_failed_says_nothing_of_a_later_one() {
    let mut known =
        RunnerState { is_for_standby: true, standby_since: Some(at(0)), ..RunnerState::default() };
    known.ask_for(None, at(NOW));
    known.not_taken_from_standby("no answer");
    assert_eq!((known.failed.as_deref(), known.asked_for), (Some("no answer"), None));
    assert_eq!(known.standby_since, Some(at(0)), "it is still there");
    known.taken_from_standby(at(NOW + 60));
    assert_eq!((known.failed, known.used, known.standby_since), (None, Some(at(NOW + 60)), None));
}

#[test]
fn what_a_vm_is_paid_for() {
    let known = |was_online, is_busy, removal_asked: bool| RunnerState {
        was_online,
        jobs: Jobs { is_busy, ..Jobs::default() },
        removal_asked: removal_asked.then(|| at(NOW)),
        ..RunnerState::default()
    };
    for (what, known, has_entry, expected) in [
        ("it boots", known(false, false, false), false, Use::Starting),
        ("a job runs", known(true, true, false), true, Use::Busy),
        ("no job runs", known(true, false, false), true, Use::Idle),
        ("its entry is gone", known(true, true, false), false, Use::Leaving),
        ("its removal was asked for", known(true, false, true), true, Use::Leaving),
    ] {
        assert_eq!(known.vm_use(has_entry), expected, "{what}");
    }
}

#[test]
fn it_is_online_for_the_first_time_once() {
    let entry = |status, busy| RunnerInfo {
        runner_id: RunnerId(7),
        runner_name: "ci-1".into(),
        status,
        busy,
        labels: Vec::new(),
    };
    let mut known = RunnerState { failed: Some("no answer".to_owned()), ..RunnerState::default() };
    let mut seen = |status, busy, later| {
        let EntryProgress { is_first_online, jobs } =
            known.saw_entry(&entry(status, busy), None, true, at(NOW + later));
        (is_first_online, jobs, known.offline_since.is_some(), known.failed.is_some())
    };
    assert_eq!(seen(RunnerStatus::Offline, false, 0), (false, 0, false, true), "it boots");
    assert_eq!(seen(RunnerStatus::Online, false, 1), (true, 0, false, false));
    assert_eq!(seen(RunnerStatus::Online, true, 2), (false, 1, false, false));
    assert_eq!(seen(RunnerStatus::Offline, true, 3), (false, 0, true, false));
}

#[test]
fn how_a_bootstrap_ended_is_remembered() {
    let after = |outcome| {
        let mut known = RunnerState {
            unregistered_since: Some(at(NOW)),
            runner_id: Some(RunnerId(1)),
            ..RunnerState::default()
        };
        known.bootstrapped(&outcome, at(NOW));
        let is_unregistered = known.unregistered_since.is_some();
        assert_eq!(known.host_key.is_some(), known.installed.is_some());
        (known.runner_id, known.installed.is_some(), known.failed.is_some(), known.ended, is_unregistered)
    };
    let installed = BootstrapOutcome::Installed {
        runner_id: RunnerId(2),
        host_key: "ssh-ed25519 AAAA".into(),
        took: crate::model::Took::default(),
    };
    let broken = |runner_id| BootstrapOutcome::Broken { why: "no disk".to_owned(), runner_id };
    assert_eq!(after(installed), (Some(RunnerId(2)), true, false, false, false));
    assert_eq!(after(BootstrapOutcome::Ended(RunnerId(2))), (Some(RunnerId(2)), false, false, true, true));
    assert_eq!(after(broken(None)), (Some(RunnerId(1)), false, true, false, false));
    assert_eq!(after(broken(Some(RunnerId(2)))), (Some(RunnerId(2)), false, true, false, false));
}

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::*;
use crate::model::{
    PhaseKind::{self, Active, Destroyed, Draining, Provisioning, Registered},
    Rule, RunnerName, ScalingAction,
};
use crate::observe::QueueMetrics;
use crate::plan::DecisionStatus;
use crate::report::{FleetErrorKind, LastingError, RunnerRow, VmStatus};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn fleet(name: &str, phases: &[PhaseKind], pending_jobs: u32, errors: &[&str]) -> FleetStatus {
    let runner = |(number, phase): (u32, &PhaseKind)| RunnerRow {
        runner_name: RunnerName::new(&name.parse().expect("a good name"), AT, number),
        runner_id: None,
        phase: *phase,
        doing: String::new(),
        job: None,
        runs: None,
        created_at: AT,
        jobs_completed: 0,
        vm: None,
    };
    FleetStatus {
        standby: 0,
        pool: name.parse().expect("a good name"),
        scope: "repo:o/r".to_owned(),
        enabled: true,
        tick: 1,
        at: AT,
        next_poll: None,
        jobs_known: true,
        runners_known: true,
        jobs: Some(QueueMetrics { pending_jobs, ..QueueMetrics::none(AT) }),
        oldest_pending: None,
        queued: Vec::new(),
        recent: None,
        unserved_jobs: 0,
        min_runners: 0,
        max_runners: 10,
        manual_count: None,
        scale_set: None,
        next_limits: None,
        from_defaults: BTreeSet::new(),
        decision: DecisionStatus {
            action: ScalingAction::Maintain,
            target_runner_count: Some(0),
            current_runner_count: Some(0),
            rule: Rule::Enough,
            reason: String::new(),
        },
        rolling: None,
        last_scaling: None,
        runners: Some((0..).zip(phases).map(runner).collect()),
        failing_removals: Vec::new(),
        errors: errors
            .iter()
            .map(|what| LastingError { about: FleetErrorKind::Seeing, what: (*what).to_owned(), since: AT })
            .collect(),
        cost: None,
    }
}

#[test]
fn it_tells_runners_and_jobs_and_what_is_wrong_first() {
    let bad =
        BadFileStatus { file: "/etc/azlin/fleets/x.toml".to_owned(), message: "no".to_owned(), since: AT };
    for (fleets, bad_files, expected) in [
        (vec![], &[][..], "no fleet"),
        (vec![fleet("ci", &[], 0, &[])], &[], "1 fleet, 0 runners, 0 queued jobs"),
        (
            vec![
                fleet("ci", &[Provisioning, Active, Active, Draining], 1, &[]),
                // The VM is gone, so the runner does not count.
                fleet("gpu", &[Registered, Destroyed], 0, &[]),
            ],
            &[],
            "2 fleets, 5 runners (1 starting, 1 idle, 2 busy, 1 leaving), 1 queued job",
        ),
        (
            vec![fleet("ci", &[], 0, &["the queue of o/r: refused"]), fleet("gpu", &[], 2, &["a", "b"])],
            &[],
            "2 fleets, 0 runners, 2 queued jobs; ci: the queue of o/r: refused; and 2 more troubles",
        ),
        (vec![], std::slice::from_ref(&bad), "no fleet; /etc/azlin/fleets/x.toml cannot be used"),
    ] {
        assert_eq!(summary(&fleets, bad_files, &[]), expected);
    }
}

#[test]
fn one_whose_vm_azure_removes_is_leaving() {
    let mut going = fleet("ci", &[Destroyed], 0, &[]);
    let vm = VmStatus { name: String::new(), size: String::new(), resource_group: String::new(), link: None };
    going.runners.iter_mut().flatten().for_each(|runner| runner.vm = Some(vm.clone()));
    assert_eq!(summary(&[going], &[], &[]), "1 fleet, 1 runner (1 leaving), 0 queued jobs");
}

/// Unknown is not zero.
#[test]
fn what_is_not_known_is_not_counted_as_none() {
    let unknown = || FleetStatus {
        jobs: None,
        jobs_known: false,
        runners: None,
        runners_known: false,
        ..fleet("away", &[], 0, &["the queue of o/r: 502"])
    };
    let part = || FleetStatus { jobs_known: false, ..fleet("part", &[], 2, &[]) };
    for (fleets, expected) in [
        (vec![unknown()], "1 fleet, runners not known, queued jobs not known; away: the queue of o/r: 502"),
        (
            vec![unknown(), fleet("ci", &[Active], 3, &[])],
            "2 fleets, at least 1 runner (1 busy), at least 3 queued jobs; away: the queue of o/r: 502",
        ),
        (vec![part()], "1 fleet, 0 runners, at least 2 queued jobs"),
    ] {
        assert_eq!(summary(&fleets, &[], &[]), expected);
    }
}

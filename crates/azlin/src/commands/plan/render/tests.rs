//! How plans look, wide and narrow.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{
    JobId, NamedJob, PowerState, ProvisioningState, Queue, RunnerId, RunnerInfo, RunnerName, RunnerStatus,
    Vm, VmTags, WebLink,
};
use azlin_fleet::observe::{Demand, QueueMetrics, QueuedJob, Snapshot};
use azlin_fleet::plan::plan;
use azlin_fleet::state::FleetState;
use jiff::Timestamp;

use super::*;

const VM: &str = "[vm]\nsubscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\n\
    location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\"]\nzones = [\"2\"]\nimage = \"a:b:c:d\"\n\
    subnet_id = \"/subscriptions/0/s\"\n";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("in range")
}

fn named() -> NamedJob {
    let link = "https://github.com/o/r/actions/runs/11/job/22";
    NamedJob {
        name: Some("build (linux)".into()),
        repo: "o/r".parse().ok(),
        workflow: Some("CI".into()),
        link: WebLink::on_site(link, &"https://github.com".parse().expect("a URL")),
        ..JobId(22).into()
    }
}

/// A fleet with so many jobs that have waited so long, and runners of these ages and states.
fn planned(pool: &str, scaling: &str, jobs: (u32, i64), runners: &[(i64, Option<RunnerStatus>)]) -> Planned {
    let text = format!("repo = \"o/r\"\n[scaling]\n{scaling}\n{VM}");
    let fleet = Fleet::parse("test", pool.parse().expect("valid"), &text).expect("valid");
    let metrics = QueueMetrics {
        pending_jobs: jobs.0,
        queued_jobs: jobs.0,
        total_jobs: jobs.0,
        ..QueueMetrics::none(at(0))
    };
    let oldest = QueuedJob { job: named(), since: at(-jobs.1) };
    let demand = Demand {
        metrics,
        pending: (jobs.0 > 0).then_some(oldest).into_iter().collect(),
        ..Demand::none(at(0))
    };
    let (mut entries, mut vms) = (BTreeMap::new(), BTreeMap::new());
    for (id, (age, status)) in (1..).zip(runners) {
        let runner_name = RunnerName::new(&fleet.name, at(-age), 7);
        let tags = VmTags {
            pool: fleet.name.clone(),
            runner_name: runner_name.clone(),
            github: fleet.github.clone().into(),
            scope: fleet.scope.clone(),
            created_at: at(-age),
            config_hash: fleet.config_hash().into(),
            runner_id: Some(RunnerId(id)),
            replaces: None,
            host_key: None,
            standby: None,
        };
        let vm = Vm {
            name: runner_name.to_string().into(),
            group: fleet.vm.group.clone(),
            size: "Standard_D4s_v5".into(),
            location: "westeurope".into(),
            zone: None,
            spot: false,
            failure: None,
            provisioning: ProvisioningState::Succeeded,
            power: PowerState::Running,
            tags,
        };
        vms.insert(runner_name.clone(), Arc::new(vm));
        if let Some(status) = *status {
            let (runner_id, name) = (RunnerId(id), runner_name.to_string());
            let info =
                RunnerInfo { runner_id, runner_name: name.into(), status, busy: false, labels: Vec::new() };
            entries.insert(runner_name, Arc::new(info));
        }
    }
    let seen = Snapshot {
        demand: Ok(demand),
        entries: Ok(entries),
        vms: Ok(vms),
        unread: BTreeMap::new(),
        working: BTreeMap::new(),
        scale_set: None,
        slowed: None,
        expiring: None,
        in_flight: BTreeMap::new(),
    };
    let fleet_state = FleetState::default().after_seeing(&fleet, &seen, at(0));
    let plan = plan(&fleet, &seen, &fleet_state, at(0));
    let queue = Ok(Arc::new(Queue::default()));
    Planned { fleet, seen, queue, fleet_state, plan, trouble: None, at: at(0) }
}

#[test]
fn wide_and_narrow() {
    let online = Some(RunnerStatus::Online);
    let fleets = || {
        vec![
            planned("many", "max_runners = 20\njobs_per_runner = 1", (12, 90), &[]),
            planned("patient", "", (1, 20), &[(60, Some(RunnerStatus::Offline))]),
            planned("shrinking", "", (0, 0), &[(600, online), (500, online), (700, None)]),
            Planned {
                trouble: Some("the VMs of s/rg: 503 Service Unavailable".to_owned()),
                ..planned("resting", "min_runners = 1", (0, 0), &[(600, online)])
            },
        ]
    };
    let mut text = String::new();
    for width in [Some(120), Some(60), None] {
        text += &format!("== {width:?}\n{}\n", table(&fleets(), Terminal { width, colour: false }));
    }
    insta::assert_snapshot!(text);
}

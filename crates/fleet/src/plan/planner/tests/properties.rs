//! What must hold of a plan in every situation.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::fixture::Entry::{Absent, Busy, Idle, Offline};
use crate::fixture::{NOW, Scene, at, runs};
use crate::model::{
    PowerState::{Deallocated, Running, Starting, Stopped, Unknown},
    ProvisioningState::{Creating, Deleting, Failed, Impaired, Succeeded},
    RunnerStatus, Vm,
};
use crate::observe::Operation;

fn any_scene() -> impl Strategy<Value = Scene> {
    let entry = prop_oneof![Just(Absent), Just(Offline), Just(Idle), Just(Busy)];
    let vm = prop::option::weighted(
        0.9,
        (
            prop_oneof![4 => Just(Succeeded), 1 => Just(Creating), 1 => Just(Failed), 1 => Just(Impaired), 1 => Just(Deleting)],
            prop_oneof![5 => Just(Running), 1 => Just(Starting), 1 => Just(Stopped), 1 => Just(Deallocated), 2 => Just(Unknown)],
            any::<bool>(),
        ),
    );
    let age = prop_oneof![5_i64..1000, 80_000_i64..90_000];
    let fleet_state = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let other = prop_oneof![6 => Just(Other::Nothing), 1 => Just(Other::Scope), 1 => Just(Other::GitHub), 1 => Just(Other::Working), 1 => Just(Other::Replaces), 3 => Just(Other::Ssh)];
    let operation = prop_oneof![8 => Just(None), 1 => Just(Some(Operation::Provision { replaces: None })), 1 => Just(Some(Operation::Install)), 1 => Just(Some(Operation::Destroy))];
    let runner = (age, entry, vm, fleet_state, (other, operation));
    let manual = prop::option::weighted(0.2, 0_u32..4);
    let scaling = (0_u32..4, 0_u32..6, (any::<bool>(), any::<bool>()), manual);
    let weather = (any::<bool>(), any::<bool>(), 0_u32..20);
    (scaling, 0_u32..20, 0_i64..120, prop::collection::vec(runner, 0..9), weather).prop_map(
        |((min, extra, (enabled, kills), manual), jobs, waited, runners, (bad_entries, bad_vms, odds))| {
            let mut scene = Scene::new(&format!("min_runners = {min}\nmax_runners = {}", min + extra));
            scene.fleet.enabled = enabled;
            scene.fleet.kill_running_jobs = kills && !enabled;
            scene.fleet.scaling.manual_count = manual.filter(|count| *count <= min + extra);
            scene = scene.pending(jobs, waited);
            for (number, (age, entry, vm, (online, seen, removed, asked), (other, operation))) in
                (1..).zip(runners)
            {
                if let Some((provisioning, power, is_current)) = vm {
                    scene = scene.vm(number, age, provisioning, power);
                    if !is_current {
                        scene = scene.last_vm(|vm| vm.tags.config_hash = "old".into());
                    }
                    let first = scene.name(1, age).to_string();
                    scene = scene.last_vm(|vm| match other {
                        Other::Nothing | Other::Working => {}
                        Other::Scope => vm.tags.scope = "repo:o/old".parse().expect("valid"),
                        Other::GitHub => vm.tags.github = "ghes.example".into(),
                        Other::Replaces => vm.tags.replaces = Some(first.into()),
                        Other::Ssh => {
                            vm.tags.runner_id = None;
                            vm.tags.host_key = Some("ssh-ed25519 AAAA".into());
                        }
                    });
                }
                if other == Other::Working {
                    let name = scene.name(number, age).to_string();
                    scene.seen.working.insert(name.into(), runs(1));
                }
                scene = scene.entry(number, age, entry).remember(number, age, |known| {
                    known.was_online = online;
                    known.entry_seen = seen;
                    known.unregistered_since = asked.then(|| at(NOW - age));
                    known.failed = (online && seen && !asked).then(|| "config.sh failed".to_owned());
                    known.removal_asked = removed.then(|| at(NOW - 60));
                    known.asked_for = asked.then(|| at(NOW - age));
                    known.is_unanswered = asked && !seen;
                });
                if let Some(operation) = operation {
                    let name = scene.name(number, age);
                    scene.seen.in_flight.insert(name, operation);
                }
            }
            if bad_entries && odds == 0 {
                scene.seen.entries = Err("unreadable".to_owned());
            }
            if bad_vms && odds == 1 {
                scene.seen.vms = Err("unreadable".to_owned());
            }
            scene
        },
    )
}

/// What is peculiar about a runner of a drawn scene.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Other {
    Nothing,
    Scope,
    GitHub,
    Working,
    Replaces,
    Ssh,
}

/// How many runners the plan starts under names of their own. What it resumes may have a VM already.
fn new_starts(plan: &Plan) -> usize {
    let is_new = |action: &&Action| match action {
        Action::Provision { reason, .. } => !matches!(reason, StartReason::Interrupted { .. }),
        Action::Install(_)
        | Action::Destroy(_)
        | Action::Prepare { .. }
        | Action::Deallocate(_)
        | Action::ClearUserData(_) => false,
    };
    plan.actions.iter().filter(is_new).count()
}

/// Every runner that may have a VM: listed, being made, or asked for so lately that no list shows it.
fn may_have_vms(scene: &Scene) -> usize {
    let listed = scene.seen.vms.as_ref().map(|vms| vms.keys().collect::<BTreeSet<_>>()).unwrap_or_default();
    let made =
        scene.seen.in_flight.iter().filter(|(_, operation)| matches!(operation, Operation::Provision { .. }));
    let recent = scene.fleet_state.runners.iter().filter(|(_, known)| {
        known.asked_for.is_some_and(|asked| at(NOW).duration_since(asked).as_secs() < 120)
    });
    listed
        .into_iter()
        .chain(made.map(|(name, _)| name))
        .chain(recent.map(|(name, _)| name))
        .collect::<BTreeSet<_>>()
        .len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn invariants(scene in any_scene()) {
        let plan = scene.plan();
        let entries = scene.seen.entries.clone().unwrap_or_default();
        let starts = new_starts(&plan);
        if starts > 0 {
            let most = scene.fleet.scaling.max_runners as usize;
            let there = may_have_vms(&scene);
            prop_assert!(there + starts <= most, "{there} VMs and {starts} more");
        }
        let is_listed = |name: &RunnerName| entries.contains_key(name);
        let mut touched = BTreeSet::new();
        for action in &plan.actions {
            if let Action::Provision { reason: StartReason::Interrupted { runner }, .. } = action {
                let known = scene.fleet_state.runners.get(runner);
                prop_assert!(known.is_some_and(|known| known.is_unanswered && known.asked_for.is_some()));
                prop_assert!(!scene.seen.in_flight.contains_key(runner) && touched.insert(runner), "{runner} twice");
            }
            if let Action::Install(install) = action {
                prop_assert!(!scene.seen.in_flight.contains_key(&install.runner));
                prop_assert!(touched.insert(&install.runner), "{} twice", install.runner);
            }
            let Action::Destroy(destroy) = action else { continue };
            prop_assert!(touched.insert(&destroy.runner), "{} twice", destroy.runner);
            let there = plan.runners.iter().filter(|runner| runner.takes_room()).count();
            prop_assert_eq!(destroy.frees_room, there >= scene.fleet.scaling.max_runners as usize);
            let name = destroy.runner.as_str();
            if matches!(destroy.why, DrainReason::Killed) {
                prop_assert!(!scene.fleet.enabled && scene.fleet.kill_running_jobs && destroy.vm.is_some());
                continue;
            }
            let is_busy = entries.get(&destroy.runner).is_some_and(|entry| entry.busy);
            let vm = scene.seen.vms.as_ref().ok().and_then(|vms| vms.get(&destroy.runner));
            let may_work = vm.is_none_or(|vm| !vm.runs_nothing());
            let shows_job = is_busy || scene.seen.working.contains_key(name);
            prop_assert!(!may_work || !shows_job, "{name} runs a job");
            let is_in_sight = vm.is_none_or(|vm| vm.tags.github == scene.fleet.github || vm.runs_nothing());
            prop_assert!(is_in_sight || is_listed(&destroy.runner), "{name} may run a job at another GitHub");
            prop_assert!(scene.seen.entries.is_ok() && scene.seen.vms.is_ok());
            prop_assert!(!destroy.why.to_string().is_empty());
            prop_assert!(!scene.seen.in_flight.contains_key(&destroy.runner));
            prop_assert_eq!(matches!(destroy.entry, EntryRef::Listed(_)), is_listed(&destroy.runner));
            prop_assert!(vm.is_none() || !may_work || destroy.proof != Proof::Stopped, "{name} may run a job, whatever GitHub says");
            if let Proof::Unanswered(_) = destroy.proof {
                let known = scene.fleet_state.runners.get(&destroy.runner);
                let since = known.and_then(|known| known.drain.since);
                let waited = since.map_or(0, |since| at(NOW).duration_since(since).as_secs());
                let was_online = known.is_some_and(|known| known.was_online);
                prop_assert!(waited >= if was_online { 90 * 60 } else { 120 }, "{name} had {waited} s to answer");
            }
        }
        if let (true, Ok(vms)) = (scene.fleet.kill_running_jobs && scene.seen.entries.is_ok(), &scene.seen.vms) {
            let is_left = |vm: &Arc<Vm>| vm.provisioning != Deleting && !scene.seen.in_flight.contains_key(&vm.tags.runner_name);
            for vm in vms.values().filter(|vm| is_left(vm)) {
                let name = &vm.tags.runner_name;
                let was_asked = scene.fleet_state.runners.get(name).is_some_and(|known| known.removal_asked.is_some());
                prop_assert!(was_asked || touched.contains(name), "{name} is left");
            }
        }
        prop_assert_eq!(&plan, &scene.plan(), "the same again");
    }

    /// GitHub and the VM itself show whether an online runner works. Azure's provisioning state does not.
    #[test]
    fn azures_failed_changes_nothing_about_an_online_runner(scene in any_scene()) {
        let (fleet, seen, fleet_state) = (scene.fleet.clone(), scene.seen.clone(), scene.fleet_state.clone());
        let mut well = Scene { fleet, seen, fleet_state, last_vm: None };
        let entries = scene.seen.entries.clone().unwrap_or_default();
        let is_online = |name: &RunnerName| {
            entries.get(name).is_some_and(|entry| entry.status == RunnerStatus::Online)
        };
        if let Ok(vms) = &mut well.seen.vms {
            for (_, vm) in vms.iter_mut().filter(|(name, vm)| is_online(name) && matches!(vm.provisioning, Failed | Impaired)) {
                Arc::make_mut(vm).provisioning = Succeeded;
            }
        }
        let (plan, well) = (scene.plan(), well.plan());
        prop_assert_eq!(plan.actions, well.actions);
        prop_assert_eq!(plan.decision, well.decision);
    }

    #[test]
    fn who_has_lost_its_memory_keeps_every_promise(scene in any_scene()) {
        let forgetful = Scene { fleet_state: FleetState::default(), ..scene };
        let plan = forgetful.plan();
        let starts = new_starts(&plan);
        let most = forgetful.fleet.scaling.max_runners as usize;
        prop_assert!(starts == 0 || may_have_vms(&forgetful) + starts <= most);
        let known: BTreeSet<&RunnerName> = plan.runners.iter().map(|runner| &runner.runner_name).collect();
        if let (Ok(vms), Ok(entries)) = (&forgetful.seen.vms, &forgetful.seen.entries) {
            let is_adopted = vms.keys().chain(entries.keys()).all(|name| known.contains(name));
            prop_assert!(is_adopted, "each VM and entry is somebody to the plan");
        }
    }
}

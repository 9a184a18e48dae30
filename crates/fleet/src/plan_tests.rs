//! Situations of a fleet and what is done about them, and what must hold in every situation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::demand::{OldestPending, QueueMetrics};
use crate::job::JobId;
use crate::runner::{RunnerInfo, RunnerStatus};
use crate::snapshot::Operation;
use crate::testing::{at, fleet};
use crate::vm::{PowerState, ProvisioningState, Vm, VmTags};
use proptest::prelude::*;

const NOW: i64 = 100_000;

/// A fleet's world in the making. Runners are numbered: the number is their random part and id.
struct Scene {
    fleet: Fleet,
    seen: Snapshot,
    memory: Memory,
    /// The VM that was added last.
    last_vm: Option<RunnerName>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Entry {
    Absent,
    Offline,
    Idle,
    Busy,
}

impl Scene {
    fn new(scaling: &str) -> Self {
        let seen = Snapshot {
            demand: Ok(Demand::none(at(NOW))),
            entries: Ok(BTreeMap::new()),
            vms: Ok(BTreeMap::new()),
            working: BTreeSet::new(),
            in_flight: BTreeMap::new(),
        };
        Scene { fleet: fleet("ci", scaling), seen, memory: Memory::default(), last_vm: None }
    }

    fn name(&self, number: u32, age: i64) -> RunnerName {
        RunnerName::new(&self.fleet.name, at(NOW - age), number)
    }

    fn pending(mut self, jobs: u32, waited: i64) -> Self {
        let metrics = QueueMetrics {
            pending_jobs: jobs,
            queued_jobs: jobs,
            total_jobs: jobs,
            ..QueueMetrics::none(at(NOW))
        };
        let oldest = OldestPending { id: JobId(1), name: "build".to_owned(), since: at(NOW - waited) };
        self.seen.demand =
            Ok(Demand { metrics, oldest_pending: (jobs > 0).then_some(oldest), missing: vec![] });
        self
    }

    /// A runner whose VM is there.
    fn runner(self, number: u32, age: i64, entry: Entry) -> Self {
        self.vm(number, age, ProvisioningState::Succeeded, PowerState::Running).entry(number, age, entry)
    }

    fn vm(mut self, number: u32, age: i64, provisioning: ProvisioningState, power: PowerState) -> Self {
        let tags = VmTags {
            pool: self.fleet.name.clone(),
            runner_name: self.name(number, age),
            scope: self.fleet.scope.clone(),
            created_at: at(NOW - age),
            config_hash: self.fleet.config_hash().to_owned(),
            runner_id: Some(RunnerId(u64::from(number))),
            replaces: None,
        };
        let (name, group) = (self.name(number, age), self.fleet.vm.group.clone());
        let (size, called) = ("Standard_D4s_v5".to_owned(), name.to_string());
        let vm = Arc::new(Vm { name: called, group, size, provisioning, power, tags });
        self.last_vm = Some(name.clone());
        self.vms().insert(name, vm);
        self
    }

    fn entry(mut self, number: u32, age: i64, entry: Entry) -> Self {
        let runner_name = self.name(number, age).to_string();
        let status = if entry == Entry::Offline { RunnerStatus::Offline } else { RunnerStatus::Online };
        let info = RunnerInfo {
            runner_id: RunnerId(u64::from(number)),
            runner_name,
            status,
            busy: entry == Entry::Busy,
            labels: vec![],
        };
        if entry != Entry::Absent {
            let name = self.name(number, age);
            self.seen.entries.as_mut().expect("set above").insert(name, Arc::new(info));
        }
        self
    }

    fn vms(&mut self) -> &mut BTreeMap<RunnerName, Arc<Vm>> {
        self.seen.vms.as_mut().expect("a scene's list is readable until it is made unreadable")
    }

    fn last_vm(mut self, change: impl FnOnce(&mut Vm)) -> Self {
        let last = self.last_vm.clone().expect("a VM was added");
        change(Arc::make_mut(self.vms().get_mut(&last).expect("it is there")));
        self
    }

    fn remember(
        mut self,
        number: u32,
        age: i64,
        change: impl FnOnce(&mut crate::memory::Remembered),
    ) -> Self {
        let name = self.name(number, age);
        change(self.memory.runners.entry(name).or_default());
        self
    }

    fn plan(&self) -> Plan {
        plan(&self.fleet, &self.seen, &self.memory, at(NOW))
    }

    /// The plan's actions in brief: "+" for each start, "-N" for the removal of runner N.
    fn brief(&self) -> String {
        let word = |action: &Action| match action {
            Action::Provision { replaces: None, .. } => "+".to_owned(),
            Action::Provision { replaces: Some(old), .. } => format!("+for{}", self.number(old)),
            Action::Destroy(destroy) => {
                let first = match destroy.first {
                    Deregister::Entry(_) => "",
                    Deregister::ConfirmGone(_) => "?",
                    Deregister::Nothing => "!",
                };
                format!("-{}{first}", self.number(&destroy.runner))
            }
        };
        self.plan().actions.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    fn number(&self, name: &RunnerName) -> u32 {
        let age = at(NOW).duration_since(name.created_at()).as_secs();
        (0..100).find(|number| self.name(*number, age) == *name).expect("a runner of the scene")
    }
}

use Entry::{Absent, Busy, Idle, Offline};
use PowerState::{Running, Stopped, Unknown};
use ProvisioningState::{Creating, Deleting, Failed, Succeeded};

#[test]
fn what_is_done_in_each_situation() {
    let scene = || Scene::new("");
    let two = || Scene::new("min_runners = 2");
    let day = 24 * 3600 + 1;
    let removed = |known: &mut crate::memory::Remembered| known.removal_asked = Some(at(NOW - 10));
    let was_online = |known: &mut crate::memory::Remembered| known.was_online = true;
    let asked = |known: &mut crate::memory::Remembered| known.asked_for = Some(at(NOW - 20));
    let offline = |ago| {
        move |known: &mut crate::memory::Remembered| {
            known.was_online = true;
            known.offline_since = Some(at(NOW - ago));
        }
    };
    let table: Vec<(&str, Scene, &str)> = vec![
        ("nothing to do", scene(), ""),
        ("a burst", scene().pending(8, 1), "+ + + +"),
        ("the minimum", two(), "+ +"),
        ("one of the minimum is on its way", two().runner(1, 30, Offline), "+"),
        (
            "one of the minimum is being asked for",
            two().vm(1, 30, Creating, Unknown).entry(1, 30, Offline),
            "+",
        ),
        ("surplus idle runners, oldest first", scene().runner(1, 60, Idle).runner(2, 90, Idle), "-2 -1"),
        (
            "surplus: one that is not online yet goes first",
            Scene::new("min_runners = 1").runner(1, 900, Idle).runner(2, 30, Offline),
            "-2",
        ),
        ("a busy runner is no surplus", scene().runner(1, 60, Busy), ""),
        (
            "it had its job",
            scene().runner(1, 60, Absent).remember(1, 60, |known| known.entry_seen = true),
            "-1?",
        ),
        ("it had its job before the daemon started", scene().runner(1, 60, Absent), "-1?"),
        (
            "just asked for, and the list lags",
            scene().runner(1, 20, Absent).remember(1, 20, asked).pending(1, 90),
            "",
        ),
        (
            "Azure could not make it",
            scene().pending(1, 1).vm(1, 60, Failed, Unknown).entry(1, 60, Offline),
            "-1",
        ),
        (
            "Azure could not make it, and it has no entry",
            scene().vm(1, 60, Failed, Unknown).last_vm(|vm| vm.tags.runner_id = None),
            "-1!",
        ),
        ("not online in time", scene().pending(1, 1).runner(1, 601, Offline), "-1"),
        ("not online, but still in time", scene().pending(1, 1).runner(1, 600, Offline), ""),
        (
            "offline for too long",
            scene().pending(1, 1).runner(1, 900, Offline).remember(1, 900, offline(301)),
            "-1",
        ),
        (
            "offline for a while",
            scene().pending(1, 1).runner(1, 900, Offline).remember(1, 900, offline(300)),
            "",
        ),
        (
            "its VM was stopped",
            scene().pending(1, 1).vm(1, 900, Succeeded, Stopped).entry(1, 900, Idle),
            "-1",
        ),
        (
            "its VM was stopped, but GitHub says that it is busy",
            scene().vm(1, 900, Succeeded, Stopped).entry(1, 900, Busy),
            "",
        ),
        ("its VM is being deleted", scene().vm(1, 900, Deleting, Running).entry(1, 900, Idle), ""),
        (
            "its removal was asked for a moment ago",
            scene().runner(1, 900, Absent).remember(1, 900, removed),
            "",
        ),
        (
            "an entry whose VM is gone",
            scene().entry(1, 900, Offline).remember(1, 900, |known| known.vm_seen = true),
            "-1",
        ),
        ("an entry whose VM was never seen, young", scene().entry(1, 60, Offline), ""),
        ("an entry whose VM was never seen, old", scene().entry(1, 200, Offline), "-1"),
        ("a busy entry without VM", scene().entry(1, 900, Busy), ""),
        (
            "a VM without entry and id, old",
            scene().runner(1, 601, Absent).last_vm(|vm| vm.tags.runner_id = None),
            "-1!",
        ),
        (
            "a VM without entry and id, young",
            scene().pending(1, 1).runner(1, 599, Absent).last_vm(|vm| vm.tags.runner_id = None),
            "",
        ),
        (
            "a day old: its replacement first",
            Scene::new("min_runners = 1").runner(1, day, Idle).remember(1, day, was_online),
            "+for1",
        ),
        ("a day old and busy", scene().runner(1, day, Busy), ""),
        (
            "another configuration",
            Scene::new("min_runners = 1")
                .runner(1, 60, Idle)
                .last_vm(|vm| vm.tags.config_hash = "x".to_owned()),
            "+for1",
        ),
        ("no room for two", Scene::new("min_runners = 1\nmax_runners = 1").runner(1, day, Idle), "-1"),
        (
            "one after another",
            Scene::new("min_runners = 2").runner(1, day, Idle).runner(2, day + 9, Idle),
            "+for2",
        ),
        (
            "another repository",
            scene()
                .pending(1, 1)
                .runner(1, 60, Absent)
                .last_vm(|vm| vm.tags.scope = "repo:o/old".parse().expect("valid")),
            "-1",
        ),
    ];
    for (situation, scene, expected) in table {
        assert_eq!(scene.brief(), expected, "{situation}: {}", scene.plan().decision.reason);
    }
}

#[test]
fn a_replacement_is_online_before_the_old_one_goes() {
    let day = 24 * 3600 + 1;
    let start = || Scene::new("min_runners = 1").runner(1, day, Idle);
    let replaces = |scene: &Scene| Some(scene.name(1, day).to_string());
    let with = |entry| {
        let scene = start().runner(2, 30, entry);
        let tag = replaces(&scene);
        scene.last_vm(|vm| vm.tags.replaces = tag)
    };
    assert_eq!(with(Offline).brief(), "", "the new one boots");
    assert_eq!(with(Idle).brief(), "-1", "the new one is online");
    assert_eq!(with(Busy).brief(), "-1 +", "the new one took a job at once");
    let mut in_flight = start();
    let (old, new) = (in_flight.name(1, day), in_flight.name(2, 1));
    in_flight.seen.in_flight.insert(new, Operation::Provision { replaces: Some(old) });
    assert_eq!(in_flight.brief(), "", "the new one is being asked for");
}

#[test]
fn what_was_not_read_whole_removes_nothing_but_the_minimum_is_kept() {
    let scene =
        || Scene::new("min_runners = 1").runner(1, 900, Idle).runner(2, 900, Idle).runner(3, 900, Offline);
    let mut unreadable = scene();
    unreadable.seen.entries = Err("GitHub said 502".to_owned());
    assert_eq!(unreadable.brief(), "");
    assert!(unreadable.plan().decision.reason.contains("GitHub said 502"));
    let mut unreadable = scene();
    unreadable.seen.vms = Err("Azure said 500".to_owned());
    assert_eq!(unreadable.brief(), "");
    let mut unreadable = Scene::new("min_runners = 2").runner(1, 900, Idle);
    unreadable.seen.demand = Err("the queue could not be read".to_owned());
    assert_eq!(unreadable.brief(), "+");
    let mut unreadable = Scene::new("").runner(1, 900, Idle);
    unreadable.seen.demand = Err("the queue could not be read".to_owned());
    assert_eq!(unreadable.brief(), "");
}

#[test]
fn starts_that_fail_are_tried_less_and_less_often() {
    let mut scene = Scene::new("").pending(8, 1);
    let action = Action::Provision { replaces: None, reason: String::new() };
    let mut waits = Vec::new();
    let mut now = NOW;
    for _ in 0..9 {
        scene.memory.record(&action, &Outcome::Failed("no capacity".to_owned()), at(now));
        scene.memory.record(&action, &Outcome::Failed("no capacity".to_owned()), at(now));
        let wait = scene.memory.failures.wait_left(at(now)).expect("a wait begins").as_secs();
        waits.push(wait);
        now += i64::try_from(wait).expect("short");
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 900, 900]);
    scene.memory.failures.last = Some(at(NOW));
    assert_eq!(scene.brief(), "");
    assert!(scene.plan().decision.reason.contains("no capacity"), "{}", scene.plan().decision.reason);
}

#[test]
fn a_runner_that_comes_online_ends_the_backoff() {
    let mut scene = Scene::new("").runner(1, 60, Idle);
    scene.memory.failures = crate::memory::Failures { count: 5, last: Some(at(NOW)), why: "x".to_owned() };
    let memory = scene.memory.clone().after_seeing(&scene.seen, at(NOW));
    assert_eq!(memory.failures, crate::memory::Failures::default());
}

fn any_scene() -> impl Strategy<Value = Scene> {
    let entry = prop_oneof![Just(Absent), Just(Offline), Just(Idle), Just(Busy)];
    let vm = prop::option::weighted(
        0.9,
        (
            prop_oneof![4 => Just(Succeeded), 1 => Just(Creating), 1 => Just(Failed), 1 => Just(Deleting)],
            prop_oneof![3 => Just(Running), 1 => Just(Stopped), 1 => Just(Unknown)],
            any::<bool>(),
        ),
    );
    let age = prop_oneof![5_i64..1000, 80_000_i64..90_000];
    let memory = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let runner = (age, entry, vm, memory, any::<bool>());
    let scaling = (0_u32..4, 0_u32..6, any::<bool>());
    let weather = (any::<bool>(), any::<bool>(), 0_u32..20);
    (scaling, 0_u32..20, 0_i64..120, prop::collection::vec(runner, 0..9), weather).prop_map(
        |((min, extra, enabled), jobs, waited, runners, (bad_entries, bad_vms, odds))| {
            let mut scene = Scene::new(&format!("min_runners = {min}\nmax_runners = {}", min + extra));
            scene.fleet.enabled = enabled;
            scene = scene.pending(jobs, waited);
            for (number, (age, entry, vm, (online, seen, removed, asked), in_flight)) in (1..).zip(runners) {
                if let Some((provisioning, power, is_current)) = vm {
                    scene = scene.vm(number, age, provisioning, power);
                    if !is_current {
                        scene = scene.last_vm(|vm| vm.tags.config_hash = "old".to_owned());
                    }
                }
                scene = scene.entry(number, age, entry).remember(number, age, |known| {
                    known.was_online = online;
                    known.entry_seen = seen;
                    known.removal_asked = removed.then(|| at(NOW - 60));
                    known.asked_for = asked.then(|| at(NOW - age));
                });
                if in_flight && odds < 10 {
                    let name = scene.name(number, age);
                    scene.seen.in_flight.insert(name, Operation::Destroy);
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

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene")
            .field("scaling", &self.fleet.scaling)
            .field("seen", &self.seen)
            .field("memory", &self.memory)
            .finish()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn invariants(scene in any_scene()) {
        let plan = scene.plan();
        let entries = scene.seen.entries.clone().unwrap_or_default();
        let vms = scene.seen.vms.clone().unwrap_or_default();
        let starts = plan.actions.iter().filter(|action| matches!(action, Action::Provision { .. })).count();
        if starts > 0 {
            let most = scene.fleet.scaling.max_runners as usize;
            prop_assert!(vms.len() + starts <= most, "{} VMs and {starts} more", vms.len());
        }
        let mut removed = BTreeSet::new();
        for action in &plan.actions {
            let Action::Destroy(destroy) = action else { continue };
            let name = destroy.runner.as_str();
            let is_busy = entries.get(&destroy.runner).is_some_and(|entry| entry.busy);
            prop_assert!(!is_busy, "{name} runs a job");
            prop_assert!(scene.seen.entries.is_ok() && scene.seen.vms.is_ok());
            prop_assert!(!destroy.reason.is_empty());
            prop_assert!(removed.insert(name), "{name} twice");
            prop_assert!(!scene.seen.in_flight.contains_key(&destroy.runner));
            let is_listed = entries.contains_key(&destroy.runner);
            prop_assert_eq!(matches!(destroy.first, Deregister::Entry(_)), is_listed);
        }
        prop_assert_eq!(&plan, &scene.plan(), "the same again");
    }

    #[test]
    fn memory_lost_is_nothing_lost(scene in any_scene()) {
        let forgetful = Scene { memory: Memory::default(), fleet: scene.fleet.clone(), seen: scene.seen.clone(), last_vm: None };
        let vms = scene.seen.vms.clone().unwrap_or_default();
        let starts = forgetful.plan().actions.iter().filter(|action| matches!(action, Action::Provision { .. })).count();
        prop_assert!(starts == 0 || vms.len() + starts <= scene.fleet.scaling.max_runners as usize);
    }
}

#[test]
fn nothing_is_left_to_remember_of_a_runner_that_is_gone() {
    let long_ago =
        |known: &mut crate::memory::Remembered| known.asked_for = Some(at(NOW) - Duration::from_secs(900));
    let scene = Scene::new("").remember(1, 900, long_ago);
    assert!(scene.memory.clone().after_seeing(&scene.seen, at(NOW)).runners.is_empty());
}

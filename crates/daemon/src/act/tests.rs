//! What each action does in the world, and what it leaves alone.

use std::sync::Mutex;

use azlin_fleet::plan::Deregister;
use azlin_simcloud::{Occurrence, World, WorldObserver};

use super::*;
use crate::scene::{Scene, Warned, fleet};

const BUSY: &str = "it runs a job";
const LAGS: &str = "GitHub still has its entry: the list lags";

fn lifecycle(scene: &Scene) -> Lifecycle {
    Lifecycle::new(scene.outside.clone(), Arc::default(), CancellationToken::new())
}

fn wanted(scene: &Scene, fleet: &Fleet) -> Wanted {
    let name = RunnerName::new(&fleet.name, scene.outside.now(), (scene.outside.random)());
    Wanted { name, replaces: None, places: fleet.vm.places(false) }
}

async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
}

/// A runner that is online; and at work, if it is to be.
async fn runner(scene: &Scene, fleet: &Fleet, is_busy: bool) -> RunnerName {
    let wanted = wanted(scene, fleet);
    assert_eq!(lifecycle(scene).provision(fleet, &wanted).await, Outcome::Started);
    minutes(3).await;
    if is_busy {
        scene.submit("o/r");
    }
    let entry = scene.entries().into_iter().find(|entry| entry.name == wanted.name.to_string());
    assert_eq!(entry.map(|entry| (entry.online, entry.job.is_some())), Some((true, is_busy)));
    wanted.name
}

fn removal(fleet: &Fleet, runner: &RunnerName, first: Deregister) -> Destroy {
    Destroy {
        runner: runner.clone(),
        scope: fleet.scope.clone(),
        first,
        vm: Some((fleet.vm.group.clone(), runner.to_string())),
        stop: None,
        why: DrainReason::Surplus("a test".to_owned()),
        reason: "a test".to_owned(),
    }
}

/// What came of a runner's removal: whether its VM is there, and whether its entry is.
async fn removed(scene: &Scene, fleet: &Fleet, destroy: &Destroy) -> (Outcome, bool, bool) {
    let outcome = lifecycle(scene).destroy(fleet, destroy).await;
    let name = destroy.runner.to_string();
    (outcome, scene.vms().contains(&name), scene.entries().iter().any(|entry| entry.name == name))
}

fn left_alone(why: &str) -> Outcome {
    Outcome::LeftAlone(why.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_runner_without_a_job_goes_as_github_confirms_it() {
    let lags = || (left_alone(LAGS), true, true);
    let gone = || (Outcome::Removed, false, false);
    type Case = (fn(RunnerId) -> Deregister, (Outcome, bool, bool));
    let cases: [Case; 9] = [
        (Deregister::Entry, gone()),
        (Deregister::ConfirmGone, lags()),
        (|id| Deregister::Unregistered(Some(id)), lags()),
        (|_| Deregister::Unregistered(None), lags()),
        (|id| Deregister::Elsewhere(Some(id)), gone()),
        (|_| Deregister::Elsewhere(None), gone()),
        (|id| Deregister::IfPossible(Some(id)), gone()),
        (|id| Deregister::Regardless(Some(id)), gone()),
        (|_| Deregister::Nothing, (Outcome::Removed, false, true)),
    ];
    for (first, result) in cases {
        let (scene, fleet) = (Scene::new(""), fleet("ci", "", ""));
        let name = runner(&scene, &fleet, false).await;
        let first = first(scene.id(name.as_str()));
        assert_eq!(removed(&scene, &fleet, &removal(&fleet, &name, first)).await, result, "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_runs_keeps_its_vm_unless_it_is_to_end() {
    let stays = |why| (left_alone(why), true, true);
    type Case = (fn(RunnerId) -> Deregister, (Outcome, bool, bool));
    let cases: [Case; 6] = [
        (Deregister::Entry, stays("it has taken a job")),
        (Deregister::ConfirmGone, stays(LAGS)),
        (|id| Deregister::Unregistered(Some(id)), stays(LAGS)),
        (|id| Deregister::Elsewhere(Some(id)), stays(BUSY)),
        (|id| Deregister::IfPossible(Some(id)), stays(BUSY)),
        (|id| Deregister::Regardless(Some(id)), (Outcome::Removed, false, true)),
    ];
    for (first, result) in cases {
        let (scene, fleet) = (Scene::new(""), fleet("ci", "", ""));
        let name = runner(&scene, &fleet, true).await;
        let first = first(scene.id(name.as_str()));
        assert_eq!(removed(&scene, &fleet, &removal(&fleet, &name, first)).await, result, "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_not_found_is_no_leave_to_touch_a_vm() {
    let (scene, fleet) = (Scene::new(""), fleet("ci", "", ""));
    let name = runner(&scene, &fleet, true).await;
    let nobody = RunnerId(scene.id(name.as_str()).0 + 100);
    let with_vm = removal(&fleet, &name, Deregister::Entry(nobody));
    let why = "its entry was gone before it was removed; the next look decides";
    assert_eq!(removed(&scene, &fleet, &with_vm).await, (left_alone(why), true, true));
    let without = Destroy { vm: None, ..with_vm };
    assert_eq!(removed(&scene, &fleet, &without).await, (Outcome::Removed, true, true));
}

#[tokio::test(start_paused = true)]
async fn an_entry_elsewhere_that_is_not_shown_to_us_is_looked_for_in_the_whole_list() {
    let lagging = "[[faults]]\nwhat = { stale = '1m' }\nside = 'github'\n";
    let (scene, fleet) = (Scene::new(lagging), fleet("ci", "", ""));
    let name = runner(&scene, &fleet, false).await;
    let id = scene.id(name.as_str());
    scene.world().state.github.runners.remove(&id.0);
    let destroy = removal(&fleet, &name, Deregister::Elsewhere(None));
    assert_eq!(removed(&scene, &fleet, &destroy).await, (left_alone(LAGS), true, false));
    minutes(2).await;
    assert_eq!(removed(&scene, &fleet, &destroy).await, (Outcome::Removed, false, false));
}

/// Its number may be that of another runner by now, which is none of its business.
#[tokio::test(start_paused = true)]
async fn an_entry_is_known_by_its_name_whatever_number_it_is_said_to_have() {
    for first in [
        |id| Deregister::IfPossible(Some(id)),
        |id| Deregister::Regardless(Some(id)),
        |id| Deregister::Elsewhere(Some(id)),
    ] {
        let (scene, fleet) = (Scene::new(""), fleet("ci", "", ""));
        let name = runner(&scene, &fleet, false).await;
        let other = runner(&scene, &fleet, false).await;
        let first = first(scene.id(other.as_str()));
        let gone = (Outcome::Removed, false, false);
        assert_eq!(removed(&scene, &fleet, &removal(&fleet, &name, first)).await, gone, "{first:?}");
        let left: Vec<String> = scene.entries().into_iter().map(|entry| entry.name).collect();
        assert_eq!(left, [other.to_string()], "{first:?}");
    }
    let (scene, fleet) = (Scene::new(""), fleet("ci", "", ""));
    let name = runner(&scene, &fleet, false).await;
    let nobody = RunnerId(scene.id(name.as_str()).0 + 100);
    let destroy = removal(&fleet, &name, Deregister::Unregistered(Some(nobody)));
    assert_eq!(removed(&scene, &fleet, &destroy).await, (left_alone(LAGS), true, true));
}

#[tokio::test(start_paused = true)]
async fn while_github_does_not_answer_only_what_must_go_goes() {
    let away = "[[faults]]\nwhat = 'reset'\nside = 'github'\nfrom = '150s'\n";
    type Case = (fn(RunnerId) -> Deregister, bool);
    let cases: [Case; 7] = [
        (Deregister::Entry, true),
        (Deregister::ConfirmGone, true),
        (|id| Deregister::Unregistered(Some(id)), true),
        (|id| Deregister::Elsewhere(Some(id)), true),
        (|id| Deregister::IfPossible(Some(id)), false),
        (|id| Deregister::Regardless(Some(id)), false),
        (|_| Deregister::Nothing, false),
    ];
    for (first, stays) in cases {
        let (scene, fleet) = (Scene::new(away), fleet("ci", "", ""));
        let name = runner(&scene, &fleet, false).await;
        let first = first(scene.id(name.as_str()));
        let (outcome, is_there, _) = removed(&scene, &fleet, &removal(&fleet, &name, first)).await;
        assert_eq!(is_there, stays, "{first:?}");
        assert_eq!(matches!(outcome, Outcome::Failed(_)), stays, "{first:?}: {outcome:?}");
    }
}

/// The steps that machines are asked for.
struct Steps(Arc<Mutex<Vec<(String, String)>>>);

impl WorldObserver for Steps {
    fn happened(&mut self, _: &World, what: &Occurrence<'_>) {
        if let Occurrence::Step { vm, step } = what {
            self.0.lock().expect("no panic").push(((*vm).to_owned(), (*step).to_owned()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_service_is_stopped_on_the_vm_that_goes_wherever_it_is() {
    let (scene, before) = (Scene::new(""), fleet("ci", "", "[bootstrap]\nmethod = 'ssh'\n"));
    let mut elsewhere = before.clone();
    "old".clone_into(&mut elsewhere.vm.group.name);
    let wanted = wanted(&scene, &elsewhere);
    let outcome = lifecycle(&scene).provision(&elsewhere, &wanted).await;
    assert!(matches!(outcome, Outcome::Installed { .. }), "{outcome:?}");
    let host_key =
        scene.world().state.azure.vms.values().find_map(|vm| vm.tag("azlin-host-key").map(str::to_owned));
    assert!(host_key.is_some());
    let steps = Arc::new(Mutex::new(Vec::new()));
    scene.world().watch(Box::new(Steps(Arc::clone(&steps))));
    let destroy = Destroy {
        stop: host_key,
        ..removal(&elsewhere, &wanted.name, Deregister::Entry(scene.id(wanted.name.as_str())))
    };
    assert_eq!(removed(&scene, &before, &destroy).await, (Outcome::Removed, false, false));
    assert_eq!(*steps.lock().expect("no panic"), [(wanted.name.to_string(), "stop".to_owned())]);
}

/// How the start of a VM ended, how many VMs were asked for, and how many entries and VMs there are.
async fn started(faults: &str, tables: &str) -> (Outcome, u64, usize, usize) {
    let (scene, fleet) = (Scene::new(faults), fleet("ci", "", tables));
    let outcome = lifecycle(&scene).provision(&fleet, &wanted(&scene, &fleet)).await;
    (outcome, scene.requests("PUT", "/virtualMachines/{name}"), scene.entries().len(), scene.vms().len())
}

fn fault(what: &str) -> String {
    format!("[[faults]]\nwhat = {what}\nside = 'azure'\nmethod = 'PUT'\n")
}

#[tokio::test(start_paused = true)]
async fn the_next_size_is_asked_for_only_where_the_first_has_no_room() {
    assert_eq!(started("", "").await, (Outcome::Started, 1, 1, 1));
    let of_one = "[[faults]]\nwhat = { no_capacity = 'Standard_D4s_v5' }\n";
    assert_eq!(started(of_one, "").await, (Outcome::Started, 2, 1, 1));
    let (outcome, asked, entries, vms) = started("[[faults]]\nwhat = 'no_capacity'\n", "").await;
    assert!(matches!(&outcome, Outcome::NoRoom(why) if why.contains("; ")), "{outcome:?}");
    assert_eq!((asked, entries, vms), (2, 0, 0), "its entry is taken back");
    let (outcome, asked, entries, vms) = started(&fault("{ status = 403 }"), "").await;
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    assert_eq!((asked, entries, vms), (1, 0, 0), "another size would be refused too");
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_may_be_there_keeps_its_entry() {
    for what in ["'lost_answer'", "{ latency = '50s' }"] {
        let (outcome, asked, entries, vms) = started(&fault(what), "").await;
        assert!(matches!(outcome, Outcome::Unclear(_)), "{what}: {outcome:?}");
        assert_eq!((asked, entries, vms), (1, 1, 1), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn over_ssh_a_vm_that_cannot_be_had_is_told_as_such() {
    let ssh = "[bootstrap]\nmethod = 'ssh'\n";
    let outcome = started(&fault("{ status = 403 }"), ssh).await;
    assert!(matches!(outcome, (Outcome::Failed(_), 1, 0, 0)), "{outcome:?}");
    let outcome = started(&fault("'lost_answer'"), ssh).await;
    assert!(matches!(outcome, (Outcome::Unclear(_), 1, 0, 1)), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_vm_bears_the_time_at_which_it_was_asked_for() {
    let (scene, fleet) = (Scene::new(""), fleet("ci", "", ""));
    minutes(5).await;
    let now = scene.outside.now();
    runner(&scene, &fleet, false).await;
    let world = scene.world();
    let created = world.state.azure.vms.values().find_map(|vm| vm.tag("azlin-created"));
    assert_eq!(created, Some(now.to_string().as_str()));
}

#[tokio::test(start_paused = true)]
async fn where_the_program_is_is_asked_once_an_hour_and_anew_after_a_runner_that_never_came() {
    let failing = "[[faults]]\nwhat = 'reset'\npath = '/runners/downloads'\nuntil = '15s'\n";
    let (scene, fleet) = (Scene::new(failing), fleet("ci", "", ""));
    let lifecycle = lifecycle(&scene);
    let asked = || scene.requests("GET", "/runners/downloads");
    let provision = async || lifecycle.provision(&fleet, &wanted(&scene, &fleet)).await;
    assert!(matches!(provision().await, Outcome::Failed(_)));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(matches!(provision().await, Outcome::Failed(_)));
    assert_eq!(asked(), 1, "what failed is not asked again within ten seconds");
    minutes(1).await;
    assert_eq!((provision().await, asked()), (Outcome::Started, 2));
    minutes(58).await;
    assert_eq!((provision().await, asked()), (Outcome::Started, 2));
    minutes(3).await;
    let last = wanted(&scene, &fleet);
    assert_eq!((lifecycle.provision(&fleet, &last).await, asked()), (Outcome::Started, 3));
    let late = Destroy {
        why: DrainReason::BootTimeout("late".to_owned()),
        ..removal(&fleet, &last.name, Deregister::Regardless(None))
    };
    assert_eq!(lifecycle.destroy(&fleet, &late).await, Outcome::Removed);
    assert_eq!((provision().await, asked()), (Outcome::Started, 4));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_machine_goes_when_the_daemon_stops() {
    let (scene, fleet) = (Scene::new(""), fleet("ci", "", "[bootstrap]\nmethod = 'ssh'\n"));
    let stop = CancellationToken::new();
    stop.cancel();
    let lifecycle = Lifecycle::new(scene.outside.clone(), Arc::default(), stop);
    let outcome = lifecycle.provision(&fleet, &wanted(&scene, &fleet)).await;
    assert_eq!(outcome, Outcome::Started, "the VM is there, and whoever comes next goes on with it");
}

#[tokio::test(start_paused = true)]
async fn what_a_vm_printed_is_told_before_one_goes_that_did_not_work() {
    let late = || DrainReason::BootTimeout("late".to_owned());
    for (why, told) in [(late(), 1), (DrainReason::Broken("it is".to_owned()), 1), (DrainReason::Finished, 0)]
    {
        let (scene, fleet) = (Scene::new(""), fleet("ci", "", ""));
        let name = runner(&scene, &fleet, false).await;
        let (warned, _guard) = Warned::listen();
        let destroy = Destroy { why, ..removal(&fleet, &name, Deregister::Nothing) };
        lifecycle(&scene).destroy(&fleet, &destroy).await;
        assert_eq!(warned.warnings(), told, "{:?}", destroy.why);
    }
}

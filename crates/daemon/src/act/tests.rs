//! What each action changes in the world, and what it leaves alone.

use azlin_fleet::model::{BootstrapOutcome, BrokenReason, Deregister, ScalingReason};
use azlin_simcloud::{Occurrence, World, WorldObserver};
use parking_lot::Mutex;

use super::*;
use crate::fixture::{CloudFixture, Warned, fleet};

const BUSY: &str = "it runs a job";
const LAGS: &str = "GitHub still has its entry: the list lags";

fn lifecycle(fixture: &CloudFixture) -> RunnerLifecycle {
    RunnerLifecycle::new(fixture.context.clone(), Arc::default(), CancellationToken::new())
}

fn request(fixture: &CloudFixture, fleet: &Fleet) -> RunnerRequest {
    let name = RunnerName::new(&fleet.name, fixture.context.now(), (fixture.context.random)());
    RunnerRequest { name, replaces: None, offerings: fleet.vm.offerings(false) }
}

async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
}

/// A runner that is online. With `is_busy`, it also runs a job.
async fn runner(fixture: &CloudFixture, fleet: &Fleet, is_busy: bool) -> RunnerName {
    let request = request(fixture, fleet);
    assert_eq!(lifecycle(fixture).provision(fleet, &request).await, ProvisionOutcome::Started);
    minutes(3).await;
    if is_busy {
        fixture.submit("o/r");
    }
    let entry = fixture.entries().into_iter().find(|entry| entry.name == request.name.to_string());
    assert_eq!(entry.map(|entry| (entry.online, entry.job.is_some())), Some((true, is_busy)));
    request.name
}

const LATE: DrainReason =
    DrainReason::BootTimeout { age: Duration::from_secs(900), limit: Duration::from_secs(600) };

fn removal(fleet: &Fleet, runner: &RunnerName, first: Deregister) -> Destroy {
    Destroy {
        runner: runner.clone(),
        scope: fleet.scope.clone(),
        first,
        vm: Some((fleet.vm.group.clone(), runner.to_string())),
        stop: None,
        why: DrainReason::Surplus(ScalingReason::IDLE),
    }
}

/// The outcome of a runner's removal, whether its VM still exists, and whether its entry does.
async fn removed(fixture: &CloudFixture, fleet: &Fleet, destroy: &Destroy) -> (DestroyOutcome, bool, bool) {
    let outcome = lifecycle(fixture).destroy(fleet, destroy).await;
    let name = destroy.runner.to_string();
    (outcome, fixture.vms().contains(&name), fixture.entries().iter().any(|entry| entry.name == name))
}

fn left_alone(why: &str) -> DestroyOutcome {
    DestroyOutcome::LeftAlone(why.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_runner_without_a_job_goes_as_github_confirms_it() {
    let lags = || (left_alone(LAGS), true, true);
    let gone = || (DestroyOutcome::Removed, false, false);
    type RemovalCase = (fn(RunnerId) -> Deregister, (DestroyOutcome, bool, bool));
    let cases: [RemovalCase; 9] = [
        (Deregister::Entry, gone()),
        (Deregister::ConfirmGone, lags()),
        (|id| Deregister::Unregistered(Some(id)), lags()),
        (|_| Deregister::Unregistered(None), lags()),
        (|id| Deregister::Elsewhere(Some(id)), gone()),
        (|_| Deregister::Elsewhere(None), gone()),
        (|id| Deregister::IfPossible(Some(id)), gone()),
        (|id| Deregister::Regardless(Some(id)), gone()),
        (|_| Deregister::Nothing, (DestroyOutcome::Removed, false, true)),
    ];
    for (first, result) in cases {
        let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
        let name = runner(&fixture, &fleet, false).await;
        let first = first(fixture.id(name.as_str()));
        assert_eq!(removed(&fixture, &fleet, &removal(&fleet, &name, first)).await, result, "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_runs_keeps_its_vm_unless_it_is_to_end() {
    let stays = |why| (left_alone(why), true, true);
    type BusyCase = (fn(RunnerId) -> Deregister, (DestroyOutcome, bool, bool));
    let cases: [BusyCase; 6] = [
        (Deregister::Entry, stays("it has taken a job")),
        (Deregister::ConfirmGone, stays(LAGS)),
        (|id| Deregister::Unregistered(Some(id)), stays(LAGS)),
        (|id| Deregister::Elsewhere(Some(id)), stays(BUSY)),
        (|id| Deregister::IfPossible(Some(id)), stays(BUSY)),
        (|id| Deregister::Regardless(Some(id)), (DestroyOutcome::Removed, false, true)),
    ];
    for (first, result) in cases {
        let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
        let name = runner(&fixture, &fleet, true).await;
        let first = first(fixture.id(name.as_str()));
        assert_eq!(removed(&fixture, &fleet, &removal(&fleet, &name, first)).await, result, "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_not_found_is_no_leave_to_touch_a_vm() {
    let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
    let name = runner(&fixture, &fleet, true).await;
    let nobody = RunnerId(fixture.id(name.as_str()).0 + 100);
    let with_vm = removal(&fleet, &name, Deregister::Entry(nobody));
    let why = "its entry was gone before it was removed; the next look decides";
    assert_eq!(removed(&fixture, &fleet, &with_vm).await, (left_alone(why), true, true));
    let without = Destroy { vm: None, ..with_vm };
    assert_eq!(removed(&fixture, &fleet, &without).await, (DestroyOutcome::Removed, true, true));
}

#[tokio::test(start_paused = true)]
async fn an_entry_elsewhere_that_is_not_shown_to_us_is_looked_for_in_the_whole_list() {
    let lagging = "[[faults]]\nwhat = { stale = '1m' }\nside = 'github'\n";
    let (fixture, fleet) = (CloudFixture::new(lagging), fleet("ci", "", ""));
    let name = runner(&fixture, &fleet, false).await;
    let id = fixture.id(name.as_str());
    fixture.world().state.github.runners.remove(&id.0);
    let destroy = removal(&fleet, &name, Deregister::Elsewhere(None));
    assert_eq!(removed(&fixture, &fleet, &destroy).await, (left_alone(LAGS), true, false));
    minutes(2).await;
    assert_eq!(removed(&fixture, &fleet, &destroy).await, (DestroyOutcome::Removed, false, false));
}

/// The number may belong to another runner, whose entry must stay.
#[tokio::test(start_paused = true)]
async fn an_entry_is_known_by_its_name_whatever_number_it_is_said_to_have() {
    for first in [
        |id| Deregister::IfPossible(Some(id)),
        |id| Deregister::Regardless(Some(id)),
        |id| Deregister::Elsewhere(Some(id)),
    ] {
        let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
        let name = runner(&fixture, &fleet, false).await;
        let other = runner(&fixture, &fleet, false).await;
        let first = first(fixture.id(other.as_str()));
        let gone = (DestroyOutcome::Removed, false, false);
        assert_eq!(removed(&fixture, &fleet, &removal(&fleet, &name, first)).await, gone, "{first:?}");
        let left: Vec<String> = fixture.entries().into_iter().map(|entry| entry.name).collect();
        assert_eq!(left, [other.to_string()], "{first:?}");
    }
    let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
    let name = runner(&fixture, &fleet, false).await;
    let nobody = RunnerId(fixture.id(name.as_str()).0 + 100);
    let destroy = removal(&fleet, &name, Deregister::Unregistered(Some(nobody)));
    assert_eq!(removed(&fixture, &fleet, &destroy).await, (left_alone(LAGS), true, true));
}

#[tokio::test(start_paused = true)]
async fn while_github_does_not_answer_only_what_must_go_goes() {
    let away = "[[faults]]\nwhat = 'reset'\nside = 'github'\nfrom = '150s'\n";
    type OutageCase = (fn(RunnerId) -> Deregister, bool);
    let cases: [OutageCase; 7] = [
        (Deregister::Entry, true),
        (Deregister::ConfirmGone, true),
        (|id| Deregister::Unregistered(Some(id)), true),
        (|id| Deregister::Elsewhere(Some(id)), true),
        (|id| Deregister::IfPossible(Some(id)), false),
        (|id| Deregister::Regardless(Some(id)), false),
        (|_| Deregister::Nothing, false),
    ];
    for (first, stays) in cases {
        let (fixture, fleet) = (CloudFixture::new(away), fleet("ci", "", ""));
        let name = runner(&fixture, &fleet, false).await;
        let first = first(fixture.id(name.as_str()));
        let (outcome, is_there, _) = removed(&fixture, &fleet, &removal(&fleet, &name, first)).await;
        assert_eq!(is_there, stays, "{first:?}");
        assert_eq!(matches!(outcome, DestroyOutcome::Failed(_)), stays, "{first:?}: {outcome:?}");
    }
}

/// The steps that run on machines: VM and step.
struct Steps(Arc<Mutex<Vec<(String, String)>>>);

impl WorldObserver for Steps {
    fn happened(&mut self, _: &World, what: &Occurrence<'_>) {
        if let Occurrence::Step { vm, step } = what {
            self.0.lock().push(((*vm).to_owned(), (*step).to_owned()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_service_is_stopped_on_the_vm_that_goes_wherever_it_is() {
    let (fixture, before) = (CloudFixture::new(""), fleet("ci", "", "[bootstrap]\nmethod = 'ssh'\n"));
    let mut elsewhere = before.clone();
    "old".clone_into(&mut elsewhere.vm.group.name);
    let request = request(&fixture, &elsewhere);
    let outcome = lifecycle(&fixture).provision(&elsewhere, &request).await;
    assert!(
        matches!(outcome, ProvisionOutcome::Bootstrap(BootstrapOutcome::Installed { .. })),
        "{outcome:?}"
    );
    let host_key =
        fixture.world().state.azure.vms.values().find_map(|vm| vm.tag("azlin-host-key").map(str::to_owned));
    assert!(host_key.is_some());
    let steps = Arc::new(Mutex::new(Vec::new()));
    fixture.world().watch(Box::new(Steps(Arc::clone(&steps))));
    let destroy = Destroy {
        stop: host_key,
        ..removal(&elsewhere, &request.name, Deregister::Entry(fixture.id(request.name.as_str())))
    };
    assert_eq!(removed(&fixture, &before, &destroy).await, (DestroyOutcome::Removed, false, false));
    assert_eq!(*steps.lock(), [(request.name.to_string(), "stop".to_owned())]);
}

/// The outcome of a VM's start, the number of requested VMs, and how many entries and VMs exist afterwards.
async fn started(faults: &str, tables: &str) -> (ProvisionOutcome, u64, usize, usize) {
    let (fixture, fleet) = (CloudFixture::new(faults), fleet("ci", "", tables));
    let outcome = lifecycle(&fixture).provision(&fleet, &request(&fixture, &fleet)).await;
    (
        outcome,
        fixture.requests("PUT", "/virtualMachines/{name}"),
        fixture.entries().len(),
        fixture.vms().len(),
    )
}

fn fault(what: &str) -> String {
    format!("[[faults]]\nwhat = {what}\nside = 'azure'\nmethod = 'PUT'\n")
}

#[tokio::test(start_paused = true)]
async fn the_next_size_is_asked_for_only_where_the_first_has_no_room() {
    assert_eq!(started("", "").await, (ProvisionOutcome::Started, 1, 1, 1));
    let of_one = "[[faults]]\nwhat = { no_capacity = 'Standard_D4s_v5' }\n";
    assert_eq!(started(of_one, "").await, (ProvisionOutcome::Started, 2, 1, 1));
    let (outcome, asked, entries, vms) = started("[[faults]]\nwhat = 'no_capacity'\n", "").await;
    assert!(matches!(&outcome, ProvisionOutcome::NoCapacity(why) if why.contains("; ")), "{outcome:?}");
    assert_eq!((asked, entries, vms), (2, 0, 0), "its entry is taken back");
    let (outcome, asked, entries, vms) = started(&fault("{ status = 403 }"), "").await;
    assert!(matches!(outcome, ProvisionOutcome::Failed(_)), "{outcome:?}");
    assert_eq!((asked, entries, vms), (1, 0, 0), "another size would be refused too");
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_may_be_there_keeps_its_entry() {
    for what in ["'lost_answer'", "{ latency = '50s' }"] {
        let (outcome, asked, entries, vms) = started(&fault(what), "").await;
        assert!(matches!(outcome, ProvisionOutcome::Unclear(_)), "{what}: {outcome:?}");
        assert_eq!((asked, entries, vms), (1, 1, 1), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn over_ssh_a_vm_that_cannot_be_had_is_told_as_such() {
    let ssh = "[bootstrap]\nmethod = 'ssh'\n";
    let outcome = started(&fault("{ status = 403 }"), ssh).await;
    assert!(matches!(outcome, (ProvisionOutcome::Failed(_), 1, 0, 0)), "{outcome:?}");
    let outcome = started(&fault("'lost_answer'"), ssh).await;
    assert!(matches!(outcome, (ProvisionOutcome::Unclear(_), 1, 0, 1)), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_vm_bears_the_time_at_which_it_was_asked_for() {
    let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
    minutes(5).await;
    let now = fixture.context.now();
    runner(&fixture, &fleet, false).await;
    let world = fixture.world();
    let created = world.state.azure.vms.values().find_map(|vm| vm.tag("azlin-created"));
    assert_eq!(created, Some(now.to_string().as_str()));
}

#[tokio::test(start_paused = true)]
async fn where_the_program_is_is_asked_once_an_hour_and_anew_after_a_runner_that_never_came() {
    let failing = "[[faults]]\nwhat = 'reset'\npath = '/runners/downloads'\nuntil = '15s'\n";
    let (fixture, fleet) = (CloudFixture::new(failing), fleet("ci", "", ""));
    let lifecycle = lifecycle(&fixture);
    let asked = || fixture.requests("GET", "/runners/downloads");
    let provision = async || lifecycle.provision(&fleet, &request(&fixture, &fleet)).await;
    assert!(matches!(provision().await, ProvisionOutcome::Failed(_)));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(matches!(provision().await, ProvisionOutcome::Failed(_)));
    assert_eq!(asked(), 1, "what failed is not asked again within ten seconds");
    minutes(1).await;
    assert_eq!((provision().await, asked()), (ProvisionOutcome::Started, 2));
    minutes(58).await;
    assert_eq!((provision().await, asked()), (ProvisionOutcome::Started, 2));
    minutes(3).await;
    let last = request(&fixture, &fleet);
    assert_eq!((lifecycle.provision(&fleet, &last).await, asked()), (ProvisionOutcome::Started, 3));
    let late = Destroy { why: LATE, ..removal(&fleet, &last.name, Deregister::Regardless(None)) };
    assert_eq!(lifecycle.destroy(&fleet, &late).await, DestroyOutcome::Removed);
    assert_eq!((provision().await, asked()), (ProvisionOutcome::Started, 4));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_machine_goes_when_the_daemon_stops() {
    let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", "[bootstrap]\nmethod = 'ssh'\n"));
    let stop = CancellationToken::new();
    stop.cancel();
    let lifecycle = RunnerLifecycle::new(fixture.context.clone(), Arc::default(), stop);
    let outcome = lifecycle.provision(&fleet, &request(&fixture, &fleet)).await;
    assert_eq!(outcome, ProvisionOutcome::Started, "the VM is there, and whoever comes next goes on with it");
}

#[tokio::test(start_paused = true)]
async fn what_a_vm_printed_is_told_before_one_goes_that_did_not_work() {
    for (why, told) in
        [(LATE, 1), (DrainReason::Broken(BrokenReason::Stopped), 1), (DrainReason::Finished, 0)]
    {
        let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
        let name = runner(&fixture, &fleet, false).await;
        let (warned, _guard) = Warned::listen();
        let destroy = Destroy { why, ..removal(&fleet, &name, Deregister::Nothing) };
        lifecycle(&fixture).destroy(&fleet, &destroy).await;
        assert_eq!(warned.warnings(), told, "{:?}", destroy.why);
    }
}

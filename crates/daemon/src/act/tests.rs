//! What each action changes in the world, and what it leaves alone.

use azlin_fleet::model::{BrokenReason, EntryRef, Proof, ScalingReason};

use super::*;
use crate::fixture::{CloudFixture, Warned, fleet};

pub(super) fn lifecycle(fixture: &CloudFixture) -> RunnerLifecycle {
    RunnerLifecycle::new(fixture.context.clone(), Arc::default(), CancellationToken::new())
}

pub(super) fn request(fixture: &CloudFixture, fleet: &Fleet) -> RunnerRequest {
    let name = RunnerName::new(&fleet.name, fixture.context.now(), (fixture.context.random)());
    RunnerRequest { name, is_resumed: false, replaces: None, offerings: fleet.vm.offerings(false) }
}

pub(super) async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
}

/// A runner that is online. With `is_busy`, it also runs a job.
pub(super) async fn runner(fixture: &CloudFixture, fleet: &Fleet, is_busy: bool) -> RunnerName {
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

/// The removal of a runner whose entry no list shows.
fn removal(fleet: &Fleet, runner: &RunnerName, proof: Proof) -> Destroy {
    Destroy {
        runner: runner.clone(),
        scope: fleet.scope.clone(),
        entry: EntryRef::Unlisted(None),
        vm: Some((fleet.vm.group.clone(), runner.to_string().into())),
        proof,
        frees_room: false,
        why: DrainReason::Surplus(ScalingReason::IDLE),
    }
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
async fn each_vm_has_a_key_of_its_own_that_nobody_holds() {
    let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
    for _ in 0..2 {
        let request = request(&fixture, &fleet);
        assert_eq!(lifecycle(&fixture).provision(&fleet, &request).await, ProvisionOutcome::Started);
    }
    let at = "/properties/osProfile/linuxConfiguration/ssh/publicKeys/0/keyData";
    let world = fixture.world();
    let keys = world.state.azure.vms.values().filter_map(|vm| vm.body.pointer(at)?.as_str());
    let keys: std::collections::BTreeSet<&str> = keys.filter(|key| is_taken_by_azure(key)).collect();
    assert_eq!(keys.len(), 2);
}

#[test]
fn azure_takes_two_kinds_of_keys() {
    for (key, expected) in [
        ("ssh-ed25519 AAAA x", true),
        ("ssh-rsa AAAA", true),
        ("ecdsa-sha2-nistp256 AAAA", false),
        ("sk-ssh-ed25519@openssh.com AAAA", false),
        ("", false),
    ] {
        assert_eq!(is_taken_by_azure(key), expected, "{key}");
    }
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
    let late = Destroy { why: LATE, ..removal(&fleet, &last.name, Proof::Waived) };
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
    assert_eq!(outcome, ProvisionOutcome::Started, "the VM is there, and the next one goes on with it");
}

#[tokio::test(start_paused = true)]
async fn what_a_vm_printed_is_told_before_one_goes_that_did_not_work() {
    for (why, told) in
        [(LATE, 1), (DrainReason::Broken(BrokenReason::Stopped), 1), (DrainReason::Finished, 0)]
    {
        let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
        let name = runner(&fixture, &fleet, false).await;
        let (warned, _guard) = Warned::listen();
        let destroy = Destroy { why, ..removal(&fleet, &name, Proof::Waived) };
        lifecycle(&fixture).destroy(&fleet, &destroy).await;
        assert_eq!(warned.warnings(), told, "{:?}", destroy.why);
    }
}

#[tokio::test(start_paused = true)]
async fn what_azure_never_makes_is_passed_over_and_told_once_and_where_nothing_is_left_a_person_must_act() {
    let refused = |only: &str| fault(&format!("{{ refused = [400, 'VMSizeNotSupported', 'x'{only}] }}"));
    let (told, _guard) = Warned::listen();
    let of_one = refused(", 'Standard_D4s_v5'");
    assert_eq!(started(&of_one, "").await, (ProvisionOutcome::Started, 2, 1, 1));
    assert_eq!(told.warnings(), 1, "the size is told");
    let (outcome, asked, entries, vms) = started(&refused(""), "").await;
    let ProvisionOutcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.is_loud() && failure.why.contains("VMSizeNotSupported"), "{failure:?}");
    assert_eq!((asked, entries, vms), (2, 0, 0));
    assert_eq!(told.warnings(), 1, "the failed start tells it");
}

#[tokio::test(start_paused = true)]
async fn many_starts_ask_once_for_what_azure_never_makes() {
    let faults = fault("{ refused = [400, 'VMSizeNotSupported', 'x', 'Standard_D4s_v5'] }");
    let (fixture, fleet) = (CloudFixture::new(&faults), fleet("ci", "", ""));
    let (told, _guard) = Warned::listen();
    let lifecycle = lifecycle(&fixture);
    let starts = (0..10).map(|_| async {
        let request = request(&fixture, &fleet);
        lifecycle.provision(&fleet, &request).await
    });
    for outcome in futures::future::join_all(starts).await {
        assert_eq!(outcome, ProvisionOutcome::Started);
    }
    assert_eq!((fixture.requests("PUT", "/virtualMachines/{name}"), told.warnings()), (11, 1));
}

/// The request of a start that was interrupted, resumed.
fn resumed(request: &RunnerRequest) -> RunnerRequest {
    RunnerRequest {
        name: request.name.clone(),
        is_resumed: true,
        replaces: None,
        offerings: request.offerings.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_resumed_start_makes_what_is_missing_and_nothing_twice() {
    for (situation, has_entry, has_vm, requests) in [
        ("nothing was sent", false, false, 1),
        ("GitHub was asked", true, false, 1),
        ("Azure was asked", true, true, 1),
    ] {
        let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
        let (lifecycle, request) = (lifecycle(&fixture), request(&fixture, &fleet));
        if has_vm {
            assert_eq!(lifecycle.provision(&fleet, &request).await, ProvisionOutcome::Started);
        } else if has_entry {
            let config = runner_config(&fleet, request.name.clone());
            fixture.context.github(&fleet).jit_config(&config).await.expect("it is registered");
        }
        let outcome = lifecycle.provision(&fleet, &resumed(&request)).await;
        assert_eq!(outcome, ProvisionOutcome::Started, "{situation}");
        let puts = fixture.requests("PUT", "/virtualMachines/{name}");
        assert_eq!((puts, fixture.entries().len()), (requests, 1), "{situation}");
        assert_eq!(fixture.vms(), [request.name.to_string()], "{situation}");
        minutes(3).await;
        assert!(fixture.entries().iter().all(|entry| entry.online), "{situation}: its runner works");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_arrives_late_makes_no_second_vm_and_leaves_no_entry() {
    let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
    let (lifecycle, request) = (lifecycle(&fixture), request(&fixture, &fleet));
    assert_eq!(lifecycle.provision(&fleet, &request).await, ProvisionOutcome::Started);
    // Azure did not have the VM a moment ago.
    let outcome = lifecycle.by_itself(&fleet, &resumed(&request)).await;
    assert!(matches!(outcome, ProvisionOutcome::LeftAlone(_)), "{outcome:?}");
    assert_eq!((fixture.entries().len(), fixture.vms().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_start_is_left_alone_where_azure_does_not_say_whether_it_has_the_vm_or_github_has_its_runner_online()
 {
    let away = "[[faults]]\nwhat = { status = 503 }\nside = 'azure'\nmethod = 'GET'\n";
    let (fixture, fleet) = (CloudFixture::new(away), fleet("ci", "", ""));
    let request = resumed(&request(&fixture, &fleet));
    let outcome = lifecycle(&fixture).provision(&fleet, &request).await;
    assert!(matches!(outcome, ProvisionOutcome::LeftAlone(_)), "{outcome:?}");
    assert_eq!((fixture.entries().len(), fixture.vms().len()), (0, 0));
    let name = runner(&fixture, &fleet, false).await;
    let online = RunnerRequest { name, is_resumed: true, replaces: None, offerings: Vec::new() };
    let lifecycle = lifecycle(&fixture);
    let outcome = lifecycle.by_itself(&fleet, &online).await;
    assert!(matches!(outcome, ProvisionOutcome::LeftAlone(_)), "{outcome:?}");
    assert_eq!(fixture.entries().len(), 1, "the entry of a runner at work stays");
}

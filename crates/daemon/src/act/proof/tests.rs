//! What is removed, and what is not, by what the VM says.

use std::sync::Arc;

use azlin_fleet::model::{
    BootstrapOutcome, DrainReason, ProvisionOutcome, RunnerId, RunnerName, ScalingReason,
};
use azlin_simcloud::{Occurrence, World, WorldObserver};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::super::tests::{lifecycle, minutes, request, runner};
use super::*;
use crate::fixture::{CloudFixture, Warned, fleet};

const LAGS: &str = "GitHub still has its entry: the list lags";

/// The removal of a listed runner.
fn removal(fixture: &CloudFixture, fleet: &Fleet, runner: &RunnerName, proof: Proof) -> Destroy {
    Destroy {
        runner: runner.clone(),
        scope: fleet.scope.clone(),
        entry: EntryRef::Listed(fixture.id(runner.as_str())),
        vm: Some((fleet.vm.group.clone(), runner.to_string().into())),
        proof,
        frees_room: false,
        why: DrainReason::Surplus(ScalingReason::IDLE),
    }
}

/// The outcome of a runner's removal, whether its VM is left, and whether its entry is.
async fn removed(fixture: &CloudFixture, fleet: &Fleet, destroy: &Destroy) -> (DestroyOutcome, bool, bool) {
    let outcome = lifecycle(fixture).destroy(fleet, destroy).await;
    let name = destroy.runner.to_string();
    (outcome, fixture.vms().contains(&name), fixture.entries().iter().any(|entry| entry.name == name))
}

/// The host key that is planted on the only VM.
fn host_key(fixture: &CloudFixture) -> Option<String> {
    fixture.world().state.azure.vms.values().find_map(|vm| vm.tag("azlin-host-key").map(str::to_owned))
}

fn stays(why: &str) -> (DestroyOutcome, bool, bool) {
    (left_alone(why), true, true)
}

const GONE: (DestroyOutcome, bool, bool) = (DestroyOutcome::Removed, false, false);
const BUSY: (DestroyOutcome, bool, bool) = (DestroyOutcome::Busy, true, true);

#[tokio::test(start_paused = true)]
async fn a_vm_goes_by_its_own_word() {
    let unlisted = |destroy: Destroy| Destroy { entry: EntryRef::Unlisted(None), ..destroy };
    let silent = || Proof::Unanswered(Duration::from_secs(5400));
    for (situation, is_busy, proof, is_listed, expected) in [
        ("idle", false, Proof::Drain(None), true, GONE),
        ("a job runs", true, Proof::Drain(None), true, BUSY),
        ("the list lacks its entry, and GitHub has it", false, Proof::Drain(None), false, stays(LAGS)),
        ("and a job runs", true, Proof::Drain(None), false, stays(LAGS)),
        ("it was silent for long", false, silent(), true, GONE),
        ("it was silent for long, and GitHub calls it busy now", true, silent(), true, BUSY),
        (
            "a list shows that it has stopped, and it runs",
            false,
            Proof::Stopped,
            true,
            stays("Azure says that its VM runs: the list lags"),
        ),
        ("no proof is needed", true, Proof::Waived, true, (DestroyOutcome::Removed, false, true)),
        (
            "no proof is needed, and the list lacks its entry",
            true,
            Proof::Waived,
            false,
            (DestroyOutcome::Removed, false, true),
        ),
    ] {
        let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
        let name = runner(&fixture, &fleet, is_busy).await;
        let destroy = removal(&fixture, &fleet, &name, proof);
        let destroy = if is_listed { destroy } else { unlisted(destroy) };
        assert_eq!(removed(&fixture, &fleet, &destroy).await, expected, "{situation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_does_not_answer_stays_until_its_time_is_over_and_then_a_person_is_told() {
    let (fixture, fleet) = (CloudFixture::new("[[faults]]\nwhat = 'guest_deaf'\n"), fleet("ci", "", ""));
    let name = runner(&fixture, &fleet, false).await;
    let (warned, _guard) = Warned::listen();
    let destroy = removal(&fixture, &fleet, &name, Proof::Drain(None));
    let silent = DestroyOutcome::Asked("its VM has not answered yet".to_owned());
    assert_eq!(removed(&fixture, &fleet, &destroy).await, (silent, true, true));
    assert_eq!(warned.warnings(), 0);
    let proof = Proof::Unanswered(Duration::from_secs(5400));
    assert_eq!(removed(&fixture, &fleet, &Destroy { proof, ..destroy }).await, GONE);
    assert_eq!(warned.warnings(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_ephemeral_vm_powers_off_after_its_job_and_is_asked_nothing() {
    let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
    let name = runner(&fixture, &fleet, true).await;
    let id = fixture.id(name.as_str());
    minutes(60).await;
    assert!(fixture.entries().is_empty(), "its job is done");
    let listed = EntryRef::Unlisted(Some(id));
    let destroy = Destroy {
        runner: name.clone(),
        scope: fleet.scope.clone(),
        entry: listed,
        vm: Some((fleet.vm.group.clone(), name.to_string().into())),
        proof: Proof::Drain(None),
        frees_room: false,
        why: DrainReason::Finished,
    };
    assert_eq!(removed(&fixture, &fleet, &destroy).await, GONE);
    assert_eq!(fixture.requests("PATCH", "/virtualMachines/{name}"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_removed_alone_only_where_azure_has_no_vm() {
    let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
    let name = runner(&fixture, &fleet, true).await;
    let destroy = Destroy { vm: None, ..removal(&fixture, &fleet, &name, Proof::Stopped) };
    assert_eq!(removed(&fixture, &fleet, &destroy).await, stays("Azure has its VM: the list lags"));
    fixture.world().state.azure.vms.clear();
    let busy = (DestroyOutcome::Busy, false, true);
    assert_eq!(removed(&fixture, &fleet, &destroy).await, busy, "GitHub has not noticed");
    let id = fixture.id(name.as_str());
    fixture.world().state.github.runners.get_mut(&id.0).expect("it is there").job = None;
    assert_eq!(removed(&fixture, &fleet, &destroy).await, GONE);
    let nobody = Destroy { entry: EntryRef::Listed(RunnerId(id.0 + 100)), ..destroy };
    assert_eq!(removed(&fixture, &fleet, &nobody).await, GONE, "it is gone already");
}

#[tokio::test(start_paused = true)]
async fn an_entry_in_another_scope_goes_with_its_vm() {
    let (fixture, mut fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
    let name = runner(&fixture, &fleet, false).await;
    let destroy = removal(&fixture, &fleet, &name, Proof::Drain(None));
    fleet.scope = "repo:o/other".parse().expect("valid");
    let destroy = Destroy { entry: EntryRef::Unlisted(None), ..destroy };
    assert_eq!(removed(&fixture, &fleet, &destroy).await, GONE, "no list of the fleet would show it");
}

#[tokio::test(start_paused = true)]
async fn while_one_side_does_not_answer() {
    let away = |side: &str| format!("[[faults]]\nwhat = 'reset'\nside = '{side}'\nfrom = '150s'\n");
    for (side, is_listed, is_left) in
        [("github", true, false), ("github", false, true), ("azure", true, true), ("azure", false, true)]
    {
        let (fixture, fleet) = (CloudFixture::new(&away(side)), fleet("ci", "", ""));
        let name = runner(&fixture, &fleet, false).await;
        let destroy = removal(&fixture, &fleet, &name, Proof::Drain(None));
        let entry = if is_listed { destroy.entry } else { EntryRef::Unlisted(None) };
        let (outcome, is_there, has_entry) = removed(&fixture, &fleet, &Destroy { entry, ..destroy }).await;
        assert_eq!(is_there, is_left, "{side} {is_listed}: {outcome:?}");
        assert_eq!(matches!(outcome, DestroyOutcome::Failed(_)), is_left, "{side} {is_listed}: {outcome:?}");
        assert!(has_entry, "a later tick removes it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_stops_waits_for_no_answer() {
    let (fixture, fleet) = (CloudFixture::new("[[faults]]\nwhat = 'guest_deaf'\n"), fleet("ci", "", ""));
    let name = runner(&fixture, &fleet, false).await;
    let stop = CancellationToken::new();
    stop.cancel();
    let lifecycle = RunnerLifecycle::new(fixture.context.clone(), Arc::default(), stop);
    let destroy = removal(&fixture, &fleet, &name, Proof::Drain(None));
    assert_eq!(lifecycle.destroy(&fleet, &destroy).await, left_alone("the daemon is stopping"));
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
async fn over_ssh_the_vm_that_goes_answers_at_once_wherever_it_is() {
    for is_busy in [false, true] {
        let (fixture, before) = (CloudFixture::new(""), fleet("ci", "", "[bootstrap]\nmethod = 'ssh'\n"));
        let mut elsewhere = before.clone();
        "old".clone_into(&mut elsewhere.vm.group.name);
        let request = request(&fixture, &elsewhere);
        let outcome = lifecycle(&fixture).provision(&elsewhere, &request).await;
        assert!(
            matches!(outcome, ProvisionOutcome::Bootstrap(BootstrapOutcome::Installed { .. })),
            "{outcome:?}"
        );
        minutes(1).await;
        if is_busy {
            fixture.submit("o/r");
        }
        let host_key = host_key(&fixture);
        assert!(host_key.is_some());
        let steps = Arc::new(Mutex::new(Vec::new()));
        fixture.world().watch(Box::new(Steps(Arc::clone(&steps))));
        let destroy = removal(&fixture, &elsewhere, &request.name, Proof::Drain(host_key.map(Into::into)));
        let expected = if is_busy { BUSY } else { GONE };
        assert_eq!(removed(&fixture, &before, &destroy).await, expected);
        assert_eq!(*steps.lock(), [(request.name.to_string(), "drain".to_owned())]);
    }
}

#[expect(clippy::print_stdout, reason = "docs/performance.md quotes it")]
#[tokio::test(start_paused = true)]
async fn a_drain_takes_seconds_and_a_handful_of_requests() {
    for (method, most_seconds, most_requests) in [("cloud-init", 20, 9), ("ssh", 10, 5)] {
        let tables = format!("[bootstrap]\nmethod = '{method}'\n");
        let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", &tables));
        let request = request(&fixture, &fleet);
        lifecycle(&fixture).provision(&fleet, &request).await;
        minutes(3).await;
        let host_key = host_key(&fixture);
        let sent = |method: &str| fixture.requests(method, "");
        let all = || sent("GET") + sent("PATCH") + sent("DELETE");
        let (before, began) = (all(), Instant::now());
        let destroy = removal(&fixture, &fleet, &request.name, Proof::Drain(host_key.map(Into::into)));
        assert_eq!(removed(&fixture, &fleet, &destroy).await, GONE);
        let (took, requests) = (began.elapsed().as_secs_f64(), all() - before);
        println!("{method}: {took:.1} s, {requests} requests");
        assert!(
            took <= f64::from(most_seconds) && requests <= most_requests,
            "{took} s, {requests} requests"
        );
    }
}

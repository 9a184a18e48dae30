//! What is read, how often, and which part of it may be missing.

use azlin_fleet::model::{PowerState, ProvisioningState, RunnerName};
use azlin_simcloud::azure::{SimPower, SimVmState};
use tokio::time::sleep;

use super::*;
use crate::act::{RunnerLifecycle, RunnerRequest};
use crate::fixture::{CloudFixture, fleet};

const POLL: Duration = Duration::from_secs(60);

fn observer(fixture: &CloudFixture, fleets: &[Fleet]) -> Observer {
    Observer::new(fixture.context.clone(), fleets, POLL)
}

fn others(names: &[&str]) -> BTreeSet<ResourceGroup> {
    let group = |name: &&str| ResourceGroup {
        subscription_id: "00000000-0000-0000-0000-000000000000".to_owned(),
        name: (*name).to_owned(),
    };
    names.iter().map(group).collect()
}

/// A VM of the fleet in this group, as its runners' VMs are created.
async fn vm_in(fixture: &CloudFixture, fleet: &Fleet, group: &str) -> RunnerName {
    let mut there = fleet.clone();
    group.clone_into(&mut there.vm.group.name);
    let lifecycle = RunnerLifecycle::new(
        fixture.context.clone(),
        Arc::default(),
        tokio_util::sync::CancellationToken::new(),
    );
    let name = RunnerName::new(&fleet.name, fixture.context.now(), (fixture.context.random)());
    let wanted = RunnerRequest {
        name: name.clone(),
        is_resumed: false,
        replaces: None,
        offerings: there.vm.offerings(false),
    };
    lifecycle.provision(&there, &wanted).await;
    name
}

#[tokio::test(start_paused = true)]
async fn what_was_read_serves_for_a_tenth_of_the_poll() {
    let (fixture, fleet) = (CloudFixture::new(""), fleet("ci", "", ""));
    let observer = observer(&fixture, std::slice::from_ref(&fleet));
    let reads = || {
        let github = fixture.requests("GET", "/actions/runners");
        (github, fixture.requests("GET", "/virtualMachines"), fixture.requests("GET", "/actions/runs"))
    };
    observer.poll(&fleet, &others(&[]), Poll::Queue).await;
    let (runners, vms, runs) = reads();
    assert!(runners == 1 && vms == 1 && runs > 0, "{:?}", reads());
    sleep(Duration::from_secs(6)).await;
    observer.poll(&fleet, &others(&[]), Poll::Queue).await;
    assert_eq!(reads(), (runners, vms, runs));
    sleep(Duration::from_secs(1)).await;
    observer.poll(&fleet, &others(&[]), Poll::Queue).await;
    assert_eq!(reads(), (2 * runners, 2 * vms, 2 * runs));
}

#[tokio::test(start_paused = true)]
async fn vms_are_seen_in_every_group_that_has_some_and_each_group_is_read_once() {
    let (fixture, ci, other) = (CloudFixture::new(""), fleet("ci", "", ""), fleet("other", "", ""));
    let observer = observer(&fixture, &[ci.clone(), other.clone()]);
    let here = vm_in(&fixture, &ci, "rg").await;
    let there = vm_in(&fixture, &ci, "old").await;
    vm_in(&fixture, &other, "rg").await;
    let seen = observer.poll(&ci, &others(&["old", "rg"]), Poll::Queue).await.0;
    let vms = seen.vms.expect("they can be read");
    assert_eq!(vms.keys().collect::<Vec<_>>(), [&here, &there]);
    assert_eq!((seen.unread.len(), fixture.requests("GET", "/virtualMachines")), (0, 2));
    let entries = seen.entries.expect("they can be read");
    assert_eq!(entries.keys().collect::<Vec<_>>(), [&here, &there], "and its own runners alone");
    let alone = observer.poll(&ci, &others(&[]), Poll::Queue).await.0.vms.expect("they can be read");
    assert_eq!(alone.keys().collect::<Vec<_>>(), [&here]);
    assert_eq!(observer.known_groups(), others(&["old", "rg"]));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_the_fleet_has_left_holds_it_up_only_while_that_may_pass() {
    // Status; whether VMs are known after that answer for the fleet's own group, then for another; whether it
    // is reported.
    for (status, own, other, is_reported) in [
        (404, false, true, false),
        (403, false, true, true),
        (400, false, true, true),
        (503, false, false, false),
    ] {
        for (broken, is_known, is_reported) in [("rg", own, false), ("old", other, is_reported)] {
            let (world, ci) = (
                format!(
                    "[[faults]]\nwhat = {{ status = {status} }}\nmethod = 'GET'\npath = '/resourceGroups/{broken}'\n"
                ),
                fleet("ci", "", ""),
            );
            let fixture = CloudFixture::new(&world);
            let seen = observer(&fixture, std::slice::from_ref(&ci))
                .poll(&ci, &others(&["old"]), Poll::Queue)
                .await
                .0;
            let case = format!("{status} of {broken}: {:?}", seen.vms);
            assert_eq!(seen.vms.is_ok(), is_known, "{case}");
            let unread: Vec<&str> = seen.unread.keys().map(|group| group.name.as_str()).collect();
            assert_eq!(unread, if is_reported { vec!["old"] } else { vec![] }, "{case}");
            let why = seen.vms.err().unwrap_or_default();
            assert!(is_known || why.contains(&format!("/{broken}")) || why.contains(broken), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn power_states_are_read_by_a_health_poll_and_unknown_where_they_cannot_be_read() {
    let ci = fleet("ci", "", "");
    let refused = "[[faults]]\nwhat = { status = 403 }\npath = '00/providers/Microsoft.Compute'\n";
    for (faults, poll, power) in [
        ("", Poll::Health, PowerState::Running),
        ("", Poll::Queue, PowerState::Unknown),
        (refused, Poll::Health, PowerState::Unknown),
    ] {
        let fixture = CloudFixture::new(faults);
        let name = vm_in(&fixture, &ci, "rg").await;
        sleep(Duration::from_secs(120)).await;
        let observer = observer(&fixture, std::slice::from_ref(&ci));
        let seen = observer.poll(&ci, &others(&[]), poll).await.0;
        assert_eq!(seen.vms.expect("it can be read")[&name].power, power);
        let is_reported = poll == Poll::Health && power == PowerState::Unknown;
        assert_eq!(observer.vms.powerless.lock().len(), usize::from(is_reported));
    }
}

#[tokio::test(start_paused = true)]
async fn why_a_vm_could_not_be_created_is_asked_once() {
    let (fixture, ci) = (
        CloudFixture::new("[[faults]]\nwhat = { create_fails = 'AllocationFailed' }\ntimes = 2\n"),
        fleet("ci", "", ""),
    );
    let observer = observer(&fixture, std::slice::from_ref(&ci));
    let (here, there) = (vm_in(&fixture, &ci, "rg").await, vm_in(&fixture, &ci, "old").await);
    let sound = vm_in(&fixture, &ci, "rg").await;
    sleep(Duration::from_secs(60)).await;
    for _ in 0..3 {
        let seen = observer.poll(&ci, &others(&["old"]), Poll::Queue).await.0;
        let vms = seen.vms.expect("they can be read");
        let failed = |name: &RunnerName| vms[name].failure.as_ref().map(ToString::to_string);
        assert!(failed(&here).is_some_and(|why| why.contains("AllocationFailed")));
        assert_eq!((failed(&there).is_some(), failed(&sound)), (true, None));
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(fixture.requests("GET", "/virtualMachines/{name}"), 2);
    assert_eq!(observer.vms.failures.lock().len(), 2);
    for (name, group) in [(&here, "rg"), (&there, "old")] {
        let group = others(&[group]).pop_first().expect("one");
        fixture.context.azure.delete(&group, name.as_str()).await.expect("it can be removed");
    }
    sleep(Duration::from_secs(60)).await;
    observer.poll(&ci, &others(&["old"]), Poll::Queue).await;
    assert_eq!(observer.vms.failures.lock().len(), 0, "they are gone");
}

#[tokio::test(start_paused = true)]
async fn a_vm_whose_tags_a_policy_took_is_known_by_its_name() {
    let (fixture, ci, other) = (CloudFixture::new(""), fleet("ci", "", ""), fleet("other", "", ""));
    let name = vm_in(&fixture, &ci, "rg").await;
    sleep(Duration::from_secs(120)).await;
    let strip = |tags| {
        let mut world = fixture.world();
        let vm = world.state.azure.vms.values_mut().find(|vm| vm.name == name.as_str()).expect("the VM");
        Arc::make_mut(&mut vm.body)["tags"] = tags;
    };
    let observer = observer(&fixture, &[ci.clone(), other.clone()]);
    for tags in [serde_json::Value::Null, serde_json::json!({"azlin-pool": "Other", "team": "x"})] {
        strip(tags);
        sleep(Duration::from_secs(60)).await;
        let vms = observer.poll(&ci, &others(&[]), Poll::Health).await.0.vms.expect("they can be read");
        assert_eq!(
            vms.get(&name).map(|vm| (vm.power, vm.tags.pool.clone())),
            Some((PowerState::Running, ci.name.clone()))
        );
        assert_eq!(observer.vms.tagless.lock().len(), 1, "a person is told once");
        let vms = observer.poll(&other, &others(&[]), Poll::Health).await.0.vms.expect("they can be read");
        assert!(vms.is_empty(), "it is of one fleet");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_runs_has_not_failed_whatever_azure_calls_it() {
    let (fixture, ci) = (CloudFixture::new(""), fleet("ci", "", ""));
    let name = vm_in(&fixture, &ci, "rg").await;
    sleep(Duration::from_secs(120)).await;
    let observer = observer(&fixture, std::slice::from_ref(&ci));
    for (state, failure, runs, expected) in [
        (SimVmState::Failed, Some("VMExtensionProvisioningError"), Some(true), ProvisioningState::Impaired),
        (SimVmState::Succeeded, None, Some(true), ProvisioningState::Succeeded),
        (SimVmState::Failed, Some("VMStoppedToWarnSubscription"), Some(false), ProvisioningState::Withheld),
        (SimVmState::Succeeded, None, Some(true), ProvisioningState::Succeeded),
        (SimVmState::Failed, Some("AllocationFailed"), None, ProvisioningState::Failed),
    ] {
        {
            let mut world = fixture.world();
            let vm = world.state.azure.vms.values_mut().next().expect("the VM");
            let power = runs.map(|runs| if runs { SimPower::Running } else { SimPower::Stopped });
            (vm.state, vm.failure, vm.power) = (state, failure.map(str::to_owned), power);
        }
        sleep(Duration::from_secs(60)).await;
        let vms = observer.poll(&ci, &others(&[]), Poll::Queue).await.0.vms.expect("they can be read");
        assert_eq!(vms[&name].provisioning, expected, "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn why_is_asked_again_after_the_question_failed() {
    let faults = "[[faults]]\nwhat = { create_fails = 'AllocationFailed' }\n[[faults]]\nwhat = 'reset'\nmethod = 'GET'\npath = '/virtualMachines/'\nuntil = '90s'\n";
    let (fixture, ci) = (CloudFixture::new(faults), fleet("ci", "", ""));
    let observer = observer(&fixture, std::slice::from_ref(&ci));
    let name = vm_in(&fixture, &ci, "rg").await;
    sleep(Duration::from_secs(60)).await;
    for is_known in [false, true] {
        let vms = observer.poll(&ci, &others(&[]), Poll::Queue).await.0.vms.expect("they can be read");
        assert_eq!(vms[&name].failure.is_some(), is_known);
        sleep(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_at_github_is_named() {
    let faults = "[[faults]]\nwhat = { status = 503 }\nside = 'github'\n";
    let (fixture, ci) = (CloudFixture::new(faults), fleet("ci", "", ""));
    let seen = observer(&fixture, std::slice::from_ref(&ci)).poll(&ci, &others(&[]), Poll::Queue).await.0;
    assert!(seen.entries.expect_err("a fault").starts_with("the runners of repo:o/r: "));
    assert!(seen.demand.expect_err("a fault").starts_with("the queue of repo:o/r: "));
}

#[tokio::test(start_paused = true)]
async fn what_is_read_for_ever_is_given_up_before_the_watchdog_acts() {
    let began = Instant::now();
    let error = in_time(std::future::pending::<Result<(), CallError>>()).await.expect_err("no end");
    assert_eq!(error.to_string(), "it was not read within 8m");
    assert!(began.elapsed() < Duration::from_secs(15 * 60));
}

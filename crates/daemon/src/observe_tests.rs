use azlin_fleet::runner_name::RunnerName;
use tokio::time::sleep;

use super::*;
use crate::act::{Lifecycle, Wanted};
use crate::scene::{Scene, fleet};

const POLL: Duration = Duration::from_secs(60);

fn observer(scene: &Scene, fleets: &[Fleet]) -> Observer {
    Observer::new(scene.outside.clone(), fleets, POLL)
}

fn others(names: &[&str]) -> BTreeSet<ResourceGroup> {
    let group = |name: &&str| ResourceGroup {
        subscription_id: "00000000-0000-0000-0000-000000000000".to_owned(),
        name: (*name).to_owned(),
    };
    names.iter().map(group).collect()
}

/// A VM of the fleet in this group, made as its runners are.
async fn vm_in(scene: &Scene, fleet: &Fleet, group: &str) -> RunnerName {
    let mut there = fleet.clone();
    group.clone_into(&mut there.vm.group.name);
    let lifecycle =
        Lifecycle::new(scene.outside.clone(), Arc::default(), tokio_util::sync::CancellationToken::new());
    let name = RunnerName::new(&fleet.name, scene.outside.now(), (scene.outside.random)());
    let wanted = Wanted { name: name.clone(), replaces: None, places: there.vm.places(false) };
    lifecycle.provision(&there, &wanted).await;
    name
}

#[tokio::test(start_paused = true)]
async fn what_was_read_serves_for_a_tenth_of_the_poll() {
    let (scene, fleet) = (Scene::new(""), fleet("ci", "", ""));
    let observer = observer(&scene, std::slice::from_ref(&fleet));
    let reads = || {
        let github = scene.requests("GET", "/actions/runners");
        (github, scene.requests("GET", "/virtualMachines"), scene.requests("GET", "/actions/runs"))
    };
    observer.observe(&fleet, &others(&[]), false).await;
    let (runners, vms, runs) = reads();
    assert!(runners == 1 && vms == 1 && runs > 0, "{:?}", reads());
    sleep(Duration::from_secs(6)).await;
    observer.observe(&fleet, &others(&[]), false).await;
    assert_eq!(reads(), (runners, vms, runs));
    sleep(Duration::from_secs(1)).await;
    observer.observe(&fleet, &others(&[]), false).await;
    assert_eq!(reads(), (2 * runners, 2 * vms, 2 * runs));
}

#[tokio::test(start_paused = true)]
async fn vms_are_seen_in_every_group_that_has_some_and_each_group_is_read_once() {
    let (scene, ci, other) = (Scene::new(""), fleet("ci", "", ""), fleet("other", "", ""));
    let observer = observer(&scene, &[ci.clone(), other.clone()]);
    let here = vm_in(&scene, &ci, "rg").await;
    let there = vm_in(&scene, &ci, "old").await;
    vm_in(&scene, &other, "rg").await;
    let seen = observer.observe(&ci, &others(&["old", "rg"]), false).await;
    let vms = seen.vms.expect("they can be read");
    assert_eq!(vms.keys().collect::<Vec<_>>(), [&here, &there]);
    assert_eq!((seen.unread.len(), scene.requests("GET", "/virtualMachines")), (0, 2));
    let entries = seen.entries.expect("they can be read");
    assert_eq!(entries.keys().collect::<Vec<_>>(), [&here, &there], "and its own runners alone");
    let alone = observer.observe(&ci, &others(&[]), false).await.vms.expect("they can be read");
    assert_eq!(alone.keys().collect::<Vec<_>>(), [&here]);
    assert_eq!(observer.known_groups(), others(&["old", "rg"]));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_the_fleet_has_left_holds_it_up_only_while_that_may_pass() {
    // The status; whether VMs are known when the fleet's own group or another one answers so; whether that is told.
    for (status, own, other, is_told) in [
        (404, false, true, false),
        (403, false, true, true),
        (400, false, true, true),
        (503, false, false, false),
    ] {
        for (broken, is_known, is_told) in [("rg", own, false), ("old", other, is_told)] {
            let (world, ci) = (
                format!(
                    "[[faults]]\nwhat = {{ status = {status} }}\nmethod = 'GET'\npath = '/resourceGroups/{broken}'\n"
                ),
                fleet("ci", "", ""),
            );
            let scene = Scene::new(&world);
            let seen =
                observer(&scene, std::slice::from_ref(&ci)).observe(&ci, &others(&["old"]), false).await;
            let case = format!("{status} of {broken}: {:?}", seen.vms);
            assert_eq!(seen.vms.is_ok(), is_known, "{case}");
            let unread: Vec<&str> = seen.unread.keys().map(|group| group.name.as_str()).collect();
            assert_eq!(unread, if is_told { vec!["old"] } else { vec![] }, "{case}");
            let told = seen.vms.err().unwrap_or_default();
            assert!(is_known || told.contains(&format!("/{broken}")) || told.contains(broken), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn power_is_asked_for_when_it_is_wanted_and_told_as_unknown_where_it_cannot_be_read() {
    let ci = fleet("ci", "", "");
    let refused = "[[faults]]\nwhat = { status = 403 }\npath = '00/providers/Microsoft.Compute'\n";
    for (faults, wanted, power) in [
        ("", true, PowerState::Running),
        ("", false, PowerState::Unknown),
        (refused, true, PowerState::Unknown),
    ] {
        let scene = Scene::new(faults);
        let name = vm_in(&scene, &ci, "rg").await;
        sleep(Duration::from_secs(120)).await;
        let observer = observer(&scene, std::slice::from_ref(&ci));
        let seen = observer.observe(&ci, &others(&[]), wanted).await;
        assert_eq!(seen.vms.expect("it can be read")[&name].power, power);
        let is_told = wanted && power == PowerState::Unknown;
        assert_eq!(observer.powerless.lock().expect("no panic").len(), usize::from(is_told));
    }
}

#[tokio::test(start_paused = true)]
async fn why_a_vm_could_not_be_made_is_asked_once() {
    let (scene, ci) = (
        Scene::new("[[faults]]\nwhat = { create_fails = 'AllocationFailed' }\ntimes = 2\n"),
        fleet("ci", "", ""),
    );
    let observer = observer(&scene, std::slice::from_ref(&ci));
    let (here, there) = (vm_in(&scene, &ci, "rg").await, vm_in(&scene, &ci, "old").await);
    let sound = vm_in(&scene, &ci, "rg").await;
    sleep(Duration::from_secs(60)).await;
    for _ in 0..3 {
        let seen = observer.observe(&ci, &others(&["old"]), false).await;
        let vms = seen.vms.expect("they can be read");
        let failed = |name: &RunnerName| vms[name].failure.as_ref().map(ToString::to_string);
        assert!(failed(&here).is_some_and(|why| why.contains("AllocationFailed")));
        assert_eq!((failed(&there).is_some(), failed(&sound)), (true, None));
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(scene.requests("GET", "/virtualMachines/{name}"), 2);
    assert_eq!(observer.failures.lock().expect("no panic").len(), 2);
    for (name, group) in [(&here, "rg"), (&there, "old")] {
        let group = others(&[group]).pop_first().expect("one");
        scene.outside.azure.delete(&group, name.as_str()).await.expect("it can be removed");
    }
    sleep(Duration::from_secs(60)).await;
    observer.observe(&ci, &others(&["old"]), false).await;
    assert_eq!(observer.failures.lock().expect("no panic").len(), 0, "they are gone");
}

#[tokio::test(start_paused = true)]
async fn why_is_asked_again_when_it_could_not_be_told() {
    let faults = "[[faults]]\nwhat = { create_fails = 'AllocationFailed' }\n[[faults]]\nwhat = 'reset'\nmethod = 'GET'\npath = '/virtualMachines/'\nuntil = '90s'\n";
    let (scene, ci) = (Scene::new(faults), fleet("ci", "", ""));
    let observer = observer(&scene, std::slice::from_ref(&ci));
    let name = vm_in(&scene, &ci, "rg").await;
    sleep(Duration::from_secs(60)).await;
    for is_known in [false, true] {
        let vms = observer.observe(&ci, &others(&[]), false).await.vms.expect("they can be read");
        assert_eq!(vms[&name].failure.is_some(), is_known);
        sleep(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_at_github_is_named() {
    let faults = "[[faults]]\nwhat = { status = 503 }\nside = 'github'\n";
    let (scene, ci) = (Scene::new(faults), fleet("ci", "", ""));
    let seen = observer(&scene, std::slice::from_ref(&ci)).observe(&ci, &others(&[]), false).await;
    assert!(seen.entries.expect_err("a fault").starts_with("the runners of repo:o/r: "));
    assert!(seen.demand.expect_err("a fault").starts_with("the queue of repo:o/r: "));
}

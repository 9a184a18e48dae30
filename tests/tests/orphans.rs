//! Resources that Azure leaves behind when it deletes a VM are found and removed, and no others.

use std::time::Duration;

use azlin_daemon::StateDir;
use azlin_fleet::model::OrphanKind;
use azlin_simcloud::azure::SimResource;
use azlin_tests::harness::{Harness, fleet, run};
use serde_json::json;

const WORLD: &str = "repositories = ['o/r']\n[[faults]]\nwhat = 'leaves_behind'\n";

/// A foreign disk that no VM holds, and a disk with the tag of another daemon's fleet.
fn foreign(harness: &Harness) {
    let base = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.Compute/disks";
    let mut world = harness.world();
    let theirs = world
        .state
        .azure
        .left
        .values()
        .find(|part| part.kind == OrphanKind::Disk)
        .map(|part| part.tags.clone());
    let mut tags = theirs.expect("a disk was left behind");
    let pool = tags["azlin-runner"].as_str().unwrap_or_default().replacen("ci-", "theirs-", 1);
    tags["azlin-pool"] = json!("theirs");
    tags["azlin-runner"] = json!(pool);
    for (name, tags) in [("data", json!({"owner": "db"})), ("theirs", tags)] {
        let id = format!("{base}/{name}");
        let part = SimResource {
            kind: OrphanKind::Disk,
            id: id.clone(),
            location: json!("westeurope"),
            tags,
            vm: None,
            reserved: None,
        };
        world.state.azure.left.insert(id.to_ascii_lowercase(), part);
    }
}

fn left(harness: &Harness) -> Vec<String> {
    harness.world().state.azure.left.values().map(|part| part.name().to_owned()).collect()
}

#[test]
fn what_is_left_behind_goes_after_a_while_and_what_is_not_ours_stays() {
    run(async {
        let harness = Harness::new(WORLD);
        harness.submit("o/r", 2, 60);
        let ci = fleet("ci", "o/r", "rg");
        harness.live(vec![ci.clone()], StateDir::default(), 600).await;
        assert_eq!(left(&harness).len(), 4, "a NIC and a disk of each: {:?}", left(&harness));
        foreign(&harness);
        // A restarted daemon sees them for the first time after a minute.
        harness.live(vec![ci.clone()], StateDir::default(), 14 * 60).await;
        assert_eq!(left(&harness).len(), 6);
        harness.live(vec![ci], StateDir::default(), 17 * 60).await;
        assert_eq!(left(&harness), ["data", "theirs"]);
    });
}

#[test]
fn whatever_fails_while_it_is_looked_for_or_removed_the_next_sweeps_find_it() {
    let whats = [
        "{ status = 403 }",
        "{ status = 404 }",
        "{ status = 409 }",
        "{ status = 418 }",
        "{ status = 429 }",
        "{ status = 503 }",
        "'reset'",
        "'truncated'",
        "'lost_answer'",
        "{ latency = '50s' }",
    ];
    for (method, path) in [
        ("GET", "/networkInterfaces"),
        ("GET", "/disks"),
        ("DELETE", "/networkInterfaces/"),
        ("DELETE", "/disks/"),
    ] {
        for what in whats {
            run(async {
                let fault = format!(
                    "[[faults]]\nwhat = {what}\nmethod = '{method}'\npath = '{path}'\nuntil = '17m'\n"
                );
                let harness = Harness::new(&format!("{WORLD}{fault}"));
                harness.submit("o/r", 2, 60);
                harness.live(vec![fleet("ci", "o/r", "rg")], StateDir::default(), 48 * 60).await;
                let struck = harness.world().faults.struck();
                assert!(struck > 0, "{method} {path} {what}: it never struck");
                assert_eq!(left(&harness), [""; 0], "{method} {path} {what}");
            });
        }
    }
}

#[test]
fn in_a_group_that_the_fleet_has_left_too() {
    run(async {
        let harness = Harness::new(WORLD);
        harness.submit("o/r", 1, 600);
        let directory = tempfile::tempdir().expect("a directory");
        let state = || StateDir::new(Some(directory.path().to_owned()));
        harness.live(vec![fleet("ci", "o/r", "rg")], state(), 300).await;
        // The fleet's VM runs a job in the old group, and leaves its parts there.
        harness.live(vec![fleet("ci", "o/r", "rg2")], state(), 3600).await;
        assert_eq!((left(&harness), harness.report().jobs_completed), (Vec::new(), 1));
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
}

#[test]
fn without_a_daemon_a_warm_runner_powers_off_and_one_that_found_a_job_does_not() {
    run(async {
        let harness = Harness::new("repositories = ['o/r']\n");
        let mut ci = fleet("ci", "o/r", "rg");
        ci.scaling.min_runners = 2;
        harness.live(vec![ci], StateDir::default(), 600).await;
        let hours = |count: u64| tokio::time::sleep(Duration::from_secs(count * 3600));
        let running = || harness.world().state.azure.vms.values().filter(|vm| vm.is_running()).count();
        hours(29).await;
        harness.submit("o/r", 1, 40 * 3600);
        assert_eq!(running(), 2, "the switch is at 30 hours");
        hours(3).await;
        assert_eq!(running(), 1, "one has a job");
        hours(100).await;
        assert_eq!((running(), harness.report().jobs_completed), (0, 1));
    });
}

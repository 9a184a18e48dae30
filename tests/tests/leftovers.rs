//! What Azure forgets when it removes a VM is found and removed, and nothing else.

use std::time::Duration;

use azlin_daemon::StateDir;
use azlin_fleet::leftover::Kind;
use azlin_simcloud::azure::Part;
use azlin_tests::stage::{Stage, fleet, play};
use serde_json::json;

const WORLD: &str = "repositories = ['o/r']\n[[faults]]\nwhat = 'leaves_behind'\n";

/// A disk of somebody else's that no VM holds, and one that bears the mark of another daemon's fleet.
fn foreign(stage: &Stage) {
    let base = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.Compute/disks";
    let mut world = stage.world();
    let theirs =
        world.state.azure.left.values().find(|part| part.kind == Kind::Disk).map(|part| part.tags.clone());
    let mut tags = theirs.expect("a disk was left behind");
    let pool = tags["azlin-runner"].as_str().unwrap_or_default().replacen("ci-", "theirs-", 1);
    tags["azlin-pool"] = json!("theirs");
    tags["azlin-runner"] = json!(pool);
    for (name, tags) in [("data", json!({"owner": "db"})), ("theirs", tags)] {
        let id = format!("{base}/{name}");
        let part = Part { kind: Kind::Disk, id: id.clone(), location: json!("westeurope"), tags, vm: None };
        world.state.azure.left.insert(id.to_ascii_lowercase(), part);
    }
}

fn left(stage: &Stage) -> Vec<String> {
    stage.world().state.azure.left.values().map(|part| part.name().to_owned()).collect()
}

#[test]
fn what_is_left_behind_goes_after_a_while_and_what_is_not_ours_stays() {
    play(async {
        let stage = Stage::new(WORLD);
        stage.submit("o/r", 2, 60);
        let ci = fleet("ci", "o/r", "rg");
        stage.live(vec![ci.clone()], StateDir::default(), 600).await;
        assert_eq!(left(&stage).len(), 4, "a NIC and a disk of each: {:?}", left(&stage));
        foreign(&stage);
        // A daemon that starts anew sees them for the first time after a minute.
        stage.live(vec![ci.clone()], StateDir::default(), 14 * 60).await;
        assert_eq!(left(&stage).len(), 6);
        stage.live(vec![ci], StateDir::default(), 17 * 60).await;
        assert_eq!(left(&stage), ["data", "theirs"]);
    });
}

#[test]
fn in_a_group_that_the_fleet_has_left_too() {
    play(async {
        let stage = Stage::new(WORLD);
        stage.submit("o/r", 1, 600);
        let directory = tempfile::tempdir().expect("a directory");
        let state = || StateDir::new(Some(directory.path().to_owned()));
        stage.live(vec![fleet("ci", "o/r", "rg")], state(), 300).await;
        // Its VM runs a job in the old group, and leaves its parts there.
        stage.live(vec![fleet("ci", "o/r", "rg2")], state(), 3600).await;
        assert_eq!((left(&stage), stage.report().jobs_completed), (Vec::new(), 1));
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
}

//! The configuration changes while the daemon runs: each accepted change is one line, and a bad file
//! stops nothing.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::Command;
use std::time::Duration;

use azlin_simcloud::Workload;
use azlin_tests::binary::{Cloud, Daemon, VM};

const SOON: Duration = Duration::from_secs(20);

/// A cloud whose daemon polls so seldom that only a change can wake it.
fn cloud() -> Cloud {
    let cloud = Cloud::new(&Workload { repositories: vec!["o/r".to_owned()], ..Workload::default() });
    cloud.write("azlin.toml", &slow(&cloud));
    cloud.write("fleets/ci.toml", &fleet(0));
    cloud
}

fn slow(cloud: &Cloud) -> String {
    cloud.daemon_toml().replace("\"1s\"", "\"1h\"").replace("\"2s\"", "\"1h\"")
}

fn fleet(min: u32) -> String {
    format!("repo = \"o/r\"\n[scaling]\nmin_runners = {min}\n{VM}")
}

/// A daemon that has ticked once.
fn daemon(cloud: &Cloud) -> Daemon {
    let daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |_| {
        status(cloud).is_some_and(|status| !status["fleets"].as_array().unwrap().is_empty())
    }));
    daemon
}

/// What the daemon says of itself.
fn status(cloud: &Cloud) -> Option<serde_json::Value> {
    let text = fs::read(cloud.runtime_dir().join("status.json")).ok()?;
    Some(serde_json::from_slice(&text).expect("the file is replaced whole"))
}

fn says(cloud: &Cloud, what: &str) -> bool {
    cloud.wait(SOON, |_| cloud.logged().contains(what))
}

fn times(cloud: &Cloud, what: &str) -> usize {
    cloud.logged().matches(what).count()
}

fn vms(cloud: &Cloud) -> u64 {
    cloud.served.world().report().vms_created
}

#[test]
fn a_changed_file_is_in_force_at_once_however_it_was_written() {
    let cloud = cloud();
    let _daemon = daemon(&cloud);
    let fleets = cloud.config.path().join("fleets");
    cloud.write("fleets/ci.toml", &fleet(1));
    assert!(
        cloud.wait(SOON, |world| world.report().vms_created == 1),
        "written in place: {}",
        cloud.logged()
    );
    cloud.write("fleets/.ci.toml.swp", &fleet(2));
    fs::rename(fleets.join(".ci.toml.swp"), fleets.join("ci.toml")).unwrap();
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 2), "renamed over: {}", cloud.logged());
    fs::rename(fleets.join("ci.toml"), fleets.join("ci.toml~")).unwrap();
    cloud.write("fleets/ci.toml", &fleet(3));
    fs::remove_file(fleets.join("ci.toml~")).unwrap();
    assert!(
        cloud.wait(SOON, |world| world.report().vms_created == 3),
        "moved away first: {}",
        cloud.logged()
    );
    assert!(says(&cloud, "configuration accepted fleet=ci changes=scaling.min_runners 0 → 1"));
    assert!(says(&cloud, "configuration accepted fleet=ci changes=scaling.min_runners 1 → 2"));
}

#[test]
fn a_bad_file_stops_nothing_until_it_is_mended() {
    let cloud = cloud();
    let _daemon = daemon(&cloud);
    cloud.write("fleets/ci.toml", "min_runners = 7");
    assert!(says(&cloud, "configuration refused: the fleet goes on with the last good one"));
    let known = || status(&cloud).unwrap();
    assert!(cloud.wait(SOON, |_| known()["bad_files"][0]["message"].to_string().contains("repo")));
    assert_eq!(known()["fleets"][0]["min_runners"], 0, "it goes on as it was");
    cloud.write("fleets/ci.toml", &fleet(1));
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1));
    assert!(says(&cloud, "configuration is good again"));
    assert!(cloud.wait(SOON, |_| known()["bad_files"].as_array().unwrap().is_empty()));
    assert_eq!(times(&cloud, "configuration refused"), 1);
}

#[test]
fn a_fleet_that_never_was_good_is_left_untouched_until_it_is() {
    let cloud = cloud();
    cloud.write("fleets/new.toml", "repo = 1");
    let _daemon = daemon(&cloud);
    assert!(says(&cloud, "fleet left untouched: its file is bad"));
    cloud.write("fleets/new.toml", &fleet(1));
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1));
    assert!(says(&cloud, "configuration accepted fleet=new changes=new"));
}

#[test]
fn a_removed_file_leaves_its_vms_alone() {
    let cloud = cloud();
    let _daemon = daemon(&cloud);
    cloud.write("fleets/ci.toml", &fleet(2));
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 2));
    let path = cloud.config.path().join("fleets/ci.toml");
    let elsewhere = cloud.config.path().join("ci.toml.off");
    fs::rename(&path, &elsewhere).unwrap();
    assert!(says(&cloud, "its file is gone: its VMs are left alone"));
    // The same daemon still works, and has not touched them.
    cloud.write("fleets/other.toml", &fleet(1));
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 3));
    assert_eq!(cloud.served.world().report().vms_left, 3);
    fs::rename(&elsewhere, &path).unwrap();
    assert!(says(&cloud, "configuration accepted fleet=ci changes=new"));
    let is_back = |pool: &str| {
        let status = status(&cloud).unwrap();
        let fleets = status["fleets"].as_array().unwrap();
        fleets.iter().any(|fleet| fleet["pool"] == pool && fleet["runners"].as_array().unwrap().len() == 2)
    };
    assert!(cloud.wait(SOON, |_| is_back("ci")), "its VMs are adopted");
    assert_eq!(vms(&cloud), 3);
}

#[test]
fn the_daemons_own_file_is_followed_too() {
    let cloud = cloud();
    let _daemon = daemon(&cloud);
    let before = status(&cloud).unwrap();
    cloud.write("azlin.toml", "[poll]\nqeue = \"1s\"\n");
    assert!(says(&cloud, "configuration refused: the daemon goes on with the last good one"));
    cloud.write("fleets/ci.toml", &fleet(1));
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1), "fleets are followed all the same");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    cloud.write("azlin.toml", &slow(&cloud).replace("127.0.0.1:0", &address));
    assert!(says(&cloud, &format!("{address} cannot be listened on")));
    cloud.write("azlin.toml", &cloud.daemon_toml());
    assert!(
        says(&cloud, "configuration accepted file=\"azlin.toml\" changes=poll.health"),
        "{}",
        cloud.logged()
    );
    let ticks = |least: u64| status(&cloud).unwrap()["fleets"][0]["tick"].as_u64().unwrap() >= least;
    assert!(cloud.wait(SOON, |_| ticks(4)), "it polls each second");
    let after = status(&cloud).unwrap();
    assert_eq!(after["daemon"]["pid"], before["daemon"]["pid"]);
    assert_eq!(after["daemon"]["started_at"], before["daemon"]["started_at"]);
    assert_eq!(vms(&cloud), 1);
}

#[test]
fn a_hangup_reads_what_no_event_told_of() {
    let cloud = cloud();
    let target = tempfile::tempdir().unwrap();
    let real = target.path().join("real.toml");
    fs::write(&real, fleet(0)).unwrap();
    fs::remove_file(cloud.config.path().join("fleets/ci.toml")).unwrap();
    std::os::unix::fs::symlink(&real, cloud.config.path().join("fleets/ci.toml")).unwrap();
    let daemon = daemon(&cloud);
    fs::write(&real, fleet(1)).unwrap();
    let hangup = Command::new("kill").args(["-HUP", &daemon.id().to_string()]).status().unwrap();
    assert!(hangup.success());
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1), "{}", cloud.logged());
    assert_eq!(times(&cloud, "configuration accepted"), 1);
}

#[test]
fn the_status_goes_with_the_daemon() {
    let cloud = cloud();
    let daemon = daemon(&cloud);
    let term = Command::new("kill").args(["-TERM", &daemon.id().to_string()]).status().unwrap();
    assert!(term.success());
    assert_eq!(daemon.wait(), Some(0));
    assert!(status(&cloud).is_none());
}

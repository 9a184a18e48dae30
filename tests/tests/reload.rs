//! The configuration changes while the daemon runs: each accepted change logs one line, and a bad file stops
//! nothing.

use std::fs;
use std::process::Command;
use std::time::Duration;

use azlin_simcloud::{Workload, World};
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, DaemonProcess, VM};

/// A cloud whose daemon polls so rarely that only a change can wake it.
fn cloud() -> Cloud {
    let cloud = Cloud::new(&Workload { repositories: vec!["o/r".to_owned()], ..Workload::default() });
    cloud.write("azlin.toml", &slow_polls(&cloud));
    cloud.write("fleets/ci.toml", &fleet(0));
    cloud
}

fn slow_polls(cloud: &Cloud) -> String {
    cloud.daemon_toml().replace("\"1s\"", "\"1h\"").replace("\"2s\"", "\"1h\"")
}

fn fleet(min: u32) -> String {
    format!("repo = \"o/r\"\n[scaling]\nmin_runners = {min}\n{VM}")
}

/// A change of `[defaults]` is a change of the fleets that have none of their own, and restarts nothing.
#[test]
fn changed_defaults_are_in_force_at_once_as_the_fleets_own_changes_are() {
    let cloud = cloud();
    let azlin = |min: u32| format!("{}\n[defaults.scaling]\nmin_runners = {min}\n", slow_polls(&cloud));
    cloud.write("azlin.toml", &azlin(0));
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n{VM}"));
    cloud.write("fleets/own.toml", &format!("repo = \"o/r\"\n[scaling]\nmin_runners = 0\n{VM}"));
    let _daemon = daemon(&cloud);
    cloud.write("azlin.toml", &azlin(1));
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1), "{}", cloud.logged());
    assert!(says(&cloud, "ci: change accepted: scaling.min_runners 0 → 1"), "{}", cloud.logged());
    assert_eq!(times(&cloud, "own: change accepted"), 0, "{}", cloud.logged());
    assert_eq!(times(&cloud, "azlin.toml accepted"), 0, "nothing restarts: {}", cloud.logged());
    cloud.write("azlin.toml", &azlin(1).replace("min_runners = 1", "min_runners = 'x'"));
    assert!(says(&cloud, "azlin.toml refused, the last good one stays in force"), "{}", cloud.logged());
    assert_eq!(vms(&cloud), 1);
}

/// A daemon that has ticked once.
fn daemon(cloud: &Cloud) -> DaemonProcess {
    let daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |_| {
        status(cloud).is_some_and(|status| !status["fleets"].as_array().unwrap().is_empty())
    }));
    daemon
}

/// The daemon's own status file.
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
    assert!(says(&cloud, "ci: change accepted: scaling.min_runners 0 → 1"));
    assert!(says(&cloud, "ci: change accepted: scaling.min_runners 1 → 2"));
}

#[test]
fn a_bad_file_stops_nothing_until_it_is_fixed() {
    let cloud = cloud();
    let _daemon = daemon(&cloud);
    cloud.write("fleets/ci.toml", "min_runners = 7");
    assert!(says(&cloud, "file refused, the last good one stays in force"));
    let known = || status(&cloud).unwrap();
    assert!(cloud.wait(SOON, |_| known()["bad_files"][0]["message"].to_string().contains("repo")));
    assert_eq!(known()["fleets"][0]["min_runners"], 0, "it goes on as it was");
    cloud.write("fleets/ci.toml", &fleet(1));
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1));
    assert!(says(&cloud, " is good again"));
    assert!(cloud.wait(SOON, |_| known()["bad_files"].as_array().unwrap().is_empty()));
    assert_eq!(times(&cloud, "file refused"), 1);
}

#[test]
fn a_fleet_that_never_was_good_is_left_untouched_until_it_is() {
    let cloud = cloud();
    cloud.write("fleets/new.toml", "repo = 1");
    let _daemon = daemon(&cloud);
    assert!(says(&cloud, "file refused, its fleet is left untouched"));
    cloud.write("fleets/new.toml", &fleet(1));
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1));
    assert!(says(&cloud, "new: new fleet accepted"));
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
    assert!(says(&cloud, "ci: fleet file deleted; no longer managed"));
    assert!(says(&cloud, "2 VMs of pool ci keep running and are billed"));
    // The same daemon still works, and has not touched the runners.
    cloud.write("fleets/other.toml", &fleet(1));
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 3));
    assert_eq!(cloud.served.world().report().vms_left, 3);
    fs::rename(&elsewhere, &path).unwrap();
    assert!(says(&cloud, "ci: new fleet accepted"));
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
    assert!(says(&cloud, "azlin.toml refused, the last good one stays in force"));
    cloud.write("fleets/ci.toml", &fleet(1));
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1), "fleets are followed all the same");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    cloud.write("azlin.toml", &slow_polls(&cloud).replace("127.0.0.1:0", &address));
    assert!(says(&cloud, &format!("{address} cannot be listened on")));
    cloud.write("azlin.toml", &cloud.daemon_toml());
    assert!(says(&cloud, "azlin.toml accepted: poll.health"), "{}", cloud.logged());
    let ticks = |least: u64| status(&cloud).unwrap()["fleets"][0]["tick"].as_u64().unwrap() >= least;
    assert!(cloud.wait(SOON, |_| ticks(4)), "it polls each second");
    let after = status(&cloud).unwrap();
    assert_eq!(after["daemon"]["pid"], before["daemon"]["pid"]);
    assert_eq!(after["daemon"]["started_at"], before["daemon"]["started_at"]);
    assert_eq!(vms(&cloud), 1);
}

#[test]
fn a_hangup_reads_a_change_without_an_event() {
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
    assert_eq!(times(&cloud, " accepted"), 1);
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

/// A fleet that serves jobs for `docker` at once.
fn busy_fleet(more: &str) -> String {
    let scaling = "[scaling]\njobs_per_runner = 1\nmax_queue_wait = \"0s\"";
    format!("repo = \"o/r\"\nlabels = [\"docker\"]\n{scaling}\n{more}\n{VM}")
}

/// Submits a job of ten minutes, and waits until it runs.
fn busy(cloud: &Cloud) {
    let labels = vec!["self-hosted".to_owned(), "docker".to_owned()];
    cloud.served.world().submit("o/r", vec![(labels, Duration::from_secs(600))], Vec::new());
    let runs = |world: &mut World| {
        world.state.github.jobs.values().any(|job| job.state == azlin_simcloud::github::JobState::InProgress)
    };
    assert!(cloud.wait(SOON, runs), "{}", cloud.logged());
}

const QUICK: &str =
    "repositories = ['o/r']\n[settings]\ncreate = '100ms'\nboot = '100ms'\nregister = '100ms'\n";

/// A fleet that stays on its last good file belongs to the GitHub that the daemon uses now.
#[test]
fn another_github_beside_a_bad_file_kills_no_job() {
    let cloud = Cloud::new(&Workload::parse(QUICK).unwrap());
    cloud.write("fleets/ci.toml", &busy_fleet(""));
    let _daemon = cloud.daemon();
    busy(&cloud);
    let other = Cloud::new(&Workload::parse(QUICK).unwrap());
    cloud.write("fleets/ci.toml", "repo = 1");
    assert!(says(&cloud, "file refused, the last good one stays in force"));
    let (here, there) = (cloud.served.github.to_string(), other.served.github.to_string());
    cloud.write("azlin.toml", &cloud.daemon_toml().replace(&here, &there));
    assert!(says(&cloud, "azlin.toml accepted"));
    let before = status(&cloud).unwrap()["at"].clone();
    let ticks = |least: u64| {
        let status = status(&cloud).unwrap();
        status["at"] != before
            && status["fleets"][0]["tick"]
                .as_u64()
                .is_some_and(|tick| (3..100).contains(&tick) && tick >= least)
    };
    assert!(cloud.wait(SOON, |_| ticks(3)), "{}", cloud.logged());
    let report = cloud.served.world().report();
    assert_eq!((report.jobs_killed, report.vms_left), (0, 1), "{}", cloud.logged());
}

/// A waiting start is dropped when its fleet is disabled meanwhile.
#[test]
fn starts_that_wait_end_with_what_they_were_for() {
    let slow = "repositories = ['o/r']\n[settings]\nboot = '1s'\ndelete = '100ms'\n[[faults]]\nwhat = { latency = '1s' }\nside = 'azure'\nmethod = 'PUT'\n";
    let cloud = Cloud::new(&Workload::parse(slow).unwrap());
    cloud.write("azlin.toml", &format!("{}[limits]\nmax_concurrent_provisioning = 1\n", cloud.daemon_toml()));
    cloud.write("fleets/ci.toml", &fleet(10));
    let _daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |world| world.report().vms_created >= 1), "{}", cloud.logged());
    cloud.write("fleets/ci.toml", &format!("enabled = false\n{}", fleet(10)));
    assert!(says(&cloud, "ci: change accepted"));
    assert!(cloud.wait(SOON, |world| world.report().vms_left == 0), "{}", cloud.logged());
    assert!(vms(&cloud) <= 4, "{} VMs were made", vms(&cloud));
}

/// Constant changes to one fleet's file delay neither that fleet nor others.
#[test]
fn endless_changes_delay_nothing() {
    let slow = "repositories = ['o/r', 'o/far']\n[[faults]]\nwhat = { latency = '400ms' }\nside = 'github'\n";
    let cloud = Cloud::new(&Workload::parse(slow).unwrap());
    cloud.write("fleets/ci.toml", &fleet(0));
    cloud.write("fleets/far.toml", &fleet(0).replace("o/r", "o/far"));
    let _daemon = daemon(&cloud);
    let ticks = |pool: &str| {
        let status = status(&cloud).unwrap();
        let fleets = status["fleets"].as_array().unwrap().clone();
        fleets.iter().find(|fleet| fleet["pool"] == pool).map_or(0, |fleet| fleet["tick"].as_u64().unwrap())
    };
    assert!(cloud.wait(SOON, |_| ticks("ci") > 0 && ticks("far") > 0));
    let before = (ticks("ci"), ticks("far"));
    let mut round = 0;
    let start = std::time::Instant::now();
    while ticks("ci") < before.0 + 3 || ticks("far") < before.1 + 3 {
        round += 1;
        cloud.write(
            "fleets/ci.toml",
            &fleet(0).replace("[scaling]", &format!("[scaling]\nmax_runners = {}", round % 50 + 1)),
        );
        assert!(start.elapsed() < SOON, "ci {} far {}: {}", ticks("ci"), ticks("far"), cloud.logged());
        std::thread::yield_now();
    }
    assert!(round > 3);
}

#[test]
fn a_fleet_that_goes_with_a_change_of_the_daemons_file_is_gone() {
    let cloud = cloud();
    cloud.write("fleets/other.toml", &fleet(0));
    let _daemon = daemon(&cloud);
    let pools = || {
        let status = status(&cloud).unwrap();
        status["fleets"].as_array().unwrap().iter().map(|fleet| fleet["pool"].to_string()).collect::<Vec<_>>()
    };
    assert!(cloud.wait(SOON, |_| pools().len() == 2));
    fs::remove_file(cloud.config.path().join("fleets/ci.toml")).unwrap();
    cloud.write("azlin.toml", &cloud.daemon_toml());
    assert!(cloud.wait(SOON, |_| pools() == ["\"other\""]), "{:?}: {}", pools(), cloud.logged());
    assert!(says(&cloud, "ci: fleet file deleted; no longer managed"));
}

#[test]
fn a_daemons_file_that_is_gone_or_empty_is_no_change() {
    let cloud = cloud();
    let _daemon = daemon(&cloud);
    let path = cloud.config.path().join("azlin.toml");
    fs::remove_file(&path).unwrap();
    assert!(says(&cloud, "azlin.toml is gone or empty"));
    cloud.write("fleets/ci.toml", &fleet(1));
    assert!(
        cloud.wait(SOON, |world| world.report().vms_created == 1),
        "it goes on as it was: {}",
        cloud.logged()
    );
    cloud.write("azlin.toml", &slow_polls(&cloud));
    assert!(says(&cloud, " is good again"));
}

#[test]
fn a_file_that_the_daemon_refuses_is_not_called_taken() {
    let cloud = cloud();
    let _daemon = daemon(&cloud);
    // Azure cannot distinguish the other pool from this one, so both files are refused.
    cloud.write("fleets/CI.toml", &fleet(0));
    assert!(says(&cloud, "would give their VMs the same names"));
    let output = cloud.command(&["scale", "--pool", "ci", "--count", "1", "--wait"]).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("refuses the file") && !said.contains("has taken it"), "{said}");
}

/// A link to the configuration that is switched, as git-sync does: the same daemon continues with the new
/// one.
#[test]
fn a_directory_that_takes_the_place_of_another_is_followed() {
    let cloud = cloud();
    let home = tempfile::tempdir().unwrap();
    let (link, next) = (home.path().join("config"), home.path().join("next"));
    std::os::unix::fs::symlink(cloud.config.path(), &link).unwrap();
    let log = fs::File::create(cloud.log()).unwrap();
    let mut command = cloud.command(&["run"]);
    let child = command.env("AZLIN_CONFIG_DIR", &link).stderr(log).spawn().unwrap();
    let daemon = DaemonProcess::of(child);
    assert!(cloud.wait(SOON, |_| {
        status(&cloud).is_some_and(|status| !status["fleets"].as_array().unwrap().is_empty())
    }));
    fs::create_dir_all(next.join("fleets")).unwrap();
    fs::write(next.join("azlin.toml"), slow_polls(&cloud)).unwrap();
    fs::write(next.join("fleets/ci.toml"), fleet(1)).unwrap();
    std::os::unix::fs::symlink(&next, home.path().join("flip")).unwrap();
    fs::rename(home.path().join("flip"), &link).unwrap();
    let hangup = Command::new("kill").args(["-HUP", &daemon.id().to_string()]).status().unwrap();
    assert!(hangup.success());
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1), "{}", cloud.logged());
    let look = |more: &[&str]| cloud.command(more).env("AZLIN_CONFIG_DIR", &link).output().unwrap();
    assert!(!look(&["run", "--once"]).status.success(), "the new directory is held");
    assert!(String::from_utf8_lossy(&look(&["status"]).stdout).starts_with("daemon "));
    fs::write(next.join("fleets/ci.toml"), fleet(2)).unwrap();
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 2), "it is watched: {}", cloud.logged());
}

#[test]
fn a_directory_that_is_gone_changes_nothing() {
    let cloud = cloud();
    let home = tempfile::tempdir().unwrap();
    let link = home.path().join("config");
    std::os::unix::fs::symlink(cloud.config.path(), &link).unwrap();
    let log = fs::File::create(cloud.log()).unwrap();
    let mut command = cloud.command(&["run"]);
    let daemon = DaemonProcess::of(command.env("AZLIN_CONFIG_DIR", &link).stderr(log).spawn().unwrap());
    let fleets = || status(&cloud).map_or(0, |status| status["fleets"].as_array().unwrap().len());
    assert!(cloud.wait(SOON, |_| fleets() == 1));
    fs::rename(&link, home.path().join("away")).unwrap();
    let hangup = Command::new("kill").args(["-HUP", &daemon.id().to_string()]).status().unwrap();
    assert!(hangup.success());
    assert!(says(&cloud, "azlin.toml refused, the last good one stays in force"));
    assert!(cloud.wait(SOON, |_| !status(&cloud).unwrap()["bad_files"].as_array().unwrap().is_empty()));
    assert_eq!((fleets(), times(&cloud, "file removed")), (1, 0), "{}", cloud.logged());
}

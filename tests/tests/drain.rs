//! enable, disable and scale with a running daemon: it applies each change at once, and `--wait` waits until
//! the change is complete.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use azlin_simcloud::github::JobState;
use azlin_simcloud::{Workload, World};
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, VM};

/// VMs are created and deleted within a second.
const QUICK: &str = "[settings]\ncreate = '100ms'\nboot = '100ms'\nregister = '100ms'\ndelete = '200ms'\n";

/// A cloud where these faults happen, and one fleet.
fn cloud(faults: &str) -> Cloud {
    let cloud = Cloud::new(&Workload::parse(&format!("repositories = ['o/r']\n{QUICK}{faults}")).unwrap());
    // Lists are trusted after half of boot_timeout.
    let scaling =
        "[scaling]\njobs_per_runner = 1\nmax_queue_wait = \"0s\"\n[lifecycle]\nboot_timeout = \"10s\"";
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\nlabels = [\"docker\"]\n{scaling}\n{VM}"));
    cloud
}

fn run(cloud: &Cloud, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = cloud.command(arguments).output().unwrap();
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// Submits a job of this duration, and waits until it runs.
fn busy(cloud: &Cloud, seconds: u64) {
    let labels = vec!["self-hosted".to_owned(), "docker".to_owned()];
    cloud.served.world().submit("o/r", vec![(labels, Duration::from_secs(seconds))], Vec::new());
    let runs =
        |world: &mut World| world.state.github.jobs.values().any(|job| job.state == JobState::InProgress);
    assert!(cloud.wait(SOON, runs), "{}", cloud.logged());
}

#[test]
fn scale_waits_for_its_runners_and_disable_until_none_is_left() {
    let cloud = cloud("");
    let _daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |_| cloud.runtime_dir().join("status.json").exists()));
    let (code, said) = run(&cloud, &["scale", "--pool", "ci", "--count", "2", "--wait"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("has taken it"), "{said}");
    assert!(said.contains("2 of 2 online"), "{said}");
    assert_eq!(cloud.served.world().report().vms_left, 2);
    let (code, said) = run(&cloud, &["disable", "--pool", "ci", "--wait"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no runner is left"), "{said}");
    let report = cloud.served.world().report();
    assert_eq!((report.vms_left, report.runners_left, report.jobs_killed), (0, 0, 0));
    let (code, said) = run(&cloud, &["disable", "--pool", "ci", "--wait", "--quiet"]);
    assert_eq!((code, said.contains("no runner is left")), (Some(0), false), "{said}");
}

#[test]
fn a_running_job_outlives_disable_but_not_disable_with_force() {
    let cloud = cloud("");
    let _daemon = cloud.daemon();
    busy(&cloud, 600);
    let (code, said) = run(&cloud, &["disable", "--pool", "ci"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(cloud.wait(SOON, |_| cloud.logged().contains("ci: change accepted")));
    let is_left = |status: &str| status.contains("not enabled") && status.contains("1 active");
    let start = Instant::now();
    while !is_left(&run(&cloud, &["status", "--pool", "ci"]).1) {
        assert!(start.elapsed() < SOON, "{}", cloud.logged());
    }
    assert_eq!(cloud.served.world().report().jobs_killed, 0);
    let (code, said) = run(&cloud, &["disable", "--pool", "ci", "--force"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(cloud.wait(SOON, |world| world.report().vms_left == 0), "{}", cloud.logged());
    assert!(cloud.logged().contains("kill_running_jobs is set"), "{}", cloud.logged());
    let (code, said) = run(&cloud, &["enable", "--pool", "ci"]);
    assert_eq!(code, Some(0), "{said}");
    let text = std::fs::read_to_string(cloud.config.path().join("fleets/ci.toml")).unwrap();
    assert!(text.contains("enabled = true") && !text.contains("\nkill_running_jobs"), "{text}");
}

/// In the middle of a job GitHub says that the runner is idle, gives no job a runner's name, and answers 204 to the
/// removal of the entry; or the entry is gone (recordings: busy-false-mid-job, entry-gone-while-running).
#[test]
fn a_running_job_outlives_what_github_says_of_its_runner() {
    let idle = ["list_idle", "jobs_unnamed", "delete_idle"];
    for faults in [&idle[..], &["entry_vanishes", "jobs_unnamed"]] {
        let of = |what: &&str| format!("[[faults]]\nwhat = '{what}'\n");
        let cloud = cloud(&faults.iter().map(of).collect::<String>());
        let _daemon = cloud.daemon();
        busy(&cloud, 8);
        let (code, said) = run(&cloud, &["disable", "--pool", "ci"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(cloud.wait(SOON, |world| world.report().vms_left == 0), "{}", cloud.logged());
        let report = cloud.served.world().report();
        assert_eq!((report.jobs_killed, report.jobs_unserved, report.runners_left), (0, 0, 0), "{faults:?}");
        // One without entry has a quarter of a minute to stop by itself before it is asked.
        let is_asked = cloud.logged().contains("is asked to drain: ");
        assert_eq!(is_asked, faults == idle, "{}", cloud.logged());
    }
}

#[test]
fn without_a_daemon_there_is_nothing_to_wait_for() {
    let cloud = cloud("");
    let (code, said) = run(&cloud, &["scale", "--pool", "ci", "--count", "2", "--wait"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("there is nothing to wait for: the file is changed"), "{said}");
    let text = std::fs::read_to_string(cloud.config.path().join("fleets/ci.toml")).unwrap();
    assert!(text.contains("manual_count = 2"), "{text}");
}

#[test]
fn a_daemon_that_ends_during_a_wait_is_reported() {
    let cloud = cloud("[[faults]]\nwhat = 'never_boots'\n");
    let daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |_| cloud.runtime_dir().join("status.json").exists()));
    let mut waiting = cloud.command(&["scale", "--pool", "ci", "--count", "3", "--wait"]);
    let waiting = waiting.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 3));
    daemon.kill();
    let ended = waiting.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("no daemon is running"), "{said}");
}

/// A GitHub that shows no runners does not end a drain.
#[test]
fn what_cannot_be_seen_is_waited_for() {
    let cloud = cloud("");
    let _daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |_| cloud.runtime_dir().join("status.json").exists()));
    let (code, said) = run(&cloud, &["scale", "--pool", "ci", "--count", "1", "--wait"]);
    assert_eq!(code, Some(0), "{said}");
    let fleet = || {
        let text = std::fs::read(cloud.runtime_dir().join("status.json")).unwrap_or_default();
        let status: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        status["fleets"][0].clone()
    };
    let token = cloud.served.world().settings.token.clone();
    cloud.served.world().settings.token = token.replace('0', "1");
    assert!(cloud.wait(SOON, |_| fleet()["runners_known"] == false), "{}", cloud.logged());
    assert!(run(&cloud, &["status"]).1.contains("runners   not known"));
    let mut waiting = cloud.command(&["disable", "--pool", "ci", "--wait"]);
    let mut waiting = waiting.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let tick = fleet()["tick"].as_u64().unwrap();
    assert!(cloud.wait(SOON, |_| fleet()["enabled"] == false && fleet()["tick"].as_u64() > Some(tick + 2)));
    assert!(waiting.try_wait().unwrap().is_none(), "it still waits");
    cloud.served.world().settings.token = token;
    let ended = waiting.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!((ended.status.code(), cloud.served.world().report().vms_left), (Some(0), 0), "{said}");
    assert!(said.contains("not known") && said.contains("no runner is left"), "{said}");
}

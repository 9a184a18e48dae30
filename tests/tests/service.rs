//! The daemon as a process: a clean end, its health endpoint, and no leaked secrets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use azlin_simcloud::Workload;
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, DaemonProcess, VM};
use azlin_tests::deliveries::get;
use azlin_tests::ports::free_address;

fn cloud() -> Cloud {
    let cloud = Cloud::new(&Workload { repositories: vec!["o/r".to_owned()], ..Workload::default() });
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n[scaling]\nmin_runners = 2\n{VM}"));
    cloud
}

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

#[test]
fn a_signal_ends_it_cleanly_and_leaves_runners_alone() {
    for name in ["-TERM", "-INT"] {
        let cloud = cloud();
        let daemon = cloud.daemon();
        assert!(cloud.wait(SOON, |world| world.report().vms_created == 2));
        signal(name, daemon.id());
        assert_eq!(daemon.wait(), Some(0), "{name}");
        let report = cloud.served.world().report();
        assert_eq!((report.vms_left, report.runners_left), (2, 2), "{name}");
        let log = std::fs::read_to_string(cloud.log()).unwrap();
        assert!(log.contains("stopped; runners are left as they are"), "{log}");
    }
}

/// Each first look takes six requests, and the budget is for thirty of eighty.
#[test]
fn a_daemon_with_more_repositories_than_its_budget_lets_it_see_is_ready() {
    let repositories = (0..80).map(|number| format!("o/r{number}")).collect();
    let mut workload = Workload { repositories, ..Workload::default() };
    workload.settings.rate_limit = Some(200);
    let cloud = Cloud::new(&workload);
    for number in 0..80 {
        cloud.write(&format!("fleets/f{number}.toml"), &format!("repo = \"o/r{number}\"\n{VM}"));
    }
    let address = free_address();
    cloud.write("azlin.toml", &cloud.daemon_toml().replace("127.0.0.1:0", &address.to_string()));
    let _daemon = cloud.daemon();
    let answers = |path| get(address, path).is_ok_and(|(status, _)| status == 200);
    let all = |path: &'static str| cloud.wait(SOON, |_| answers(path));
    assert!(all("/readyz") && all("/healthz"), "{}", cloud.logged());
    let (_, body) = get(address, "/readyz").unwrap();
    assert!(body.contains("\"fleets\":80") && !body.contains("\"fleets_seen\":80"), "{body}");
    assert_eq!(cloud.served.world().statistics.requests_beyond_limit, 0);
}

#[test]
fn no_secret_is_in_the_log_even_at_trace() {
    let cloud = cloud();
    let output = cloud.command(&["run", "--once", "-vv"]).output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    let world = cloud.served.world();
    assert!(!said.contains(&world.settings.token), "the token was logged");
    assert!(!said.contains("simcloud-arm-token"), "Azure's token was logged");
    assert_eq!(world.state.github.jits.len(), 2, "two configurations were handed out");
    for jit in world.state.github.jits.keys() {
        assert!(!said.contains(&jit[..64]), "a JIT configuration was logged");
    }
    for vm in world.state.azure.vms.values() {
        let custom_data = vm.body["properties"]["osProfile"]["customData"].as_str().unwrap();
        assert!(!said.contains(&custom_data[..64]), "custom data was logged");
    }
    assert!(said.contains("DEBUG"), "it says a lot: {said}");
}

/// A daemon whose requests for two VMs are under way for this time.
fn creating(latency: &str) -> (Cloud, DaemonProcess) {
    let slow = format!("[[faults]]\nwhat = {{ latency = '{latency}' }}\nside = 'azure'\nmethod = 'PUT'\n");
    let cloud = Cloud::new(&Workload::parse(&format!("repositories = ['o/r']\n{slow}")).unwrap());
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n[scaling]\nmin_runners = 2\n{VM}"));
    let daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |world| world.report().runners_left == 2));
    (cloud, daemon)
}

#[test]
fn what_is_under_way_ends_before_a_signal_ends_the_daemon() {
    let (cloud, daemon) = creating("2s");
    signal("-TERM", daemon.id());
    assert_eq!(daemon.wait(), Some(0));
    let report = cloud.served.world().report();
    assert_eq!((report.vms_left, report.runners_left), (2, 2), "both were waited for");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (cloud, daemon) = creating("10m");
    signal("-TERM", daemon.id());
    assert!(cloud.wait(SOON, |_| {
        std::fs::read_to_string(cloud.log()).unwrap().contains("a second signal stops at once")
    }));
    signal("-TERM", daemon.id());
    assert_eq!(daemon.wait(), Some(128 + 15));
    assert_eq!(cloud.served.world().report().vms_created, 0);
}

#[test]
fn a_second_daemon_on_the_same_fleets_is_refused() {
    let cloud = cloud();
    let daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 2));
    let once = cloud.command(&["run", "--once"]).output().unwrap();
    let said = String::from_utf8_lossy(&once.stderr);
    let holder = format!("is locked by process {} (", daemon.id());
    assert!(said.contains(&holder) && said.contains("github-runner run), most likely another"), "{said}");
    assert_eq!(once.status.code(), Some(1));
    let plan = cloud.command(&["plan"]).output().unwrap();
    assert_eq!(plan.status.code(), Some(0), "who only looks is welcome");
    daemon.kill();
    let state = tempfile::tempdir().unwrap();
    for (directory, is_warned) in [(None, true), (Some(state.path()), false)] {
        let mut once = cloud.command(&["run", "--once"]);
        let once = once.envs(directory.map(|directory| ("STATE_DIRECTORY", directory))).output().unwrap();
        assert_eq!(once.status.code(), Some(0));
        let said = String::from_utf8_lossy(&once.stderr);
        assert_eq!(said.contains("begins with no memory"), is_warned, "{said}");
    }
}

#[test]
fn plan_prints_and_changes_nothing() {
    let cloud = cloud();
    let output = cloud.command(&["plan"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout));
    assert_eq!(cloud.served.world().report().vms_created, 0);
    let json = cloud.command(&["plan", "--output", "json", "--pool", "ci"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["fleets"][0]["decision"]["action"], "scale_up");
    assert_eq!(json["fleets"][0]["actions"].as_array().unwrap().len(), 2);
}

#[test]
fn healthz_answers_once_every_fleet_ticks() {
    let cloud = cloud();
    let free = free_address();
    cloud.write("azlin.toml", &cloud.daemon_toml().replace("127.0.0.1:0", &free.to_string()));
    let daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 2));
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(free)?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    assert!(cloud.wait(SOON, |_| ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))));
    assert!(ask().unwrap().ends_with("{\"fleets\":1,\"fleets_ticking\":1}\n"));
    let ready = "{\"fleets\":1,\"fleets_known\":1,\"fleets_seen\":1,\"stopping\":false}\n";
    assert_eq!(get(free, "/readyz").unwrap(), (200, ready.to_owned()));
    daemon.kill();
}

//! A service that is killed, hangs, or gets two signals to stop.

use std::time::{Duration, Instant};

use azlin_simcloud::fault::Side;
use azlin_tests::admin_host::{AdminHost, UNIT};

/// Azure is slow to answer the first requests for a VM, or all of them.
fn slow_creation(latency: &str, times: &str) -> String {
    format!("[[faults]]\nwhat = {{ latency = '{latency}' }}\nside = 'azure'\nmethod = 'PUT'\n{times}\n")
}

/// Each job was served by its own VM, which is gone, and nothing else was created.
fn assert_clean(host: &AdminHost, jobs: u64) {
    host.wait("nothing is left", |world| world.is_at_rest());
    let report = host.cloud.served.world().report();
    assert_eq!((report.vms_created, report.jobs_completed), (jobs, jobs), "{report:#?}");
    assert_eq!(
        (report.jobs_killed, report.overwrites, report.names_reused, report.vms_leaking),
        (0, 0, 0, 0)
    );
}

#[test]
fn it_comes_back_when_it_is_killed_in_the_middle_of_a_start_or_hangs() {
    let slow = slow_creation("2s", "times = 2");
    let host = AdminHost::serving("", &slow, "RestartSec=100ms\nWatchdogSec=4s");
    host.fleet("ci", "max_runners = 20\n[lifecycle]\nboot_timeout = \"5s\"\noffline_timeout = \"3s\"\n");
    host.wait_for_line(&["ci: change accepted"]);
    let jobs = host.submit(2, 1);
    host.wait("two are asked for", |world| world.state.github.runners.len() == 2);
    assert_eq!(host.cloud.served.world().report().vms_created, 0, "Azure has not made them yet");
    host.run(&format!("systemctl kill --signal=KILL --kill-whom=main {UNIT}"));
    host.wait_for_jobs(&jobs);
    assert_eq!((host.property("NRestarts").as_str(), host.property("ActiveState").as_str()), ("1", "active"));
    assert_clean(&host, 2);

    let process = host.property("MainPID");
    host.run(&format!("systemctl kill --signal=STOP --kill-whom=main {UNIT}"));
    let stopped = Instant::now();
    let jobs = host.submit(1, 1);
    host.wait_for_line(&["Watchdog timeout (limit 4s)!"]);
    assert!(stopped.elapsed() < Duration::from_secs(30), "{:?}", stopped.elapsed());
    host.wait_for_line(&["Failed with result", "watchdog"]);
    host.wait_for_jobs(&jobs);
    assert_ne!(host.property("MainPID"), process);
    assert_eq!(host.property("NRestarts"), "2");
    assert_clean(&host, 3);
    assert_eq!(
        host.run("coredumpctl list 2>/dev/null; find / -xdev -name 'core*' -size +1M"),
        "",
        "no core, which would hold credentials"
    );
}

#[test]
fn a_second_sigterm_stops_it_at_once() {
    let host = AdminHost::serving("", &slow_creation("10m", ""), "");
    host.submit(1, 1);
    host.wait("one is asked for", |world| {
        world.statistics.requests_to(Side::Azure) > 0 && world.state.github.runners.len() == 1
    });
    host.run(&format!("systemctl stop --no-block {UNIT}"));
    host.wait_for_line(&["a second signal stops at once"]);
    let status = host.property("StatusText");
    assert_eq!(status, "stopping: what is under way ends first, within 1m 40s");
    assert_eq!(host.property("ActiveState"), "deactivating", "it waits for Azure");
    host.run(&format!("systemctl kill --signal=TERM --kill-whom=main {UNIT}"));
    host.wait_until("it stops", &format!("test $(systemctl is-active {UNIT}) = inactive"));
    host.wait_for_line(&["Deactivated successfully."]);
    assert_eq!(host.cloud.served.world().report().vms_created, 0);
}

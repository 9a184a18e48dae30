//! The network fails for five minutes, and comes back.

use std::time::Duration;

use azlin_tests::admin_host::{AdminHost, UNIT};

const OUTAGE: Duration = Duration::from_secs(300);

/// The number of log lines with this beginning.
fn count(host: &AdminHost, start: &str) -> usize {
    host.said().iter().filter(|line| line.starts_with(start)).count()
}

#[test]
fn it_bears_a_network_that_is_gone_for_five_minutes() {
    let mut host = AdminHost::serving("", "", "");
    host.fleet("ci", "min_runners = 1\nmax_runners = 20\n");
    // One ends during the outage, one after it.
    let running = [host.submit(1, 60), host.submit(1, OUTAGE.as_secs() + 30)].concat();
    host.wait("two are busy and one is idle", |world| {
        let mut runners = world.state.github.runners.values();
        let busy = runners.clone().filter(|runner| runner.job.is_some()).count();
        busy == 2 && runners.any(|runner| runner.online && runner.job.is_none())
    });
    let process = host.property("MainPID");
    let before = host.cloud.served.world().report();

    host.plug(false);
    let waiting = host.submit(3, 1);
    let is_harmed = host.cloud.wait(OUTAGE, |world| {
        let report = world.report();
        report.jobs_killed > 0 || report.vms_created > before.vms_created
    });
    let report = host.cloud.served.world().report();
    assert!(!is_harmed, "{report:#?}");
    assert_eq!(report.vms_left, before.vms_left, "none is lost");

    assert_eq!(count(&host, "ci: error: "), 1, "reported once: {:#?}", host.said());
    let status = host.property("StatusText");
    assert!(status.contains("; ci: "), "{status}");

    host.plug(true);
    // A request under way may take a while to fail.
    host.patience = Duration::from_secs(90);
    host.wait_for_line(&["ci: recovered after"]);
    host.wait_for_jobs(&waiting);
    host.wait_for_jobs(&running);
    host.wait("one is kept warm", |world| world.report().vms_left == 1);
    let report = host.cloud.served.world().report();
    // Each job had its own VM, and one more waits for the next job.
    assert_eq!((report.vms_created, report.jobs_completed, report.jobs_killed), (6, 5, 0), "{report:#?}");
    assert_eq!((report.overwrites, report.vms_leaking, report.runners_left), (0, 0, 1), "{report:#?}");
    assert_eq!((host.property("MainPID"), host.property("NRestarts").as_str()), (process, "0"));
    assert_eq!((count(&host, "ci: error: "), count(&host, "ci: recovered after")), (1, 1), "as is its end");
    let told = host.journal(&format!("_SYSTEMD_UNIT={UNIT} PRIORITY=4"));
    assert_eq!(told.len(), 1, "nothing else: {told:#?}");
}

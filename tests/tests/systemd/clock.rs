//! A clock that is set back an hour, and forward again. libfaketime changes only the service's clock, since a
//! machine shares its clock with its host.

use azlin_simcloud::World;
use azlin_tests::admin_host::{AdminHost, UNIT};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const CLOCK: &str = "/etc/clock-of-the-service";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn idle(world: &World) -> usize {
    world.state.github.runners.values().filter(|runner| runner.online && runner.job.is_none()).count()
}

/// How late the daemon's clock is, from the last time that it wrote.
fn lateness(host: &AdminHost) -> SignedDuration {
    let status = std::fs::read_to_string(host.path("/run/azlin/status.json")).unwrap();
    let status: Value = serde_json::from_str(&status).unwrap();
    let at: Timestamp = status["fleets"][0]["at"].as_str().unwrap().parse().unwrap();
    Timestamp::now().duration_since(at)
}

/// Sets the clock, and waits until the daemon has ticked by it.
fn set(host: &AdminHost, offset: &str, late: SignedDuration) {
    host.write(CLOCK, offset);
    let is_about = |found: SignedDuration| (found - late).abs() < SignedDuration::from_mins(1);
    host.wait("a tick by that clock", |_| is_about(lateness(host)));
}

#[test]
fn it_takes_a_clock_that_is_set_back_an_hour_and_forward_again() {
    let host = AdminHost::boot("", "");
    host.install();
    host.configure();
    host.fleet("ci", "min_runners = 2\nmax_runners = 20\n");
    let library = host.run("ls /usr/lib/*/faketime/libfaketime.so.1");
    host.drop_in(&format!(
        "Environment=LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={CLOCK} FAKETIME_NO_CACHE=1 \
         FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1"
    ));
    host.write(CLOCK, "+0");
    host.run(&format!("systemctl start {UNIT}"));
    host.wait("two are kept warm", |world| idle(world) == 2);
    set(&host, "+0", SignedDuration::ZERO);
    let long = host.submit(1, 15);
    host.wait("one is busy, and another takes its place", |world| {
        idle(world) == 2 && world.report().vms_created == 3
    });

    let mut made = 3;
    for (offset, late) in [("-3600", HOUR), ("+0", SignedDuration::ZERO)] {
        set(&host, offset, late);
        let jobs = host.submit(2, 1);
        host.wait_for_jobs(&jobs);
        made += 2;
        host.wait("two are kept warm", |world| idle(world) == 2);
        let report = host.cloud.served.world().report();
        assert_eq!((report.vms_created, report.jobs_killed), (made, 0), "clock {offset}: no storm of starts");
        // VMs that have had their job power off a few seconds later.
        assert!(report.peak_vms <= 7, "{report:#?}");
    }
    host.wait_for_jobs(&long);
    host.wait("what had its job is gone", |world| world.report().vms_left == 2);
    let report = host.cloud.served.world().report();
    assert_eq!(
        (report.vms_created, report.jobs_completed, report.vms_leaking, report.runners_left),
        (made, 5, 0, 2)
    );
    assert_eq!(host.property("NRestarts"), "0");
    let said = host.journal(&format!("_SYSTEMD_UNIT={UNIT} PRIORITY=4"));
    assert!(said.is_empty(), "{said:#?}");
}

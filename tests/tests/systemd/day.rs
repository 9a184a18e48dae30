//! An ordinary day of a service: installed, started, reloaded, stopped.

use std::time::{Duration, Instant};

use azlin_simcloud::World;
use azlin_simcloud::fault::Side;
use azlin_tests::admin_host::{AdminHost, UNIT};

/// GitHub's first answer is slow.
const SLOW_START: &str = "[[faults]]\nwhat = { latency = '2s' }\nside = 'github'\ntimes = 1\n";

fn busy(world: &World) -> usize {
    world.state.github.runners.values().filter(|runner| runner.job.is_some()).count()
}

fn idle(world: &World) -> usize {
    world.state.github.runners.values().filter(|runner| runner.online && runner.job.is_none()).count()
}

#[test]
fn it_is_installed_started_reloaded_and_stopped() {
    let host = AdminHost::boot("", SLOW_START);
    host.install();
    assert_eq!(host.output(&format!("systemctl is-enabled {UNIT}")).stdout, b"disabled\n");
    assert_eq!(host.property("ActiveState"), "inactive", "there is no token yet when it is installed");
    // The packaged configuration is valid.
    host.run("GITHUB_TOKEN=ghp_none azlin github-runner status");

    host.configure();
    host.run("rm /etc/azlin/fleets/ci.toml");
    // The service can read it, whatever the administrator's umask.
    host.run(
        "umask 077; azlin github-runner enable --config-dir /etc/azlin --pool ci --repo o/r --labels docker \
         --max-runners 20 --jobs-per-runner 1 --cooldown 0s --max-queue-wait 0s --resource-group rg \
         --subscription-id 00000000-0000-0000-0000-000000000000 --location westeurope --sizes Standard_D4s_v5 \
         --image Canonical:ubuntu-24_04-lts:server:latest \
         --subnet-id /subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
    );
    let start = Instant::now();
    host.run(&format!("systemctl start {UNIT}"));
    assert!(start.elapsed() >= Duration::from_secs(2), "it is ready when it has looked, not before");
    assert_eq!(host.property("ActiveState"), "active");
    assert!(host.cloud.served.world().statistics.requests_to(Side::Azure) > 0, "at Azure, too");
    assert_eq!(host.property("StatusText"), "1 fleet, 0 runners, 0 queued jobs");

    // An administrator's commands have the same settings as the service.
    let said = host.run("set -a; . /etc/azlin/environment; azlin github-runner check");
    assert!(said.ends_with("Nothing was changed."), "{said}");

    let jobs = host.submit(3, 1);
    host.wait_for_jobs(&jobs);
    host.wait("they have gone", |world| world.report().vms_left == 0);
    assert_eq!(host.cloud.served.world().report().vms_created, 3);

    host.run("sed -i 's/^#min_runners = 0/min_runners = 1/' /etc/azlin/fleets/ci.toml");
    host.run(&format!("systemctl reload {UNIT}"));
    host.wait_for_line(&["ci: change accepted: scaling.min_runners set to 1"]);
    host.wait_for_line(&["the configuration was read again, as SIGHUP asked"]);
    host.wait("one is kept warm", |world| idle(world) == 1);
    host.wait_until("it says so", &format!("systemctl status {UNIT} | grep -F '1 runner (1 idle)'"));

    let long = host.submit(1, 4);
    host.wait("one is busy, and one idle beside it", |world| busy(world) == 1 && idle(world) == 1);
    assert!(host.path("/run/azlin/status.json").exists());
    let before = host.cloud.served.world().report();
    let start = Instant::now();
    host.run(&format!("systemctl stop {UNIT}"));
    assert!(start.elapsed() < Duration::from_secs(30), "nothing was under way: {:?}", start.elapsed());
    host.wait_for_line(&["Deactivated successfully."]);
    assert!(!host.path("/run/azlin").exists(), "its status went with it");
    let requests = host.cloud.served.world().report().github_requests;
    let unserved = host.submit(1, 1);
    host.wait_for_jobs(&long);
    let after = host.cloud.served.world().report();
    assert_eq!(after.github_requests, requests, "it asks for nothing more");
    assert_eq!(
        (after.vms_created, after.vms_left),
        (before.vms_created, before.vms_left),
        "VMs are left alone"
    );
    assert_eq!(after.jobs_killed, 0);
    // The idle runner still exists, and takes the job.
    host.wait_for_jobs(&unserved);
}

//! VMs on standby: real machines that set themselves up, power off, and become a runner when they are started.

use azlin_simcloud::World;
use azlin_simcloud::azure::SimVm;
use azlin_tests::machines::{RealCloud, succeeded};

/// A fleet with one VM on standby, whose setup leaves a mark on the disk.
fn cloud() -> RealCloud {
    let cloud = RealCloud::new("", "");
    std::fs::create_dir_all(cloud.cloud.config.path().join("fleets")).expect("it can be made");
    cloud.cloud.write("fleets/setup.sh", "#!/bin/sh\necho set up >>/opt/mark\n");
    let tables = "[warm]\nstandby = 1\n[scaling]\nmax_runners = 2\njobs_per_runner = 1\nscale_up_threshold = 0\ncooldown = \"0s\"\n\
                  max_queue_wait = \"0s\"\n[lifecycle]\nboot_timeout = \"60s\"\n";
    cloud.fleet("ci", "cloud-init\"\nsetup = \"setup.sh", "\"docker\"", tables);
    cloud
}

const JOB: &str = "cat /opt/mark; id -un";

fn on_standby(world: &World) -> Option<&SimVm> {
    let is_kept = |vm: &&SimVm| vm.is_on_standby() && vm.tag("azlin-standby") == Some("kept");
    world.state.azure.vms.values().find(is_kept)
}

/// Waits until the daemon knows that a VM is on standby, too: before, a new one is made for a job.
fn wait_for_standby(cloud: &RealCloud) -> String {
    cloud.wait("a VM is on standby", 120, |world| on_standby(world).is_some());
    cloud.wait_for_line(&["is deallocated, and on standby"], 60);
    on_standby(&cloud.cloud.served.world()).expect("it was just there").name.clone()
}

/// The job ran on this machine, which was set up once, before it was started for the job.
fn assert_served(cloud: &RealCloud, job: u64, machine: &str) {
    let job = cloud.job(job);
    let log = std::fs::read_to_string(cloud.cloud.log()).unwrap_or_default();
    let told: Vec<&str> = log.lines().filter(|line| line.contains(machine)).collect();
    assert_eq!(job.runner.expect("a runner took it").1, machine, "{}", told.join("\n"));
    assert_eq!(job.result.expect("its runner told of it").output.trim(), "set up\nrunner");
    let report = cloud.cloud.served.world().report();
    assert_eq!((report.jobs_killed, report.vms_leaking, report.overwrites), (0, 0, 0));
}

#[test]
fn one_is_prepared_deallocated_and_started_for_a_job() {
    let cloud = cloud();
    let daemon = cloud.daemon();
    let machine = wait_for_standby(&cloud);
    let world = cloud.cloud.served.world();
    assert!(world.state.github.runners.is_empty(), "it is no runner yet");
    drop(world);
    let job = cloud.submit(&[("docker", JOB)])[0];
    cloud.wait("it is started", 60, |world| {
        world.state.azure.vms.values().any(|vm| vm.name == machine && vm.is_running())
    });
    cloud.wait("the job ends", 120, |world| succeeded(&world.state.github.jobs[&job]));
    assert_served(&cloud, job, &machine);
    cloud.wait("another is in its place", 180, |world| {
        world.state.azure.vms.len() == 1 && on_standby(world).is_some_and(|vm| vm.name != machine)
    });
    assert_eq!(RealCloud::stop(daemon), Some(0));
    cloud.assert_nothing_leaked();
}

#[test]
fn the_daemon_is_killed_at_each_step_of_its_life() {
    let cloud = cloud();
    let mut daemon = cloud.daemon();
    cloud.wait("it is being set up", 60, |world| {
        world
            .state
            .azure
            .vms
            .values()
            .any(|vm| vm.machine.as_ref().is_some_and(|machine| machine.leader.is_some()))
    });
    daemon.kill();
    cloud.wait("it has powered off by itself", 60, |world| world.state.azure.vms.values().any(SimVm::is_off));
    daemon = cloud.daemon();
    let machine = wait_for_standby(&cloud);
    daemon.kill();
    daemon = cloud.daemon();
    let job = cloud.submit(&[("docker", JOB)])[0];
    cloud.wait("it is started", 60, |world| {
        world.state.azure.vms.values().any(|vm| vm.name == machine && vm.is_running())
    });
    daemon.kill();
    daemon = cloud.daemon();
    cloud.wait("the job runs", 120, |world| world.state.github.jobs[&job].runner.is_some());
    daemon.kill();
    daemon = cloud.daemon();
    cloud.wait("the job ends", 120, |world| succeeded(&world.state.github.jobs[&job]));
    assert_served(&cloud, job, &machine);
    cloud.wait("another is in its place", 240, |world| {
        world.state.azure.vms.len() == 1 && on_standby(world).is_some_and(|vm| vm.name != machine)
    });
    daemon.kill();
    cloud.assert_nothing_leaked();
}

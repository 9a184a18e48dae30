//! A running job survives all other events in its fleet.

use azlin_simcloud::World;
use azlin_simcloud::fault::Lag;
use azlin_tests::binary::DaemonProcess;
use azlin_tests::machines::{RealCloud, succeeded};

/// Submits a job of fifteen seconds to the one machine of a fleet. Returns its number.
const SLOW: &str = "sleep 15; echo done on $(hostname)";
const LIFECYCLE: &str = "boot_timeout = \"40s\"\n";

fn scaling(min: u32, max: u32) -> String {
    format!(
        "[scaling]\nmin_runners = {min}\nmax_runners = {max}\njobs_per_runner = 1\ncooldown = \"0s\"\nmax_queue_wait = \"0s\"\n"
    )
}

fn runs_job(world: &World) -> bool {
    world.state.github.runners.values().any(|runner| runner.job.is_some())
}

fn machines(world: &World) -> usize {
    world.state.azure.vms.len()
}

/// A cloud, a daemon with a busy machine, and the machine's job.
fn at_work(method: &str, lifecycle: &str, min: u32) -> (RealCloud, DaemonProcess, u64) {
    let cloud = RealCloud::new("", "");
    cloud.fleet(
        "ci",
        method,
        "\"docker\"",
        &format!("{}[lifecycle]\n{LIFECYCLE}{lifecycle}", scaling(min, 4)),
    );
    let daemon = cloud.daemon();
    let job = cloud.submit(&[("docker", SLOW)])[0];
    cloud.wait("the job runs", 60, runs_job);
    (cloud, daemon, job)
}

/// Waits for the job to end on the machine that took it, and for its output.
fn assert_survives(cloud: &RealCloud, job: u64) {
    let (_, runner) = cloud.job(job).runner.expect("it runs");
    cloud.wait("the job ends", 60, |world| succeeded(&world.state.github.jobs[&job]));
    let result = cloud.job(job).result.expect("its runner told of it");
    assert_eq!(result.output.trim(), format!("done on {runner}"));
    assert_eq!(cloud.cloud.served.world().report().jobs_killed, 0);
    cloud.assert_nothing_leaked();
}

#[test]
fn it_survives_scale_down() {
    let (cloud, daemon, job) = at_work("ssh", "", 2);
    cloud.wait("two more are idle", 60, |world| {
        world.state.github.runners.values().filter(|r| r.online && r.job.is_none()).count() == 2
    });
    RealCloud::stop(daemon);
    cloud.fleet("ci", "ssh", "\"docker\"", &format!("{}[lifecycle]\n{LIFECYCLE}", scaling(0, 4)));
    let _daemon = cloud.daemon();
    cloud.wait("the idle ones go", 30, |world| machines(world) == 1);
    assert!(cloud.log().contains("is asked to drain"));
    assert_survives(&cloud, job);
    cloud.wait("nothing is left", 30, |world| machines(world) == 0);
}

#[test]
fn it_survives_rotation() {
    let (cloud, _daemon, job) = at_work("cloud-init", "rotation_interval = \"3s\"\n", 1);
    let idle = |world: &World| {
        let runners = world.state.github.runners.values();
        runners
            .filter(|runner| runner.online && runner.job.is_none())
            .map(|runner| runner.name.clone())
            .next()
    };
    cloud.wait("one is idle beside it", 60, |world| idle(world).is_some());
    cloud.wait_for_line(&[" deleted: ", "has taken its place"], 60);
    assert_survives(&cloud, job);
}

#[test]
fn it_survives_a_changed_configuration() {
    let (cloud, daemon, job) = at_work("ssh", "", 1);
    cloud.wait("one is idle beside it", 60, |world| {
        world.state.github.runners.values().any(|r| r.online && r.job.is_none())
    });
    RealCloud::stop(daemon);
    cloud.fleet("ci", "ssh", "\"docker\", \"new\"", &format!("{}[lifecycle]\n{LIFECYCLE}", scaling(1, 4)));
    let _daemon = cloud.daemon();
    cloud.wait_for_line(&[" deleted: ", "has taken its place"], 60);
    assert_survives(&cloud, job);
    let has_new = |labels: &[String]| labels.iter().any(|label| label == "new");
    cloud.wait("all have the new label", 60, |world| {
        let mut online = world.state.github.runners.values().filter(|runner| runner.online).peekable();
        online.peek().is_some() && online.all(|runner| has_new(&runner.labels))
    });
}

#[test]
fn it_survives_that_its_fleet_is_disabled_and_the_daemon_stopped() {
    let (cloud, daemon, job) = at_work("ssh", "", 1);
    assert_eq!(RealCloud::stop(daemon), Some(0), "SIGTERM");
    let text = format!("{}[lifecycle]\n{LIFECYCLE}", scaling(1, 4));
    cloud.fleet("ci", "ssh", "\"docker\"", &text);
    let file = cloud.cloud.config.path().join("fleets/ci.toml");
    let enabled = std::fs::read_to_string(&file).expect("it was written");
    cloud.cloud.write("fleets/ci.toml", &format!("enabled = false\n{enabled}"));
    let _daemon = cloud.daemon();
    cloud.wait("only the busy one is left", 60, |world| machines(world) == 1 && runs_job(world));
    assert_survives(&cloud, job);
    cloud.wait("it goes after its job", 30, |world| machines(world) == 0);
}

/// Of a machine that answers to nothing only time can tell, and a warning says what was seen.
#[test]
fn a_machine_that_is_deaf_goes_after_drain_timeout_and_its_warning_says_why() {
    let (cloud, _daemon, job) = at_work("cloud-init", "drain_timeout = \"20s\"\n", 1);
    let (_, busy) = cloud.job(job).runner.expect("it runs");
    let idle = |world: &World| {
        let mut idle = world.state.github.runners.values().filter(|it| it.online && it.job.is_none());
        idle.next().map(|runner| runner.name.clone())
    };
    cloud.wait("one is idle beside it", 60, |world| idle(world).is_some());
    let deaf = idle(&cloud.cloud.served.world()).expect("a moment ago");
    for (name, how) in
        [(&deaf, "systemctl stop azlin-drain.service"), (&busy, "ip addr del 169.254.169.254/32 dev lo")]
    {
        assert!(cloud.inside(name, how).status.success(), "{how}");
    }
    let file = cloud.cloud.config.path().join("fleets/ci.toml");
    let enabled = std::fs::read_to_string(&file).expect("it was written");
    cloud.cloud.write("fleets/ci.toml", &format!("enabled = false\n{enabled}"));
    assert_survives(&cloud, job);
    let line = cloud.wait_for_line(&["WARN", &deaf, "is removed without an answer"], 120);
    assert!(line.contains("GitHub calls it idle, and no look and no queue has shown a job since"), "{line}");
    cloud.wait("nothing is left", 60, |world| machines(world) == 0);
    let warnings = cloud.log().lines().filter(|line| line.contains("without an answer")).count();
    assert_eq!(warnings, 1, "the one at work stopped by itself");
}

#[test]
fn it_survives_that_it_was_taken_between_the_list_and_the_delete() {
    // Lists are five seconds old: a listed idle runner has a job by now, and the daemon tries to remove the
    // runner.
    let fault = "[[faults]]\nwhat = { stale = '5s' }\nside = 'github'\nmethod = 'GET'\n";
    let cloud = RealCloud::new("", fault);
    let tables = |min| format!("{}[lifecycle]\n{LIFECYCLE}", scaling(min, 4));
    cloud.fleet("ci", "ssh", "\"docker\"", &tables(1));
    let daemon = cloud.daemon();
    let is_idle = |world: &World| world.state.github.runners.values().any(|runner| runner.online);
    cloud.wait("one is idle", 60, is_idle);
    let lag = std::time::Duration::from_secs(5);
    cloud.wait("the lists call it idle", 30, |world| {
        world.seen(Lag { ago: lag, is_patchy: false }).github.runners.values().any(|runner| runner.online)
    });
    RealCloud::stop(daemon);
    let job = cloud.submit(&[("docker", SLOW)])[0];
    cloud.fleet("ci", "ssh", "\"docker\"", &tables(0));
    let _daemon = cloud.daemon();
    cloud.wait_for_line(&["is left alone: ", "it runs a job"], 20);
    assert_survives(&cloud, job);
    cloud.wait("nothing is left", 60, |world| machines(world) == 0);
}

#[test]
fn a_runner_of_three_jobs_takes_three() {
    let cloud = RealCloud::new("", "");
    // Azure does not accept this kind of key, so the key comes through the custom data.
    let key = format!("ssh_private_key = {:?}\n", cloud.key("of-the-fleet", "ecdsa"));
    let tables = format!("{key}{}[lifecycle]\n{LIFECYCLE}max_job_count = 3\n", scaling(0, 1));
    cloud.fleet("ci", "ssh", "\"docker\"", &tables);
    let _daemon = cloud.daemon();
    // The first machine installs a program that root may call into the runner's own folder.
    let tamper = "cd /opt/actions-runner; printf '#!/bin/sh\\necho TAMPERED\\n' >svc.sh; echo --version >.service; sleep 4";
    let jobs = cloud.submit(&[("docker", tamper), ("docker", "sleep 4"), ("docker", "sleep 4")]);
    cloud.wait("it runs", 60, runs_job);
    let name = cloud.job(jobs[0]).runner.expect("it runs").1;
    let spared = cloud.inside(&name, "cat /etc/needrestart/conf.d/azlin.conf");
    assert!(
        String::from_utf8_lossy(&spared.stdout).contains("actions"),
        "upgrades restart no runner: {spared:?}"
    );
    cloud.wait("three jobs", 90, |world| jobs.iter().all(|id| succeeded(&world.state.github.jobs[id])));
    let on: std::collections::BTreeSet<_> = jobs.iter().map(|id| cloud.job(*id).runner).collect();
    assert_eq!(on.len(), 1, "{on:?}");
    cloud.wait_for_line(&[" deleted: ", "it has had 3 jobs, and max_job_count is 3"], 30);
    cloud.wait("nothing is left", 30, |world| machines(world) == 0 && world.state.github.runners.is_empty());
    assert!(cloud.log().contains("is asked to drain"));
    assert!(!cloud.log().contains("TAMPERED"), "root calls nothing that a job could change");
}

/// The state of the machine with this prefix.
fn state(world: &World, pool: &str) -> Option<&'static str> {
    let vm = world.state.azure.vms.values().find(|vm| vm.name.starts_with(pool))?;
    Some(vm.machine.as_ref()?.state())
}

#[test]
fn without_a_daemon_an_idle_machine_powers_off_and_one_at_work_only_after_its_job() {
    let cloud = RealCloud::new("", "");
    let lifecycle =
        "[lifecycle]\nrotation_interval = \"15s\"\nboot_timeout = \"25s\"\ndead_mans_switch = \"40s\"\n";
    let tables = format!("{}{lifecycle}", scaling(1, 1));
    cloud.fleet("idle", "cloud-init", "\"nobody\"", &tables);
    cloud.fleet("busy", "ssh", "\"docker\"", &format!("{tables}max_job_count = 9\n"));
    let daemon = cloud.daemon();
    let job = cloud.submit(&[("docker", "sleep 50; echo done on $(hostname)")])[0];
    cloud.wait("one is idle and one at work", 60, |world| {
        let mut runners = world.state.github.runners.values();
        runs_job(world) && runners.any(|runner| runner.online && runner.name.starts_with("idle"))
    });
    assert_eq!(RealCloud::stop(daemon), Some(0));
    cloud.wait("the idle one powers off", 80, |world| state(world, "idle") == Some("off"));
    assert!(runs_job(&cloud.cloud.served.world()), "the other is at work");
    assert_eq!(state(&cloud.cloud.served.world(), "busy"), Some("running"));
    assert_survives(&cloud, job);
    assert_eq!(state(&cloud.cloud.served.world(), "busy"), Some("running"), "it has just had a job");
    cloud.wait("it powers off too", 120, |world| state(world, "busy") == Some("off"));
}

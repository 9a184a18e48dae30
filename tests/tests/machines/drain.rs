//! The machine is the witness: it drains when it is asked to, both ways, and never under a job. There is no
//! daemon here; what it does, the tests do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azlin_fleet::bootstrap::drain::is_refused;
use azlin_fleet::model::Step;
use azlin_simcloud::World;
use azlin_simcloud::github::JobState;
use azlin_tests::machines::{RealCloud, plant, succeeded};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::RngExt;
use serde_json::json;

use crate::fixture::{
    RUNNER, by_itself, configured, entry, is_online, killed, prepared, said, step, until_off,
};

fn drain(cloud: &RealCloud, name: &str) -> String {
    step(cloud, name, &Step::Drain)
}

/// As a PATCH of the VM does.
fn set_user_data(cloud: &RealCloud, name: &str, text: &str) {
    let mut world = cloud.cloud.served.world();
    let vm = world.state.azure.vms.values_mut().find(|vm| vm.name == name).expect("it was made");
    Arc::make_mut(&mut vm.body)["properties"]["userData"] = json!(BASE64_STANDARD.encode(text));
}

#[test]
fn an_idle_machine_drains_when_its_user_data_asks_for_exactly_that() {
    let cloud = RealCloud::new("", "");
    // Updates are on offer, and declined by what the daemon writes into the JIT configuration.
    plant(cloud.overlay.path(), "opt/actions-runner/.env", "STANDIN_UPDATE_TO=2.331.0\n");
    let name = by_itself(&cloud);
    for other in [
        "azlin-drain",
        "azlin-drain now",
        "azlin-drain 7; :",
        "please azlin-drain 7",
        "#cloud-config\nazlin-drain 7\n",
    ] {
        set_user_data(&cloud, &name, other);
        let read = format!(
            "sed 's/^attend() {{/attend() {{ is_asked; exit; /' {RUNNER} >/run/once; sh /run/once attend"
        );
        assert!(!cloud.inside(&name, &read).status.success(), "{other}");
    }
    // The service is gone for a while, and nobody hears of it.
    let metadata = "169.254.169.254/32 dev lo";
    said(&cloud, &name, &format!("ip addr del {metadata}"));
    set_user_data(&cloud, &name, "azlin-drain 7\n");
    std::thread::sleep(Duration::from_secs(8));
    assert!(is_online(&cloud.cloud.served.world(), &name));
    let journal = said(&cloud, &name, "journalctl --quiet --output cat --unit azlin-drain.service");
    assert!(journal.lines().all(|line| line.contains("Started")), "{journal}");
    assert_eq!(said(&cloud, &name, "ls -d /opt/actions-runner/bin*"), "/opt/actions-runner/bin");
    said(&cloud, &name, &format!("ip addr add {metadata}"));
    let began = Instant::now();
    until_off(&cloud, &name, 30);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_machine_at_work_drains_after_its_job() {
    let cloud = RealCloud::new("", "");
    let name = by_itself(&cloud);
    let job = cloud.submit(&[("docker", "sleep 12; echo done")])[0];
    cloud.wait_inside(&name, "pgrep -fx 'sleep 12'");
    set_user_data(&cloud, &name, "azlin-drain 1000");
    for _ in 0..5 {
        assert_eq!(drain(&cloud, &name), "drain=busy");
    }
    let console = cloud.cloud.served.machines()[&name].console.clone();
    cloud.wait("its console shows the refusal", 20, |_| {
        let console = std::fs::read_to_string(&console).unwrap_or_default();
        is_refused(&console, "azlin-drain 1000") && !is_refused(&console, "azlin-drain 999")
    });
    cloud.wait("the job ends", 60, |world| succeeded(&world.state.github.jobs[&job]));
    until_off(&cloud, &name, 30);
    assert_eq!(killed(&cloud), 0);
}

#[test]
fn over_ssh_it_is_the_same_and_a_job_that_fights_wins_nothing() {
    let cloud = RealCloud::new("", "");
    prepared(&cloud, "lasting");
    assert!(said(&cloud, "lasting", &format!("{RUNNER} probe")).contains("job=none"));
    configured(&cloud, "lasting");
    // config.sh makes svc.sh last, and may be cut off before. The runner updates itself besides.
    let home = "/opt/actions-runner";
    let cut = format!(
        "cd {home}; rm svc.sh; echo STANDIN_UPDATE_TO=2.331.0 >.env; sed -i 's/Update\": true/Update\": false/' .runner; \
         chown runner .env .runner"
    );
    said(&cloud, "lasting", &cut);
    step(&cloud, "lasting", &Step::Start);
    cloud.wait_inside("lasting", "test -L /opt/actions-runner/bin && pgrep -f '[R]unner.Listener run'");
    cloud.wait("it is online", 60, |world| is_online(world, "lasting"));

    // Signals to the listener, for ever and after the job's end; files of the runner are the job's own.
    let fight = "setsid sh -c 'while :; do pkill -CONT -f [R]unner.Listener; pkill -TERM -f azlin/[r]unner; done' >/dev/null 2>&1 &\n\
        rm -f /opt/actions-runner/_diag/Runner_*; sleep 10; echo done";
    let job = cloud.submit(&[("docker", fight)])[0];
    cloud.wait_inside(
        "lasting",
        "pgrep -fx 'sleep 10' && pgrep -f '/opt/actions-runner/bin.2.331.0/[R]unner.Worker'",
    );
    assert!(said(&cloud, "lasting", &format!("{RUNNER} probe")).contains("job=running"));
    for _ in 0..10 {
        assert_eq!(drain(&cloud, "lasting"), "drain=busy");
    }
    cloud.wait("the job ends", 60, |world| succeeded(&world.state.github.jobs[&job]));
    // What it left behind looks like a worker.
    said(
        &cloud,
        "lasting",
        "mkdir -p /opt/actions-runner/bin.9; cp /bin/sleep /opt/actions-runner/bin.9/Runner.Worker",
    );
    said(
        &cloud,
        "lasting",
        "runuser -u runner -- setsid /opt/actions-runner/bin.9/Runner.Worker 600 >/dev/null 2>&1 &",
    );
    cloud.wait_inside("lasting", "pgrep -f bin.9/[R]unner.Worker");
    assert_eq!(drain(&cloud, "lasting"), "drain=busy", "in doubt");
    let again = cloud.submit(&[("docker", "echo again")])[0];
    cloud.wait("it serves on", 60, |world| succeeded(&world.state.github.jobs[&again]));
    said(&cloud, "lasting", "pkill -KILL -f bin.9/[R]unner.Worker; sleep 1");
    // Whatever the clock says, and though the signals go on.
    said(&cloud, "lasting", "touch -d 2001-01-01 /opt/actions-runner/_diag/*");
    assert_eq!(drain(&cloud, "lasting"), "drain=ended");
    until_off(&cloud, "lasting", 30);
    assert_eq!(killed(&cloud), 0);
}

#[test]
fn a_machine_without_a_runner_drains_at_once_though_it_installs() {
    let cloud = RealCloud::new("", "");
    prepared(&cloud, "bare");
    said(&cloud, "bare", "setsid flock /var/lib/azlin-runner/lock sleep 600 >/dev/null 2>&1 &");
    let began = Instant::now();
    assert_eq!(drain(&cloud, "bare"), "drain=ended");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    until_off(&cloud, "bare", 30);
}

/// An installation whose connection was lost goes on while its machine is asked to drain.
#[test]
fn once_a_drain_has_ended_no_listener_starts() {
    let cloud = RealCloud::new("", "");
    prepared(&cloud, "late");
    configured(&cloud, "late");
    said(&cloud, "late", &keeps_power());
    step(&cloud, "late", &Step::Start);
    cloud.wait("it is online", 60, |world| is_online(world, "late"));
    let job = cloud.submit(&[("docker", "sleep 3")])[0];
    cloud.wait_inside("late", "pgrep -f '[R]unner.Worker'");
    assert_eq!(drain(&cloud, "late"), "drain=busy");
    cloud.wait("the job ends", 60, |world| succeeded(&world.state.github.jobs[&job]));
    said(&cloud, "late", "systemctl restart 'actions.runner.*'");
    cloud.wait_inside("late", "pgrep -f '[R]unner.Listener run'");
    // One that has no log yet counts as busy.
    let ends = format!("PATH=/opt/ours:$PATH {RUNNER} drain | grep -qx drain=ended");
    cloud.wait_inside("late", &ends);
    // Another one that cannot tell bars nothing, and frees nothing either.
    said(&cloud, "late", "setsid flock /var/lib/azlin-runner/drain sleep 12 >/dev/null 2>&1 & sleep 0.5");
    assert_eq!(drain(&cloud, "late"), "drain=busy");
    step(&cloud, "late", &Step::Start);
    std::thread::sleep(Duration::from_secs(2));
    let left = cloud.inside("late", "pgrep -f '[R]unner.Listener'");
    assert!(!left.status.success(), "{left:?}");
}

/// One machine runs one listener after another, and is asked to drain at any moment of each one's life. Its
/// power stays on: `systemctl` is our own for the script.
#[test]
fn of_a_hundred_jobs_taken_while_it_drains_none_is_lost() {
    let cloud = RealCloud::new("", "");
    prepared(&cloud, "race");
    plant_unit(&cloud);
    let mut rng = rand::rng();
    let mut answers = BTreeMap::<String, u32>::new();
    let mut jobs = Vec::new();
    for round in 0..100 {
        let (_, jit) = entry(&cloud, &format!("race-{round}"));
        start_listener(&cloud, &jit);
        cloud.wait("it listens", 30, |world| is_online(world, &format!("race-{round}")));
        if cloud.cloud.served.world().state.github.queued.is_empty() {
            jobs.extend(cloud.submit(&[("docker", "echo $GITHUB_RUN_ID >>/tmp/ran")]));
        }
        std::thread::sleep(Duration::from_millis(rng.random_range(0..500)));
        // In every other round as on a system without cgroup v2, where signals freeze.
        let hidden = ["true", "mount -t tmpfs none /sys/fs/cgroup"][round % 2];
        let drain = format!("{hidden} && PATH=/opt/ours:$PATH {RUNNER} drain");
        let answer = said(&cloud, "race", &format!("unshare --mount sh -c '{drain}'"));
        *answers.entry(answer.clone()).or_default() += 1;
        if answer == "drain=busy" {
            let idle = "! systemctl is-active azlin-runner.service";
            cloud.wait_inside("race", idle);
        } else {
            let left = cloud.inside("race", "pgrep -f 'Runner\\.(Listener|Worker)'");
            assert!(!left.status.success(), "{left:?}");
        }
    }
    // What was sent to a listener that was ended goes back after a minute.
    let is_over = |world: &World| {
        jobs.iter().all(|job| matches!(world.state.github.jobs[job].state, JobState::Completed(_)))
    };
    while !is_over(&cloud.cloud.served.world()) {
        cloud.wait("a job goes back", 120, |world| is_over(world) || !world.state.github.queued.is_empty());
        let (_, jit) = entry(&cloud, &format!("last-{}", rng.random::<u64>()));
        start_listener(&cloud, &jit);
        cloud.wait_inside("race", "! systemctl is-active azlin-runner.service");
    }
    assert!(jobs.iter().all(|job| succeeded(&cloud.job(*job))));
    let ran = said(&cloud, "race", "sort /tmp/ran | uniq | wc -l; wc -l </tmp/ran");
    assert_eq!(ran, format!("{0}\n{0}", jobs.len()), "each ran once");
    assert!(answers.len() == 2 && answers.values().all(|count| *count >= 5), "{answers:?}");
    assert_eq!(killed(&cloud), 0);
}

fn plant_unit(cloud: &RealCloud) {
    let unit = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=exec\nUser=runner\nEnvironment=STANDIN_PAUSE=0.15\n\
        ExecStart=/usr/local/lib/azlin/runner serve\n";
    let script = [
        write("/etc/systemd/system/azlin-runner.service", unit),
        "mkdir -p /var/lib/azlin-runner/jit; chown runner /var/lib/azlin-runner/jit; systemctl daemon-reload\n"
            .to_owned(),
        keeps_power(),
    ];
    said(cloud, "race", &script.concat());
}

/// Makes /opt/ours, with whose programs in its PATH a drain leaves the power on.
fn keeps_power() -> String {
    let systemctl = "#!/bin/sh\n[ \"$1\" != kill ] || exec /bin/systemctl \"$@\"\n";
    [
        "mkdir -p /opt/ours\n".to_owned(),
        write("/opt/ours/systemctl", systemctl),
        write("/opt/ours/systemd-run", "#!/bin/sh\nshift 2\nexec \"$@\"\n"),
        "chmod 755 /opt/ours/*\n".to_owned(),
    ]
    .concat()
}

fn write(path: &str, text: &str) -> String {
    format!("printf '%s' '{text}' >{path}\n")
}

fn start_listener(cloud: &RealCloud, jit: &str) {
    let config = "/var/lib/azlin-runner/jit/config";
    let start = format!(
        "systemctl stop azlin-runner.service; echo '{jit}' >{config}; chown runner {config}; systemctl start azlin-runner.service"
    );
    said(cloud, "race", &start);
}

//! Machines that jobs can use: what `[bootstrap]` gives a VM is proven by a job from inside, and a setup that fails is
//! the reason of a failed start.

use azlin_simcloud::World;
use azlin_tests::machines::{RealCloud, plant, succeeded};

const TABLES: &str = "[scaling]\nmin_runners = 0\nmax_runners = 1\njobs_per_runner = 1\nmax_queue_wait = \"0s\"\n\
    [lifecycle]\nboot_timeout = \"80s\"\n";

/// A job is the witness of all of it.
const GIVEN: &str = "\
setup = 'setup.sh'\n\
docker = true\n\
sudo = true\n\
user_groups = ['made-by-setup', 'audio']\n\
environment = { TOOLS = '/opt/tools', QUOTED = \"a 'b' $HOME\" }\n\
job_started = 'started.sh'\n\
job_completed = 'completed.sh'\n\
proxy = 'http://127.0.0.1:3128'\n\
no_proxy = ['.internal.example']\n";

const SETUP: &str = "#!/usr/bin/env python3\n\
import os, subprocess\n\
# In the order of the documentation: the proxy and Docker come before, groups and the runner's program after.\n\
assert not os.path.exists('/opt/actions-runner/bin'), 'the runner is there before the setup'\n\
assert os.environ['https_proxy'] == 'http://127.0.0.1:3128', os.environ\n\
subprocess.run(['docker', 'version'], check=True)\n\
subprocess.run(['groupadd', '--system', 'made-by-setup'], check=True)\n\
open('/etc/made-by-setup', 'w').write('%d für alle\\n' % os.getuid())\n";

const JOB: &str = "\
cat /etc/made-by-setup\n\
id -Gn | tr ' ' '\\n' | sort | tr '\\n' ' '; echo\n\
sudo -n id -u\n\
echo \"$TOOLS $QUOTED\"\n\
echo \"$https_proxy $no_proxy\"\n\
docker version\n\
cat /tmp/hook\n";

/// A package source that this test can reach: apt-get is a program that puts a stand-in of Docker in place, a service and a
/// client that asks whether the service runs. dockerd itself does not run in these machines.
fn plant_docker(cloud: &RealCloud) {
    let client = "#!/bin/sh\nsystemctl --quiet is-active docker.service && echo docker stand-in\n";
    let service = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
    plant(cloud.overlay.path(), "opt/packages/docker", client);
    plant(cloud.overlay.path(), "opt/packages/docker.service", service);
    let apt_get = "#!/bin/sh\ncase \"$*\" in\n*'install -y docker.io'*)\n\
        install -m 755 /opt/packages/docker /usr/bin/docker\n\
        install -m 644 /opt/packages/docker.service /etc/systemd/system/docker.service ;;\nesac\n";
    plant(cloud.overlay.path(), "usr/local/sbin/apt-get", apt_get);
    let path = cloud.overlay.path().join("usr/local/sbin/apt-get");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(path, mode).expect("it was planted");
}

/// A cloud with a fleet whose files are beside its own.
fn fleet(method: &str, given: &str, setup: &str) -> RealCloud {
    let cloud = RealCloud::new("", "");
    std::fs::create_dir_all(cloud.cloud.config.path().join("fleets")).expect("it can be made");
    cloud.cloud.write("fleets/setup.sh", setup);
    cloud.cloud.write("fleets/started.sh", "echo \"started as $(id -un)\" >/tmp/hook\n");
    cloud.cloud.write("fleets/completed.sh", "echo \"completed after $GITHUB_JOB\"\n");
    // The fleet's file begins with its bootstrap table.
    cloud.fleet("ci", method, "\"docker\"", &format!("{given}{TABLES}"));
    cloud
}

fn proven(method: &str) {
    let cloud = fleet(method, GIVEN, SETUP);
    plant_docker(&cloud);
    let _daemon = cloud.daemon();
    let job = cloud.submit(&[("docker", JOB)])[0];
    cloud.wait("the job ends", 120, |world| world.state.github.jobs[&job].result.is_some());
    let result = cloud.job(job);
    let name = result.name.clone();
    let output = result.result.clone().expect("it has ended").output;
    let lines: Vec<&str> = output.lines().collect();
    let expected = [
        "0 für alle",
        "audio docker made-by-setup runner ",
        "0",
        "/opt/tools a 'b' $HOME",
        "http://127.0.0.1:3128 localhost,127.0.0.1,169.254.169.254,168.63.129.16,.internal.example",
        "docker stand-in",
        "started as runner",
        &format!("completed after {name}"),
    ];
    assert_eq!(lines, expected, "{method}: {output}");
    assert!(succeeded(&result), "{method}");
}

#[test]
fn a_job_finds_what_its_fleet_gives_a_machine_that_installs_itself() {
    proven("cloud-init");
}

#[test]
fn a_job_finds_what_its_fleet_gives_a_machine_that_is_installed_over_ssh() {
    proven("ssh");
}

fn vms(world: &World) -> usize {
    world.state.azure.vms.len()
}

/// The setup fails: the VM goes, status says why, and a corrected script is followed by a runner.
fn replaced(method: &str) {
    let failing = "#!/bin/sh\nseq 1 20000\necho no such licence server >&2\nexit 7\n";
    let cloud = fleet(method, "setup = 'setup.sh'\n", failing);
    let _daemon = cloud.daemon();
    let job = cloud.submit(&[("docker", "echo served")])[0];
    cloud.wait("a VM is made", 60, |world| vms(world) > 0);
    let told = || {
        let output = cloud.cloud.command(&["status", "--output", "json"]).output().expect("azlin starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    cloud.wait_for_line(&["failed in a row", "the setup ended with 7", "no such licence server"], 120);
    let failing = told();
    assert!(
        failing.contains("no such licence server") && failing.contains("the setup ended with 7"),
        "{failing}"
    );
    cloud.cloud.write("fleets/setup.sh", "#!/bin/sh\ntrue\n");
    cloud.wait_for_line(&["bootstrap.setup: another content of", "setup.sh"], 30);
    cloud.wait("the job is served", 240, |world| succeeded(&world.state.github.jobs[&job]));
    cloud.wait_for_line(&["recovered", "runners start again"], 60);
    assert!(!told().contains("no such licence server"), "{}", told());
}

#[test]
fn a_setup_that_fails_by_itself_is_the_reason_in_status_until_it_is_corrected() {
    replaced("cloud-init");
}

#[test]
fn a_setup_that_fails_over_ssh_is_the_reason_in_status_until_it_is_corrected() {
    replaced("ssh");
}

/// A setup that restarts the machine would do so for ever.
#[test]
fn a_setup_that_restarts_the_machine_is_not_begun_again() {
    let cloud = fleet("cloud-init", "setup = 'setup.sh'\n", "#!/bin/sh\nsystemctl reboot\nsleep 60\n");
    let _daemon = cloud.daemon();
    cloud.submit(&[("docker", "true")]);
    cloud.wait_for_line(
        &["what it printed last", "the setup was cut off before its end and is not begun again"],
        120,
    );
}

//! A failure on a real machine ends with a working runner, a clear line in the log, and no secret in the log.

use azlin_simcloud::World;
use azlin_tests::binary::DaemonProcess;
use azlin_tests::machines::{RealCloud, plant};

const TABLES: &str = "[scaling]\nmin_runners = 1\nmax_runners = 1\n[lifecycle]\nboot_timeout = \"30s\"\n";
/// Delays the download, so that something can happen meanwhile.
const SLOW_DOWNLOAD: &str = "[[faults]]\nwhat = { latency = '4s' }\npath = '/_runner/package'\ntimes = 1\n";

fn fleet(settings: &str, faults: &str, method: &str) -> RealCloud {
    let cloud = RealCloud::new(settings, faults);
    cloud.fleet("ci", method, "\"docker\"", TABLES);
    cloud
}

fn online(world: &World) -> Option<String> {
    world.state.github.runners.values().find(|runner| runner.online).map(|runner| runner.name.clone())
}

/// Waits until the first machine runs. Later machines are made without the planted files.
fn first_machine(cloud: &RealCloud) -> String {
    let up = |world: &World| {
        let mut vms = world.state.azure.vms.values();
        vms.find(|vm| vm.machine.as_ref().is_some_and(|machine| machine.leader.is_some()))
            .map(|vm| vm.name.clone())
    };
    cloud.wait("a machine runs", 30, |world| up(world).is_some());
    for entry in std::fs::read_dir(cloud.overlay.path()).expect("the overlay is there") {
        std::fs::remove_dir_all(entry.expect("it is listed").path()).expect("it can be emptied");
    }
    up(&cloud.cloud.served.world()).expect("it ran a moment ago")
}

/// The first machine does not become a runner, and the log has the reason. Another machine does.
fn assert_replaced(cloud: &RealCloud, _daemon: DaemonProcess, words: &[&str]) {
    let first = first_machine(cloud);
    let line = cloud.wait_for_line(words, 60);
    assert!(line.contains(&first), "{line}");
    cloud.wait("it is gone and another is online", 90, |world| {
        online(world).is_some_and(|name| name != first)
            && world.state.azure.vms.values().all(|vm| vm.name != first)
    });
    cloud.assert_nothing_leaked();
}

/// The first machine becomes a runner despite the fault.
fn assert_recovers(cloud: &RealCloud, first: &str) {
    cloud.wait("it is online", 60, |world| online(world).as_deref() == Some(first));
    cloud.wait_for_line(&["is installed (", first], 10);
    cloud.assert_nothing_leaked();
}

#[test]
fn sshd_is_up_late() {
    let cloud = fleet("", "", "ssh");
    plant(
        cloud.overlay.path(),
        "etc/systemd/system/ssh.service.d/late.conf",
        "[Service]\nExecStartPre=/bin/sleep 6\n",
    );
    // The machine is behind a proxy, which its runner must use.
    plant(cloud.overlay.path(), "etc/environment", "https_proxy=\"http://proxy.example:3128\"  \n");
    let _daemon = cloud.daemon();
    let first = first_machine(&cloud);
    cloud.wait_for_line(&["is not reached yet", &first, "refused"], 20);
    assert_recovers(&cloud, &first);
    let told = cloud.inside(
        &first,
        "tr '\\0' '\\n' </proc/$(systemctl show --property MainPID --value azlin-runner.service)/environ | grep -i proxy",
    );
    assert_eq!(String::from_utf8_lossy(&told.stdout), "https_proxy=http://proxy.example:3128\n");
}

/// Interrupts the first machine in the middle of its download.
fn in_the_download(what: &str) {
    let cloud = fleet("", SLOW_DOWNLOAD, "ssh");
    let _daemon = cloud.daemon();
    let first = first_machine(&cloud);
    cloud.wait_inside(&first, "pgrep curl");
    cloud.inside(&first, what);
    cloud.wait_for_line(&["bootstrap begins anew", &first], 30);
    assert_recovers(&cloud, &first);
}

#[test]
fn sshd_is_killed_in_the_middle() {
    in_the_download("pkill -KILL sshd");
}

#[test]
fn the_machine_is_rebooted_in_the_middle() {
    in_the_download("systemctl reboot --no-block");
}

#[test]
fn a_machine_that_is_rebooted_before_it_has_begun_begins_then() {
    let cloud = fleet("", SLOW_DOWNLOAD, "cloud-init");
    let _daemon = cloud.daemon();
    let first = first_machine(&cloud);
    cloud.wait_inside(&first, "pgrep curl");
    cloud.inside(&first, "systemctl reboot --no-block");
    cloud.wait("it is online", 60, |world| online(world) == Some(first.clone()));
}

#[test]
fn the_disk_is_full() {
    let cloud = fleet("package_padding = 2000000", "", "ssh");
    let small = "[Service]\nExecStartPre=/bin/mkdir -p /var/lib/azlin-runner\n\
                 ExecStartPre=/bin/mount -t tmpfs -o size=64k tmpfs /var/lib/azlin-runner\n";
    plant(cloud.overlay.path(), "etc/systemd/system/ssh.service.d/small.conf", small);
    let daemon = cloud.daemon();
    assert_replaced(
        &cloud,
        daemon,
        &["does not become a runner", "fetch on ci-", "could not be written to", "KiB are free"],
    );
}

#[test]
fn the_checksum_is_wrong() {
    let cloud = fleet("", "[[faults]]\nwhat = 'wrong_checksum'\ntimes = 1\n", "ssh");
    let daemon = cloud.daemon();
    assert_replaced(&cloud, daemon, &["does not become a runner", "wrong checksum", "nothing was unpacked"]);
}

#[test]
fn another_machine_takes_the_address() {
    let cloud = fleet("", "", "ssh");
    // Later than the second machine boots, however slowly; systemd gives a start 90 s.
    let late = "[Service]\nExecStartPre=/bin/sleep 80\n";
    plant(cloud.overlay.path(), "etc/systemd/system/ssh.service.d/late.conf", late);
    let daemon = cloud.daemon();
    let first = first_machine(&cloud);
    cloud.wait_for_line(&["is not reached yet", &first, "refused"], 20);
    // A second machine, of another fleet, with its own sshd.
    drop(daemon);
    cloud.fleet("other", "ssh", "\"other\"", TABLES);
    let daemon = cloud.daemon();
    let other = |name: &&String| name.starts_with("other-");
    cloud.wait_for_line(&["is installed (", "other-"], 60);
    let machines = cloud.cloud.served.machines();
    let second = machines.keys().find(other).expect("it was installed");
    let address = machines[&first].address.expect("it was reached for").to_string();
    let taker = &machines[second];
    let ip = |arguments: &[&str]| {
        let done = std::process::Command::new("ip").args(arguments).status();
        assert!(done.expect("ip is installed").success(), "ip {arguments:?}");
    };
    ip(&["-n", &machines[&first].netns, "link", "set", "eth0", "down"]);
    ip(&["-n", &taker.netns, "address", "add", &format!("{address}/32"), "dev", "eth0"]);
    let via = taker.address.expect("it was reached").to_string();
    ip(&["route", "replace", &format!("{address}/32"), "via", &via]);
    let line = cloud.wait_for_line(&["does not become a runner", "is not the machine that was made"], 60);
    assert!(line.contains(&first) && line.contains("SHA256:"), "{line}");
    cloud.wait("it is replaced", 90, |world| {
        let vms = || world.state.azure.vms.values().map(|vm| &vm.name);
        vms().all(|name| *name != first)
            && world.state.github.runners.values().filter(|runner| runner.online).count() == 2
    });
    drop(daemon);
    cloud.assert_nothing_leaked();
}

#[test]
fn the_key_is_refused() {
    let cloud = fleet("", "", "ssh");
    plant(cloud.overlay.path(), "etc/ssh/sshd_config.d/none.conf", "AuthorizedKeysFile none\n");
    let daemon = cloud.daemon();
    assert_replaced(&cloud, daemon, &["does not become a runner", "azureuser", "key"]);
}

#[test]
fn config_sh_fails() {
    // Runners for one job are made without it.
    let cloud = RealCloud::new("", "[[faults]]\nwhat = 'registration_refused'\ntimes = 3\n");
    cloud.fleet("ci", "ssh", "\"docker\"", &format!("{TABLES}max_job_count = 2\n"));
    let daemon = cloud.daemon();
    assert_replaced(&cloud, daemon, &["does not become a runner", "configure on ci-", "ended with 1"]);
}

#[test]
fn the_machine_never_boots() {
    let cloud = fleet("", "[[faults]]\nwhat = 'never_boots'\ntimes = 1\n", "ssh");
    let daemon = cloud.daemon();
    cloud.wait_for_line(&["does not become a runner", "it was no runner within boot_timeout (30s)"], 60);
    cloud.wait("another is online", 180, |world| online(world).is_some());
    drop(daemon);
    cloud.assert_nothing_leaked();
}

#[test]
fn the_output_of_a_machine_is_reported_when_it_fails_by_itself() {
    let cloud = fleet("", "[[faults]]\nwhat = 'wrong_checksum'\ntimes = 1\n", "cloud-init");
    let daemon = cloud.daemon();
    assert_replaced(&cloud, daemon, &["what it printed last", "wrong checksum"]);
}

#[test]
fn the_machine_dies_in_a_job() {
    for method in ["ssh", "cloud-init"] {
        let cloud = fleet("", "", method);
        let _daemon = cloud.daemon();
        let first = first_machine(&cloud);
        let job = cloud.submit(&[("docker", "sleep 600")])[0];
        cloud.wait("the job runs", 60, |world| world.state.github.jobs[&job].runner.is_some());
        cloud.wait_inside(&first, "pgrep -fx 'sleep 600'");
        cloud.inside(&first, "systemctl poweroff --force --force");
        cloud.wait("it is gone and another is online", 90, |world| {
            online(world).is_some_and(|name| name != first)
                && world.state.azure.vms.values().all(|vm| vm.name != first)
        });
        cloud.wait_for_line(&[" deleted: ", &first], 10);
        let killed = cloud.cloud.served.world().report().jobs_killed;
        assert_eq!(killed, 0, "the machine lost it, not the daemon");
        cloud.assert_nothing_leaked();
    }
}

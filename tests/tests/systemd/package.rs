//! The package's life: installed without systemd, upgraded, removed, purged.

use azlin_tests::admin_host::{AdminHost, PACKAGE, UNIT};

/// The path of the next version's package.
const NEXT: &str = "/root/next.deb";

/// Builds the next version's package from this one.
fn make_next(host: &AdminHost) {
    host.run(&format!(
        "dpkg-deb --raw-extract {PACKAGE} /root/next && sed -i 's/^Version: .*/&+next/' /root/next/DEBIAN/control && \
         echo '# A remark of the next version.' >>/root/next/etc/azlin/azlin.toml && \
         (cd /root/next && md5sum $(find etc usr -type f) >DEBIAN/md5sums) && \
         dpkg-deb --root-owner-group -Znone --build /root/next {NEXT}"
    ));
}

#[test]
fn it_is_upgraded_removed_and_purged_and_no_vm_is_touched() {
    let host = AdminHost::boot("", "");
    // As in the build of an image, where no systemd runs.
    host.run(&format!(
        "unshare --mount sh -c 'mount -t tmpfs none /run/systemd && dpkg --install {PACKAGE}'"
    ));
    host.run("systemctl daemon-reload");
    assert_eq!(host.output(&format!("systemctl is-enabled {UNIT}")).stdout, b"disabled\n");
    assert_eq!(host.run("stat --format='%a %U' /etc/azlin/credentials"), "700 root");
    host.install();
    make_next(&host);

    // An editor or an older version has left secrets open.
    host.run("echo secret >/etc/azlin/credentials/open && chmod 755 /etc/azlin/credentials");
    host.run("chmod 644 /etc/azlin/credentials/open /etc/azlin/environment");
    host.install();
    let modes = "cd /etc/azlin && stat --format=%a credentials credentials/open environment";
    assert_eq!(host.run(modes), "700\n600\n600");
    host.run("rm /etc/azlin/credentials/open");

    host.configure();
    host.fleet("ci", "min_runners = 2\nmax_runners = 20\n");
    let mine = host.run("cat /etc/azlin/azlin.toml /etc/azlin/fleets/ci.toml");
    host.run(&format!("systemctl enable --now {UNIT}"));
    host.wait("two are kept warm", |world| {
        world.state.github.runners.values().filter(|runner| runner.online).count() == 2
    });
    let busy = host.submit(1, 5);
    host.wait("one is busy, and another takes its place", |world| world.report().vms_created == 3);
    let process = host.property("MainPID");

    host.run(&format!("dpkg --install --force-confdef --force-confold {NEXT}"));
    assert_eq!(host.property("ActiveState"), "active", "it runs again");
    assert_ne!(host.property("MainPID"), process, "as the new one");
    assert_eq!(
        host.run("cat /etc/azlin/azlin.toml /etc/azlin/fleets/ci.toml"),
        mine,
        "what was changed is kept"
    );
    assert_eq!(host.output(&format!("systemctl is-enabled {UNIT}")).stdout, b"enabled\n");
    host.wait_for_jobs(&busy);
    host.wait("it goes on as before", |world| world.report().vms_left == 2);
    let report = host.cloud.served.world().report();
    assert_eq!((report.vms_created, report.jobs_killed, report.runners_left), (3, 0, 2), "no VM was touched");

    host.run(&format!("systemctl stop {UNIT}"));
    host.run(&format!("dpkg --install --force-confdef --force-confold {PACKAGE}"));
    assert_eq!(host.property("ActiveState"), "inactive", "what was stopped stays so");
    host.run(&format!("systemctl start {UNIT}"));

    host.run("dpkg --remove azlin");
    assert!(!host.path("/usr/bin/azlin").exists());
    assert_eq!(
        host.run(&format!("journalctl --no-pager --output=cat UNIT={UNIT} | tail -n 1 | grep -o '^Stopped'")),
        "Stopped"
    );
    assert!(!host.run("ps -eo comm").contains("azlin"), "it stopped");
    assert_eq!(
        host.run("cat /etc/azlin/azlin.toml /etc/azlin/fleets/ci.toml"),
        mine,
        "the configuration stays"
    );
    assert!(host.path("/var/lib/private/azlin/ci.json").exists(), "and what it remembers");
    let report = host.cloud.served.world().report();
    assert_eq!((report.vms_left, report.runners_left), (2, 2), "no VM was touched");

    // A new installation restores the same state.
    host.install();
    assert_eq!(host.output(&format!("systemctl is-enabled {UNIT}")).stdout, b"enabled\n");
    host.run(&format!("systemctl start {UNIT}"));
    assert_eq!(host.property("StatusText"), "1 fleet, 2 runners (2 idle), 0 queued jobs");

    let said = host.run("dpkg --purge azlin");
    assert!(!host.path("/etc/azlin/azlin.toml").exists());
    assert!(!host.path("/var/lib/azlin").exists() && !host.path("/var/lib/private/azlin").exists());
    assert!(host.path("/etc/azlin/fleets/ci.toml").exists(), "what an administrator wrote stays");
    assert!(said.contains("/etc/azlin is left") && said.contains("VMs that still run are left"), "{said}");
    assert_eq!(host.run(&format!("systemctl list-unit-files --no-legend {UNIT} || true")), "");
    assert_eq!(host.cloud.served.world().report().vms_left, 2);
}

//! A full disk, and an absent journal.

use azlin_tests::admin_host::{AdminHost, UNIT};

const STATE: &str = "/var/lib/private/azlin";

#[test]
fn it_serves_on_with_a_full_disk_and_says_so_once() {
    let host = AdminHost::boot("", "");
    host.install();
    host.configure();
    host.run(&format!(
        "mkdir -p -m 700 /var/lib/private {STATE} && mount -t tmpfs -o size=64k state {STATE}"
    ));
    host.run(&format!("systemctl start {UNIT}"));
    host.wait_until("it remembers", &format!("test -s {STATE}/ci.json"));
    let remembered = host.run(&format!("cat {STATE}/ci.json"));

    assert!(!host.output(&format!("cat /dev/zero >{STATE}/ballast")).status.success(), "it is full");
    for _ in 0..3 {
        let jobs = host.submit(2, 1);
        host.wait_for_jobs(&jobs);
    }
    let said = host.journal(&format!("_SYSTEMD_UNIT={UNIT} PRIORITY=4"));
    let said: Vec<&str> = said.iter().filter_map(|entry| entry["MESSAGE"].as_str()).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("ci.json: No space left on device"), "{said:?}");
    assert_eq!(host.run(&format!("cat {STATE}/ci.json")), remembered, "the file is whole, as it was");

    host.run(&format!("rm {STATE}/ballast"));
    let jobs = host.submit(1, 1);
    host.wait_for_jobs(&jobs);
    host.wait_until("it remembers again", &format!("test '{remembered}' != \"$(cat {STATE}/ci.json)\""));
    host.wait("nothing is left", |world| world.is_at_rest());
    let report = host.cloud.served.world().report();
    assert_eq!((report.vms_created, report.jobs_completed, report.jobs_killed), (7, 7, 0));
    assert_eq!(host.property("NRestarts"), "0");
}

#[test]
fn it_outlives_the_journal() {
    let host = AdminHost::serving("", "", "");
    let process = host.property("MainPID");
    let jobs = host.submit(1, 1);
    host.wait_for_jobs(&jobs);
    host.run("systemctl restart systemd-journald");
    let jobs = host.submit(1, 1);
    host.wait_for_jobs(&jobs);
    let runner = host.runner_of(jobs[0]);
    host.wait_for_line(&[&runner, "deleted"]);

    // The journal's disk is full: nothing can be written, and the daemon continues.
    host.run("mount -t tmpfs -o size=64k journal /var/log/journal && systemctl restart systemd-journald");
    assert!(!host.output("cat /dev/zero >/var/log/journal/ballast").status.success(), "it is full");
    let jobs = host.submit(2, 1);
    host.wait_for_jobs(&jobs);
    host.wait("nothing is left", |world| world.is_at_rest());
    host.run("umount /var/log/journal && systemctl restart systemd-journald");
    // The job lasts long enough for a late poll to see it.
    let jobs = host.submit(1, 5);
    host.wait_for_jobs(&jobs);
    let runner = host.runner_of(jobs[0]);
    host.wait_for_line(&[&runner, "takes job"]);
    assert_eq!((host.property("MainPID"), host.property("NRestarts").as_str()), (process, "0"));
}

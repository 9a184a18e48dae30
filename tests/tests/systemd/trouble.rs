//! A start under bad conditions: an unreachable or refusing server does not stop the service, and anything
//! that does stop it is reported.

use azlin_tests::admin_host::{AdminHost, UNIT};

#[test]
fn it_starts_while_github_refuses_or_is_away_and_says_why() {
    let host = AdminHost::boot("", "");
    host.install();
    host.configure();
    // A short limit, so that a lost network is noticed sooner.
    host.write(
        "/etc/azlin/azlin.toml",
        &format!("{}[limits]\nrequest_timeout = \"2s\"\n", host.daemon_toml()),
    );

    let token = host.token();
    "ghp_anotheranotheranotheranotheranoth1".clone_into(&mut host.cloud.served.world().settings.token);
    host.run(&format!("systemctl start {UNIT}"));
    assert_eq!(host.property("ActiveState"), "active");
    let status = host.property("StatusText");
    assert!(status.starts_with("1 fleet, runners not known") && status.contains("; ci: "), "{status}");
    assert!(status.contains("401"), "{status}");
    let told = host.journal(&format!("_SYSTEMD_UNIT={UNIT} FLEET=ci PRIORITY=4"));
    let message = told[0]["MESSAGE"].as_str().unwrap();
    assert!(message.starts_with("ci: error: ") && message.contains("401"), "{message}");

    host.cloud.served.world().settings.token = token;
    host.wait_for_line(&["ci: recovered after"]);
    let jobs = host.submit(1, 1);
    host.wait_for_jobs(&jobs);
    assert_eq!(host.property("NRestarts"), "0");

    host.plug(false);
    host.run(&format!("systemctl restart {UNIT}"));
    assert_eq!(host.property("ActiveState"), "active");
    let status = host.property("StatusText");
    assert!(status.starts_with("1 fleet, runners not known") && status.contains("; ci: "), "{status}");
    host.plug(true);
    let jobs = host.submit(1, 1);
    host.wait_for_jobs(&jobs);
    assert_eq!(host.property("NRestarts"), "0");
    host.wait_until(
        "it says that all is well",
        &format!("systemctl status {UNIT} | grep -E 'Status: .*queued jobs?\"'"),
    );
}

#[test]
fn a_bad_configuration_is_reported_and_not_retried_until_it_is_fixed() {
    let host = AdminHost::boot("", "");
    host.install();
    host.configure();
    host.write("/etc/azlin/azlin.toml", &host.daemon_toml().replace("queue", "queu"));
    // Short restarts, so that systemd gives up within seconds.
    host.drop_in("RestartSec=10ms");
    assert!(!host.output(&format!("systemctl start {UNIT}")).status.success());
    host.wait_until("systemd gives up", &format!("systemctl is-failed {UNIT}"));
    assert_eq!(host.property("NRestarts"), "25");
    let told = host.journal(&format!("_SYSTEMD_UNIT={UNIT} PRIORITY=3"));
    let message = told[0]["MESSAGE"].as_str().unwrap();
    assert!(message.contains("azlin.toml:2") && message.contains("queue"), "{message}");

    host.write("/etc/azlin/azlin.toml", &host.daemon_toml());
    // Needed in the first minute after systemd gives up, as here.
    host.run(&format!("systemctl reset-failed {UNIT}"));
    host.run(&format!("systemctl start {UNIT}"));
    let jobs = host.submit(1, 1);
    host.wait_for_jobs(&jobs);
}

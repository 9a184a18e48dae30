//! The daemon's port: systemd holds it, also while no daemon runs, and the daemon does not need it.

use azlin_tests::admin_host::{AdminHost, UNIT};

const SOCKET: &str = "azlin-github-runner.socket";
const LISTEN: &str = "127.0.0.1:9469";

/// The state of the socket unit, and when it began to listen.
fn socket(host: &AdminHost) -> (String, String) {
    let of = |name: &str| host.run(&format!("systemctl show --property={name} --value {SOCKET}"));
    (of("ActiveState"), of("ActiveEnterTimestampMonotonic"))
}

/// What the daemon answers.
fn metrics(host: &AdminHost) -> bool {
    let script = format!("curl --silent --fail --max-time 20 http://{LISTEN}/metrics | grep -q ^azlin_");
    host.output(&script).status.success()
}

#[test]
fn systemd_holds_the_port_over_restarts_and_a_stopped_daemon_stays_stopped() {
    let host = AdminHost::boot("", "");
    host.install();
    host.configure();
    host.run(&format!("systemctl enable --now {UNIT}"));
    assert_eq!(host.output(&format!("systemctl is-enabled {SOCKET}")).stdout, b"enabled\n");
    assert!(metrics(&host));
    host.wait_for_line(&["systemd listens on 127.0.0.1:9469 for this daemon"]);
    let before = socket(&host);
    assert_eq!(before.0, "active");

    host.run(&format!("systemctl restart {UNIT}"));
    assert_eq!(socket(&host), before, "a restart leaves the port alone");
    let process = host.property("MainPID");
    host.run(&format!("kill -KILL {process}"));
    // The client waits until the next daemon answers.
    assert!(metrics(&host));
    assert_ne!(host.property("MainPID"), process);
    assert_eq!(socket(&host), before, "and so does a crash");

    host.run(&format!("systemctl stop {UNIT}"));
    host.wait_until("its port is closed", &format!("! systemctl --quiet is-active {SOCKET}"));
    assert!(!metrics(&host), "no scrape starts it again");
    assert_eq!(
        (host.property("ActiveState"), socket(&host).0),
        ("inactive".to_owned(), "inactive".to_owned())
    );

    // Another user takes the port while nobody has it.
    host.run(&format!(
        "setpriv --reuid=nobody --regid=nogroup --clear-groups setsid perl -MIO::Socket::INET -e \
         'my $held = IO::Socket::INET->new(Listen => 5, ReuseAddr => 1, LocalAddr => \"{LISTEN}\") or die; sleep 600' >/dev/null 2>&1 </dev/null & \
         timeout 20 sh -c 'until ss -ltn | grep -q {LISTEN}; do sleep 0.1; done'"
    ));
    host.run(&format!("systemctl start {UNIT}"));
    let jobs = host.submit(1, 1);
    host.wait_for_jobs(&jobs);
    assert!(host.property("StatusText").contains("127.0.0.1:9469 ([http] listen) cannot be listened on"));
    host.run("pkill -U nobody perl");
    host.wait_until("it has the port", &format!("curl --silent --fail http://{LISTEN}/metrics"));
    assert!(!host.property("StatusText").contains("cannot be listened on"));
}

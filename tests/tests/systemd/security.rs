//! What the unit's user may do, and who can read credentials.

use std::collections::BTreeMap;

use azlin_simcloud::IDENTITY_HEADER;
use azlin_tests::admin_host::{AdminHost, UNIT};
use azlin_tests::binary::VM;

const TOKEN: &str = "the token";
const AZURE: &str = "what Azure wants to be shown";
/// Paths that every user may write to, and that the service keeps nothing in.
const FOR_EVERYBODY: [&str; 14] = [
    // Devices that store nothing.
    "/dev/full",
    "/dev/null",
    "/dev/pts/ptmx",
    "/dev/random",
    "/dev/tty",
    "/dev/urandom",
    "/dev/zero",
    // System sockets, which only carry messages.
    "/run/dbus/system_bus_socket",
    "/run/systemd/io.system.ManagedOOM",
    "/run/systemd/journal/dev-log",
    "/run/systemd/journal/socket",
    "/run/systemd/journal/stdout",
    "/run/systemd/notify",
    "/run/systemd/userdb/io.systemd.DynamicUser",
];

/// Runs a command in the service's view of the file system, as its user.
fn as_the_service(host: &AdminHost, script: &str) -> String {
    let process = host.property("MainPID");
    let user = host.run(&format!("awk '/^Uid:/ {{ print $2 }}' /proc/{process}/status"));
    assert_ne!(user, "0");
    let enter = format!("nsenter --target {process} --mount --setuid {user} --setgid {user}");
    host.run(&format!("{enter} -- sh -c '{script}'"))
}

#[test]
fn it_may_do_what_it_needs_and_no_other_user_has_its_credentials() {
    let host = AdminHost::boot("", "");
    host.install();
    assert_eq!(host.run(&format!("systemd-analyze verify {UNIT} 2>&1")), "");
    host.configure();
    let secrets = credentials(&host);
    // Everything is logged, and no line is suppressed.
    host.drop_in("Environment=AZLIN_LOG=trace\nLogRateLimitIntervalSec=0");
    host.write(
        "/etc/azlin/fleets/by-ssh.toml",
        &format!(
            "repo = \"o/r\"\n[bootstrap]\nmethod = \"ssh\"\n[scaling]\nmin_runners = 1\nmax_runners = 1\n{VM}"
        ),
    );
    host.run(&format!("systemctl start {UNIT}"));

    let security = host.run(&format!("systemd-analyze security --no-pager {UNIT}"));
    let exposure = security.lines().find_map(|line| line.split_once(&format!("level for {UNIT}: ")));
    let exposure: f64 = exposure.and_then(|(_, rest)| rest.split(' ').next()?.parse().ok()).unwrap();
    assert!(exposure <= 1.1, "{security}");

    writes_nothing_but_its_own(&host);

    let jobs = host.submit(2, 1);
    host.wait_for_jobs(&jobs);
    host.wait_for_line(&["by-ssh"]);
    no_other_user_reads(&host, &secrets);
    nowhere_in_sight(&host, &secrets, &[AZURE]);

    // The token in the environment works too: only the service's own process has it.
    host.run("rm /etc/azlin/credentials/github-token");
    let environment = format!("{}GITHUB_TOKEN={}\n", host.environment(), host.token());
    host.write("/etc/azlin/environment", &environment);
    host.run(&format!("systemctl restart {UNIT}"));
    let jobs = host.submit(1, 1);
    host.wait_for_jobs(&jobs);
    no_other_user_reads(&host, &secrets);
    nowhere_in_sight(&host, &secrets, &[AZURE, TOKEN]);

    // The encrypted credential of the example, in place of the plain one, which is wrong here.
    host.write("/etc/azlin/environment", &host.environment());
    host.write("/etc/azlin/credentials/github-token", "ghp_wrongwrongwrongwrongwrongwrongwrong0\n");
    host.write("/root/token", &host.token());
    let encrypted = "/etc/azlin/credentials/github-token.cred";
    host.run(&format!(
        "systemd-creds encrypt --with-key=host --name=github-token /root/token {encrypted} && rm /root/token"
    ));
    host.drop_in(&format!("LoadCredentialEncrypted=github-token:{encrypted}"));
    host.run(&format!("systemctl restart {UNIT}"));
    let jobs = host.submit(1, 1);
    host.wait_for_jobs(&jobs);
    no_other_user_reads(&host, &secrets);
}

/// Writes one credential of each kind. Returns the secrets by kind.
fn credentials(host: &AdminHost) -> BTreeMap<&'static str, String> {
    let key = host.run(
        "ssh-keygen -q -t ed25519 -N '' -C '' -f /root/key && cat /root/key && mv /root/key /etc/azlin/credentials/ssh-key",
    );
    host.run("chmod 600 /etc/azlin/credentials/*");
    BTreeMap::from([
        (TOKEN, host.token()),
        ("the SSH key", key.lines().nth(2).unwrap().to_owned()),
        (AZURE, IDENTITY_HEADER.to_owned()),
    ])
}

fn writes_nothing_but_its_own(host: &AdminHost) {
    as_the_service(host, "touch /var/lib/azlin/x /run/azlin/x; rm /var/lib/azlin/x /run/azlin/x");
    // /proc shows only the service itself, and stores nothing.
    let found =
        as_the_service(host, "find / -path /proc -prune -o ! -type l -writable -print 2>/dev/null || true");
    let is_own =
        |path: &&str| ["/var/lib/private/azlin", "/run/azlin"].iter().any(|own| path.starts_with(own));
    assert!(found.lines().any(|path| is_own(&path)), "{found}");
    let others: Vec<&str> =
        found.lines().filter(|path| !is_own(path) && !FOR_EVERYBODY.contains(path)).collect();
    assert!(others.is_empty(), "its user may write to {others:?}");
    // In the service's view, even root cannot write elsewhere.
    let process = host.property("MainPID");
    for path in [
        "/",
        "/usr/bin",
        "/etc",
        "/etc/azlin",
        "/etc/azlin/fleets",
        "/run",
        "/var/lib",
        "/tmp",
        "/var/tmp",
        "/dev/shm",
    ] {
        let output = host.output(&format!("nsenter --target {process} --mount touch {path}/x"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("Read-only file system"), "{path}: {said}");
    }
    // The service sees only its own processes.
    let processes = as_the_service(host, "ls /proc | grep -cE ^[0-9]");
    assert!(processes.parse::<u32>().unwrap() <= 5, "{processes} processes are in sight");
}

/// An unprivileged user finds no secret in any readable file.
fn no_other_user_reads(host: &AdminHost, secrets: &BTreeMap<&str, String>) {
    let nobody = "setpriv --reuid=nobody --regid=nogroup --clear-groups";
    let process = host.property("MainPID");
    for path in [
        "/etc/azlin/environment".to_owned(),
        "/etc/azlin/credentials/ssh-key".to_owned(),
        format!("/run/credentials/{UNIT}/github-token"),
        format!("/proc/{process}/environ"),
        format!("/proc/{process}/root/run/credentials/{UNIT}/github-token"),
        "/var/lib/private/azlin/ci.json".to_owned(),
    ] {
        let script = format!("test -e {path} && {nobody} cat {path}");
        let output = host.output(&script);
        assert!(!output.status.success(), "nobody reads {path}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"), "{path}: {output:?}");
    }
    for (what, secret) in secrets {
        let found = host.run(&format!(
            "{nobody} grep --recursive --files-with-matches --fixed-strings -e '{secret}' /etc /run /var /tmp /dev/shm /srv /opt 2>/dev/null || true"
        ));
        assert_eq!(found, "", "{what} is there for everybody to read");
    }
}

/// Root finds no secret of the service, except those from `/etc/azlin/environment` in the environment of its
/// own process.
fn nowhere_in_sight(host: &AdminHost, secrets: &BTreeMap<&str, String>, in_environment: &[&str]) {
    let main = host.property("MainPID");
    let show = host.run(&format!(
        "systemctl show {UNIT}; systemctl cat {UNIT}; systemctl status --full --no-pager {UNIT}"
    ));
    let journal = host.run("journalctl --no-pager --all --output=export");
    assert!(journal.contains("PRIORITY=7"), "everything is logged");
    assert!(!journal.contains("Suppressed"), "nothing is held back");
    let commands = host.run("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'");
    assert!(commands.contains("/usr/bin/azlin"));
    for (what, secret) in secrets {
        assert!(!show.contains(secret.as_str()), "systemctl shows {what}");
        assert!(!journal.contains(secret.as_str()), "the journal has {what}");
        assert!(!commands.contains(secret.as_str()), "a command line has {what}");
        for (process, environment) in environments(host) {
            let has_it = in_environment.contains(what) && process == main;
            assert!(
                has_it == environment.contains(secret.as_str()),
                "{what} in the environment of {process}"
            );
        }
    }
    let handed_out = host.handed_out();
    assert!(handed_out.len() > 1, "runners' configurations and tokens for Azure were handed out");
    for secret in handed_out {
        assert!(
            !journal.contains(&secret),
            "the journal has a secret of {} bytes that was handed out",
            secret.len()
        );
    }
}

/// The environments of all processes, by process id.
fn environments(host: &AdminHost) -> BTreeMap<String, String> {
    let processes = std::fs::read_dir(host.path("/proc")).unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().into_string().ok());
    let numbers = numbers.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let read = |number: String| {
        let bytes = std::fs::read(host.path(&format!("/proc/{number}/environ"))).ok()?;
        Some((number, String::from_utf8_lossy(&bytes).into_owned()))
    };
    numbers.filter_map(read).collect()
}

//! The port of the daemon: who holds it, and that the fleets do not need it.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use azlin_simcloud::Workload;
use azlin_tests::binary::{Cloud, DaemonProcess, VM, azlin};
use azlin_tests::deliveries::get;
use azlin_tests::ports::free_address;
use azlin_tests::{SOON, soon};

/// A cloud with a fleet of one runner, and a daemon that listens there.
fn cloud(listen: &str) -> Cloud {
    let cloud = Cloud::new(
        &Workload::parse(
            "repositories = ['o/r']\n[settings]\ncreate = '100ms'\nboot = '100ms'\nregister = '100ms'\n",
        )
        .unwrap(),
    );
    cloud.write("azlin.toml", &cloud.daemon_toml().replace("listen = \"127.0.0.1:0\"", listen));
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n[scaling]\nmin_runners = 1\n{VM}"));
    cloud
}

/// A daemon that gets these sockets as systemd passes them: from descriptor 3 on, with its own id.
fn with_sockets(cloud: &Cloud, sockets: [TcpListener; 2]) -> DaemonProcess {
    let [first, second] = sockets.map(OwnedFd::from);
    let daemon = cloud.command(&["run"]);
    let script = "exec 3<&0 4<&1 0</dev/null 1>/dev/null; export LISTEN_FDS=2 LISTEN_PID=$$; exec \"$0\" github-runner run";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script]).arg(azlin()).env_clear();
    command.envs(daemon.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::from(first)).stdout(Stdio::from(second));
    let log = std::fs::OpenOptions::new().create(true).append(true).open(cloud.log()).unwrap();
    DaemonProcess::of(command.stderr(log).spawn().unwrap())
}

fn is_healthy(address: SocketAddr) -> bool {
    get(address, "/healthz").is_ok_and(|(status, _)| status == 200)
}

fn errors(cloud: &Cloud) -> Vec<String> {
    let output = cloud.command(&["status", "--output=json"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let errors = status["errors"].as_array().expect("a list");
    errors.iter().map(|error| format!("{}: {}", error["about"], error["what"])).collect()
}

#[test]
fn a_port_that_another_process_has_costs_the_listener_alone_and_is_taken_once_it_is_free() {
    let squatter = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = squatter.local_addr().unwrap();
    let cloud = cloud(&format!("listen = \"{address}\""));
    let _daemon = cloud.daemon();
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1), "the fleet works: {}", cloud.logged());
    let what = format!("{address} ([http] listen) cannot be listened on: Address already in use");
    assert!(soon(|| errors(&cloud).iter().any(|error| error.contains(&what))), "{:?}", errors(&cloud));
    assert!(soon(|| errors(&cloud).len() == 1));
    let warnings = cloud.logged().matches(&format!("WARN error: {what}")).count();
    assert_eq!(warnings, 1, "told once: {}", cloud.logged());
    drop(squatter);
    assert!(soon(|| is_healthy(address)), "{}", cloud.logged());
    assert!(soon(|| errors(&cloud).is_empty()), "{:?}", errors(&cloud));
    assert!(cloud.logged().contains(&format!("{address} is listened on")), "{}", cloud.logged());
}

#[test]
fn sockets_of_systemd_are_answered_and_held_while_no_daemon_runs() {
    let (listen, webhook) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let [at, webhook_at] = [&listen, &webhook].map(|socket| socket.local_addr().unwrap());
    let cloud = cloud(&format!("listen = \"{at}\"\nwebhook_listen = \"{webhook_at}\""));
    let passed = || [listen.try_clone().unwrap(), webhook.try_clone().unwrap()];
    let daemon = with_sockets(&cloud, passed());
    assert!(soon(|| is_healthy(at)), "{}", cloud.logged());
    assert_eq!(get(webhook_at, "/healthz").unwrap().0, 404, "each at its own");
    assert_eq!(get(at, "/webhook").unwrap().0, 404);
    daemon.kill();
    assert!(TcpListener::bind(at).is_err(), "the port is held");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| get(at, "/metrics"));
        let _daemon = with_sockets(&cloud, passed());
        assert_eq!(waits.join().unwrap().unwrap().0, 200, "a client waits for the next daemon");
        assert_eq!(errors(&cloud), [""; 0]);
    });
}

#[test]
fn a_socket_of_systemd_that_the_configuration_does_not_name_is_answered_and_named_where_it_is_in_the_way() {
    let (held, other) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let [held_at, other_at] = [&held, &other].map(|socket| socket.local_addr().unwrap());
    let own = free_address();
    let cloud = cloud(&format!("listen = \"{own}\"\nwebhook_listen = \"0.0.0.0:{}\"", held_at.port()));
    let _daemon = with_sockets(&cloud, [held, other]);
    assert!(soon(|| [own, held_at, other_at].into_iter().all(is_healthy)), "{}", cloud.logged());
    let what =
        format!("azlin-github-runner.socket listens on {held_at} already: name 0.0.0.0:{}", held_at.port());
    assert!(soon(|| errors(&cloud).iter().any(|error| error.contains(&what))), "{:?}", errors(&cloud));
}

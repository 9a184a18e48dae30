//! The units, as systemd judges them without a machine.

use std::process::Command;

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd/azlin-github-runner.service");

/// The figure and its unit of measure are on the page that explains what is left.
#[test]
fn the_service_is_as_closed_as_its_page_says() {
    let page = include_str!("../../docs/reference/service.md");
    let figure = page.split_once("`systemd-analyze security azlin-github-runner` says ");
    let figure = figure.and_then(|(_, rest)| rest.split(' ').next()).expect("a figure on the page");
    let analysed =
        Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager", UNIT]).output();
    let Ok(analysed) = analysed else {
        println!("skipped: there is no systemd-analyze here");
        return;
    };
    let text = String::from_utf8(analysed.stdout).unwrap();
    let level = text.split_once("exposure level for azlin-github-runner.service: ");
    let level =
        level.and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_else(|| panic!("no level: {text}"));
    assert_eq!(level, figure, "{text}");
    assert!(level.parse::<f64>().unwrap() <= 1.1, "{text}");
}

/// The socket unit has the address that the daemon listens on by default, and the service starts it.
#[test]
fn the_socket_unit_holds_the_default_address() {
    let (service, socket) = (
        std::fs::read_to_string(UNIT).unwrap(),
        std::fs::read_to_string(UNIT.replace(".service", ".socket")).unwrap(),
    );
    let default = azlin_fleet::config::DaemonConfig::parse("azlin.toml", "").unwrap().listen;
    let lines = |text: &str, key: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix(key)).map(str::to_owned).collect()
    };
    assert_eq!(lines(&socket, "ListenStream="), [default.to_string()]);
    for key in ["Wants=", "After="] {
        assert!(lines(&service, key)[0].contains("azlin-github-runner.socket"), "{key}");
    }
    assert_eq!(lines(&service, "Also="), ["azlin-github-runner.socket"]);
}

/// Each port that the documentation has the daemon listen on is permitted, and none besides.
#[test]
fn the_service_may_listen_on_the_documented_ports_alone() {
    let service = std::fs::read_to_string(UNIT).unwrap();
    let lines =
        |key: &str| -> Vec<&str> { service.lines().filter_map(|line| line.strip_prefix(key)).collect() };
    assert_eq!(lines("SocketBindDeny="), ["any"]);
    let default = azlin_fleet::config::DaemonConfig::parse("azlin.toml", "").unwrap().listen.port();
    let webhook = include_str!("../../docs/how-to/webhook.md");
    let webhook =
        webhook.split_once("webhook_listen = \"0.0.0.0:").and_then(|(_, rest)| rest.split('"').next());
    let documented = [format!("tcp:{default}"), format!("tcp:{}", webhook.expect("an example"))];
    assert_eq!(lines("SocketBindAllow="), documented);
}

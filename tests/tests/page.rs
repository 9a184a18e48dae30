//! What the daemon's page reads, and who may read it.

use std::net::SocketAddr;

use azlin_simcloud::Workload;
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, DaemonProcess, VM};
use azlin_tests::deliveries::{ask, get};
use azlin_tests::ports::free_address;
use azlin_tests::schema::assert_documented;
use serde_json::Value;

/// A daemon with an online runner, and the address of its page.
fn daemon(more: &str) -> (Cloud, SocketAddr, DaemonProcess) {
    let cloud = Cloud::new(&Workload { repositories: vec!["o/r".to_owned()], ..Workload::default() });
    let address = free_address();
    let toml = cloud.daemon_toml().replace("127.0.0.1:0", &address.to_string());
    cloud.write("azlin.toml", &format!("{toml}{more}"));
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n[scaling]\nmin_runners = 1\n{VM}"));
    let daemon = cloud.daemon();
    let is_up = || {
        json(address, "/api/status").is_some_and(|status| status["fleets"][0]["cost"]["per_hour"] == 0.192)
    };
    assert!(cloud.wait(SOON, |_| is_up()), "{}", cloud.logged());
    (cloud, address, daemon)
}

fn json(address: SocketAddr, path: &str) -> Option<Value> {
    let (status, body) = get(address, path).ok()?;
    (status == 200).then(|| serde_json::from_str(&body).unwrap())
}

#[test]
fn it_is_documented_and_says_what_status_says() {
    let (cloud, address, _daemon) = daemon("");
    let status = json(address, "/api/status").unwrap();
    assert_documented("status", &status);
    assert_eq!(status["fleets"][0]["pool"], "ci");
    let history = json(address, "/api/history/ci").unwrap();
    assert_documented("history", &history);
    let minutes = history["minutes"].as_array().unwrap();
    assert!(minutes.last().is_some_and(|last| last["starting"] == 1 || last["idle"] == 1), "{history}");
    assert_eq!(history["decisions"][0]["to"], 1);
    assert_eq!(get(address, "/api/history/other").unwrap().0, 404);
    assert_eq!(get(address, "/api/history/..%2Fci").unwrap().0, 404);

    let listen =
        || ask(address, format!("GET /api/events HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).unwrap().1;
    // The stream lasts as long as a connection may, and arrives in chunks.
    let heard = listen();
    let data: Vec<Value> = heard
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    assert!((5..=25).contains(&data.len()), "one a second at the most: {}", data.len());
    assert_eq!(data[0]["names"], serde_json::json!(["ci"]));
    for mut event in data {
        event.as_object_mut().unwrap().remove("names").unwrap();
        assert_documented("status", &event);
    }
    let printed = cloud.command(&["status", "--output", "json"]).output().unwrap();
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(printed["daemon"]["started_at"], status["daemon"]["started_at"], "one and the same");
}

#[test]
fn it_explains_a_job_a_runner_or_a_pool() {
    let (cloud, address, _daemon) = daemon("");
    let job = cloud.served.world().submit("o/r", vec![(vec!["gpu".to_owned()], SOON)], Vec::new())[0];
    let explained = json(address, &format!("/api/explain/job/{job}")).unwrap();
    assert_documented("explain", &explained);
    let link = format!("https%3A%2F%2Fgithub.com%2Fo%2Fr%2Factions%2Fruns%2F1%2Fjob%2F{job}");
    let text = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/plain\r\n\r\n");
        ask(address, request.as_bytes()).unwrap()
    };
    let (status, said) = text(&format!("/api/explain/job/{link}"));
    assert!(status == 200 && said.contains("no fleet has `gpu`"), "{status} {said}");
    assert_eq!(text("/api/explain/pool/ci").0, 200);
    for (path, status) in [
        ("pool/cj", 404),
        ("runner/ci-x", 404),
        ("job/--pool", 400),
        ("state-dir/x", 404),
        ("pool/..%2Fx", 400),
    ] {
        assert_eq!(text(&format!("/api/explain/{path}")).0, status, "{path}");
    }
}

#[test]
fn a_request_for_a_strange_host_gets_nothing() {
    let (_cloud, address, _daemon) = daemon("hosts = [\"azlin.example.com\"]\n");
    let under = |host: &str, path: &str| {
        ask(address, format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).unwrap()
    };
    for path in [
        "/",
        "/api/status",
        "/api/history/ci",
        "/api/events",
        "/api/explain/pool/ci",
        "/metrics",
        "/healthz",
        "/readyz",
    ] {
        let (status, body) = under("rebound.example:9469", path);
        assert_eq!(status, 421, "{path}");
        assert!(body.contains("[http] hosts"), "{body}");
    }
    for host in ["azlin.example.com", "localhost:9469", "127.0.0.1"] {
        assert_eq!(under(host, "/api/status").0, 200, "{host}");
    }
    let webhook = "POST /webhook HTTP/1.1\r\nhost: rebound.example\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(
        ask(address, webhook.as_bytes()).unwrap().0,
        404,
        "GitHub's name for it is nobody's business here"
    );
}

#[test]
fn it_can_only_be_read() {
    let (_cloud, address, _daemon) = daemon("");
    for path in ["/", "/api/status", "/api/history/ci", "/api/events", "/metrics"] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n");
            assert_eq!(ask(address, request.as_bytes()).unwrap().0, 405, "{method} {path}");
        }
    }
    let (status, page) = get(address, "/").unwrap();
    assert!(status == 200 && page.starts_with("<!doctype html>"));
}

/// Requests are counted by how they end, and cost is counted, in the metrics that Prometheus reads.
#[test]
fn what_was_sent_is_counted() {
    let (_cloud, address, _daemon) = daemon("");
    let (_, metrics) = get(address, "/metrics").unwrap();
    let value = |start: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(start));
        line.unwrap_or_else(|| panic!("{start}\n{metrics}")).trim().parse().unwrap()
    };
    assert!(value("azlin_api_requests_total{api=\"github\",credential=\"\",outcome=\"ok\"}") >= 3.0);
    assert!(value("azlin_api_requests_total{api=\"azure\",credential=\"\",outcome=\"ok\"}") >= 3.0);
    assert_eq!(
        value("azlin_api_requests_total{api=\"azure\",credential=\"\",outcome=\"server_error\"}"),
        0.0
    );
    assert_eq!(value("azlin_cost_per_hour_dollars{fleet=\"ci\"}"), 0.192);
}

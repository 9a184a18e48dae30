//! What the listeners keep for clients that have shown nothing: little, and for a short time. Who dawdles gives way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use azlin_simcloud::Workload;
use azlin_tests::binary::{Cloud, DaemonProcess};
use azlin_tests::deliveries::{SECRET, ask, deliver, get, signature, start};
use azlin_tests::{SOON, soon};

/// The most that is read of a body.
const MOST_BODY: usize = 128 * 1024;

/// A daemon without fleets, and the address that operators and GitHub share.
fn daemon() -> (Cloud, SocketAddr, DaemonProcess) {
    let cloud = Cloud::new(&Workload::parse("").unwrap());
    let (address, daemon) = start(&cloud, 0, ["\"10m\"", "\"10m\""]);
    assert!(soon(|| get(address, "/healthz").is_ok_and(|(status, _)| status == 200)));
    (cloud, address, daemon)
}

/// The head of a delivery with these headers.
fn head(headers: &str) -> String {
    format!("POST /webhook HTTP/1.1\r\nhost: localhost\r\nx-github-event: ping\r\n{headers}\r\n")
}

/// A signature of the right form that is not ours.
fn forged() -> String {
    format!("x-hub-signature-256: {}\r\n", signature("another secret of some length", ""))
}

/// A client that has sent this, and waits.
fn sent(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    // The connection may have given way already.
    let _ = stream.write_all(bytes);
    stream
}

/// The status of the answer to a client, and how long it took.
fn answer(mut stream: TcpStream) -> (u16, Duration) {
    let began = Instant::now();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    (answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), began.elapsed())
}

fn has_line(metrics: &str, line: &str) -> bool {
    metrics.lines().any(|found| found == line)
}

#[test]
fn nothing_is_read_of_a_body_without_a_signature_or_of_one_too_large() {
    let (cloud, address, _daemon) = daemon();
    let at_once = Duration::from_secs(1);
    let length = "content-length: 100000\r\n";
    let good = signature(SECRET, "{}");
    for headers in [
        length.to_owned(),
        "transfer-encoding: chunked\r\n".to_owned(),
        format!("{length}x-hub-signature: sha1=00\r\n"),
        format!("{length}x-hub-signature-256: {}\r\n", &good[..good.len() - 1]),
        format!("{length}x-hub-signature-256: {good}\r\nx-hub-signature-256: {good}\r\n"),
    ] {
        let (status, took) = answer(sent(address, head(&headers).as_bytes()));
        assert!(status == 401 && took < at_once, "{status} after {took:?}: {headers}");
    }
    for length in [MOST_BODY + 1, 10_000_000_000] {
        let headers = format!("{}content-length: {length}\r\n", forged());
        let (status, took) = answer(sent(address, head(&headers).as_bytes()));
        assert!(status == 413 && took < at_once, "{status} after {took:?}: {headers}");
    }
    let chunked = head(&format!("{}transfer-encoding: chunked\r\n", forged()));
    let chunk = [format!("{:x}\r\n", 60_000).as_bytes(), &[b'a'; 60_000], b"\r\n"].concat();
    let (status, _) = answer(sent(address, &[chunked.as_bytes(), &chunk, &chunk, &chunk].concat()));
    assert_eq!(status, 413, "what is not announced is counted");
    assert_eq!(
        deliver(address, "ping", &" ".repeat(MOST_BODY), Some(&signature(SECRET, &" ".repeat(MOST_BODY))))
            .unwrap()
            .0,
        200
    );
    let metrics = || get(address, "/metrics").unwrap().1;
    for line in [
        "azlin_connections_total{door=\"arrival\",outcome=\"unsigned\"} 5",
        "azlin_connections_total{door=\"arrival\",outcome=\"too_large\"} 2",
        "azlin_connections_total{door=\"webhook\",outcome=\"too_large\"} 1",
        "azlin_connections_total{door=\"webhook\",outcome=\"answered\"} 1",
    ] {
        assert!(soon(|| has_line(&metrics(), line)), "{line} is not in {}{}", metrics(), cloud.logged());
    }
}

#[test]
fn a_body_has_five_seconds_and_a_head_too() {
    let (_cloud, address, _daemon) = daemon();
    let begun = head(&format!("{}content-length: 100\r\n", forged()));
    let (body, silent) =
        (sent(address, format!("{begun}abc").as_bytes()), sent(address, b"GET / HTTP/1.1\r\n"));
    let (status, took) = answer(body);
    assert!(status == 408 && took < Duration::from_secs(8), "{status} after {took:?}");
    let (_, took) = answer(silent);
    assert!(took < Duration::from_secs(8), "{took:?}");
    let metrics = || get(address, "/metrics").unwrap().1;
    for door in ["webhook", "arrival"] {
        let line = format!("azlin_connections_total{{door=\"{door}\",outcome=\"cut\"}} 1");
        assert!(soon(|| has_line(&metrics(), &line)), "{line} is not in {}", metrics());
    }
}

#[test]
fn a_request_that_names_two_hosts_is_refused() {
    let (_cloud, address, _daemon) = daemon();
    let two = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nhost: evil.example\r\n\r\n");
    assert_eq!(ask(address, two("/api/status").as_bytes()).unwrap().0, 400);
    assert_eq!(ask(address, b"GET / HTTP/1.1\r\nno header\r\n\r\n").unwrap().0, 400);
    let line = "azlin_connections_total{door=\"arrival\",outcome=\"unreadable\"} 2";
    let metrics = || get(address, "/metrics").unwrap().1;
    assert!(soon(|| has_line(&metrics(), line)), "{}", metrics());
}

/// All clients have one address here, as behind a reverse proxy.
#[test]
fn crowds_that_wait_keep_out_neither_github_nor_operators_and_cost_little() {
    let (cloud, address, daemon) = daemon();
    let before = daemon.held_kib();
    let body = head(&format!("{}content-length: {MOST_BODY}\r\n", forged())) + &"a".repeat(MOST_BODY - 1);
    let mut crowd: Vec<TcpStream> = (0..600).map(|_| sent(address, b"")).collect();
    crowd.extend((0..256).map(|_| sent(address, body.as_bytes())));
    crowd.extend((0..300).map(|_| sent(address, head("x-padding: ").as_bytes())));
    let at_once = Duration::from_secs(1);
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(deliver(address, "ping", "{}", Some(&signature(SECRET, "{}"))).unwrap().0, 200);
        assert!(began.elapsed() < at_once, "a delivery took {:?}", began.elapsed());
        let began = Instant::now();
        assert_eq!(get(address, "/healthz").unwrap().0, 200);
        assert!(began.elapsed() < at_once, "operators waited for {:?}", began.elapsed());
    }
    let grown = daemon.held_kib().saturating_sub(before);
    println!("{before} KiB, and {grown} more");
    assert!(grown < 10 * 1024, "{before} KiB, and {grown} more");
    let metrics = || get(address, "/metrics").unwrap().1;
    assert!(soon(|| has_line(&metrics(), "azlin_daemon_errors{kind=\"crowded\"} 2.0")), "{}", metrics());
    let status: serde_json::Value = serde_json::from_str(&get(address, "/api/status").unwrap().1).unwrap();
    let doors: Vec<&str> =
        status["errors"].as_array().unwrap().iter().map(|error| error["of"].as_str().unwrap()).collect();
    assert_eq!(doors, ["arrival", "webhook"]);
    let told = || String::from_utf8(cloud.command(&["status"]).output().unwrap().stdout).unwrap();
    // The file that `status` reads follows within a second.
    assert!(soon(|| told().contains("more connections to the webhook than there are places")), "{}", told());
    drop(crowd);
    let warnings = cloud.logged().matches("than there are places").count();
    assert_eq!(warnings, 2, "one for each door: {}", cloud.logged());
    let evicted = metrics()
        .lines()
        .any(|line| line.starts_with("azlin_connections_total{door=\"webhook\",outcome=\"evicted\"}"));
    assert!(evicted, "{}", metrics());
}

//! Many peers with a body each, and clients that do not read their answers: what they may cost, and how they end.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use azlin_simcloud::Workload;
use azlin_tests::binary::Cloud;
use azlin_tests::deliveries::{SECRET, deliver, get, signature, start};
use azlin_tests::{SOON, soon};
use tokio::net::TcpSocket;

/// The most that is read of a body.
const MOST_BODY: usize = 128 * 1024;
/// How long a connection may last, and some more.
const LONGEST: Duration = Duration::from_secs(25);

/// A connection from a peer of its own, whose kernel takes few bytes that nobody reads.
fn connected(cloud_of_peers: &tokio::runtime::Runtime, peer: u8, to: SocketAddr) -> TcpStream {
    cloud_of_peers.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2048).unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 1, peer), 0))).unwrap();
        let stream = socket.connect(to).await.unwrap().into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        stream
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// How many connections ended so at a door.
fn ended(address: SocketAddr, door: &str, outcome: &str) -> u64 {
    let start = format!("azlin_connections_total{{door=\"{door}\",outcome=\"{outcome}\"}} ");
    let metrics = get(address, "/metrics").map(|(_, body)| body).unwrap_or_default();
    metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap_or_default()
}

/// Each peer is another address, so that no limit for one address would help.
#[test]
fn the_bodies_of_many_peers_have_one_budget_together() {
    let cloud = Cloud::new(&Workload::parse("").unwrap());
    let (address, daemon) = start(&cloud, 0, ["\"10m\"", "\"10m\""]);
    assert!(soon(|| get(address, "/healthz").is_ok_and(|(status, _)| status == 200)));
    let before = daemon.held_kib();
    let forged = signature("another secret of some length", "");
    let body = format!(
        "POST /webhook HTTP/1.1\r\nhost: localhost\r\nx-github-event: ping\r\nx-hub-signature-256: {forged}\r\n\
         content-length: {MOST_BODY}\r\n\r\n{}",
        "a".repeat(MOST_BODY - 1)
    );
    let peers = runtime();
    let crowd: Vec<TcpStream> = (1..=250)
        .map(|peer| {
            let mut stream = connected(&peers, peer, address);
            // It may have given way already.
            let _ = stream.write_all(body.as_bytes());
            stream
        })
        .collect();
    let began = Instant::now();
    assert_eq!(deliver(address, "ping", "{}", Some(&signature(SECRET, "{}"))).unwrap().0, 200);
    assert!(began.elapsed() < Duration::from_secs(1), "a delivery took {:?}", began.elapsed());
    let grown = daemon.held_kib().saturating_sub(before);
    println!("{before} KiB, and {grown} more for {} peers", crowd.len());
    assert!(grown < 10 * 1024, "{before} KiB, and {grown} more");
    // One MiB is 7 of these bodies: all others have given way, or will.
    assert!(
        soon(|| ended(address, "webhook", "evicted") >= 250 - 8),
        "{}",
        get(address, "/metrics").unwrap().1
    );
    drop(crowd);
}

/// An event stream goes on for as long as a connection may, whether its client reads or not.
#[test]
fn operators_that_read_nothing_are_counted_and_end() {
    let cloud = Cloud::new(&Workload::parse("").unwrap());
    let (address, daemon) = start(&cloud, 0, ["\"10m\"", "\"10m\""]);
    assert!(soon(|| get(address, "/healthz").is_ok_and(|(status, _)| status == 200)));
    let (peers, held) = (runtime(), daemon.held_kib());
    let began = Instant::now();
    let crowd: Vec<TcpStream> = (1..=40)
        .map(|peer| {
            let mut stream = connected(&peers, peer, address);
            let request = format!("GET /api/events HTTP/1.1\r\nhost: {address}\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    let one = Instant::now();
    assert_eq!(get(address, "/healthz").unwrap().0, 200);
    assert!(one.elapsed() < Duration::from_secs(1), "operators waited for {:?}", one.elapsed());
    while ended(address, "operators", "cut") < 40 {
        assert!(began.elapsed() < LONGEST, "{}", get(address, "/metrics").unwrap().1);
        std::thread::sleep(Duration::from_millis(200));
    }
    let grown = daemon.held_kib().saturating_sub(held);
    assert!(grown < 10 * 1024, "{held} KiB, and {grown} more");
    drop(crowd);
}

//! How long a user waits for a command. Run by hand, never as a test:
//! `cargo bench -p azlin-tests --bench commands`.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its table and fails by panicking"
)]

use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use azlin_simcloud::Workload;
use azlin_tests::binary::{Cloud, VM};

const RUNS: usize = 21;

/// The median of how long something takes, in milliseconds. The first time is not counted.
fn median(mut once: impl FnMut(usize) -> Duration) -> f64 {
    once(0);
    let mut times: Vec<Duration> = (1..=RUNS).map(&mut once).collect();
    times.sort();
    times[RUNS / 2].as_secs_f64() * 1000.0
}

/// The time of a command from its start to its end.
fn whole(mut command: Command) -> Duration {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
    start.elapsed()
}

/// A cloud with a number of fleets on one repository.
fn cloud(fleets: usize) -> Cloud {
    let mut workload = Workload { repositories: vec!["o/r".to_owned()], ..Workload::default() };
    workload.settings.rate_limit = Some(0);
    let cloud = Cloud::new(&workload);
    for number in 0..fleets {
        cloud.write(&format!("fleets/f{number}.toml"), &format!("repo = \"o/r\"\n{VM}"));
    }
    cloud
}

/// The time from the start of a command until GitHub has its first request. The listener never answers.
fn first_request(arguments: &[&str]) -> f64 {
    let cloud = cloud(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    cloud.write("azlin.toml", &cloud.daemon_toml().replace(&cloud.served.github.to_string(), &address));
    median(|_| {
        let start = Instant::now();
        let mut child = cloud.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        let took = start.elapsed();
        child.kill().unwrap();
        child.wait().unwrap();
        // Drops other connections that the command opened.
        listener.set_nonblocking(true).unwrap();
        while listener.accept().is_ok() {}
        listener.set_nonblocking(false).unwrap();
        took
    })
}

fn main() {
    println!("Commands, medians of {RUNS}, in ms\n");
    println!("| command | what is measured | ms |\n|---|---|---:|");
    for command in ["plan", "status", "explain", "check", "run"] {
        let mut arguments = vec![command];
        arguments.extend(if command == "explain" { &["--pool", "f0"][..] } else { &[] });
        println!("| `{command}` | start to first request | {:.1} |", first_request(&arguments));
    }
    let quiet = cloud(1);
    let scale = |cloud: &Cloud, run: usize, more: &[&str]| {
        let count = (run % 9 + 1).to_string();
        cloud.command(&[&["scale", "--pool", "f0", "--count", &count], more].concat())
    };
    let dry = median(|run| whole(scale(&quiet, run, &["--dry-run"])));
    println!("| `scale --dry-run` | start to end | {dry:.1} |");
    println!("| `scale` | start to end, no daemon | {:.1} |", median(|run| whole(scale(&quiet, run, &[]))));
    for fleets in [1, 1000] {
        let cloud = cloud(fleets);
        let _daemon = cloud.daemon();
        let is_there = || {
            let text = std::fs::read(cloud.runtime_dir().join("status.json")).unwrap_or_default();
            let status: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
            status["fleets"].as_array().is_some_and(|all| all.len() == fleets)
        };
        assert!(cloud.wait(Duration::from_secs(60), |_| is_there()));
        let named = if fleets == 1 { "1 fleet".to_owned() } else { format!("{fleets} fleets") };
        let status = |more: &[&str]| median(|_| whole(cloud.command(&[&["status"], more].concat())));
        println!("| `status` | start to end, {named} | {:.1} |", status(&[]));
        println!("| `status --output json` | start to end, {named} | {:.1} |", status(&["--output", "json"]));
        let taken = median(|run| whole(scale(&cloud, run, &[])));
        println!("| `scale` | until the daemon has taken it, {named} | {taken:.1} |");
    }
    println!();
}

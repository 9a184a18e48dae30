//! What a tick costs over loopback HTTP: time, requests, bytes, memory. A command, never a test:
//! `cargo bench -p azlin-tests --bench wire`.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its table and fails by panicking"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use azlin_daemon::{DaemonContext, StateDir, config_dir, plan_once};
use azlin_simcloud::fault::Side;
use azlin_simcloud::{IDENTITY_HEADER, Workload};
use azlin_tests::binary::{Cloud, VM, azlin};
use azlin_tests::ports::free_address;
use jiff::Timestamp;
use secrecy::SecretString;

/// A cloud with a number of fleets, each on its own repository.
fn cloud(fleets: usize, top: &str) -> Cloud {
    let repositories = (0..fleets).map(|number| format!("o/r{number}")).collect();
    let mut workload = Workload { repositories, ..Workload::default() };
    workload.settings.rate_limit = Some(0);
    let cloud = Cloud::new(&workload);
    for number in 0..fleets {
        cloud.write(&format!("fleets/f{number}.toml"), &format!("repo = \"o/r{number}\"\n{top}\n{VM}"));
    }
    cloud
}

fn context(cloud: &Cloud) -> DaemonContext {
    let token = SecretString::from(cloud.served.world().settings.token.clone());
    let url = |address: SocketAddr| format!("http://{address}").parse().unwrap();
    let token = azlin_github::Token::new(&token).unwrap();
    let github =
        azlin_github::GitHubClient::new(azlin_github::GitHubSettings::new(url(cloud.served.github), token))
            .unwrap();
    let environment = azlin_azure::AzureEnvironment {
        identity_endpoint: Some(cloud.served.identity_endpoint()),
        identity_header: Some(SecretString::from(IDENTITY_HEADER)),
        ..azlin_azure::AzureEnvironment::default()
    };
    let azure = azlin_azure::AzureSettings::new(url(cloud.served.azure), environment);
    let azure = Arc::new(azlin_azure::AzureClient::new(azure).unwrap());
    DaemonContext {
        github: Arc::new(github).into(),
        azure: azure.clone(),
        azure_facts: azure,
        ssh: Arc::new(azlin_ssh::SshClient::new(azlin_ssh::SshSettings::default())),
        clock: Arc::new(Timestamp::now),
        random: Arc::new(rand::random::<u32>),
    }
}

/// Observing and deciding for 100 fleets, each with two runs of five waiting jobs.
fn whole_tick() {
    let cloud = cloud(100, "enabled = true");
    for number in 0..100 {
        for _ in 0..2 {
            let job = (vec!["self-hosted".to_owned()], Duration::from_secs(60));
            cloud.served.world().submit(&format!("o/r{number}"), vec![job; 5], Vec::new());
        }
    }
    let configuration = config_dir::read(cloud.config.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let requests = || cloud.served.world().statistics.requests.values().map(|(count, _)| count).sum::<u64>();
    let (mut times, mut before) = (Vec::new(), 0);
    runtime.block_on(async {
        let context = context(&cloud);
        for round in 0..21 {
            before = requests();
            let start = Instant::now();
            let poll = Duration::from_secs(1);
            let planned = plan_once(&configuration.fleets, context.clone(), &StateDir::default(), poll).await;
            assert!(
                planned.iter().all(|planned| planned.trouble.is_none() && planned.plan.actions.len() == 5)
            );
            if round > 0 {
                times.push(start.elapsed());
            }
        }
    });
    times.sort();
    println!("| fleets | requests | median of {} ticks | slowest |\n|---:|---:|---:|---:|", times.len());
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let of_last = requests() - before;
    println!(
        "| 100 | {of_last} | {:.1} ms | {:.1} ms |\n",
        ms(times[times.len() / 2]),
        ms(times[times.len() - 1])
    );
}

/// The answer of `/healthz`, if there is one.
fn health(address: SocketAddr) -> Option<String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().ok()
}

/// Requests `/healthz` each millisecond until the answer is as wanted. Returns the time since the start.
fn until(start: Instant, address: SocketAddr, is_wanted: fn(&str) -> bool) -> Duration {
    while !health(address).is_some_and(|answer| is_wanted(&answer)) {
        assert!(start.elapsed() < Duration::from_secs(60), "the daemon does not answer");
        std::thread::sleep(Duration::from_millis(1));
    }
    start.elapsed()
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// The daemon's resident memory, the time until it is ready (configuration read, listener answering, loops
/// started), and the time until every fleet's first tick.
fn memory_and_start() {
    println!("| fleets | ready | every fleet's first tick | resident after 30 s |\n|---:|---:|---:|---:|");
    // Built before the time is measured.
    azlin();
    for count in [1, 100, 1000] {
        let cloud = cloud(count, "enabled = true");
        let address = free_address();
        cloud.write("azlin.toml", &cloud.daemon_toml().replace("127.0.0.1:0", &address.to_string()));
        let (mut ready, mut ticked) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            let start = Instant::now();
            let daemon = cloud.daemon();
            ready.push(until(start, address, |answer| answer.starts_with("HTTP/1.1")));
            ticked.push(until(start, address, |answer| answer.starts_with("HTTP/1.1 200")));
            daemon.kill();
        }
        let daemon = cloud.daemon();
        cloud.wait(Duration::from_secs(30), |_| false);
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
        let resident: f64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
            .unwrap();
        let (ready, ticked) = (median_ms(ready), median_ms(ticked));
        println!("| {count} | {ready:.0} ms | {ticked:.0} ms | {:.1} MB |", resident / 1024.0);
    }
    println!();
}

/// Requests and bytes of a tick, with a number of active runs. The first tick reads all five lists.
fn requests() {
    println!(
        "| active runs | GitHub requests | bytes | Azure requests | bytes |\n|---:|---:|---:|---:|---:|"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for runs in [0_u64, 1, 10, 150] {
        let cloud = cloud(1, "enabled = true");
        for _ in 0..runs {
            let job = (vec!["self-hosted".to_owned()], Duration::from_secs(60));
            cloud.served.world().submit("o/r0", vec![job; 2], Vec::new());
        }
        let configuration = config_dir::read(cloud.config.path()).unwrap();
        let count = |side| {
            let world = cloud.served.world();
            let all = world.statistics.requests.iter().filter(|((to, ..), _)| *to == side);
            all.fold((0, 0), |(count, bytes), (_, (more, and))| (count + more, bytes + and))
        };
        runtime.block_on(async {
            let context = context(&cloud);
            let (state, poll) = (StateDir::default(), Duration::from_secs(1));
            let look = || plan_once(&configuration.fleets, context.clone(), &state, poll);
            look().await;
            let (github, azure) = (count(Side::Github), count(Side::Azure));
            look().await;
            let (github_now, azure_now) = (count(Side::Github), count(Side::Azure));
            println!(
                "| {runs} | {} | {} | {} | {} |",
                github_now.0 - github.0,
                github_now.1 - github.1,
                azure_now.0 - azure.0,
                azure_now.1 - azure.1
            );
        });
    }
}

fn main() {
    println!("Whole tick over loopback (observe and decide; two runs of five waiting jobs for each fleet)\n");
    whole_tick();
    println!(
        "The daemon's memory and start (`azlin github-runner run`, idle repositories, a poll each second)\n"
    );
    memory_and_start();
    println!(
        "Requests of a tick with the power states of VMs (a health tick; a queue tick has one Azure request less)\n"
    );
    requests();
}

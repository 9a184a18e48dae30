//! Webhooks: a delivery triggers a tick at once, a forged one is refused, and a flood does no harm.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use azlin_simcloud::Workload;
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, DaemonProcess, VM};
use azlin_tests::deliveries::{SECRET, deliver, get, job, signature};
use azlin_tests::ports::free_address;

/// GitHub and Azure without any latency.
const QUICK: &str = "repositories = ['o/r', 'o/s']\n[settings]\ncreate = '100ms'\nboot = '100ms'\nregister = '100ms'\ndelete = '100ms'\n";

/// A daemon that polls every ten minutes, and the address of its webhook. Its first poll has ended.
fn daemon(cloud: &Cloud, more: &str, secret: Option<&str>) -> (SocketAddr, DaemonProcess) {
    let address = free_address();
    let toml = cloud.daemon_toml().replace("127.0.0.1:0", &address.to_string());
    let toml = toml.replace("\"1s\"", "\"10m\"").replace("\"2s\"", "\"10m\"");
    cloud.write("azlin.toml", &format!("{toml}{more}"));
    let log = std::fs::File::create(cloud.log()).unwrap();
    let mut command = cloud.command(&["run", "-v"]);
    command.envs(secret.map(|secret| ("AZLIN_WEBHOOK_SECRET", secret))).stderr(log);
    let daemon = DaemonProcess::of(command.spawn().unwrap());
    assert!(cloud.wait(SOON, |_| get(address, "/healthz").is_ok_and(|(status, _)| status == 200)));
    (address, daemon)
}

fn cloud(scaling: &str) -> Cloud {
    let cloud = Cloud::new(&Workload::parse(QUICK).unwrap());
    cloud.write(
        "fleets/ci.toml",
        &format!("repo = \"o/r\"\n[scaling]\nscale_up_threshold = 0\njobs_per_runner = 1\n{scaling}{VM}"),
    );
    cloud
}

/// Submits this many jobs in one run. Returns their numbers.
fn submit(cloud: &Cloud, jobs: usize) -> Vec<u64> {
    let job = (vec!["self-hosted".to_owned()], Duration::from_millis(200));
    cloud.served.world().submit("o/r", vec![job; jobs], Vec::new())
}

fn signed(to: SocketAddr, event: &str, body: &str) -> u16 {
    deliver(to, event, body, Some(&signature(SECRET, body))).unwrap().0
}

#[test]
fn a_job_is_served_at_once_though_the_next_look_is_far() {
    let cloud = cloud("");
    let (address, _daemon) = daemon(&cloud, "", Some(&format!("an older secret, still good\n{SECRET}\n")));
    let id = submit(&cloud, 1)[0];
    assert_eq!(signed(address, "workflow_job", &job("o/r", id, &["self-hosted"], "queued")), 202);
    assert!(cloud.wait(SOON, |world| world.report().jobs_completed == 1));
}

#[test]
fn what_is_not_githubs_is_refused_and_changes_nothing() {
    let cloud = cloud("");
    let (address, _daemon) = daemon(&cloud, "", Some(SECRET));
    let body = job("o/r", submit(&cloud, 1)[0], &["self-hosted"], "queued");
    let before = cloud.served.world().statistics.requests.values().map(|(count, _)| count).sum::<u64>();
    let forged = signature("another secret of some length", &body);
    for (signature, status) in [(None, 401), (Some(forged.as_str()), 401), (Some("nonsense"), 401)] {
        assert_eq!(deliver(address, "workflow_job", &body, signature).unwrap().0, status);
    }
    assert_eq!(signed(address, "workflow_job", "{}"), 400);
    assert_eq!(signed(address, "ping", "{}"), 200);
    assert_eq!(signed(address, "push", "{}"), 200);
    assert_eq!(signed(address, "workflow_job", &job("o/s", 1, &["self-hosted"], "queued")), 202);
    let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(128 * 1024));
    assert_eq!(signed(address, "workflow_job", &huge), 413);
    assert_eq!(get(address, "/webhook").unwrap().0, 405);
    assert_eq!(get(address, "/nothing").unwrap().0, 404);
    std::thread::sleep(Duration::from_millis(300));
    let after = cloud.served.world().statistics.requests.values().map(|(count, _)| count).sum::<u64>();
    assert_eq!(after, before, "nobody has looked");
    let log = cloud.logged();
    assert!(log.contains("a webhook's delivery was refused (refusal 1 since start)"), "{log}");
    assert!(!log.contains(SECRET));
}

#[test]
fn without_a_secret_nothing_is_taken_in() {
    let cloud = cloud("");
    let (address, _daemon) = daemon(&cloud, "", None);
    let (status, told) = deliver(address, "ping", "{}", Some(&signature(SECRET, "{}"))).unwrap();
    assert_eq!(
        (status, told.as_str()),
        (404, "no webhook is expected here: the daemon has no webhook-secret\n")
    );
    let output = cloud.command(&["run"]).env("AZLIN_WEBHOOK_SECRET", "hunter2").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("locked") || said.contains("a secret of 7 characters is too short"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn github_may_have_a_door_of_its_own() {
    let cloud = cloud("");
    let context = free_address();
    let (address, _daemon) = daemon(&cloud, &format!("webhook_listen = \"{context}\"\n"), Some(SECRET));
    assert_eq!(signed(context, "ping", "{}"), 200);
    assert_eq!(get(context, "/healthz").unwrap().0, 404);
    assert_eq!(signed(address, "ping", "{}"), 404);
}

#[test]
fn ten_thousand_deliveries_in_ten_seconds_many_forged_and_doubled_serve_every_job_once() {
    const DELIVERIES: usize = 10_000;
    const JOBS: usize = 30;
    let cloud = cloud("max_runners = 100\n");
    let (address, daemon) = daemon(&cloud, "", Some(SECRET));
    // GitHub accepts at most 80 creating requests in a minute.
    let jobs = submit(&cloud, JOBS);
    let body = |number: usize| {
        let action = ["queued", "in_progress", "completed", "queued"][number * 7 % 4];
        job("o/r", jobs[number * 13 % jobs.len()], &["self-hosted"], action)
    };
    let before = daemon.held_kib();
    let began = Instant::now();
    let deliver_some = |worker: usize| {
        let mut count = [0_u64; 2];
        for number in (worker..DELIVERIES).step_by(4) {
            let body = body(number);
            let is_forged = number % 3 == 0;
            let signature =
                signature(if is_forged { "another secret of some length" } else { SECRET }, &body);
            let due = began + Duration::from_micros(number as u64 * 1_000);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let (status, _) = deliver(address, "workflow_job", &body, Some(&signature)).unwrap();
            assert_eq!(status, if is_forged { 401 } else { 202 });
            count[usize::from(is_forged)] += 1;
        }
        count
    };
    let counts = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|worker| scope.spawn(move || deliver_some(worker))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).fold([0, 0], |[a, b], [c, d]| [a + c, b + d])
    });
    assert_eq!(counts, [6_666, 3_334]);
    assert!(
        cloud.wait(2 * SOON, |world| world.report().jobs_completed == JOBS as u64),
        "{:?} {}",
        cloud.served.world().report(),
        cloud.logged()
    );
    let report = cloud.served.world().report();
    assert_eq!(
        (report.jobs_killed, report.vms_created),
        (0, JOBS as u64),
        "one VM for each job: {report:#?}"
    );
    let counted = get(address, "/metrics").unwrap().1;
    let forged = "azlin_webhook_deliveries_total{outcome=\"forged\"} 3334";
    assert!(counted.lines().any(|line| line == forged), "{counted}");
    let grown = daemon.held_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "{before} KiB and {grown} more");
}

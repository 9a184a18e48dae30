//! `webhook install`, `status` and `remove`, with a daemon that receives deliveries, or does not.

use std::net::SocketAddr;
use std::process::Output;
use std::time::Duration;

use azlin_simcloud::Workload;
use azlin_simcloud::openapi::Spec;
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, DaemonProcess, VM};
use azlin_tests::deliveries::{SECRET, get};
use azlin_tests::ports::free_address;
use azlin_tests::schema::assert_documented;
use serde_json::Value;

const WORLD: &str = "repositories = ['o/r', 'x/y']\n[settings]\ncreate = '100ms'\nboot = '100ms'\nregister = '100ms'\ndelete = '100ms'\n";

/// A cloud whose daemon receives webhooks at this address, and polls only every ten minutes.
fn cloud() -> (Cloud, SocketAddr) {
    let cloud = Cloud::new(&Workload::parse(WORLD).unwrap());
    let address = free_address();
    let toml = cloud.daemon_toml().replace("127.0.0.1:0", &address.to_string());
    let toml = toml.replace("\"1s\"", "\"10m\"").replace("\"2s\"", "\"10m\"");
    cloud.write("azlin.toml", &format!("{toml}webhook_url = \"http://{address}/webhook\"\n"));
    let scaling = "[scaling]\nscale_up_threshold = 0\njobs_per_runner = 1\n";
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n{scaling}{VM}"));
    cloud.write("fleets/gpu.toml", &format!("repo = \"o/r\"\nlabels = [\"gpu\"]\n{scaling}{VM}"));
    cloud.write("fleets/org.toml", &format!("org = \"x\"\nrepositories = [\"*\"]\n{scaling}{VM}"));
    (cloud, address)
}

fn daemon(cloud: &Cloud, address: SocketAddr, secret: &str) -> DaemonProcess {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(cloud.log()).unwrap();
    let daemon = cloud.command(&["run"]).env("AZLIN_WEBHOOK_SECRET", secret).stderr(log).spawn();
    let daemon = DaemonProcess::of(daemon.unwrap());
    assert!(
        cloud.wait(SOON, |_| get(address, "/readyz").is_ok_and(|(status, _)| status == 200)),
        "{}",
        cloud.logged()
    );
    daemon
}

fn webhook(cloud: &Cloud, arguments: &[&str]) -> Output {
    // GitHub is on this machine, too.
    let is_install = arguments.first() == Some(&"install") && !arguments.contains(&"--safe");
    let lab: &[&str] = if is_install { &["--insecure-http"] } else { &[] };
    let arguments: Vec<&str> = arguments.iter().copied().filter(|argument| *argument != "--safe").collect();
    cloud
        .command(&[&["webhook"], &arguments[..], lab].concat())
        .env("AZLIN_WEBHOOK_SECRET", SECRET)
        .output()
        .unwrap()
}

/// The output, with the exit code.
fn text(output: &Output) -> (String, Option<i32>) {
    let all = [&output.stdout[..], &output.stderr].concat();
    (String::from_utf8(all).unwrap(), output.status.code())
}

fn json(cloud: &Cloud, arguments: &[&str]) -> Value {
    let output = webhook(cloud, &[arguments, &["--output", "json"]].concat());
    let value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output).0));
    assert_documented("webhook", &value);
    value
}

#[test]
fn a_webhook_is_installed_and_jobs_are_served_at_once() {
    let (cloud, address) = cloud();
    let running = daemon(&cloud, address, SECRET);
    cloud.served.record();
    let (told, code) = text(&webhook(&cloud, &["install"]));
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(told.matches("GitHub's try has arrived: 200").count(), 2, "{told}");
    assert!(
        told.contains("org:x\n") && told.contains("repo:o/r\n"),
        "one for each place, not for each fleet: {told}"
    );

    let labels = vec!["self-hosted".to_owned()];
    cloud.served.world().submit("o/r", vec![(labels.clone(), Duration::from_millis(200))], Vec::new());
    cloud.served.world().submit("x/y", vec![(labels, Duration::from_millis(200))], Vec::new());
    assert!(cloud.wait(SOON, |world| world.report().jobs_completed == 2), "{}", cloud.logged());

    // The webhook that exists is fixed, and no second one is made.
    let again = json(&cloud, &["install", "--pool", "ci"]);
    assert_eq!(
        (&again["places"][0]["did"], again["places"].as_array().unwrap().len()),
        (&"mended".into(), 1)
    );
    assert_eq!(cloud.served.world().webhooks.all.len(), 2);
    let (told, code) = text(&webhook(&cloud, &["status"]));
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("workflow_job completed: 202 (OK)"), "{told}");

    let (told, code) = text(&webhook(&cloud, &["remove"]));
    assert_eq!((code, told.matches("removed").count()), (Some(0), 2), "{told}");
    assert!(cloud.served.world().webhooks.all.is_empty());
    let (told, code) = text(&webhook(&cloud, &["remove"]));
    assert_eq!(code, Some(3), "{told}");
    let (spec, exchanges) = (Spec::load(), cloud.served.recorded());
    let about_hooks: Vec<_> = exchanges.iter().filter(|exchange| exchange.path.contains("/hooks")).collect();
    assert!(about_hooks.len() > 15);
    let faults: Vec<String> = about_hooks.into_iter().flat_map(|exchange| spec.check(exchange)).collect();
    assert!(faults.is_empty(), "as GitHub describes it: {}", faults.join("\n"));
    drop(running);
}

#[test]
fn a_failed_delivery_is_reported_and_delivered_again() {
    let (cloud, address) = cloud();
    let (told, code) = text(&webhook(&cloud, &["install", "--pool", "ci"]));
    assert_eq!(code, Some(1), "nobody listens: {told}");
    assert!(told.contains("502 (failed to connect to host): GitHub does not reach the daemon"), "{told}");

    let labels = vec!["self-hosted".to_owned()];
    cloud.served.world().submit("o/r", vec![(labels, Duration::from_millis(200))], Vec::new());
    assert!(cloud.wait(SOON, |world| world.webhooks.all.values().any(|hook| hook.deliveries.len() == 2)));
    let lost = json(&cloud, &["status", "--pool", "ci"]);
    assert_eq!(lost["places"][0]["never_arrived"], 2, "its ping, and a job");
    let (told, code) = text(&webhook(&cloud, &["status", "--pool", "ci"]));
    assert_eq!(code, Some(1));
    assert!(told.contains("`webhook status --redeliver`"), "{told}");

    // The daemon finds the job in its first poll. A second delivery does no harm.
    let running = daemon(&cloud, address, SECRET);
    let again = json(&cloud, &["status", "--pool", "ci", "--redeliver"]);
    assert_eq!(again["places"][0]["redelivered"], 2);
    let has_arrived = || json(&cloud, &["status", "--pool", "ci"])["places"][0]["never_arrived"] == 0;
    assert!(cloud.wait(SOON, |world| world.report().jobs_completed == 1));
    let began = std::time::Instant::now();
    while !has_arrived() {
        assert!(began.elapsed() < SOON, "{:#}", json(&cloud, &["status"]));
    }
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1));
    drop(running);

    // A daemon with another secret refuses deliveries, which GitHub shows as 401.
    let other = daemon(&cloud, address, "quite another secret of a webhook");
    let (told, code) = text(&webhook(&cloud, &["install", "--pool", "ci"]));
    assert_eq!(code, Some(1));
    assert!(told.contains("401") && told.contains("restart the daemon"), "{told}");
    drop(other);
}

#[test]
fn what_prevents_an_installation_is_reported_with_its_fix() {
    let (cloud, _) = cloud();
    let refused = cloud.command(&["webhook", "install", "--insecure-http"]).output().unwrap();
    let (told, code) = text(&refused);
    assert_eq!(code, Some(1));
    assert!(told.contains("openssl rand -hex 32"), "{told}");
    let (told, code) = text(&webhook(&cloud, &["install", "--pool", "nobody"]));
    assert_eq!(code, Some(3), "{told}");
    let config = std::fs::read_to_string(cloud.config.path().join("azlin.toml")).unwrap();
    let without: String = config
        .lines()
        .filter(|line| !line.starts_with("webhook_url"))
        .map(|line| format!("{line}\n"))
        .collect();
    cloud.write("azlin.toml", &without);
    let (told, code) = text(&webhook(&cloud, &["status"]));
    assert_eq!(code, Some(1));
    assert!(told.contains("--url https://HOST/webhook"), "{told}");
    assert_eq!(
        text(&webhook(&cloud, &["status", "--url", "http://127.0.0.1:1/webhook"])).1,
        Some(3),
        "none leads there"
    );

    let (told, code) = text(&webhook(&cloud, &["install", "--safe", "--url", "http://127.0.0.1:1/webhook"]));
    assert_eq!(code, Some(1));
    assert!(told.contains("is plain HTTP") && told.contains("--insecure-http"), "{told}");

    cloud.served.world().account.github_refuses = vec!["POST /hooks".to_owned()];
    let (told, code) = text(&webhook(&cloud, &["install", "--url", "http://127.0.0.1:1/webhook"]));
    assert_eq!(code, Some(1));
    assert!(told.contains("Webhooks: read and write on the repository"), "{told}");
    cloud.write("fleets/enterprise.toml", &format!("enterprise = \"e\"\n{VM}"));
    let arguments = ["install", "--pool", "enterprise", "--url", "http://127.0.0.1:1/webhook"];
    let (told, code) = text(&webhook(&cloud, &arguments));
    assert_eq!(code, Some(1));
    assert!(told.contains("set up by hand"), "{told}");
}

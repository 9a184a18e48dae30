//! Names and messages from outside that hold escape sequences, line breaks and characters that are not seen: no command,
//! no log and no page shows them as they are.

use std::net::SocketAddr;
use std::process::Output;
use std::time::Duration;

use azlin_fleet::model::foreign::has_odd;
use azlin_simcloud::Workload;
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, VM};
use azlin_tests::deliveries::get;
use azlin_tests::ports::free_address;
use serde_json::Value;

pub const QUICK: &str =
    "repositories = ['o/r']\n[settings]\ncreate = '100ms'\nboot = '100ms'\nregister = '100ms'\n";
/// The title of a terminal, a cleared screen, a line of a log that nobody wrote, C1, the order of writing, no width.
const NAME: &str =
    "build\u{1b}]0;pwned\u{7}\u{1b}[2J\r\n2026-11-28T00:00:00Z  INFO ci: forged\u{9b}31m\u{202e}gnp\u{200b}";
const LABEL: &str = "gpu\u{1b}[31m\nx\u{2066}";

/// Asserts that a text has no control and no format character but line feeds.
#[track_caller]
pub fn assert_printable(what: &str, text: &str) {
    for line in text.split('\n') {
        assert!(!has_odd(line), "{what}: {line:?}\n{text}");
    }
    assert!(!text.contains("\n2026-11-28T00:00:00Z"), "{what}: a line that nobody wrote\n{text}");
}

/// The same of each text in JSON, whose strings hide control characters behind escapes.
#[track_caller]
pub fn assert_values_printable(what: &str, value: &Value) {
    match value {
        Value::String(text) => assert!(!has_odd(text), "{what}: {text:?}"),
        Value::Array(items) => items.iter().for_each(|item| assert_values_printable(what, item)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            assert!(!has_odd(name), "{what}: {name:?}");
            assert_values_printable(what, field);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs a command for people and for programs. Returns what it told people.
fn told(cloud: &Cloud, arguments: &[&str]) -> String {
    let what = arguments.join(" ");
    let run = |more: &[&str]| -> Output { cloud.command(&[arguments, more].concat()).output().unwrap() };
    let (people, programs) = (run(&["-v"]), run(&["--output", "json", "--log-format", "json"]));
    for output in [&people, &programs] {
        assert_ne!(output.status.code(), Some(2), "{what}: {}", text(&output.stderr));
        assert_output_printable(&what, output);
    }
    text(&people.stdout)
}

/// Asserts that a command's output for people is printable, and each value where it is for programs.
#[track_caller]
pub fn assert_output_printable(what: &str, output: &Output) {
    for stream in [&output.stdout, &output.stderr] {
        let said = text(stream);
        assert_printable(what, &said);
        if let Ok(json) = serde_json::from_str::<Value>(&said) {
            assert_values_printable(what, &json);
        }
        for json in said.lines().filter_map(|line| serde_json::from_str(line).ok()) {
            assert_values_printable(what, &json);
        }
    }
}

/// Submits a job. Returns its number.
pub fn submit(cloud: &Cloud, name: &str, labels: &[&str], seconds: u64) -> String {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    let mut world = cloud.served.world();
    let id = world.submit("o/r", vec![(labels, Duration::from_secs(seconds))], Vec::new())[0];
    world.state.github.jobs.get_mut(&id).unwrap().name = name.to_owned();
    id.to_string()
}

fn page(address: SocketAddr, path: &str) -> String {
    get(address, path).unwrap().1
}

#[test]
fn names_of_jobs_and_labels_are_shown_without_what_a_terminal_acts_on() {
    for format in ["text", "json"] {
        let cloud = Cloud::new(&Workload::parse(QUICK).unwrap());
        let address = free_address();
        cloud.write("azlin.toml", &cloud.daemon_toml().replace("127.0.0.1:0", &address.to_string()));
        let scaling = "[scaling]\nmax_runners = 1\nscale_up_threshold = 5\nmax_queue_wait = \"1s\"\ncooldown = \"0s\"\n";
        cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\nlabels = [\"docker\"]\n{scaling}{VM}"));
        let jobs = [
            submit(&cloud, NAME, &["self-hosted", "docker"], 600),
            submit(&cloud, NAME, &["self-hosted", "docker"], 600),
            submit(&cloud, NAME, &["self-hosted", LABEL], 600),
        ];
        let log = std::fs::File::create(cloud.log()).unwrap();
        let mut command = cloud.command(&["run", "-v", "--log-format", format]);
        let _daemon = azlin_tests::binary::DaemonProcess::of(command.stderr(log).spawn().unwrap());
        assert!(cloud.wait(SOON, |world| world.report().vms_created > 0), "{}", cloud.logged());
        let waits = || page(address, "/api/status").contains("\u{fffd}]0;pwned\u{fffd}");
        assert!(cloud.wait(SOON, |_| waits()), "{}", page(address, "/api/status"));

        let status = told(&cloud, &["status"]);
        let plan = told(&cloud, &["plan"]);
        for job in &jobs {
            let explained = told(&cloud, &["explain", "--job", job]);
            assert!(explained.contains("build\u{fffd}]0;pwned"), "the name is still told: {explained}");
        }
        told(&cloud, &["explain", "--pool", "ci"]);
        told(&cloud, &["check"]);
        assert!(format!("{status}{plan}").contains("pwned"), "the name is still told: {status}{plan}");
        for path in ["/api/status", "/api/history/ci", "/metrics", "/"] {
            let body = page(address, path);
            // The page itself is ours, and has what a page has.
            match serde_json::from_str(&body) {
                Ok(json) => assert_values_printable(path, &json),
                Err(_) => assert_printable(path, &body),
            }
        }
        let log = cloud.logged();
        assert_printable("the log", &log);
        assert!(log.contains("pwned"), "the log tells the name, too: {log}");
        for line in log.lines().filter(|_| format == "json") {
            assert_values_printable("the log", &serde_json::from_str(line).expect(line));
        }
    }
}

//! Every command, every format of the log and every answer of the daemon while each text from outside is odd. The commands
//! are those that clap knows: one without a case fails the test.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use azlin_simcloud::Workload;
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, DaemonProcess, VM, azlin};
use azlin_tests::deliveries::{SECRET, get};
use azlin_tests::ports::free_address;

use crate::odd_text::{
    QUICK, assert_output_printable, assert_printable, assert_values_printable, submit, text,
};

const URL: [&str; 2] = ["--url", "https://ci.example.com/webhook"];
/// Each text of an answer is odd.
const ODD: &str = "[[faults]]\nwhat = 'odd_text'\n";
/// So are refusals.
const REFUSED: &str = "[[faults]]\nwhat = { status = 403 }\nside = 'github'\n\
    [[faults]]\nwhat = { refused = [403, \"Not\\u001b[31mAllowed\", \"no\\r\\n2026-11-28T00:00:00Z\\u202e\"] }\n";

/// How one command is called. `JOB` stands for the number of a job.
struct Case {
    /// The command, as its page is called: `azlin-github-runner-status`.
    page: &'static str,
    calls: &'static [&'static [&'static str]],
}

const fn case(page: &'static str, calls: &'static [&'static [&'static str]]) -> Case {
    Case { page, calls }
}

const JSON: &str = "--output=json";
const CASES: [Case; 20] = [
    case("azlin", &[&[], &["--version"]]),
    case("azlin-completions", &[&["bash"], &["fish"], &["zsh"]]),
    case("azlin-man", &[&[]]),
    case("azlin-github-runner", &[&[]]),
    case("azlin-github-runner-check", &[&[], &[JSON], &["--pool=none"], &["--try", "--yes", "--pool=ci"]]),
    // It asks clouds of its own alone.
    case("azlin-github-runner-demo", &[]),
    case("azlin-github-runner-disable", &[&["--pool=ci", "--dry-run"], &["--pool=none"], &["--pool=big"]]),
    case(
        "azlin-github-runner-enable",
        &[
            &["--pool=ci", "--max-runners=3"],
            &["--pool=new", "--repo=o/r", "--dry-run"],
            &["--pool=ci", "--repo=no"],
        ],
    ),
    case(
        "azlin-github-runner-explain",
        &[
            &["--pool=ci"],
            &["--pool=ci", JSON],
            &["--job=JOB"],
            &["--job=JOB", JSON],
            &["--pool=ci", "--runner=none"],
        ],
    ),
    case("azlin-github-runner-plan", &[&[], &[JSON], &["--pool=none"]]),
    case("azlin-github-runner-run", &[&["--once"]]),
    case(
        "azlin-github-runner-scale",
        &[&["--pool=ci", "--count=1"], &["--pool=ci", "--auto"], &["--pool=none", "--auto"]],
    ),
    case("azlin-github-runner-scale-set", &[&[]]),
    case(
        "azlin-github-runner-scale-set-delete",
        &[&["--pool=ci", "--name=gone"], &["--pool=none", "--name=gone"]],
    ),
    case("azlin-github-runner-scale-set-list", &[&["--pool=ci"], &["--pool=none"]]),
    case("azlin-github-runner-status", &[&[], &[JSON], &["--pool=none"]]),
    case("azlin-github-runner-webhook", &[&[]]),
    case("azlin-github-runner-webhook-install", &[&URL, &[URL[0], URL[1], JSON]]),
    case("azlin-github-runner-webhook-remove", &[&URL, &[URL[0], URL[1], JSON]]),
    case("azlin-github-runner-webhook-status", &[&URL, &[URL[0], URL[1], "--redeliver", JSON]]),
];

/// The pages of the manual, which azlin makes from clap's tree.
fn pages() -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(azlin()).args(["man", "--dir"]).arg(folder.path()).status().unwrap();
    assert!(made.success());
    let files = std::fs::read_dir(folder.path()).unwrap();
    files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// `azlin-github-runner-webhook-install` as arguments.
fn words(page: &str) -> Vec<&str> {
    let below = page.trim_start_matches("azlin").trim_start_matches('-');
    if let Some((_, below)) = below.split_once("-scale-set") {
        let last = below.split('-').filter(|word| !word.is_empty());
        return ["github-runner", "scale-set"].into_iter().chain(last).collect();
    }
    match below.strip_prefix("github-runner") {
        None => below.split('-').filter(|word| !word.is_empty()).collect(),
        Some(below) => {
            std::iter::once("github-runner").chain(below.split('-').filter(|word| !word.is_empty())).collect()
        }
    }
}

fn run(cloud: &Cloud, page: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(azlin());
    command.args(words(page)).args(arguments).env_clear();
    for (name, value) in cloud.command(&[]).get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.env("AZLIN_WEBHOOK_SECRET", SECRET).stdin(std::process::Stdio::null()).output().unwrap()
}

fn cloud(faults: &str) -> Cloud {
    let cloud = Cloud::new(&Workload::parse(&format!("{QUICK}{faults}")).unwrap());
    let _ = std::fs::create_dir_all(cloud.runtime_dir());
    let patience = "[lifecycle]\nboot_timeout = \"5s\"\n";
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\nlabels = [\"docker\"]\n{patience}{VM}"));
    cloud.write(
        "fleets/big.toml",
        &format!("org = \"o\"\nrunner_group = \"builders\"\nlabels = [\"big\"]\n{VM}"),
    );
    cloud
}

#[test]
fn each_command_of_clap_s_tree_has_a_case() {
    let cases: BTreeSet<String> = CASES.iter().map(|case| case.page.to_owned()).collect();
    assert_eq!(cases, pages());
}

#[test]
fn whatever_is_odd_in_an_answer_no_command_shows_it() {
    std::thread::scope(|scope| {
        for faults in [ODD.to_owned(), format!("{ODD}{REFUSED}")] {
            scope.spawn(move || {
                let cloud = cloud(&faults);
                let job = submit(&cloud, "build", &["self-hosted", "docker"], 1);
                for Case { page, calls } in &CASES {
                    let always: [&[&str]; 2] = [&["--help"], &["--no-such-option"]];
                    for arguments in calls.iter().copied().chain(always) {
                        let given: Vec<String> =
                            arguments.iter().map(|argument| argument.replace("JOB", &job)).collect();
                        let given: Vec<&str> = given.iter().map(String::as_str).collect();
                        for log in ["text", "json"] {
                            let arguments = [&given[..], &["-v", "--log-format", log]].concat();
                            let output = run(&cloud, page, &arguments);
                            assert_output_printable(&format!("{page} {}", arguments.join(" ")), &output);
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn whatever_is_odd_in_an_answer_no_page_and_no_log_shows_it() {
    for (format, faults) in
        [("text", ODD.to_owned()), ("json", ODD.to_owned()), ("json", format!("{ODD}{REFUSED}"))]
    {
        let cloud = cloud(&faults);
        let address = free_address();
        cloud.write("azlin.toml", &cloud.daemon_toml().replace("127.0.0.1:0", &address.to_string()));
        submit(&cloud, "build\u{1b}[31m\r\n", &["self-hosted", "docker"], 1);
        let log = std::fs::File::create(cloud.log()).unwrap();
        let mut command = cloud.command(&["run", "-vv", "--log-format", format]);
        let _daemon = DaemonProcess::of(command.stderr(log).spawn().unwrap());
        let body = |path: &str| get(address, path).map(|(_, body)| body).unwrap_or_default();
        let is_shown = || ["\"ci\"", "\"big\""].iter().all(|pool| body("/api/status").contains(pool));
        assert!(cloud.wait(SOON, |_| is_shown()), "{}", cloud.logged());
        for path in
            ["/", "/api/status", "/api/history/ci", "/api/history/none", "/metrics", "/healthz", "/readyz"]
        {
            let body = body(path);
            match serde_json::from_str(&body) {
                Ok(json) => assert_values_printable(path, &json),
                Err(_) => assert_printable(path, &body),
            }
        }
        for line in body("/api/events").lines().filter_map(|line| line.strip_prefix("data: ")) {
            assert_values_printable("/api/events", &serde_json::from_str(line).expect(line));
        }
        let log = cloud.logged();
        assert_printable("the log", &log);
        for line in log.lines().filter(|_| format == "json") {
            assert_values_printable("the log", &serde_json::from_str(line).expect(line));
        }
        let status = cloud.command(&["status"]).output().unwrap();
        assert_printable("status", &text(&status.stdout));
    }
}

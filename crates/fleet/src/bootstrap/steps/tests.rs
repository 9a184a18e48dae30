use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::model::{Configure, Register};

fn download() -> Download {
    Download {
        os: "linux".into(),
        architecture: "x64".into(),
        url: "https://example.invalid/it's.tar.gz".to_owned(),
        filename: "actions-runner-linux-x64-2.330.0.tar.gz".to_owned(),
        sha256: Some("ab12".to_owned()),
    }
}

fn configure() -> Configure {
    Configure {
        url: "https://github.com/o/r".to_owned(),
        name: "ci-1".to_owned(),
        labels: vec!["self-hosted".to_owned(), "linux".to_owned()],
        group: None,
        token: SecretString::from("SECRET".to_owned()),
    }
}

fn registration() -> Register {
    let jit_config = SecretString::from("JITSECRET".to_owned());
    Register { runner_id: RunnerId(42), name: "ci-1".to_owned(), jit_config }
}

/// The result of a probe of the machine of ci-1, from a short form without the names.
fn found(text: &str) -> ProbeResult {
    found_of("ci-1", text)
}

fn found_of(name: &str, text: &str) -> ProbeResult {
    let value = |key: &str, absent: &str| {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        let value = pairs.filter(|(found, _)| *found == key).map(|(_, value)| value).next();
        value.unwrap_or(absent).to_owned()
    };
    let registered = value("registered", "");
    let lines = [
        format!("version={}", value("version", "")),
        format!("runner_id={}", value("runner_id", "")),
        format!("runner_name={}", if text.contains("runner_id=") { name } else { "" }),
        format!(
            "registered={}",
            if registered.is_empty() { registered } else { format!("{registered} {name}") }
        ),
        format!("service={}", value("service", "none")),
        format!("job={}", value("job", "none")),
        format!("dependencies={}", value("dependencies", "unknown")),
        format!("setup={}", value("setup", "none")),
    ];
    ProbeResult::parse(&lines.join("\r\n")).expect("whole")
}

#[test]
fn from_what_is_found_follows_the_next_step() {
    for (situation, text, next_step) in [
        ("a bare image", "", NextStep::Fetch),
        ("an image with an old version", "version=2.329.0", NextStep::Fetch),
        ("an image that holds it", "version=2.330.0", NextStep::Configure),
        ("cut off after config.sh had begun", "version=2.330.0 registered=", NextStep::Configure),
        ("configured, not started", "version=2.330.0 runner_id=7", NextStep::Start),
        (
            "cut off before the marker, service installed",
            "version=2.330.0 runner_id=7 service=inactive",
            NextStep::Start,
        ),
        ("it runs", "version=2.330.0 runner_id=7 registered=7 service=active", NextStep::Done(RunnerId(7))),
        (
            "a job runs though its service is not active",
            "runner_id=7 service=inactive job=running",
            NextStep::Done(RunnerId(7)),
        ),
        ("it had its job", "version=2.330.0 registered=7 service=inactive", NextStep::Ended(RunnerId(7))),
    ] {
        let download = download();
        let wanted = WantedRunner { name: "ci-1", download: &download, dependencies: false, setup: false };
        assert_eq!(next(&found(text), &wanted), next_step, "{situation}");
        let known = ["runner_id=7", "registered=7"].iter().any(|trace| text.contains(trace));
        assert_eq!(runner_id(&found(text), &wanted), known.then_some(RunnerId(7)), "{situation}");
    }
}

#[test]
fn what_another_runner_left_in_the_image_counts_for_nothing() {
    let download = download();
    let wanted = WantedRunner { name: "ci-1", download: &download, dependencies: false, setup: false };
    for text in ["runner_id=7 registered=7 service=active", "registered=7", "runner_id=7 service=inactive"] {
        let image = found_of("golden", &format!("version=2.330.0 {text}"));
        assert_eq!(next(&image, &wanted), NextStep::Configure, "{text}");
        let configured = image.after(&Step::Configure(configure()), "runner_id=42").expect("told");
        assert_eq!(next(&configured, &wanted), NextStep::Start, "{text}");
    }
}

#[test]
fn dependencies_are_installed_when_they_are_asked_for_and_once() {
    let download = download();
    let wanted = WantedRunner { name: "ci-1", download: &download, dependencies: true, setup: false };
    assert_eq!(next(&found("version=2.330.0"), &wanted), NextStep::Dependencies);
    assert_eq!(next(&found("version=2.330.0 dependencies=installed"), &wanted), NextStep::Configure);
}

#[test]
fn a_machine_is_set_up_first_and_once() {
    let download = download();
    let wanted = WantedRunner { name: "ci-1", download: &download, dependencies: true, setup: true };
    for (situation, text, next_step) in [
        ("a bare image", "", NextStep::Setup),
        ("an image that holds the program", "version=2.330.0", NextStep::Setup),
        ("it is set up", "setup=done", NextStep::Fetch),
        ("its runner works", "version=2.330.0 runner_id=7 service=active", NextStep::Done(RunnerId(7))),
    ] {
        assert_eq!(next(&found(text), &wanted), next_step, "{situation}");
    }
}

#[test]
fn half_a_probe_is_an_error_and_no_bare_machine() {
    assert_eq!(
        ProbeResult::parse("version=\nrunner_id=\n"),
        Err("the probe did not tell runner_name".to_owned())
    );
}

#[test]
fn each_step_has_the_time_that_it_takes_and_no_more() {
    let minutes = |step: Step| step.limit().as_secs_f64() / 60.0;
    assert_eq!(minutes(Step::Probe), 1.0);
    assert_eq!(minutes(Step::Setup(Duration::from_secs(180))), 3.0, "as the fleet says");
    assert_eq!(minutes(Step::Fetch(download())), 10.0, "hundreds of megabytes");
    assert_eq!(minutes(Step::Dependencies), 10.0, "packages");
    assert_eq!(minutes(Step::Configure(configure())), 2.0);
    assert_eq!(minutes(Step::Drain), 0.5, "a machine that does not answer is asked again");
}

#[test]
fn what_reaches_a_shell_is_quoted_and_no_secret_is_in_it() {
    assert_eq!(
        Step::Fetch(download()).command(),
        r"'/usr/local/lib/azlin/runner' 'fetch' 'https://example.invalid/it'\''s.tar.gz' 'ab12' '2.330.0'"
    );
    let step = Step::Configure(Configure { name: "a; rm -rf /".to_owned(), ..configure() });
    let words = "'configure' 'https://github.com/o/r' 'a; rm -rf /' 'self-hosted,linux' ''";
    assert_eq!(step.command(), format!("'/usr/local/lib/azlin/runner' {words}"));
    assert_eq!(step.input().expect("the token").expose_secret(), "SECRET\n");
    assert!(!format!("{step:?}").contains("SECRET"), "a step that is logged shows no token");
    let step = Step::Register(registration());
    assert_eq!(step.command(), "'/usr/local/lib/azlin/runner' 'register' '42' 'ci-1'");
    assert_eq!(step.input().expect("the configuration").expose_secret(), "JITSECRET\n");
    assert!(!format!("{step:?}").contains("JITSECRET"));
}

#[test]
fn each_step_leads_to_the_next_until_it_runs() {
    let download = download();
    let one_job = Step::Register(registration());
    let several = Step::Configure(configure());
    for (registers, printed) in [(one_job, ""), (several, "√ Runner added\nrunner_id=42\r\n")] {
        let wanted = WantedRunner { name: "ci-1", download: &download, dependencies: true, setup: true };
        let mut now = found("");
        let mut taken = Vec::new();
        loop {
            let (step, printed) = match next(&now, &wanted) {
                NextStep::Setup => (Step::Setup(Duration::from_secs(300)), ""),
                NextStep::Fetch => (Step::Fetch(download.clone()), ""),
                NextStep::Dependencies => (Step::Dependencies, ""),
                NextStep::Configure => (registers.clone(), printed),
                NextStep::Start => (Step::Start, ""),
                NextStep::Done(id) => break assert_eq!(id, RunnerId(42)),
                NextStep::Ended(id) => panic!("{id}"),
            };
            taken.push(step.name());
            now = now.after(&step, printed).expect("told");
        }
        assert_eq!(taken, ["setup", "fetch", "dependencies", registers.name(), "start"]);
    }
    assert!(found("").after(&Step::Configure(configure()), "no id").is_err());
}

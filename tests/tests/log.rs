//! The daemon's log of a job's life, as JSON: sentences for people, fields for machines. The number of open
//! descriptors is the same before and after.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::Duration;

use azlin_simcloud::Workload;
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, DaemonProcess, VM};
use serde_json::Value;

const QUICK: &str = "repositories = ['o/r']\n[settings]\ncreate = '100ms'\nboot = '1500ms'\nregister = '100ms'\ndelete = '100ms'\n";

fn start(cloud: &Cloud, arguments: &[&str]) -> DaemonProcess {
    let log = File::create(cloud.log()).unwrap();
    let mut command = cloud.command(&["run", "--log-format", "json"]);
    DaemonProcess::of(command.args(arguments).stdin(Stdio::null()).stderr(log).spawn().unwrap())
}

fn lines(cloud: &Cloud) -> Vec<Value> {
    cloud.logged().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn descriptors(daemon: &DaemonProcess) -> usize {
    fs::read_dir(format!("/proc/{}/fd", daemon.id())).unwrap().count()
}

#[test]
fn a_jobs_life_is_logged_in_sentences_and_fields() {
    let cloud = Cloud::new(&Workload::parse(QUICK).unwrap());
    cloud.write(
        "fleets/ci.toml",
        &format!("repo = \"o/r\"\nlabels = [\"docker\"]\n[scaling]\njobs_per_runner = 1\nscale_up_threshold = 0\ncooldown = \"0s\"\n{VM}"),
    );
    let daemon = start(&cloud, &[]);
    assert!(cloud.wait(SOON, |_| cloud.logged().contains("ready: ")));
    let labels = ["self-hosted", "docker"].map(str::to_owned).to_vec();
    let submit = |seconds| {
        let jobs = vec![(labels.clone(), Duration::from_secs(seconds))];
        cloud.served.world().submit("o/r", jobs, Vec::new())[0]
    };
    let rest = |jobs| cloud.wait(SOON, |world| world.report().jobs_completed == jobs && world.is_at_rest());
    // The job lasts long enough for a late poll to see it.
    let job = submit(8);
    assert!(rest(1), "{:#?}\n{}", cloud.served.world().report(), cloud.logged());
    assert!(cloud.wait(SOON, |_| cloud.logged().contains(" deleted: ")));

    let all = lines(&cloud);
    let told: Vec<&Value> = all.iter().filter(|line| line["fleet"] == "ci").collect();
    let actions: Vec<&str> = told.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["scale_up", "provision", "online", "job_started", "destroy"], "{told:#?}");
    let runner = told[1]["runner"].as_str().unwrap();
    for line in &told {
        assert_eq!(line["level"], "INFO");
        assert!(line["tick"].is_u64() && line["timestamp"].is_string(), "{line}");
        let message = line["message"].as_str().unwrap();
        assert!(message.starts_with("ci: "), "{message}");
        if line["action"] != "scale_up" {
            assert_eq!((line["runner"].as_str(), line["vm"].as_str()), (Some(runner), Some(runner)));
            assert!(message.starts_with(&format!("ci: {runner} ")), "{message}");
        }
        // The reason of a VM that a decision asks for is in the decision's line.
        if let Some(reason) = line["reason"].as_str().filter(|_| line["action"] != "provision") {
            assert!(message.ends_with(reason), "{message}");
        }
    }
    assert_eq!((told[0]["from"].as_u64(), told[0]["to"].as_u64()), (Some(0), Some(1)));
    assert!(told[2]["took_s"].as_u64().is_some_and(|took| took < 15), "{}", told[2]);
    assert_eq!(told[3]["job"], job);
    let named = ["job_repo", "job_workflow", "job_name"].map(|field| told[3][field].as_str().unwrap());
    assert_eq!(named, ["o/r", "CI", &format!("job-{job}")]);
    assert!(
        told[3].get("job_link").is_none(),
        "the page that it has is not on the configured GitHub: {}",
        told[3]
    );

    let before = descriptors(&daemon);
    for jobs in 2..=4 {
        submit(1);
        assert!(rest(jobs), "{}", cloud.logged());
    }
    // A connection more or less is kept open; three jobs that each left one open would be three.
    assert!(
        cloud.wait(SOON, |_| descriptors(&daemon) < before + 3),
        "{before}, now {}",
        descriptors(&daemon)
    );
}

#[test]
fn what_ends_it_is_a_line_too() {
    let cloud = Cloud::new(&Workload::parse(QUICK).unwrap());
    cloud.write("azlin.toml", "[poll]\nqueu = \"1s\"\n");
    assert_eq!(start(&cloud, &[]).wait(), Some(1));
    let all = lines(&cloud);
    let last = all.last().unwrap();
    assert_eq!(last["level"], "ERROR");
    assert!(last["message"].as_str().unwrap().contains("azlin.toml:2:1"), "{last}");
}

#[test]
fn a_missing_journal_is_reported() {
    let cloud = Cloud::new(&Workload::parse(QUICK).unwrap());
    if std::path::Path::new("/run/systemd/journal/socket").exists() {
        return;
    }
    let output = cloud.command(&["--log-format", "journal", "run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the journal cannot be written to; --log-format text"), "{said}");
}

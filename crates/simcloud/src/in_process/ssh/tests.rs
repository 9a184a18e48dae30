use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::bootstrap::{
    cloud_init::reachable,
    steps::{NextStep, ProbeResult, WantedRunner, next},
};
use azlin_fleet::config::MachineConfig;
use azlin_fleet::model::{Configure, Register, RunnerConfig, RunnerName, Scope};
use azlin_fleet::ports::GitHub;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use serde_json::json;

use super::*;
use crate::workload::Workload;

const SETTINGS: &str = "create = '1s'\nboot = '20s'\nregister = '3s'\nstep = '2s'\n";

fn cloud(more: &str) -> InProcess {
    let text = format!("repositories = ['o/r']\n[settings]\n{SETTINGS}{more}");
    let world = World::new(&Workload::parse(&text).expect("valid"), Timestamp::UNIX_EPOCH);
    let start = tokio::time::Instant::now();
    InProcess::new(Arc::new(Mutex::new(world)), Arc::new(move || Timestamp::UNIX_EPOCH + start.elapsed()))
}

fn scope() -> Scope {
    "repo:o/r".parse().expect("valid")
}

fn runner_name() -> RunnerName {
    RunnerName::new(&"ci".parse().expect("valid"), Timestamp::UNIX_EPOCH, 1)
}

/// A VM with this host key.
fn machine(cloud: &InProcess, name: &str) -> Machine {
    let key = cloud.host_key();
    let data = STANDARD.encode(
        reachable(&key, "ssh-ed25519 AAAA", &MachineConfig::default(), Duration::from_secs(86_400))
            .expose_secret(),
    );
    let body = json!({"properties": {"osProfile": {"customData": data}}});
    cloud.world().put_vm("s", "g", name, body, true).expect("made");
    Machine {
        vm: name.to_owned(),
        address: ([10, 0, 0, 5], 22).into(),
        user: "azlin".to_owned(),
        host_key: key.public,
        private_key: None,
    }
}

async fn step_for(
    cloud: &InProcess,
    name: &str,
    session: &dyn Session,
    ephemeral: bool,
) -> Result<Option<Step>, SshError> {
    let download = cloud.downloads(&scope()).await.expect("downloads").remove(0);
    let found = ProbeResult::parse(&session.run(&Step::Probe).await?).expect("whole");
    Ok(match next(&found, &WantedRunner { name, download: &download, dependencies: true, setup: false }) {
        NextStep::Setup => Some(Step::Setup(Duration::from_secs(60))),
        NextStep::Fetch => Some(Step::Fetch(download)),
        NextStep::Dependencies => Some(Step::Dependencies),
        NextStep::Configure => {
            if ephemeral {
                let entry = cloud.runner_named(&scope(), &runner_name()).await.expect("told");
                if let Some(entry) = entry {
                    cloud.deregister(&scope(), entry.runner_id).await.expect("it is offline");
                }
                let config = RunnerConfig {
                    scope: scope(),
                    runner_name: runner_name(),
                    labels: vec!["x".parse().expect("valid")],
                    runner_group: None,
                    scale_set: None,
                };
                let made = cloud.jit_config(&config).await.expect("the name is free");
                let (name, jit_config) = (name.to_owned(), made.encoded_jit_config);
                return Ok(Some(Step::Register(Register { runner_id: made.runner_id, name, jit_config })));
            }
            let token = cloud.registration_token(&scope()).await.expect("a token").token;
            let (url, name) = ("https://github.com/o/r".to_owned(), name.to_owned());
            Some(Step::Configure(Configure { url, name, labels: vec!["x".to_owned()], group: None, token }))
        }
        NextStep::Start => Some(Step::Start),
        NextStep::Done(_) | NextStep::Ended(_) => None,
    })
}

/// Tries until the machine is a runner. Returns the number of errors.
async fn bootstrap(cloud: &InProcess, machine: &Machine, ephemeral: bool) -> usize {
    let mut met = 0;
    for _ in 0..100 {
        let tried = async {
            let session = cloud.connect(machine).await?;
            while let Some(step) = step_for(cloud, &machine.vm, session.as_ref(), ephemeral).await? {
                session.run(&step).await?;
            }
            Ok::<_, SshError>(())
        };
        match tried.await {
            Ok(()) => return met,
            Err(error) if error.kind == SshErrorKind::Unreachable => {}
            Err(_) => met += 1,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("it became no runner");
}

#[tokio::test(start_paused = true)]
async fn an_ephemeral_runner_has_its_job_and_the_machine_powers_off() {
    let cloud = cloud("");
    let machine = machine(&cloud, runner_name().as_str());
    let early = cloud.connect(&machine).await.map(drop).expect_err("it has not booted");
    assert_eq!(early.kind, SshErrorKind::Unreachable);
    assert_eq!(bootstrap(&cloud, &machine, true).await, 0);
    let other = Machine { host_key: cloud.host_key().public, ..machine.clone() };
    let wrong = cloud.connect(&other).await.map(drop).expect_err("another key");
    assert_eq!(wrong.kind, SshErrorKind::WrongHostKey);

    tokio::time::sleep(Duration::from_secs(4)).await;
    let job =
        cloud.world().submit("o/r", vec![(vec!["x".to_owned()], Duration::from_secs(60))], Vec::new())[0];
    assert!(cloud.runners(&scope()).await.expect("runners")[0].busy);
    let session = cloud.connect(&machine).await.expect("up");
    let found = ProbeResult::parse(&session.run(&Step::Probe).await.expect("told")).expect("whole");
    assert!(found.runs_job && found.configured.is_some());
    tokio::time::sleep(Duration::from_secs(58)).await;
    assert!(matches!(cloud.world().state.github.jobs[&job].state, crate::github::JobState::Completed(_)));
    assert!(cloud.runners(&scope()).await.expect("runners").is_empty());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let lost = session.run(&Step::Probe).await.expect_err("it is off");
    assert_eq!(lost.kind, SshErrorKind::Lost);
}

#[tokio::test(start_paused = true)]
async fn a_lasting_runner_takes_one_job_after_the_other_and_drains() {
    let cloud = cloud("");
    let machine = machine(&cloud, runner_name().as_str());
    bootstrap(&cloud, &machine, false).await;
    let jobs = vec![(vec!["x".to_owned()], Duration::from_secs(10)); 2];
    cloud.world().submit("o/r", jobs, Vec::new());
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(cloud.world().report().jobs_completed, 2);
    let session = cloud.connect(&machine).await.expect("up");
    assert_eq!(session.run(&Step::Drain).await.expect("it answers"), "drain=ended\n");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let status = cloud.runners(&scope()).await.expect("runners")[0].status;
    assert_eq!(status, azlin_fleet::model::RunnerStatus::Offline);
    assert_eq!(session.run(&Step::Probe).await.expect_err("it is off").kind, SshErrorKind::Lost);
}

#[tokio::test(start_paused = true)]
async fn whatever_is_cut_off_or_fails_one_runner_comes_of_it() {
    for seed in 0..50 {
        let faults = "[[faults]]\nwhat = 'connection_lost'\nprobability = 0.3\ntimes = 5\n\
             [[faults]]\nwhat = { step_fails = 'fetch' }\ntimes = 1\n\
             [[faults]]\nwhat = 'wrong_checksum'\ntimes = 1\n";
        let cloud = cloud(&format!("seed = {seed}\n{faults}"));
        let machine = machine(&cloud, runner_name().as_str());
        assert!(bootstrap(&cloud, &machine, true).await > 0);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let runners = cloud.runners(&scope()).await.expect("runners");
        assert_eq!(
            (runners.len(), runners[0].status),
            (1, azlin_fleet::model::RunnerStatus::Online),
            "{seed}"
        );
    }
}

//! VMs that a test makes and prepares without a daemon, step by step.

use std::time::Duration;

use azlin_fleet::bootstrap::cloud_init::{reachable, self_made};
use azlin_fleet::config::MachineConfig;
use azlin_fleet::model::{
    Configure, Download, HostKey, RunnerId, RunnerName, RunnerRegistration, Scope, Step,
};
use azlin_simcloud::World;
use azlin_simcloud::azure::SimVmState;
use azlin_simcloud::registration::TokenUse;
use azlin_tests::deliveries::ask;
use azlin_tests::machines::RealCloud;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

const DAY: Duration = Duration::from_secs(86_400);
pub const RUNNER: &str = "/usr/local/lib/azlin/runner";

fn scope() -> Scope {
    "repo:o/r".parse().expect("valid")
}

/// The runner's program, as the simulated GitHub offers it.
pub fn download(cloud: &RealCloud) -> Download {
    let github = cloud.cloud.served.github;
    let token = cloud.cloud.served.world().settings.token.clone();
    let request = format!(
        "GET /repos/o/r/actions/runners/downloads HTTP/1.1\r\nhost: {github}\r\nauthorization: Bearer {token}\r\n\
         user-agent: test\r\nconnection: close\r\n\r\n"
    );
    let (_, body) = ask(github, request.as_bytes()).expect("it answers");
    let found: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let text = |key: &str| found[0][key].as_str().unwrap_or_default().to_owned();
    Download {
        os: text("os").into(),
        architecture: text("architecture").into(),
        url: text("download_url"),
        filename: text("filename"),
        sha256: Some(text("sha256_checksum")),
    }
}

fn create(cloud: &RealCloud, name: &str, custom_data: &SecretString) {
    let custom_data = BASE64_STANDARD.encode(custom_data.expose_secret());
    let profile = json!({"computerName": name, "adminUsername": "azlin", "customData": custom_data});
    let hardware = json!({"vmSize": "Standard_D4s_v5"});
    let body = json!({"location": "westeurope", "tags": {}, "properties": {
        "hardwareProfile": hardware, "osProfile": profile,
    }});
    let made = cloud.cloud.served.world().put_vm("s", "rg", name, body, true);
    assert!(made.is_ok(), "{made:?}");
    cloud.wait("the machine runs", 30, |world| state(world, name) == Some("running"));
}

/// A new entry, and its JIT configuration.
pub fn entry(cloud: &RealCloud, name: &str) -> (u64, String) {
    let made = cloud.cloud.served.world().jit_config(&scope(), name, 1, vec!["docker".to_owned()]);
    let (runner, jit) = made.expect("the name is new");
    (runner.id, jit)
}

/// A VM that becomes a runner by itself. Returns its name once it is online.
pub fn by_itself(cloud: &RealCloud) -> String {
    let runner_name = RunnerName::new(&"ci".parse().expect("valid"), jiff::Timestamp::now(), 1);
    let name = runner_name.as_str().to_owned();
    let (id, jit) = entry(cloud, &name);
    let registration =
        RunnerRegistration { runner_id: RunnerId(id), runner_name, encoded_jit_config: jit.into() };
    create(cloud, &name, &self_made(&registration, &download(cloud), false, &MachineConfig::default(), DAY));
    cloud.wait("it is online", 60, |world| is_online(world, &name));
    name
}

/// A VM as for a bootstrap over SSH, with the runner's program. Each step is run as over SSH.
pub fn prepared(cloud: &RealCloud, name: &str) {
    let key = HostKey { public: "ssh-ed25519 AAAA".to_owned(), private: SecretString::from("x".to_owned()) };
    create(cloud, name, &reachable(&key, "ssh-ed25519 BBBB", &MachineConfig::default(), DAY));
    cloud.wait_inside(name, "test -e /var/lib/cloud/instance/boot-finished");
    step(cloud, name, &Step::Fetch(download(cloud)));
}

pub fn configured(cloud: &RealCloud, name: &str) {
    let token = cloud.cloud.served.world().issue_runner_token(&scope(), TokenUse::Register).0;
    let configure = Configure {
        url: format!("http://{}/o/r", cloud.cloud.served.github),
        name: name.to_owned(),
        labels: vec!["docker".to_owned()],
        group: None,
        token: token.into(),
    };
    step(cloud, name, &Step::Configure(configure));
}

pub fn step(cloud: &RealCloud, name: &str, step: &Step) -> String {
    let input = step.input().map(|input| input.expose_secret().trim().to_owned()).unwrap_or_default();
    said(cloud, name, &format!("echo '{input}' | {}", step.command()))
}

pub fn said(cloud: &RealCloud, name: &str, command: &str) -> String {
    let output = cloud.inside(name, command);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(output.status.success(), "{command}: {} {}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

pub fn is_online(world: &World, name: &str) -> bool {
    world.state.github.runners.values().any(|runner| runner.name == name && runner.online)
}

fn state(world: &World, name: &str) -> Option<&'static str> {
    let vm = world.state.azure.vms.values().find(|vm| vm.name == name)?;
    match (&vm.machine, vm.state) {
        (Some(machine), SimVmState::Succeeded) => Some(machine.state()),
        _ => None,
    }
}

pub fn until_off(cloud: &RealCloud, name: &str, seconds: u64) {
    cloud.wait("it is off", seconds, |world| state(world, name) == Some("off"));
}

pub fn killed(cloud: &RealCloud) -> u64 {
    let report = cloud.cloud.served.world().report();
    report.jobs_killed + report.jobs_lost_to_faults
}

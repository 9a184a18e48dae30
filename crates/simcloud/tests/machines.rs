//! Real machines, each an operating system with sshd and cloud-init, on which the daemon's own program
//! installs a runner. Needs root, systemd-nspawn, and a root in AZLIN_MACHINE_ROOT.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

#[path = "wire/fixture.rs"]
mod fixture;

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use azlin_fleet::bootstrap::{
    RUNNER,
    cloud_init::{reachable, self_made},
    steps::{NextStep, ProbeResult, WantedRunner, next},
};
use azlin_fleet::config::MachineConfig;
use azlin_fleet::model::{
    Configure, Download, HostKey, RUNNER_PATH, Register, RunnerId, RunnerName, RunnerRegistration, Step,
};
use azlin_simcloud::azure::RealMachine;
use azlin_simcloud::real::{Host, Hypervisor, MachineSettings, sweep};
use azlin_simcloud::{IDENTITY_HEADER, Workload};
use parking_lot::Mutex;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use fixture::{TestCloud, VERSION, VMS, jit};

/// Longer than any test, in seconds.
const SWITCH: Duration = Duration::from_secs(86_400);

const SETTINGS: &str = "create = '100ms'\ndelete = '100ms'\nlost_after = '5s'\nrunner_silence = '5s'\n";

struct MachineCloud {
    site: TestCloud,
    hypervisor: Hypervisor,
    keys: tempfile::TempDir,
    gone: Mutex<Vec<RealMachine>>,
}

impl MachineCloud {
    async fn start(settings: &str, more: &str, overlay: Option<PathBuf>) -> MachineCloud {
        let root = std::env::var_os("AZLIN_MACHINE_ROOT").expect("AZLIN_MACHINE_ROOT names a root");
        let text = format!("repositories = ['o/r']\n[settings]\n{SETTINGS}{settings}\n{more}");
        let site = TestCloud::live(&Workload::parse(&text).unwrap()).await;
        let settings = MachineSettings { overlay, ..MachineSettings::new(root) };
        let hypervisor = site.served.with_machines(settings).unwrap();
        let keys = tempfile::tempdir().unwrap();
        for name in ["login", "host"] {
            let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"];
            let made = Command::new("ssh-keygen").args(arguments).arg(keys.path().join(name)).status();
            assert!(made.unwrap().success());
        }
        MachineCloud { site, hypervisor, keys, gone: Mutex::default() }
    }

    fn key(&self, name: &str) -> String {
        std::fs::read_to_string(self.keys.path().join(name)).unwrap().trim_end().to_owned() + "\n"
    }

    /// A VM that is bootstrapped over SSH. Returns its address once it can be reached.
    async fn reachable(&self, name: &str) -> String {
        let key =
            HostKey { public: self.key("host.pub").trim().to_owned(), private: self.key("host").into() };
        self.create(name, &reachable(&key, self.key("login.pub").trim(), &MachineConfig::default(), SWITCH))
            .await;
        let address = self.address(name).await;
        self.until_ssh(&address).await;
        address
    }

    async fn create(&self, name: &str, custom_data: &SecretString) {
        use base64::Engine;
        let custom_data = base64::engine::general_purpose::STANDARD.encode(custom_data.expose_secret());
        let public_ip = json!({"name": format!("{name}-ip")});
        let ip = json!({"name": "ip", "properties": {"publicIPAddressConfiguration": public_ip}});
        let body = json!({"location": "westeurope", "tags": {}, "properties": {
            "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
            "osProfile": {
                "computerName": name, "adminUsername": "azlin", "customData": custom_data,
                "linuxConfiguration": {"ssh": {"publicKeys": [
                    {"path": "/home/azlin/.ssh/authorized_keys", "keyData": self.key("login.pub").trim()},
                ]}},
            },
            "storageProfile": {"osDisk": {"createOption": "FromImage", "deleteOption": "Delete"}},
            "networkProfile": {"networkInterfaceConfigurations": [
                {"name": format!("{name}-nic"), "properties": {"deleteOption": "Delete", "ipConfigurations": [ip]}},
            ]},
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": true}},
        }});
        let answer = self.site.azure(Method::PUT, &format!("{VMS}/{name}"), &[], Some(body)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    /// The address of a VM, once Azure reports it.
    async fn address(&self, name: &str) -> String {
        let vm = self.site.azure(Method::GET, &format!("{VMS}/{name}"), &[], None).await;
        let nic = vm.body["properties"]["networkProfile"]["networkInterfaces"][0]["id"].as_str().unwrap();
        let nic = format!("{nic}?api-version=2024-01-01&$expand=ipConfigurations/publicIPAddress");
        for _ in 0..1200 {
            let found = self.site.azure(Method::GET, &nic, &[], None).await;
            if found.status == 200 {
                let ip = &found.body["properties"]["ipConfigurations"][0]["properties"];
                assert_eq!(ip["publicIPAddress"]["properties"]["ipAddress"], ip["privateIPAddress"]);
                return ip["privateIPAddress"].as_str().unwrap().to_owned();
            }
            assert_eq!(found.status, 404);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{name} has no address");
    }

    /// Runs a command on a machine. Returns its output, or the error.
    fn ssh(&self, address: &str, command: &str, input: &str) -> Result<String, String> {
        let known = self.keys.path().join(format!("known-{address}"));
        std::fs::write(&known, format!("{address} {}", self.key("host.pub"))).unwrap();
        let mut ssh = Command::new("ssh");
        for option in ["BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=10", "LogLevel=ERROR"] {
            ssh.args(["-o", option]);
        }
        ssh.args(["-F", "none", "-i"]).arg(self.keys.path().join("login"));
        ssh.arg("-o").arg(format!("UserKnownHostsFile={}", known.display()));
        ssh.arg(format!("azlin@{address}")).arg(command);
        let mut child =
            ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The program may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if output.status.success() {
            Ok(text(output.stdout))
        } else {
            Err(format!("{}{}", text(output.stdout), text(output.stderr)))
        }
    }

    async fn until_ssh(&self, address: &str) {
        let start = Instant::now();
        loop {
            match self.ssh(address, "sudo -n true", "") {
                Ok(_) => return,
                Err(why) => assert!(start.elapsed() < Duration::from_secs(60), "no ssh: {why}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn download(&self) -> Download {
        let found = self.site.get("/repos/o/r/actions/runners/downloads").await.body[0].clone();
        let text = |key: &str| found[key].as_str().unwrap().to_owned();
        Download {
            os: text("os").into(),
            architecture: text("architecture").into(),
            url: text("download_url"),
            filename: text("filename"),
            sha256: Some(text("sha256_checksum")),
        }
    }

    /// Makes a machine a runner, step by step, as the daemon does. Returns the step that failed, if one did.
    async fn bootstrap(&self, address: &str, name: &str, ephemeral: bool) -> Result<RunnerId, String> {
        let folder = Path::new(RUNNER_PATH).parent().unwrap().display();
        let plant =
            format!("sudo sh -c 'mkdir -p {folder} && cat >{RUNNER_PATH} && chmod 755 {RUNNER_PATH}'");
        self.ssh(address, &plant, RUNNER)?;
        let download = self.download().await;
        for _ in 0..10 {
            let found = ProbeResult::parse(&self.step(address, &Step::Probe)?)?;
            let step = match next(
                &found,
                &WantedRunner { name, download: &download, dependencies: true, setup: false },
            ) {
                NextStep::Setup => Step::Setup(Duration::from_secs(60)),
                NextStep::Fetch => Step::Fetch(download.clone()),
                NextStep::Dependencies => Step::Dependencies,
                NextStep::Configure if ephemeral => {
                    let mut body = jit(name);
                    body["labels"] = json!(["self-hosted", name]);
                    let made =
                        self.site.post("/repos/o/r/actions/runners/generate-jitconfig", Some(body)).await;
                    Step::Register(Register {
                        runner_id: RunnerId(made.body["runner"]["id"].as_u64().unwrap()),
                        name: name.to_owned(),
                        jit_config: made.body["encoded_jit_config"].as_str().unwrap().to_owned().into(),
                    })
                }
                NextStep::Configure => {
                    let token = self.site.post("/repos/o/r/actions/runners/registration-token", None).await;
                    Step::Configure(Configure {
                        url: format!("http://{}/o/r", self.site.served.github),
                        name: name.to_owned(),
                        labels: vec!["self-hosted".to_owned(), name.to_owned()],
                        group: None,
                        token: token.body["token"].as_str().unwrap().to_owned().into(),
                    })
                }
                NextStep::Start => Step::Start,
                NextStep::Done(id) => return Ok(id),
                NextStep::Ended(id) => return Err(format!("{id} has ended")),
            };
            self.step(address, &step)?;
        }
        panic!("ten steps were not enough");
    }

    fn step(&self, address: &str, step: &Step) -> Result<String, String> {
        let input = step.input().map(|input| input.expose_secret().to_owned()).unwrap_or_default();
        self.ssh(address, &format!("sudo -n {}", step.command()), &input)
            .map_err(|why| format!("{}: {why}", step.name()))
    }

    async fn until(&self, what: &str, is_so: impl Fn(&MachineCloud) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            if start.elapsed() > Duration::from_secs(60) {
                let consoles = self.site.served.machines().into_iter().map(|(name, machine)| {
                    format!("--- {name}\n{}", std::fs::read_to_string(machine.console).unwrap_or_default())
                });
                panic!("not {what}\n{}", consoles.collect::<String>());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn until_online(&self, name: &str) {
        self.until(&format!("{name} online"), |cloud| {
            let world = cloud.site.served.world();
            world.state.github.runners.values().any(|runner| runner.name == name && runner.online)
        })
        .await;
    }

    async fn until_off(&self, name: &str) {
        self.until(&format!("{name} off"), |cloud| {
            let world = cloud.site.served.world();
            world.state.azure.vms.values().any(|vm| vm.name == name && vm.is_off())
        })
        .await;
    }

    /// Runs a job on the runner of this name. Returns its state at its end.
    async fn job(&self, label: &str, script: &str) -> Value {
        let id = self.submit(label, script).await;
        self.ended(&id, label).await
    }

    async fn submit(&self, label: &str, script: &str) -> Value {
        let run = json!({"repo": "o/r", "jobs": [{"labels": [label], "script": script}]});
        self.site.post("/_sim/runs", Some(run)).await.body["jobs"][0].clone()
    }

    async fn ended(&self, id: &Value, label: &str) -> Value {
        for _ in 0..600 {
            let jobs = self.site.get("/_sim/jobs").await.body;
            let job = jobs.as_array().unwrap().iter().find(|job| job["id"] == *id).unwrap().clone();
            if job["state"] == "completed" {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the job of {label} does not end");
    }

    async fn delete(&self, name: &str) {
        let machine = self.site.served.machines().remove(name).unwrap();
        let answer = self.site.azure(Method::DELETE, &format!("{VMS}/{name}"), &[], None).await;
        assert_eq!(answer.status, 202);
        self.until(&format!("{name} gone"), |cloud| {
            cloud.site.served.world().state.azure.vms.values().all(|vm| vm.name != name)
        })
        .await;
        nothing_is_left_of(&machine);
        self.gone.lock().push(machine);
    }

    /// Checks that nothing is left of the machines of this test.
    fn end(self) {
        let machines = self.site.served.machines();
        drop(self.hypervisor);
        machines.values().chain(self.gone.lock().iter()).for_each(nothing_is_left_of);
    }
}

fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn nothing_is_left_of(machine: &RealMachine) {
    let [_, _, number, _] = machine.address.unwrap().octets();
    let netns = &machine.netns;
    assert!(!Path::new("/run/netns").join(netns).exists(), "{netns}");
    assert!(!Path::new(&format!("/sys/class/net/az{number}")).exists(), "az{number}");
    assert!(!printed("ps", &["-eo", "args"]).contains(&format!("--machine={netns} ")), "{netns}");
    let groups = printed("find", &["/sys/fs/cgroup", "-maxdepth", "6", "-name", netns]);
    assert!(groups.is_empty(), "{groups}");
    let folder = machine.console.parent().unwrap();
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(&format!("{}/", folder.display())) && !folder.exists(), "{mounts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_machines_become_runners_and_leave_nothing() {
    let cloud = MachineCloud::start("package_padding = 1000000\n", "", None).await;
    let host_key =
        HostKey { public: cloud.key("host.pub").trim().to_owned(), private: cloud.key("host").into() };
    cloud
        .create(
            "by-ssh",
            &reachable(&host_key, cloud.key("login.pub").trim(), &MachineConfig::default(), SWITCH),
        )
        .await;

    let name = RunnerName::new(&"ci".parse().unwrap(), jiff::Timestamp::now(), 1);
    let made =
        cloud.site.post("/repos/o/r/actions/runners/generate-jitconfig", Some(jit(name.as_str()))).await;
    let registration = RunnerRegistration {
        runner_id: RunnerId(made.body["runner"]["id"].as_u64().unwrap()),
        runner_name: name.clone(),
        encoded_jit_config: made.body["encoded_jit_config"].as_str().unwrap().to_owned().into(),
    };
    cloud
        .create(
            name.as_str(),
            &self_made(&registration, &cloud.download().await, true, &MachineConfig::default(), SWITCH),
        )
        .await;

    let address = cloud.address("by-ssh").await;
    cloud.until_ssh(&address).await;
    let id = cloud.bootstrap(&address, "by-ssh", true).await.unwrap();
    cloud.until_online("by-ssh").await;
    cloud.until_online(name.as_str()).await;
    let shown = cloud.site.get(&format!("/repos/o/r/actions/runners/{id}")).await.body;
    assert_eq!((&shown["status"], &shown["ephemeral"]), (&json!("online"), &json!(true)));

    let job = cloud.job("by-ssh", "hostname; id -un; pwd").await;
    let facts = (&job["conclusion"], &job["machine"], &job["hostname"], &job["runner_name"]);
    assert_eq!(facts, (&json!("success"), &json!("by-ssh"), &json!("by-ssh"), &json!("by-ssh")));
    let output = job["output"].as_str().unwrap();
    assert!(output.starts_with("by-ssh\nrunner\n/opt/actions-runner/_work/"), "{output}");
    let job = cloud.job("docker", "echo no; false; echo never").await;
    assert_eq!((&job["conclusion"], &job["output"]), (&json!("failure"), &json!("no\n")));
    assert_eq!(job["machine"], name.as_str());
    cloud.until_off("by-ssh").await;
    cloud.until_off(name.as_str()).await;
    assert_eq!(cloud.site.get("/repos/o/r/actions/runners").await.body["total_count"], 0);

    let path = format!("{VMS}/{name}/retrieveBootDiagnosticsData");
    let blobs = cloud.site.azure(Method::POST, &path, &[], None).await.body;
    let (status, console) = cloud.site.text(blobs["serialConsoleLogBlobUri"].as_str().unwrap()).await;
    assert!(status == 200 && console.contains("completed with result: Failure"), "{status} {console}");

    cloud.delete("by-ssh").await;
    cloud.delete(name.as_str()).await;
    cloud.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lasting_runner_goes_on_after_a_reboot_and_can_be_stopped_and_removed() {
    let cloud = MachineCloud::start("", "", None).await;
    let address = cloud.reachable("lasting").await;
    // A download that was cut off between its end and the check is resumed like any other.
    let Download { url, sha256, .. } = cloud.download().await;
    let part = format!("/var/lib/azlin-runner/runner-{}.tar.gz.part", sha256.unwrap());
    cloud.ssh(&address, &format!("sudo curl -sS --create-dirs -o {part} {url}"), "").unwrap();
    let id = cloud.bootstrap(&address, "lasting", false).await.unwrap();
    for _ in 0..2 {
        let job = cloud.job("lasting", "echo $GITHUB_REPOSITORY").await;
        assert_eq!((&job["conclusion"], &job["output"]), (&json!("success"), &json!("o/r\n")));
    }
    let before = cloud.site.served.machines()["lasting"].leader.unwrap();
    let _ = cloud.ssh(&address, "sudo systemctl reboot", "");
    cloud
        .until("rebooted", |cloud| {
            cloud.site.served.machines()["lasting"].leader.is_some_and(|leader| leader != before)
        })
        .await;
    assert_eq!(cloud.job("lasting", "true").await["conclusion"], "success");
    assert_eq!(cloud.bootstrap(&address, "lasting", false).await, Ok(id), "nothing is left to do");

    let running = cloud.submit("lasting", "sleep 60").await;
    cloud
        .until("a job on the machine", |cloud| {
            cloud.step(&address, &Step::Probe).is_ok_and(|text| text.contains("job=running"))
        })
        .await;
    let runner = format!("/repos/o/r/actions/runners/{id}");
    assert_eq!(cloud.site.delete(&runner).await.status, 422);
    cloud.ssh(&address, "sudo systemctl stop 'actions.runner.*'", "").unwrap();
    assert_eq!(cloud.ended(&running, "lasting").await["conclusion"], "cancelled");
    assert_eq!(cloud.site.get(&runner).await.body["status"], "offline");
    cloud.step(&address, &Step::Start).unwrap();
    cloud.until_online("lasting").await;

    assert_eq!(cloud.site.delete(&runner).await.status, 204);
    cloud
        .until("the service's end", |cloud| {
            cloud.step(&address, &Step::Probe).is_ok_and(|text| text.contains("service=inactive"))
        })
        .await;
    let left = "ls -d /opt/actions-runner/.runner /opt/actions-runner/.credentials 2>/dev/null; true";
    assert_eq!(cloud.ssh(&address, left, ""), Ok(String::new()), "a removed runner forgets itself");
    cloud.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_on_a_machine_says_why_and_goes_on_from_there() {
    let overlay = tempfile::tempdir().unwrap();
    let drop_ins = overlay.path().join("etc/systemd/system/ssh.service.d");
    std::fs::create_dir_all(&drop_ins).unwrap();
    std::fs::write(drop_ins.join("late.conf"), "[Service]\nExecStartPre=/bin/sleep 3\n").unwrap();
    let faults = "[[faults]]\nwhat = 'wrong_checksum'\ntimes = 1\n\
        [[faults]]\nwhat = 'registration_refused'\ntimes = 1\n\
        [[faults]]\nwhat = 'truncated'\npath = '/_runner/package'\ntimes = 1\n\
        [[faults]]\nwhat = 'dies_in_job'\ntimes = 1\n";
    let cloud =
        MachineCloud::start("package_padding = 4000000\n", faults, Some(overlay.path().to_path_buf())).await;
    let start = Instant::now();
    let address = cloud.reachable("late").await;
    assert!(start.elapsed() > Duration::from_secs(3), "{:?}", start.elapsed());
    for (ephemeral, says) in [(true, "wrong checksum: "), (false, "Registration was refused")] {
        let error = cloud.bootstrap(&address, "late", ephemeral).await.unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    cloud.bootstrap(&address, "late", true).await.unwrap();
    cloud.until_online("late").await;
    let job = cloud.job("late", "sleep 60").await;
    assert_eq!((&job["conclusion"], &job["output"]), (&json!("failure"), &Value::Null));
    let machine = cloud.site.served.machines().remove("late").unwrap();
    assert_eq!((machine.nspawn, machine.leader), (None, None));
    assert!(cloud.ssh(&address, "true", "").is_err());
    cloud.end();
}

/// A running program. Dropping it sends SIGTERM.
struct SignalledProgram(std::process::Child);

impl SignalledProgram {
    fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for SignalledProgram {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|status| status.is_none()) {
            self.signal("-TERM");
            let _ = self.0.wait();
        }
    }
}

/// A running `azlin-simcloud` with one machine, as `/_sim/machines` shows it.
async fn program() -> (SignalledProgram, Value) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let workload = folder.path().join("workload.toml");
    std::fs::write(&workload, format!("[settings]\n{SETTINGS}")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_azlin-simcloud"))
        .arg("--machines")
        .arg(std::env::var_os("AZLIN_MACHINE_ROOT").expect("a root"))
        .arg("--workload")
        .arg(&workload)
        .stdout(Stdio::piped())
        .spawn();
    let mut child = SignalledProgram(child.unwrap());
    let lines = std::io::BufReader::new(child.0.stdout.as_mut().unwrap()).lines();
    let shown: Vec<String> =
        lines.take(3).map(|line| line.unwrap().split_once('=').unwrap().1.to_owned()).collect();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let token = http.get(&shown[2]).query(&[("resource", "x")]).header("x-identity-header", IDENTITY_HEADER);
    let token: Value = token.send().await.unwrap().json().await.unwrap();
    let put = http
        .put(format!("{}{VMS}/vm?{VERSION}", shown[1]))
        .bearer_auth(token["access_token"].as_str().unwrap());
    assert_eq!(put.json(&fixture::vm_body("vm", "")).send().await.unwrap().status(), 201);
    for _ in 0..1200 {
        let machines = http.get(format!("{}/_sim/machines", shown[0])).send().await.unwrap();
        let machines: Value = machines.json().await.unwrap();
        if machines[0]["state"] == "running" {
            return (child, machines[0].clone());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no machine runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_simclouds_at_once_and_nothing_is_left_of_either() {
    let (mut one, of_one) = program().await;
    let (mut other, of_other) = program().await;
    assert_ne!(of_one["address"], of_other["address"]);
    let machine = |shown: &Value| RealMachine {
        address: Some(shown["address"].as_str().unwrap().parse().unwrap()),
        netns: shown["netns"].as_str().unwrap().to_owned(),
        console: shown["console"].as_str().unwrap().into(),
        nspawn: None,
        leader: None,
    };
    one.signal("-TERM");
    assert!(one.0.wait().unwrap().success());
    nothing_is_left_of(&machine(&of_one));

    other.signal("-KILL");
    other.0.wait().unwrap();
    let leader = of_other["leader"].to_string();
    assert!(Path::new("/proc").join(&leader).exists(), "a machine outlives a simcloud that is killed");
    assert!(sweep().unwrap().contains(&other.0.id()));
    nothing_is_left_of(&machine(&of_other));
    assert!(!Path::new("/proc").join(&leader).exists());
}

fn host() -> Host {
    let root = std::env::var_os("AZLIN_MACHINE_ROOT").expect("AZLIN_MACHINE_ROOT names a root");
    Host::boot(&MachineSettings::new(root), "computer").unwrap()
}

fn failure_message(host: &Host) -> RealMachine {
    let [a, b, number, _] = host.gateway().octets();
    let processes = printed("ps", &["-eo", "args"]);
    let netns = |line: &str| line.split("--machine=").nth(1)?.split(' ').next().map(str::to_owned);
    let folder = host.console().parent().unwrap().display().to_string();
    let netns = processes.lines().filter(|line| line.contains(&folder)).find_map(netns).unwrap();
    RealMachine {
        address: Some([a, b, number, 2].into()),
        netns,
        console: host.console(),
        nspawn: None,
        leader: Some(host.leader()),
    }
}

#[test]
fn nothing_is_left_of_a_host_that_is_dropped_or_whose_owner_is_killed() {
    let host = host();
    let machine = failure_message(&host);
    drop(host);
    nothing_is_left_of(&machine);
    assert!(!Path::new("/proc").join(machine.leader.unwrap().to_string()).exists());

    let this = std::env::current_exe().unwrap();
    let owner = Command::new(this)
        .args(["--ignored", "--exact", "a_host_until_its_owner_is_killed", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn();
    let mut owner = SignalledProgram(owner.unwrap());
    let lines = std::io::BufReader::new(owner.0.stdout.take().unwrap()).lines();
    let shown = lines
        .map(Result::unwrap)
        .find_map(|line| line.split_once("a host: ").map(|(_, rest)| rest.to_owned()))
        .unwrap();
    let shown: Vec<&str> = shown.split(' ').collect();
    let machine = RealMachine {
        address: Some(shown[0].parse().unwrap()),
        netns: shown[1].to_owned(),
        console: shown[2].into(),
        nspawn: None,
        leader: Some(shown[3].parse().unwrap()),
    };
    owner.signal("-KILL");
    owner.0.wait().unwrap();
    assert!(Path::new("/proc").join(shown[3]).exists(), "a machine outlives its owner");
    assert!(sweep().unwrap().contains(&owner.0.id()));
    nothing_is_left_of(&machine);
    assert!(!Path::new("/proc").join(shown[3]).exists());
}

/// Not a test of its own: the one above runs it in another process.
#[test]
#[ignore = "it lasts until it is killed"]
fn a_host_until_its_owner_is_killed() {
    let host = host();
    let machine = failure_message(&host);
    let address = machine.address.unwrap();
    let (netns, console, leader) = (&machine.netns, machine.console.display(), host.leader());
    writeln!(std::io::stdout(), "a host: {address} {netns} {console} {leader}").unwrap();
    loop {
        std::thread::park();
    }
}

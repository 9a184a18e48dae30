//! A cloud whose VMs are real machines, and a daemon that installs runners on them. Needs root,
//! systemd-nspawn, and the root of an operating system in `AZLIN_MACHINE_ROOT`: `cargo xtask e2e` provides
//! them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use azlin_simcloud::azure::SimVm;
use azlin_simcloud::github::{Conclusion, JobState, SimJob};
use azlin_simcloud::real::{Hypervisor, MachineSettings};
use azlin_simcloud::{Workload, World};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::binary::{Cloud, DaemonProcess, VM};

/// Settings of a quick cloud.
const QUICK: &str = "create = '100ms'\ndelete = '100ms'\nlost_after = '5s'\nrunner_silence = '5s'\n";

/// A simulated cloud with real machines, and the key that opens them.
pub struct RealCloud {
    /// Dropped first, so that its machines end before the cloud that they talk to.
    _hypervisor: Hypervisor,
    /// The simulated cloud.
    pub cloud: Cloud,
    /// The files that each new machine gets in addition.
    pub overlay: TempDir,
    credentials: TempDir,
    secrets: Mutex<BTreeSet<String>>,
}

impl RealCloud {
    /// A cloud with these settings in addition to those of a quick one, and these faults.
    ///
    /// # Panics
    /// When the machines cannot be made.
    pub fn new(settings: &str, faults: &str) -> Self {
        let text = format!("repositories = ['o/r']\n[settings]\n{QUICK}{settings}\n{faults}");
        let workload = Workload::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let root = std::env::var_os("AZLIN_MACHINE_ROOT")
            .expect("AZLIN_MACHINE_ROOT names a root; cargo xtask e2e sets it");
        let overlay = tempfile::tempdir().expect("a temporary directory can be made");
        let cloud = Cloud::new(&workload);
        cloud.served.record();
        let hypervisor = {
            let _inside = cloud.runtime.enter();
            let machines =
                MachineSettings { overlay: Some(overlay.path().to_owned()), ..MachineSettings::new(root) };
            cloud.served.with_machines(machines).expect("machines can be made")
        };
        let credentials = tempfile::tempdir().expect("a temporary directory can be made");
        let cloud =
            RealCloud { cloud, overlay, credentials, secrets: Mutex::default(), _hypervisor: hypervisor };
        cloud.key("ssh-key", "ed25519");
        cloud
    }

    /// Makes a private key of this kind. Returns its file.
    ///
    /// # Panics
    /// When the key cannot be made.
    pub fn key(&self, name: &str, kind: &str) -> PathBuf {
        let key = self.credentials.path().join(name);
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", "", "-f"]).arg(&key).status();
        assert!(made.expect("ssh-keygen is installed").success());
        self.keep_secret(&std::fs::read_to_string(&key).expect("it was made"));
        key
    }

    /// Writes a fleet's file: its bootstrap, labels, and other tables.
    pub fn fleet(&self, pool: &str, method: &str, labels: &str, tables: &str) {
        let top = format!("repo = \"o/r\"\nlabels = [{labels}]\n[bootstrap]\nmethod = \"{method}\"\n");
        self.cloud.write(&format!("fleets/{pool}.toml"), &format!("{top}{tables}\n{VM}"));
    }

    /// Starts a daemon that logs everything.
    ///
    /// # Panics
    /// When the daemon cannot be started.
    pub fn daemon(&self) -> DaemonProcess {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.cloud.log());
        let mut command = self.cloud.command(&["run", "-vv"]);
        command
            .env("CREDENTIALS_DIRECTORY", self.credentials.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        DaemonProcess(command.stderr(log.expect("a log can be written")).spawn().expect("azlin starts"))
    }

    /// Submits a job for each pair of labels and script, in one run. Returns their numbers.
    pub fn submit(&self, jobs: &[(&str, &str)]) -> Vec<u64> {
        let labels = |text: &str| text.split(' ').map(str::to_owned).collect();
        let scripts = jobs.iter().map(|(_, script)| Some((*script).to_owned())).collect();
        let jobs = jobs.iter().map(|(asks, _)| (labels(asks), Duration::from_secs(60))).collect();
        self.cloud.served.world().submit_scripts("o/r", jobs, Vec::new(), scripts)
    }

    /// Waits for a condition, and records secrets meanwhile.
    ///
    /// # Panics
    /// When the condition does not hold in time. The message has the log.
    #[track_caller]
    pub fn wait(&self, what: &str, seconds: u64, condition: impl Fn(&World) -> bool) {
        let holds = self.cloud.wait(Duration::from_secs(seconds), |world| {
            for vm in world.state.azure.vms.values() {
                self.note_custom_data(vm);
            }
            condition(world)
        });
        assert!(holds, "{what}: not within {seconds} s\n{}\n{}", self.state(), self.tail());
    }

    /// Waits until a line of the log holds all of these words.
    ///
    /// # Panics
    /// When no line does in time.
    #[track_caller]
    pub fn wait_for_line(&self, words: &[&str], seconds: u64) -> String {
        let found = || {
            self.log().lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        };
        self.wait(&format!("a line with {words:?}"), seconds, |_| found().is_some());
        found().expect("it was there")
    }

    /// The log of all daemons so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.cloud.log()).unwrap_or_default()
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> =
            log.lines().filter(|line| !line.contains("TRACE") && !line.contains(": tick ")).collect();
        lines[lines.len().saturating_sub(100)..].join("\n")
    }

    fn state(&self) -> String {
        let world = self.cloud.served.world();
        let vms =
            world.state.azure.vms.values().map(|vm| format!("{} {:?} {:?}", vm.name, vm.state, vm.power));
        let runners = world.state.github.runners.values().map(|runner| {
            format!(
                "{} online {} job {:?} labels {:?}",
                runner.name, runner.online, runner.job, runner.labels
            )
        });
        let jobs = world
            .state
            .github
            .jobs
            .values()
            .map(|job| format!("{} {:?} {:?}", job.id, job.state, job.runner));
        vms.chain(runners).chain(jobs).collect::<Vec<_>>().join("\n")
    }

    /// The current state of a job.
    ///
    /// # Panics
    /// When there is no such job.
    pub fn job(&self, id: u64) -> SimJob {
        self.cloud.served.world().state.github.jobs.get(&id).cloned().expect("it was submitted")
    }

    /// Runs a command inside a running machine.
    ///
    /// # Panics
    /// When there is no such machine.
    pub fn inside(&self, vm: &str, script: &str) -> Output {
        let machines = self.cloud.served.machines();
        let leader = machines.get(vm).and_then(|machine| machine.leader).expect("the machine runs");
        let target = leader.to_string();
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &target, "--all", "--", "/bin/sh", "-c", script]);
        nsenter.output().expect("nsenter is installed")
    }

    /// Waits until a command succeeds inside a machine.
    ///
    /// # Panics
    /// When the command does not succeed within half a minute.
    pub fn wait_inside(&self, vm: &str, script: &str) {
        for _ in 0..300 {
            if self.inside(vm, script).status.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{script}: not within 30 s on {vm}\n{}", self.tail());
    }

    fn note_custom_data(&self, vm: &SimVm) {
        let encoded = vm.body["properties"]["osProfile"]["customData"].as_str().unwrap_or_default();
        let bytes = BASE64_STANDARD.decode(encoded).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        if let Some(start) = text.find("-----BEGIN") {
            self.keep_secret(&text[start..].replace("\\n", "\n"));
        }
    }

    /// Records the lines of a private key as secrets.
    fn keep_secret(&self, key: &str) {
        let lines = key.lines().take_while(|line| !line.starts_with("-----END"));
        let lines = lines.filter(|line| line.len() > 30 && !line.starts_with("-----")).map(str::to_owned);
        // The first line is the same in every key of the kind.
        self.secrets.lock().extend(lines.skip(1));
    }

    /// Checks that no recorded secret was logged: tokens, JIT configurations and private keys. Returns how
    /// many were searched for.
    ///
    /// # Panics
    /// When a secret was logged.
    pub fn assert_nothing_leaked(&self) -> usize {
        let mut secrets = self.secrets.lock().clone();
        secrets.insert(self.cloud.served.world().settings.token.clone());
        for exchange in self.cloud.served.recorded() {
            let body: serde_json::Value = serde_json::from_slice(&exchange.response).unwrap_or_default();
            secrets.extend(
                ["token", "encoded_jit_config"]
                    .iter()
                    .filter_map(|key| body[key].as_str().map(str::to_owned)),
            );
        }
        let log = self.log();
        for secret in &secrets {
            assert!(!log.contains(secret.as_str()), "a secret of {} bytes was logged", secret.len());
        }
        secrets.len()
    }

    /// Stops the daemon with SIGTERM. Returns its exit code.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn stop(daemon: DaemonProcess) -> Option<i32> {
        let told = Command::new("kill").args(["-TERM", &daemon.id().to_string()]).status();
        assert!(told.expect("kill is there").success());
        daemon.wait()
    }
}

impl Drop for RealCloud {
    /// Saves the log in the directory that `AZLIN_KEEP_LOGS` names.
    fn drop(&mut self) {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("test").replace("::", "-");
        if let Some(directory) = std::env::var_os("AZLIN_KEEP_LOGS") {
            let _ = std::fs::copy(self.cloud.log(), PathBuf::from(directory).join(format!("{test}.log")));
        }
    }
}

/// Whether a job succeeded.
pub fn succeeded(job: &SimJob) -> bool {
    job.state == JobState::Completed(Conclusion::Success)
}

/// Copies a file into an overlay.
///
/// # Panics
/// When the file cannot be written.
pub fn plant(overlay: &Path, path: &str, text: &str) {
    let path: PathBuf = overlay.join(path);
    std::fs::create_dir_all(path.parent().expect("it is below the overlay")).expect("it can be made");
    std::fs::write(path, text).expect("it can be written");
}

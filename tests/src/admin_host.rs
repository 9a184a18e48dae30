//! An administrator's computer: a machine with systemd and journald on which azlin is not installed yet, only
//! the package's file, and a simulated GitHub and Azure that it reaches over its network. Needs root,
//! systemd-nspawn, the root of an operating system in `AZLIN_MACHINE_ROOT`, and the package in `AZLIN_DEB`:
//! `cargo xtask e2e` provides them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use azlin_simcloud::real::{Host, MachineSettings};
use azlin_simcloud::{IDENTITY_HEADER, Workload, World};
use serde_json::Value;

use crate::SOON;
use crate::binary::{Cloud, VM};
use crate::machines::plant;
use crate::web::Web;

/// The name of azlin's systemd unit.
pub const UNIT: &str = "azlin-github-runner.service";
/// The path of the package's file on the machine.
pub const PACKAGE: &str = "/root/azlin.deb";
/// Services that only cost time.
const MASKED: [&str; 6] = [
    "ssh.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
];
/// An administrator's computer.
pub struct AdminHost {
    /// Dropped first, before the servers that it talks to.
    machine: Host,
    web: Web,
    /// How long to wait for a condition.
    pub patience: Duration,
    /// The simulated cloud.
    pub cloud: Cloud,
}

impl AdminHost {
    /// A booted machine, and a quick cloud with these settings and this workload.
    ///
    /// # Panics
    /// When the machine cannot be made.
    pub fn boot(settings: &str, workload: &str) -> Self {
        let text = format!("repositories = ['o/r']\n[settings]\n{QUICK}{settings}\n{workload}");
        let cloud = Cloud::new(&Workload::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}")));
        cloud.served.record();
        let overlay = tempfile::tempdir().expect("a temporary directory can be made");
        let masks = overlay.path().join("etc/systemd/system");
        std::fs::create_dir_all(&masks).expect("it can be written to");
        for unit in MASKED {
            symlink("/dev/null", masks.join(unit)).expect("it can be written to");
        }
        let root = environment("AZLIN_MACHINE_ROOT");
        let settings =
            MachineSettings { overlay: Some(overlay.path().to_owned()), ..MachineSettings::new(root) };
        let machine = Host::boot(&settings, "admin").expect("a machine boots");
        let web = cloud.runtime.block_on(Web::open(&cloud.served, machine.gateway()));
        let host = AdminHost { machine, web, patience: SOON, cloud };
        host.wait_until(
            "the machine has booted",
            "systemctl is-system-running --wait | grep -qE 'running|degraded'",
        );
        host.append("/etc/hosts", &host.web.hosts());
        host.write("/usr/local/share/ca-certificates/test.crt", &host.web.certificate);
        host.run("update-ca-certificates");
        std::fs::copy(environment("AZLIN_DEB"), host.path(PACKAGE)).expect("the package can be copied");
        host
    }

    /// Installs the package.
    pub fn install(&self) {
        self.run(&format!("dpkg --install {PACKAGE}"));
    }

    /// Writes everything that the service needs: the daemon's configuration, its credentials, and one fleet
    /// that serves `docker`.
    pub fn configure(&self) {
        self.write("/etc/azlin/azlin.toml", &self.daemon_toml());
        self.write("/etc/azlin/environment", &self.environment());
        self.write("/etc/azlin/credentials/github-token", &format!("{}\n", self.token()));
        self.run("chmod 600 /etc/azlin/environment /etc/azlin/credentials/*");
        self.fleet("ci", "max_runners = 20\n");
    }

    /// A running service on a machine with everything in place. `drop_in` changes its `[Service]`.
    pub fn serving(settings: &str, workload: &str, drop_in: &str) -> Self {
        let host = AdminHost::boot(settings, workload);
        host.install();
        host.configure();
        host.drop_in(drop_in);
        host.run(&format!("systemctl start {UNIT}"));
        host
    }

    /// Changes the unit's `[Service]`. Replaces the last such change.
    pub fn drop_in(&self, service: &str) {
        self.write(&format!("/etc/systemd/system/{UNIT}.d/test.conf"), &format!("[Service]\n{service}\n"));
        self.run("systemctl daemon-reload");
    }

    /// The daemon's configuration for this cloud.
    pub fn daemon_toml(&self) -> String {
        format!(
            "[poll]\nqueue = \"1s\"\nhealth = \"2s\"\n[github]\napi_url = \"{}\"\n[azure]\nresource_manager_url = \"{}\"\n",
            self.web.github(),
            self.web.azure()
        )
    }

    /// How the daemon signs in to Azure.
    pub fn environment(&self) -> String {
        format!("IDENTITY_ENDPOINT={}/msi/token\nIDENTITY_HEADER={IDENTITY_HEADER}\n", self.web.azure())
    }

    /// A token that GitHub accepts.
    pub fn token(&self) -> String {
        self.cloud.served.world().settings.token.clone()
    }

    /// Writes a fleet's file, which serves `docker`.
    pub fn fleet(&self, pool: &str, scaling: &str) {
        let text = format!(
            "repo = \"o/r\"\nlabels = [\"docker\"]\n[scaling]\njobs_per_runner = 1\ncooldown = \"0s\"\nmax_queue_wait = \"0s\"\n\
             {scaling}\n{VM}"
        );
        self.write(&format!("/etc/azlin/fleets/{pool}.toml"), &text);
    }

    /// Submits jobs for `docker`, each of this duration. Returns their numbers.
    pub fn submit(&self, jobs: usize, seconds: u64) -> Vec<u64> {
        let labels = vec!["self-hosted".to_owned(), "docker".to_owned()];
        let jobs = vec![(labels, Duration::from_secs(seconds)); jobs];
        self.cloud.served.world().submit("o/r", jobs, Vec::new())
    }

    /// The runner that took a job.
    ///
    /// # Panics
    /// When no runner took it.
    pub fn runner_of(&self, job: u64) -> String {
        let world = self.cloud.served.world();
        world.state.github.jobs[&job].runner.clone().expect("a runner took it").1
    }

    /// The path on this host of a file of the machine.
    pub fn path(&self, path: &str) -> PathBuf {
        Path::new("/proc")
            .join(self.machine.leader().to_string())
            .join("root")
            .join(path.trim_start_matches('/'))
    }

    /// Writes a file of the machine.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[track_caller]
    pub fn write(&self, path: &str, text: &str) {
        plant(&self.path("/"), path.trim_start_matches('/'), text);
    }

    fn append(&self, path: &str, text: &str) {
        let before = std::fs::read_to_string(self.path(path)).expect("it is there");
        self.write(path, &(before + text));
    }

    /// Unplugs the machine's network cable, or plugs it in.
    ///
    /// # Panics
    /// When the machine has no cable.
    pub fn plug(&self, is_in: bool) {
        self.machine.set_link(is_in).expect("the link is there");
    }

    /// Runs a command of the administrator.
    pub fn output(&self, script: &str) -> Output {
        let mut nsenter = Command::new("nsenter");
        let target = self.machine.leader().to_string();
        nsenter.args(["--target", &target, "--all", "--", "/bin/sh", "-c", script]).env_clear();
        nsenter.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        nsenter.env("HOME", "/root").env("LC_ALL", "C.UTF-8").env("DEBIAN_FRONTEND", "noninteractive");
        nsenter.output().expect("nsenter is installed")
    }

    /// Runs a command that must succeed. Returns its output.
    ///
    /// # Panics
    /// When the command fails.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        let output = self.output(script);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{script}: {}\n{}{}\n{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr),
            self.tail()
        );
        text(&output.stdout).trim_end().to_owned()
    }

    /// Waits until a command succeeds.
    ///
    /// # Panics
    /// When the command does not succeed in time.
    #[track_caller]
    pub fn wait_until(&self, what: &str, script: &str) {
        let (start, patience) = (Instant::now(), self.patience);
        while !self.output(script).status.success() {
            assert!(start.elapsed() < patience, "{what}: not within {patience:?}: {script}\n{}", self.tail());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the world meets the condition.
    ///
    /// # Panics
    /// When the condition does not hold in time.
    #[track_caller]
    pub fn wait(&self, what: &str, condition: impl Fn(&mut World) -> bool) {
        let (patience, holds) = (self.patience, self.cloud.wait(self.patience, condition));
        let report = self.cloud.served.world().report();
        assert!(holds, "{what}: not within {patience:?}\n{report:#?}\n{}", self.tail());
    }

    /// Waits until these jobs have succeeded.
    #[track_caller]
    pub fn wait_for_jobs(&self, jobs: &[u64]) {
        self.wait("the jobs are done", |world| {
            jobs.iter().all(|id| crate::machines::succeeded(&world.state.github.jobs[id]))
        });
    }

    /// A property of the unit.
    #[track_caller]
    pub fn property(&self, name: &str) -> String {
        self.run(&format!("systemctl show --property={name} --value {UNIT}"))
    }

    /// The journal's entries that `journalctl` finds with these arguments.
    ///
    /// # Panics
    /// When the journal cannot be read.
    #[track_caller]
    pub fn journal(&self, arguments: &str) -> Vec<Value> {
        let lines = self.run(&format!("journalctl --no-pager --output=json --all {arguments}"));
        lines.lines().map(|line| serde_json::from_str(line).expect("journalctl prints JSON")).collect()
    }

    /// The log lines of the unit's own process since the machine booted, as people read them.
    pub fn said(&self) -> Vec<String> {
        let entries = self.journal(&format!("_SYSTEMD_UNIT={UNIT}"));
        entries.iter().filter_map(|entry| entry["MESSAGE"].as_str().map(str::to_owned)).collect()
    }

    /// Waits for a log line with all of these words, from the unit's process or from systemd about the unit.
    pub fn wait_for_line(&self, words: &[&str]) {
        let mut script = format!("journalctl --no-pager --output=cat _SYSTEMD_UNIT={UNIT} + UNIT={UNIT}");
        for word in words {
            let _ = write!(script, " | grep --fixed-strings -- '{word}'");
        }
        self.wait_until(&format!("a line with {words:?}"), &format!("{script} >/dev/null"));
    }

    /// The secrets that GitHub and Azure have handed out.
    pub fn handed_out(&self) -> BTreeSet<String> {
        let mut secrets = BTreeSet::new();
        for exchange in self.cloud.served.recorded() {
            let body: Value = serde_json::from_slice(&exchange.response).unwrap_or_default();
            secrets.extend(
                ["token", "encoded_jit_config"]
                    .iter()
                    .filter_map(|key| body[key].as_str().map(str::to_owned)),
            );
        }
        for vm in self.cloud.served.world().state.azure.vms.values() {
            let custom_data = vm.body["properties"]["osProfile"]["customData"].as_str();
            secrets.extend(custom_data.map(|text| text[..text.len().min(64)].to_owned()));
        }
        secrets
    }

    /// The end of the unit's log, and its state.
    fn tail(&self) -> String {
        let mut text = String::new();
        for script in [
            format!(
                "journalctl --no-pager --lines=60 --output=short-precise _SYSTEMD_UNIT={UNIT} + UNIT={UNIT}"
            ),
            format!("systemctl status --no-pager --lines=0 {UNIT}"),
        ] {
            let output = self.output(&script).stdout;
            let _ = writeln!(text, "--- {script}\n{}", String::from_utf8_lossy(&output));
        }
        text
    }
}

impl Drop for AdminHost {
    /// Saves the journal in the directory that `AZLIN_KEEP_LOGS` names.
    fn drop(&mut self) {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("test").replace("::", "-");
        if let Some(directory) = std::env::var_os("AZLIN_KEEP_LOGS") {
            let journal = self.output("journalctl --no-pager --output=short-precise").stdout;
            let _ = std::fs::write(PathBuf::from(directory).join(format!("systemd-{test}.log")), journal);
        }
    }
}

fn environment(name: &str) -> PathBuf {
    let value = std::env::var_os(name);
    value.unwrap_or_else(|| panic!("{name} is not set; cargo xtask e2e sets it")).into()
}

/// Settings of a quick cloud.
const QUICK: &str = "create = '100ms'\nboot = '200ms'\nregister = '100ms'\ndelete = '100ms'\nlost_after = '2s'\nrate_limit = 1000000\n";

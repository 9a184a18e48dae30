//! The `azlin` executable, and a simulated cloud for it to work on.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use azlin_simcloud::{IDENTITY_HEADER, Served, Workload, World};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::web::Web;

/// The executable, built once for all tests of this process, in the profile of the test itself; or the one that
/// `AZLIN_BINARY` names, so that a benchmark measures an earlier one.
///
/// # Panics
/// When it cannot be built.
pub fn azlin() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(other) = std::env::var_os("AZLIN_BINARY") {
            return other.into();
        }
        let test = std::env::current_exe().expect("a test knows its own path");
        let profile_dir = test.ancestors().nth(2).expect("tests are in target/<profile>/deps").to_owned();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--quiet", "--workspace", "--bin", "azlin"])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        // Cargo's variables for this package would make build scripts of others run again.
        for (name, _) in std::env::vars_os() {
            if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.to_string_lossy().starts_with(start))
            {
                cargo.env_remove(name);
            }
        }
        if profile_dir.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success(), "azlin is built");
        profile_dir.join("azlin")
    })
}

/// A simulated cloud on loopback, and a directory with the configuration of a daemon that uses it.
pub struct Cloud {
    /// The world over HTTP.
    pub served: Served,
    /// The configuration directory.
    pub config: TempDir,
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Cloud {
    /// A cloud with this workload, and a configuration without fleets that polls each second.
    ///
    /// # Panics
    /// When loopback or the temporary directory cannot be used.
    pub fn new(workload: &Workload) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let world = World::new(workload, Timestamp::now());
        let served = runtime
            .block_on(Served::start(world, Arc::new(Timestamp::now)))
            .expect("loopback has free ports");
        let config = tempfile::tempdir().expect("a temporary directory can be made");
        std::fs::create_dir(config.path().join("fleets")).expect("it can be written to");
        let cloud = Cloud { served, config, runtime };
        cloud.write("azlin.toml", &cloud.daemon_toml());
        cloud
    }

    /// The daemon's configuration.
    pub fn daemon_toml(&self) -> String {
        format!(
            "[poll]\nqueue = \"1s\"\nhealth = \"2s\"\n[github]\napi_url = \"http://{}\"\n[azure]\n\
             resource_manager_url = \"http://{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n",
            self.served.github, self.served.azure
        )
    }

    /// This cloud over HTTPS, by name.
    pub fn web(&self) -> Web {
        self.runtime.block_on(Web::open(&self.served, Ipv4Addr::LOCALHOST))
    }

    /// Writes a file of the configuration.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.config.path().join(name), text).expect("the file can be written");
    }

    /// `azlin github-runner` with these arguments and this cloud's configuration and credentials. The
    /// environment holds nothing else.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(azlin());
        command.arg("github-runner").args(arguments).env_clear();
        command
            .env("AZLIN_CONFIG_DIR", self.config.path())
            .env("RUNTIME_DIRECTORY", self.runtime_dir())
            .env("GITHUB_TOKEN", &self.served.world().settings.token);
        command
            .env("IDENTITY_ENDPOINT", self.served.identity_endpoint())
            .env("IDENTITY_HEADER", IDENTITY_HEADER);
        command
    }

    /// Starts a daemon. Its log goes to the file `log` in the configuration directory.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn daemon(&self) -> DaemonProcess {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("a log can be written");
        let mut command = self.command(&["run"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        DaemonProcess(child.expect("azlin starts"))
    }

    /// The directory where daemons leave their status.
    pub fn runtime_dir(&self) -> PathBuf {
        self.config.path().join("run")
    }

    /// What a daemon has logged so far.
    ///
    /// # Panics
    /// When it has not been started.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.log()).expect("a daemon has logged")
    }

    /// The daemons' log file.
    pub fn log(&self) -> PathBuf {
        self.config.path().join("log")
    }

    /// Waits until the condition holds, at most for this time. Returns whether it holds.
    pub fn wait(&self, most: Duration, condition: impl Fn(&mut World) -> bool) -> bool {
        let start = Instant::now();
        self.runtime.block_on(async {
            let mut looks = tokio::time::interval(Duration::from_millis(20));
            loop {
                looks.tick().await;
                if condition(&mut self.served.world()) {
                    return true;
                }
                if start.elapsed() > most {
                    return false;
                }
            }
        })
    }
}

/// A running daemon. It is killed when this is dropped.
pub struct DaemonProcess(pub(crate) Child);

impl DaemonProcess {
    /// A daemon that a test has started by itself.
    pub fn of(child: Child) -> Self {
        DaemonProcess(child)
    }

    /// Kills it as SIGKILL does, and waits for its end.
    pub fn kill(mut self) {
        self.end();
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// The memory that it holds, in KiB, without the pages of its own program that it has come to.
    ///
    /// # Panics
    /// When it has ended.
    pub fn held_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line of memory");
        line.trim_end_matches("kB").trim().parse().expect("a number")
    }

    /// Waits for its end. Returns its exit code.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn wait(mut self) -> Option<i32> {
        self.0.wait().expect("a child can be waited for").code()
    }

    fn end(&mut self) {
        // The process may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for DaemonProcess {
    fn drop(&mut self) {
        self.end();
    }
}

/// The `[vm]` table of a fleet in the simulated cloud.
pub const VM: &str = "[vm]\nsubscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\n\
    location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\", \"Standard_D4as_v5\"]\n\
    image = \"Canonical:ubuntu-24_04-lts:server:latest\"\n\
    subnet_id = \"/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s\"\n";

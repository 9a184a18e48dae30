//! Tests with real parts: a browser and Prometheus; Azure's SDK for Python; and OpenSSH, systemd and cloud-init on machines that
//! systemd-nspawn boots from a Debian root, which is built once. Needs root, on a system with apt.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::steps::StepTimes;
use crate::{apt, azure_sdk, cargo, dist, monitoring, run, say};

/// Where roots are kept from one run to the next.
const CACHE: &str = "/var/cache/azlin";
/// The packages on the machines. A different list builds a different root.
const SUITE: &str = "bookworm";
const IN_THE_ROOT: &str = "systemd,systemd-sysv,dbus,openssh-server,sudo,cloud-init,python3,iproute2,curl,\
    ca-certificates,procps,netbase,faketime";
/// Programs that this host needs, and their packages.
const NEEDED: [(&str, &str); 11] = [
    ("systemd-nspawn", "systemd-container"),
    ("mmdebstrap", "mmdebstrap"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("sshd", "openssh-server"),
    ("curl", "curl"),
    ("python3", "python3-venv"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
];

/// The tests with real parts. `cargo test` builds and runs them only when they are named.
pub const REAL: [&str; 5] = ["openssh", "machines", "systemd", "seen", "azure_sdk"];
/// The longest test. It mostly waits.
const OUTAGE: &str = "network::it_bears_a_network_that_is_gone_for_five_minutes";

/// Installs what is missing and runs every test with real parts; a table says how long each step took.
pub fn e2e() -> Result<(), String> {
    let mut steps = StepTimes::new();
    let result = all(&mut steps);
    say(&steps.table());
    result
}

fn all(steps: &mut StepTimes) -> Result<(), String> {
    let root = steps.step("preparation of machines", prepare)?;
    let deb = steps.step("package", dist::deb)?;
    tests(steps, &root, &deb)
}

/// Runs the tests with this root and this package, and removes leftover machines.
pub fn tests(steps: &mut StepTimes, root: &Path, deb: &Path) -> Result<(), String> {
    every_test(steps, root, deb).and(sweep())
}

fn every_test(steps: &mut StepTimes, root: &Path, deb: &Path) -> Result<(), String> {
    let tests = |targets: &[&str], rest: &[&str]| {
        let mut cargo = cargo(&["test", "--workspace", "--locked"]);
        cargo.args(targets.iter().flat_map(|target| ["--test", target])).args(rest).env("AZLIN_DEB", deb);
        with(root, &mut cargo);
        cargo
    };
    let build = || run(&mut tests(&REAL, &["--no-run"]));
    steps.step("build of the tests with real parts", build)?;
    say("--- beside the other tests: the outage of five minutes, and what is seen\n");
    let began = Instant::now();
    let outage = start(&mut tests(&["systemd"], &["--", "--exact", OUTAGE]))?;
    let seen = start(&mut tests(&["seen"], &[]))?;
    let sdk = steps.step("tests with Azure's SDK", || {
        run(tests(&["azure_sdk"], &[]).env("AZLIN_AZURE_SDK", azure_sdk::venv()?))
    });
    let machines = steps.step("tests on machines", || run(&mut tests(&["openssh", "machines"], &[])));
    let service = machines.and_then(|()| {
        steps.step("tests of the service", || run(&mut tests(&["systemd"], &["--", "--skip", OUTAGE])))
    });
    let seen = steps.step_since("tests of what is seen", began, || finish("what is seen", seen));
    let outage = steps.step_since("test of the outage", began, || finish(OUTAGE, outage));
    sdk.and(service).and(seen).and(outage)
}

fn start(command: &mut Command) -> Result<Child, String> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    child.map_err(|error| format!("cargo: {error}"))
}

/// Waits for its end, and prints its output.
fn finish(what: &str, child: Child) -> Result<(), String> {
    let output = child.wait_with_output().map_err(|error| format!("cargo: {error}"))?;
    say(&String::from_utf8_lossy(&output.stdout));
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{what}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

/// Installs what machines need, and removes leftovers of an earlier run. Returns the root that they boot.
pub fn prepare() -> Result<PathBuf, String> {
    let id = Command::new("id").arg("-u").output().map_err(|error| format!("id: {error}"))?;
    if id.stdout.trim_ascii() != b"0" {
        return Err(
            "real machines need root: run this as root, or run only the tests that need nothing but Rust: \
                    cargo test --workspace"
                .to_owned(),
        );
    }
    apt::install(&NEEDED)?;
    monitoring::promtool()?;
    let root = root()?;
    sweep()?;
    Ok(root)
}

/// Gives a command the root to boot.
pub fn with<'c>(root: &Path, command: &'c mut Command) -> &'c mut Command {
    // Three at a time, since they mostly wait for their machines.
    command.env("AZLIN_MACHINE_ROOT", root).env("RUST_TEST_THREADS", "3")
}

/// Removes what is left of machines whose simulated cloud was killed.
pub fn sweep() -> Result<(), String> {
    run(&mut cargo(&["run", "--quiet", "--locked", "--bin", "azlin-simcloud", "--", "--sweep"]))
}

/// The root. Built if missing.
fn root() -> Result<PathBuf, String> {
    let recipe = format!("{SUITE} {IN_THE_ROOT}");
    let hash = recipe.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
    let root = Path::new(CACHE).join(format!("root-{hash:08x}"));
    if root.join("sbin/init").exists() {
        return Ok(root);
    }
    let text = |error: std::io::Error| format!("{CACHE}: {error}");
    std::fs::create_dir_all(CACHE).map_err(text)?;
    let unfinished = Path::new(CACHE).join(format!("new-{}", std::process::id()));
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.args(["--quiet", "--variant=minbase"]).arg(format!("--include={IN_THE_ROOT}"));
    let made = run(mmdebstrap.arg(SUITE).arg(&unfinished));
    let made = made.and_then(|()| std::fs::rename(&unfinished, &root).map_err(text));
    if made.is_err() {
        let _ = std::fs::remove_dir_all(&unfinished);
    }
    made.map(|()| root)
}

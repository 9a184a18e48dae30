//! Everything that CI runs, cheapest first.

use std::process::Command;

use crate::background::Background;
use crate::steps::StepTimes;
use crate::{alone, cargo, deny, dist, e2e, fuzz, monitoring, root, run, say};

/// The Rust version that `Cargo.toml` promises.
const PROMISED: &str = env!("CARGO_PKG_RUST_VERSION");

/// Stops at the first step that fails; a table says how long each step took.
pub fn test() -> Result<(), String> {
    let mut steps = StepTimes::new();
    let result = all(&mut steps);
    say(&steps.table());
    result
}

fn all(steps: &mut StepTimes) -> Result<(), String> {
    steps.step("toolchain", toolchain)?;
    steps.step("format", || run(&mut cargo(&["fmt", "--all", "--check"])))?;
    steps.step("lints", lints)?;
    steps.step("each crate alone", alone::alone)?;
    steps.step("dependencies", deny::deny)?;
    steps.step("build of the tests", || run(&mut cargo(&["test", "--workspace", "--locked", "--no-run"])))?;
    // Tests mostly wait, and those on real machines even more, so computation runs beside them. The package
    // comes first, because machines need it.
    let myself = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut package = Command::new(&myself);
    package.arg("deb");
    let package = Background::start(vec![("package", package)]);
    steps.step("tests", || run(cargo(&["test", "--workspace", "--locked"]).env("RUST_TEST_THREADS", "4")))?;
    steps.step("alert rules", monitoring::rules)?;
    steps.step("preparation of the fuzzers", fuzz::install)?;
    let machine_root = steps.step("preparation of machines", e2e::prepare)?;
    steps.end(package)?;
    // One after the other: the simulation's limit of five minutes is too short beside the build of the
    // fuzzers.
    let mut simulation = Command::new(root().join("target/debug/simulate"));
    simulation.args(["--seeds", "500"]);
    let mut fuzzing = Command::new(&myself);
    fuzzing.args(["fuzz", "10"]);
    let computing = Background::start(vec![("simulation", simulation), ("fuzzing", fuzzing)]);
    e2e::tests(steps, &machine_root, &dist::package())?;
    steps.end(computing)?;
    steps.step("documentation", documentation)?;
    steps.step("demo", demo)
}

fn lints() -> Result<(), String> {
    let clippy = |targets: &[&str]| {
        let mut clippy = cargo(&["clippy", "--workspace", "--all-features", "--locked"]);
        run(clippy.args(targets).args(["--", "-D", "warnings"]))
    };
    // Targets that cargo does not build by default must be named.
    let real: Vec<&str> = e2e::REAL.iter().flat_map(|test| ["--test", test]).collect();
    clippy(&["--all-targets"])?;
    clippy(&[&real[..], &["--bench", "throughput", "--bench", "machines"]].concat())
}

fn documentation() -> Result<(), String> {
    run(cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))
}

fn demo() -> Result<(), String> {
    let mut demo = Command::new(dist::program()?);
    run(demo.args(["github-runner", "demo", "--duration", "30s", "--output", "json"]))
}

/// Simulated days from seeds, with these options, by an optimised simulator.
pub fn simulate(options: &[&str]) -> Command {
    let mut simulate = cargo(&["run", "--locked", "-p", "azlin-simulation", "--profile", "simulate", "--"]);
    simulate.args(options);
    simulate
}

/// Installs rustfmt and clippy where missing. Returns whether this is the promised Rust version.
fn toolchain() -> Result<(), String> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        let is_there = cargo(&[subcommand, "--version"]).output().is_ok_and(|output| output.status.success());
        if !is_there {
            run(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    let output = cargo(&["--version"]).output().map_err(|error| format!("cargo: {error}"))?;
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    if !version.starts_with(&format!("cargo {PROMISED}.")) {
        say(&format!("note: Cargo.toml promises Rust {PROMISED}, and this run does not test it: {version}"));
    }
    Ok(())
}

//! Everything that CI runs, cheapest first.

use std::process::Command;

use crate::beside::Beside;
use crate::{cargo, dist, e2e, fuzz, monitoring, root, run};

/// Stops at the first thing that fails.
pub fn test() -> Result<(), String> {
    components()?;
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    run(&mut cargo(&["test", "--workspace", "--locked", "--no-run"]))?;
    // Tests mostly wait, and real machines more so: what computes goes on beside them. The package first, since machines
    // wait for it.
    let myself = std::env::current_exe().map_err(|error| error.to_string())?;
    let deb = Beside::begin(Command::new(&myself).arg("deb"))?;
    run(cargo(&["test", "--workspace", "--locked"]).env("RUST_TEST_THREADS", "4"))?;
    monitoring::rules()?;
    fuzz::install()?;
    e2e::prepare()?;
    deb.end()?;
    // One after the other: the simulation alone has its five minutes, which it would not have beside the fuzzers' build.
    let mut computing = Command::new("sh");
    computing.args(["-ec", r#""$1" --seeds 500; exec "$2" fuzz 10"#, "sh"]);
    let computing = Beside::begin(computing.arg(root().join("target/debug/simulate")).arg(&myself))?;
    e2e::e2e()?;
    computing.end()?;
    run(cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    let mut demo = Command::new(dist::program()?);
    run(demo.args(["github-runner", "demo", "--duration", "30s", "--output", "json"]))
}

/// Seeds of simulated days, as these options have it, by a quick simulator.
pub fn simulate(options: &[&str]) -> Command {
    let mut simulate = cargo(&["run", "--locked", "-p", "azlin-simulation", "--profile", "simulate", "--"]);
    simulate.args(options);
    simulate
}

/// rustfmt and clippy come with most toolchains, and rustup adds them where they are missing.
fn components() -> Result<(), String> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        let is_there = cargo(&[subcommand, "--version"]).output().is_ok_and(|output| output.status.success());
        if !is_there {
            run(std::process::Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(())
}

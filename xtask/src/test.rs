//! Everything that CI runs, cheapest first.

use std::process::Command;

use crate::beside::Beside;
use crate::{cargo, dist, run};

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
    // Tests mostly wait; what computes goes on beside them. Not so beside real machines, which it would delay.
    let myself = std::env::current_exe().map_err(|error| error.to_string())?;
    let deb = Beside::begin(Command::new(&myself).arg("deb"))?;
    let simulation = Beside::begin(&simulate(&["--seeds", "200"]))?;
    let tests = run(&mut cargo(&["test", "--workspace", "--locked"]));
    let (deb, simulation) = (deb.end(), simulation.end());
    tests.and(deb).and(simulation)?;
    crate::e2e::e2e()?;
    run(cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    let mut demo = Command::new(dist::program()?);
    run(demo.args(["github-runner", "demo", "--duration", "30s", "--output", "json"]))
}

/// Seeds of simulated days, as these options have it.
pub fn simulate(options: &[&str]) -> Command {
    let mut simulate = cargo(&["run", "--quiet", "--locked", "-p", "azlin-simulation", "--"]);
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

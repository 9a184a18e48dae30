//! Everything that CI runs, cheapest first.

use std::process::Command;

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
    run(&mut cargo(&["test", "--workspace", "--locked"]))?;
    crate::e2e::e2e()?;
    run(cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    let mut demo = Command::new(dist::program()?);
    run(demo.args(["github-runner", "demo", "--duration", "30s", "--output", "json"]))
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

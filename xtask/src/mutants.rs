//! Changes the code in one place after another, and checks that a test fails.

use std::process::Command;

use crate::tools::tool;
use crate::{root, run};

/// The loop: the files that observe, trigger ticks, and act.
const LOOP: [&str; 14] = [
    "fleet_loop.rs",
    "fleet_loop/context.rs",
    "fleet_loop/last_look.rs",
    "fleet_loop/operations.rs",
    "fleet_loop/own_config.rs",
    "fleet_loop/reported.rs",
    "act.rs",
    "act/release.rs",
    "observe.rs",
    "observe/vms.rs",
    "queues.rs",
    "single_flight.rs",
    "triggers.rs",
    "run.rs",
];
/// Tests that run the loop in virtual time, besides those of its own crate.
const JUDGES: [&str; 2] = ["days", "virtual_time"];

/// Mutates the pure crate, or the loop. The result is in `target/mutants.out`; a mutant that an earlier run
/// caught is not tried again.
pub fn mutants(of: &str) -> Result<(), String> {
    let mut arguments: Vec<String> = Vec::new();
    let mut add = |more: &[&str]| arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    match of {
        "fleet" => add(&["--package", "azlin-fleet", "--timeout", "60"]),
        "loop" => {
            // No baseline: it would run only the crate's own tests, and these are in other crates.
            add(&[
                "--package",
                "azlin-daemon",
                "--timeout",
                "180",
                "--test-package=azlin-daemon",
                "--test-package=azlin-simulation",
                "--test-package=azlin-tests",
                "--baseline=skip",
                "--cargo-arg=--lib",
            ]);
            LOOP.iter().for_each(|file| add(&["--file", &format!("crates/daemon/src/{file}")]));
            JUDGES.iter().for_each(|test| add(&[&format!("--cargo-arg=--test={test}")]));
        }
        other => return Err(format!("there are no mutants of {other}: wanted fleet or loop")),
    }
    let mut all = Command::new(tool("cargo-mutants", "27.1.0", &[])?);
    all.current_dir(root()).args(["mutants", "--profile", "mutants", "--iterate", "--output", "target"]);
    run(all.args(arguments))
}

//! Changes the code in one place after another, and looks whether a test notices.

use std::process::Command;

use crate::tools::tool;
use crate::{root, run};

/// The loop: what gathers, what decides when, what acts.
const LOOP: [&str; 7] =
    ["fleet_loop.rs", "fleet_loop/told.rs", "act.rs", "observe.rs", "queues.rs", "fetched.rs", "run.rs"];
/// Tests that live the loop in virtual time.
const JUDGES: [&str; 6] = ["days", "trouble", "moves", "capacity", "matrix", "organisations"];

/// Of the pure crate, or of the loop. What was found is in `target/mutants.out`; what a run before has caught is
/// not tried again.
pub fn mutants(of: &str) -> Result<(), String> {
    let mutants = tool("cargo-mutants", "27.1.0", &[])?;
    let mut all = Command::new(mutants);
    all.current_dir(root()).args(["mutants", "--profile", "mutants", "--iterate", "--output", "target"]);
    match of {
        "fleet" => all.args(["--package", "azlin-fleet", "--timeout", "60"]),
        "loop" => {
            all.args(["--package", "azlin-daemon", "--timeout", "180"]);
            all.args(LOOP.iter().flat_map(|file| ["--file".to_owned(), format!("crates/daemon/src/{file}")]));
            // Unchanged it would be looked at with the tests of its own crate alone, where these are not.
            all.args(["--test-workspace=true", "--baseline=skip"]);
            all.args(JUDGES.map(|test| format!("--cargo-arg=--test={test}")))
        }
        other => return Err(format!("there are no mutants of {other}: wanted fleet or loop")),
    };
    run(&mut all)
}

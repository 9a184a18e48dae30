//! Benchmarks: commands that print tables, never timed tests.

use crate::{cargo, e2e, run, say};

/// Runs all benchmarks. Those on real machines are left out where machines cannot be made.
pub fn bench() -> Result<(), String> {
    run(&mut cargo(&["build", "--release", "--locked", "-p", "azlin"]))?;
    run(&mut cargo(&["bench", "--locked", "-p", "azlin-tests"]))?;
    match e2e::prepare() {
        Ok(root) => {
            run(&mut cargo(&["bench", "--locked", "-p", "azlin-ssh", "--bench", "throughput"]))?;
            let machines = ["bench", "--locked", "-p", "azlin-tests", "--bench", "machines"];
            run(e2e::with(&root, &mut cargo(&machines))).and(e2e::sweep())
        }
        Err(why) => {
            say(&format!("left out: {why}\n"));
            Ok(())
        }
    }
}

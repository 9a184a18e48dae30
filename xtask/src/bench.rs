//! Benchmarks: commands that print tables, never timed tests.

use crate::{cargo, run};

/// Measures everything.
pub fn bench() -> Result<(), String> {
    run(&mut cargo(&["build", "--release", "--locked", "-p", "azlin"]))?;
    run(&mut cargo(&["bench", "--locked", "-p", "azlin-tests"]))
}

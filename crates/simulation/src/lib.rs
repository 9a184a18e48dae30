//! Runs the real loop against the simulated clouds in virtual time. One seed gives everything: jobs, faults,
//! changes of the configuration, crashes of the daemon. All invariants are checked after everything that
//! happens; docs/reliability.md lists them.
//!
//! The way of a seed: [`generate()`] makes a [`Scenario`] of it, [`run()`] runs that and returns a [`RunResult`],
//! in which `checker` reports the first [`Violation`] of an [`Invariant`]; [`shrink()`] finds the smallest part
//! of the scenario that still shows it; [`find_bug()`] tries all of it with a bug seeded on purpose.

#[cfg(not(debug_assertions))]
compile_error!("the simulator seeds bugs, which needs debug assertions: build it with --profile simulate");

mod azure_weather;
mod bystanders;
mod calm_weather;
mod checker;
mod fault_schedule;
mod find_bug;
mod flood_weather;
mod generate;
mod github_weather;
mod hours_weather;
mod invariants;
mod names_weather;
mod raw_text;
mod run;
mod scenario;
mod set_weather;
mod shrink;
mod standby_weather;
mod trace;
mod webhook_delivery;

pub use find_bug::find_bug;
pub use generate::generate;
pub use invariants::{Invariant, SinceStart, Violation};
pub use run::{RunResult, run};
pub use scenario::{Scenario, ScenarioPart};
pub use shrink::{PartSelection, shrink};
pub use trace::Trace;

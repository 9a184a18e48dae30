//! The real loop against the simulated clouds in virtual time, all of it from one seed: jobs, faults,
//! changes of the configuration, deaths of the daemon. After everything that happens every promise is
//! looked after. docs/reliability.md says what is promised.

mod bystanders;
mod checker;
mod fault_schedule;
mod find_bug;
mod generate;
mod invariants;
mod run;
mod scenario;
mod shrink;
mod trace;
mod webhook_delivery;

pub use find_bug::find_bug;
pub use generate::generate;
pub use invariants::{Invariant, SinceStart, Violation};
pub use run::{RunResult, run};
pub use scenario::{Scenario, ScenarioPart};
pub use shrink::{PartSelection, shrink};
pub use trace::Trace;

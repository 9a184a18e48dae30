//! What is carried from one tick to the next. Convenient, never necessary: without it the next tick waits longer.

mod boots;
mod capacity;
mod failing_removals;
mod fleet_state;
mod known_groups;
mod known_runners;
mod last_scaling;
mod runner_events;
mod runner_state;
mod start_backoff;
mod usage;

pub use boots::RecentBoots;
pub use capacity::{CapacityBackoff, ClosedPlace, Exhausted, RefusalEffect, Unavailable};
pub use failing_removals::{FailingRemoval, FailingRemovals};
pub use fleet_state::{FleetState, set_ahead};
pub use known_groups::KnownGroups;
pub use known_runners::KnownRunners;
pub use last_scaling::LastScaling;
pub use runner_events::{BootSteps, RunnerEvent, runner_events};
pub use runner_state::{Jobs, RunnerState};
pub use start_backoff::StartBackoff;
pub use usage::{Ledger, Spent, SpentDay};

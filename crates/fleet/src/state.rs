//! What is carried from one tick to the next. Convenient, never necessary: without it the next tick waits longer.

mod capacity;
mod fleet_state;
mod known_groups;
mod known_runners;
mod last_scaling;
mod runner_events;
mod runner_state;
mod start_backoff;
mod usage;

pub use capacity::*;
pub use fleet_state::*;
pub use known_groups::*;
pub use known_runners::*;
pub use last_scaling::*;
pub use runner_events::*;
pub use runner_state::*;
pub use start_backoff::*;
pub use usage::*;

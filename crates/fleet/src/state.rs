//! What is carried from one tick to the next. Convenient, never necessary: without it the next tick waits longer.

mod capacity;
mod fleet_state;
mod runner_events;
mod usage;

pub use capacity::*;
pub use fleet_state::*;
pub use runner_events::*;
pub use usage::*;

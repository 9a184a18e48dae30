//! What was observed: snapshots, demand, triggers, and how often to poll.

mod demand;
mod freshness;
mod poll_pace;
mod snapshot;
mod trigger;

pub use demand::*;
pub use freshness::*;
pub use poll_pace::*;
pub use snapshot::*;
pub use trigger::*;

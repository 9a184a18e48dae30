//! What the outside has to offer: GitHub, Azure and machines over SSH, as the fleet needs them.
//!
//! Two implementations of each exist: the adapter that speaks to the real thing, and the
//! simulated cloud.

mod clouds;
pub mod preflight;

pub use clouds::*;

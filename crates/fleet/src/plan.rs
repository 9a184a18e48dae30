//! What to do: the inventory of runners, the scaling decision, the plan.

mod inventory;
mod orphans;
mod placement;
mod planner;
mod rotation;
mod scaling;

pub use inventory::*;
pub use orphans::*;
pub use placement::*;
pub use planner::*;
pub use rotation::*;
pub use scaling::*;

//! What to do: the inventory of runners, the scaling decision, the plan.

mod decision;
mod inventory;
mod orphans;
mod placement;
mod planner;
mod removal;
mod rotation;
mod scaling;

pub use decision::*;
pub(crate) use inventory::*;
pub use orphans::*;
pub use placement::*;
pub use planner::*;
pub(crate) use removal::*;
pub(crate) use rotation::*;
pub use scaling::*;

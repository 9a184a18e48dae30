//! What to do: the inventory of runners, the scaling decision, the plan.

mod decision;
mod inventory;
mod orphans;
mod placement;
mod planner;
mod provisioning;
mod removal;
mod rotation;
mod scaling;

pub use decision::*;
pub(crate) use inventory::*;
pub use orphans::*;
pub use placement::*;
pub use planner::*;
pub use provisioning::*;
pub(crate) use removal::*;
pub(crate) use rotation::*;
pub use scaling::*;

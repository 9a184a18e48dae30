//! What to do: the inventory of runners, the scaling decision, the plan.

mod decision;
mod hours;
mod interrupted;
mod inventory;
mod orphans;
mod placement;
mod planner;
mod provisioning;
mod removal;
mod roll;
mod rotation;
mod scaling;
mod wake;

pub use decision::{Basis, DecisionStatus, LeftAlone, NotRemovable, Reason, Remark, ScalingDecision};
pub use hours::{InForce, NextLimits, at_hours, next_limits};
pub(crate) use interrupted::is_interrupted;
pub(crate) use inventory::{Observed, inventory};
pub use orphans::{FIRST_SEARCH, OrphanAges, SEARCH_INTERVAL};
pub use placement::NoCapacity;
pub(crate) use placement::{Placement, SpotCount};
pub(crate) use planner::timing;
pub use planner::{Plan, plan, runners};
pub use provisioning::fleet_share;
pub use removal::{
    ANSWER_LIMIT, FIRST_POWER_PAUSE, GONE_LIMIT, LONGEST_POWER_PAUSE, PREPARING_PAUSE, SSH_ANSWER_LIMIT,
    STOPS_BY_ITSELF,
};
pub(crate) use removal::{WORD_LASTS, proof};
pub use roll::{Roll, RollCause, RollStatus, RollStep};
pub(crate) use rotation::{Rotation, RotationStep};
pub use scaling::{
    Load, Scaling, Timing, cooldown_ends, runners_for, scale, starves_at, surplus_goes_at, warm_until,
};
pub use wake::wakes_at;

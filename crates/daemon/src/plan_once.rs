//! What the next tick of each fleet would do. Changes nothing.

use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::names::PoolName;
use azlin_fleet::plan::{Plan, plan};

use crate::observe::Observer;
use crate::outside::Outside;
use crate::state::StateDir;

/// What the next tick of a fleet would do.
pub struct Planned {
    /// The fleet.
    pub fleet: PoolName,
    /// Its plan.
    pub plan: Plan,
    /// What could not be seen, if anything.
    pub trouble: Option<String>,
}

/// Looks at the world as a tick does, and plans.
pub async fn plan_once(fleets: &[Fleet], outside: Outside, state: &StateDir, poll: Duration) -> Vec<Planned> {
    let observer = Observer::new(outside.clone(), fleets, poll);
    let each = fleets.iter().map(|fleet| async {
        let seen = observer.observe(fleet, true).await;
        let now = outside.now();
        let memory = state.load(&fleet.name).after_seeing(&seen, now);
        Planned { fleet: fleet.name.clone(), plan: plan(fleet, &seen, &memory, now), trouble: seen.trouble() }
    });
    futures::future::join_all(each).await
}

//! What the next tick of each fleet would do. Changes nothing.

use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::names::PoolName;
use azlin_fleet::plan::{Plan, plan};
use azlin_fleet::status::{FleetStatus, Tick};

use crate::observe::Observer;
use crate::outside::Outside;
use crate::report;
use crate::state::StateDir;

/// What the next tick of a fleet would do.
pub struct Planned {
    /// The fleet.
    pub fleet: PoolName,
    /// Its plan.
    pub plan: Plan,
    /// What could not be seen, if anything.
    pub trouble: Option<String>,
    /// What it looks like.
    pub status: FleetStatus,
}

/// Looks at the world as a tick does, and plans.
pub async fn plan_once(fleets: &[Fleet], outside: Outside, state: &StateDir, poll: Duration) -> Vec<Planned> {
    let observer = Observer::new(outside.clone(), fleets, poll);
    let each = fleets.iter().map(|fleet| async {
        let memory = state.load(&fleet.name);
        let seen = observer.observe(fleet, &memory.groups, true).await;
        let now = outside.now();
        let memory = memory.after_seeing(fleet, &seen, now);
        let plan = plan(fleet, &seen, &memory, now);
        let trouble = report::trouble(&plan, &seen);
        let tick = Tick { number: 1, at: now, next: None };
        let status = FleetStatus::of(fleet, &plan, &seen, &memory, tick, &[]);
        Planned { fleet: fleet.name.clone(), plan, trouble, status }
    });
    futures::future::join_all(each).await
}

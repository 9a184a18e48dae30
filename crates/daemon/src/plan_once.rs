//! What the next tick of each fleet would observe and do. Changes nothing.

use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::Queue;
use azlin_fleet::observe::{Poll, Seen, Snapshot};
use azlin_fleet::plan::{Plan, at_hours, plan};
use azlin_fleet::report::{FleetStatus, Presentation, Tick};
use azlin_fleet::state::FleetState;
use jiff::Timestamp;

use crate::context::DaemonContext;
use crate::observe::Observer;
use crate::report;
use crate::state::StateDir;

/// What the next tick of a fleet would observe and do.
pub struct Planned {
    /// The fleet.
    pub fleet: Fleet,
    /// What it would observe.
    pub seen: Snapshot,
    /// The queue of its scope, including jobs of other fleets and of no fleet.
    pub queue: Seen<Arc<Queue>>,
    /// What it would remember.
    pub fleet_state: FleetState,
    /// What it would do.
    pub plan: Plan,
    /// What could not be read, or is left alone.
    pub trouble: Option<String>,
    /// When it was observed.
    pub at: Timestamp,
}

impl Planned {
    /// The fleet's status as that tick would report it.
    pub fn status(&self, presentation: &Presentation) -> FleetStatus {
        let tick = Tick { number: 1, at: self.at, next: None };
        FleetStatus::of(&self.fleet, &self.plan, &self.seen, &self.fleet_state, presentation, tick, &[])
    }
}

/// Observes the world as a tick does, and plans.
pub async fn plan_once(
    fleets: &[Fleet],
    context: DaemonContext,
    state: &StateDir,
    poll: Duration,
) -> Vec<Planned> {
    let observer = Observer::new(context.clone(), fleets, poll);
    let each = fleets.iter().map(|fleet| async {
        // A daemon may be at work on its starts while this is planned.
        let fleet_state = state.load(&fleet.name).with_starts_under_way();
        let (seen, queue) = observer.poll(fleet, fleet_state.groups(), Poll::Health).await;
        let at = context.now();
        let mut fleet_state = fleet_state.after_seeing(fleet, &seen, at);
        fleet_state.capacity.saw(seen.vms.iter().flatten().map(|(_, vm)| vm.as_ref()), at);
        let fleet = at_hours(fleet, fleet_state.boots.longest(), at).into_owned();
        let plan = plan(&fleet, &seen, &fleet_state, at);
        let trouble = report::trouble(&plan, &seen);
        Planned { fleet, seen, queue: queue.whole(), fleet_state, plan, trouble, at }
    });
    futures::future::join_all(each).await
}

//! What the next tick of each fleet would observe and do. Changes nothing.

use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::freshness::Poll;
use azlin_fleet::job::Queue;
use azlin_fleet::memory::Memory;
use azlin_fleet::plan::{Plan, plan};
use azlin_fleet::prices::Prices;
use azlin_fleet::snapshot::{Seen, Snapshot};
use azlin_fleet::status::{FleetStatus, Tick};
use jiff::Timestamp;

use crate::observe::Observer;
use crate::outside::Outside;
use crate::report;
use crate::state::StateDir;

/// What the next tick of a fleet would observe and do.
pub struct Planned {
    /// The fleet.
    pub fleet: Fleet,
    /// What it would observe.
    pub seen: Snapshot,
    /// The queue of its scope, with the jobs of other fleets and of no fleet.
    pub queue: Seen<Arc<Queue>>,
    /// What it would remember.
    pub memory: Memory,
    /// What it would do.
    pub plan: Plan,
    /// What could not be read or is left alone, if anything.
    pub trouble: Option<String>,
    /// When it was observed.
    pub at: Timestamp,
}

impl Planned {
    /// The fleet's status as that tick would report it.
    pub fn status(&self, prices: &Prices) -> FleetStatus {
        let tick = Tick { number: 1, at: self.at, next: None };
        FleetStatus::of(&self.fleet, &self.plan, &self.seen, &self.memory, prices, tick, &[])
    }
}

/// Observes the world as a tick does, and plans.
pub async fn plan_once(fleets: &[Fleet], outside: Outside, state: &StateDir, poll: Duration) -> Vec<Planned> {
    let observer = Observer::new(outside.clone(), fleets, poll);
    let each = fleets.iter().map(|fleet| async {
        let memory = state.load(&fleet.name);
        let (seen, queue) = observer.poll(fleet, &memory.groups, Poll::Health).await;
        let at = outside.now();
        let mut memory = memory.after_seeing(fleet, &seen, at);
        memory.places.saw(seen.vms.iter().flatten().map(|(_, vm)| vm.as_ref()), at);
        let plan = plan(fleet, &seen, &memory, at);
        let trouble = report::trouble(&plan, &seen);
        Planned { fleet: fleet.clone(), seen, queue: queue.whole(), memory, plan, trouble, at }
    });
    futures::future::join_all(each).await
}

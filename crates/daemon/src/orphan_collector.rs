//! Every quarter of an hour: what VMs left behind is found, and removed after a while.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::leftover::{Kind, Leftover, Sweep};
use azlin_fleet::ports::CallError;
use azlin_fleet::remedy::Failure;
use azlin_fleet::vm::ResourceGroup;
use tokio::time::{MissedTickBehavior, interval_at};
use tracing::{debug, info, warn};

use crate::fleet_loop::Shared;
use crate::outside::Outside;

/// How often.
const EVERY: Duration = Duration::from_secs(15 * 60);
/// The first time, after the daemon began: what it was in the middle of has settled by then.
const FIRST: Duration = Duration::from_secs(60);

/// Sweeps for as long as it is polled.
pub(crate) async fn collect_orphans(shared: Arc<Shared>) {
    let mut timer = interval_at(shared.epoch + FIRST, EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let outside = shared.outside.clone();
    let mut collector = OrphanCollector { outside, sweep: Sweep::default(), troubles: BTreeMap::new() };
    loop {
        timer.tick().await;
        let set = shared.fleets.now();
        let fleets: Vec<Arc<Fleet>> = set.names().filter_map(|name| set.get(name)).cloned().collect();
        for group in shared.observer.known_groups() {
            collector.group(&group, &fleets).await;
        }
    }
}

struct OrphanCollector {
    outside: Outside,
    sweep: Sweep,
    /// What could not be done last time, so that it is told once.
    troubles: BTreeMap<ResourceGroup, String>,
}

impl OrphanCollector {
    async fn group(&mut self, group: &ResourceGroup, fleets: &[Arc<Fleet>]) {
        let azure = &self.outside.azure;
        let (mut found, mut failed) = (Vec::new(), None);
        for kind in Kind::ALL {
            // The right to see them is not asked for where there are none.
            if kind == Kind::PublicIp && !fleets.iter().any(|fleet| fleet.vm.public_ip) {
                continue;
            }
            match azure.leftovers(group, kind).await {
                Ok(parts) => found.extend(parts),
                Err(error) => failed = Some(error),
            }
        }
        // VMs are listed after their parts, so that none is missing whose part is there.
        let vms = if found.is_empty() { Ok(Vec::new()) } else { azure.vms(group).await };
        let vms = match vms {
            Ok(vms) => vms,
            Err(error) => return self.trouble(group, &error),
        };
        let fleets = fleets.iter().map(Arc::as_ref);
        for (leftover, fleet) in self.sweep.due(group, &found, &vms, fleets, self.outside.now()) {
            let Leftover { kind, name, tags, .. } = leftover;
            let (fleet, vm) = (&fleet.name, &tags.runner_name);
            match azure.discard(leftover).await {
                Ok(()) => {
                    info!(%fleet, %vm, action = "discard", reason = "no VM holds it", "{fleet}: the {kind} {name} is removed: {vm} left it behind");
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) => self.trouble(group, &error),
            None => drop(self.troubles.remove(group)),
        }
    }

    /// Tells once what only a person can mend. What passes by itself, the fleets tell of.
    fn trouble(&mut self, group: &ResourceGroup, error: &CallError) {
        let why = format!("what VMs may have left behind cannot be removed: {error}");
        if !Failure::from(error.clone()).is_loud() || self.troubles.get(group) == Some(&why) {
            debug!(reason = %why, "{why}");
        } else {
            warn!(reason = %why, "{why}");
            self.troubles.insert(group.clone(), why);
        }
    }
}

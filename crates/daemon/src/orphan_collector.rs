//! Every quarter of an hour: finds resources that VMs left behind, and removes them after a while.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{CallError, Failure, Orphan, OrphanKind, ResourceGroup};
use azlin_fleet::plan::{FIRST_SEARCH, OrphanAges, SEARCH_INTERVAL};
use tokio::time::{MissedTickBehavior, interval_at};
use tracing::{debug, info, warn};

use crate::context::DaemonContext;
use crate::fleet_loop::LoopContext;

/// Sweeps while it is polled.
pub(crate) async fn collect_orphans(shared: Arc<LoopContext>) {
    let mut timer = interval_at(shared.schedule.epoch + FIRST_SEARCH, SEARCH_INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let context = shared.context.clone();
    let mut collector = OrphanCollector { context, ages: OrphanAges::default(), troubles: BTreeMap::new() };
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
    context: DaemonContext,
    ages: OrphanAges,
    /// The last problem of each group, so that it is reported once.
    troubles: BTreeMap<ResourceGroup, String>,
}

impl OrphanCollector {
    async fn group(&mut self, group: &ResourceGroup, fleets: &[Arc<Fleet>]) {
        let azure = &self.context.azure;
        let (mut found, mut failed) = (Vec::new(), None);
        for kind in OrphanKind::ALL {
            // A fleet without public addresses needs no permission to list them.
            if kind == OrphanKind::PublicIp && !fleets.iter().any(|fleet| fleet.vm.public_ip) {
                continue;
            }
            match azure.orphans(group, kind).await {
                Ok(parts) => found.extend(parts),
                Err(error) => failed = Some(error),
            }
        }
        // VMs are listed after their parts, so that no VM of a listed part is missing.
        let vms = if found.is_empty() { Ok(Vec::new()) } else { azure.vms(group).await };
        let vms = match vms {
            Ok(vms) => vms,
            Err(error) => return self.trouble(group, &error),
        };
        let fleets = fleets.iter().map(Arc::as_ref);
        for (orphan, fleet) in self.ages.due(group, &found, &vms, fleets, self.context.now()) {
            let Orphan { kind, name, tags, .. } = orphan;
            let (fleet, vm) = (&fleet.name, &tags.runner_name);
            match azure.discard(orphan).await {
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

    /// Reports once what only a person can fix. The fleets report transient problems.
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

//! Every quarter of an hour: finds resources that VMs left behind, and removes them after a while.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{CallError, Failure, Orphan, OrphanKind, PoolName, ResourceGroup};
use azlin_fleet::plan::{FIRST_SEARCH, OrphanAges, SEARCH_INTERVAL};
use azlin_fleet::state::FailingRemovals;
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval_at};
use tracing::{debug, info, warn};

use crate::context::DaemonContext;
use crate::fleet_loop::LoopContext;

/// Sweeps while it is polled.
pub(crate) async fn collect_orphans(shared: Arc<LoopContext>) {
    let mut timer = interval_at(shared.schedule.epoch + FIRST_SEARCH, SEARCH_INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let context = shared.context.clone();
    let mut collector = OrphanCollector { context, ages: OrphanAges::default(), told: BTreeSet::new() };
    loop {
        timer.tick().await;
        let set = shared.fleets.now();
        let fleets: Vec<Arc<Fleet>> = set.names().filter_map(|name| set.get(name)).cloned().collect();
        let groups = shared.observer.known_groups();
        for group in &groups {
            let failed = collector.group(group, &fleets).await;
            let is_failing = shared.left_behind.searched(group, &failed, &fleets, &collector.context);
            collector.report(group, &failed, is_failing);
        }
        shared.left_behind.keep(&groups);
    }
}

/// What of a group could not be removed or looked for, by its name, with the fleet that it was made for where that is
/// known.
type Failed = BTreeMap<String, (Option<PoolName>, Failure)>;

/// What sweeps could not remove, for the status of each fleet.
#[derive(Debug, Default)]
pub(crate) struct LeftBehind(Mutex<BTreeMap<(PoolName, ResourceGroup), FailingRemovals>>);

impl LeftBehind {
    /// What could not be removed for a fleet, sweep after sweep.
    pub(crate) fn of(&self, fleet: &PoolName) -> FailingRemovals {
        let known = self.0.lock();
        let own = known.iter().filter(|((pool, _), _)| pool == fleet);
        own.fold(FailingRemovals::default(), |all, (_, failing)| all.and(failing.clone().lasting()))
    }

    /// Takes in a sweep of a group. Returns whether anything lasts.
    fn searched(
        &self,
        group: &ResourceGroup,
        failed: &Failed,
        fleets: &[Arc<Fleet>],
        context: &DaemonContext,
    ) -> bool {
        let mut known = self.0.lock();
        let mut is_failing = false;
        for fleet in fleets {
            let is_its =
                |of: &Option<PoolName>| of.as_ref().map_or(fleet.vm.group == *group, |of| *of == fleet.name);
            let own = failed.iter().filter(|(_, (of, _))| is_its(of));
            let own = own.map(|(name, (_, failure))| (name.clone(), failure.clone())).collect();
            let failing = known.entry((fleet.name.clone(), group.clone())).or_default();
            failing.searched(&own, context.now());
            is_failing |= !failing.clone().lasting().is_empty();
        }
        is_failing
    }

    fn keep(&self, groups: &BTreeSet<ResourceGroup>) {
        self.0.lock().retain(|(_, group), failing| groups.contains(group) && !failing.is_empty());
    }
}

struct OrphanCollector {
    context: DaemonContext,
    ages: OrphanAges,
    /// The groups whose trouble has been reported and lasts.
    told: BTreeSet<ResourceGroup>,
}

impl OrphanCollector {
    async fn group(&mut self, group: &ResourceGroup, fleets: &[Arc<Fleet>]) -> Failed {
        let azure = &self.context.azure;
        let (mut found, mut failed) = (Vec::new(), Failed::new());
        let all = format!("what VMs leave behind in {group}");
        let unread = |error: CallError| (all.clone(), (None, Failure::from(error)));
        for kind in OrphanKind::ALL {
            // A fleet without public addresses needs no permission to list them.
            if kind == OrphanKind::PublicIp && !fleets.iter().any(|fleet| fleet.vm.public_ip) {
                continue;
            }
            match azure.orphans(group, kind).await {
                Ok(parts) => found.extend(parts),
                Err(error) => failed.extend([unread(error)]),
            }
        }
        // VMs are listed after their parts, so that no VM of a listed part is missing.
        let vms = if found.is_empty() { Ok(Vec::new()) } else { azure.vms(group).await };
        let vms = match vms {
            Ok(vms) => vms,
            Err(error) => {
                failed.extend([unread(error)]);
                return failed;
            }
        };
        let fleets = fleets.iter().map(Arc::as_ref);
        for (orphan, fleet) in self.ages.due(group, &found, &vms, fleets, self.context.now()) {
            let (Orphan { kind, name, .. }, fleet) = (orphan, &fleet.name);
            match azure.discard(orphan).await {
                Ok(()) => {
                    info!(%fleet, action = "discard", reason = "no VM holds it", "{fleet}: the {kind} {name} is removed: its VM left it behind");
                }
                Err(error) => {
                    failed.insert(format!("{kind} {name}"), (Some(fleet.clone()), error.into()));
                }
            }
        }
        failed
    }

    /// Reports when the trouble of a group begins to last, and when it ends.
    fn report(&mut self, group: &ResourceGroup, failed: &Failed, is_failing: bool) {
        for (what, (_, Failure { why, .. })) in failed {
            debug!(reason = %why, "{what} cannot be removed: {why}");
        }
        let most = failed.iter().max_by_key(|(_, (_, failure))| failure.is_loud());
        match most {
            Some((what, (_, Failure { why, .. }))) if is_failing && self.told.insert(group.clone()) => {
                warn!(reason = %why, "{what} cannot be removed: {why}");
            }
            None if self.told.remove(group) => {
                info!("what VMs leave behind in {group} can be removed again");
            }
            _ => {}
        }
    }
}

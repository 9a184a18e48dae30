//! Observe: gathers facts and interprets nothing.
//!
//! What several fleets look at is fetched once: fleets of one scope share its queue and its
//! runners, fleets of one resource group its VMs. A fetch that began a moment ago serves whoever
//! asks; one that is under way is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::demand::{Demand, attribute};
use azlin_fleet::job::Queue;
use azlin_fleet::names::{PoolName, Scope};
use azlin_fleet::ports::CallError;
use azlin_fleet::runner::RunnerInfo;
use azlin_fleet::runner_name::RunnerName;
use azlin_fleet::snapshot::{Seen, Snapshot, entries_by_prefix, entries_of, vms_by_pool, working};
use azlin_fleet::vm::{ResourceGroup, Vm};
use tokio::time::Instant;

use crate::fetched::Fetched;
use crate::outside::Outside;

/// What is seen of one scope at GitHub, shared out among its fleets.
struct ScopeView {
    demands: Seen<BTreeMap<PoolName, Demand>>,
    working: BTreeSet<String>,
    entries: Seen<BTreeMap<String, Vec<Arc<RunnerInfo>>>>,
}

type VmView = Seen<BTreeMap<PoolName, BTreeMap<RunnerName, Arc<Vm>>>>;

/// The eyes of all fleets.
pub struct Observer {
    outside: Outside,
    fleets: BTreeMap<Scope, Vec<Fleet>>,
    /// How old a fetch may be and still serve.
    tolerance: Duration,
    scopes: Fetched<Scope, ScopeView>,
    groups: Fetched<(ResourceGroup, bool), VmView>,
}

impl Observer {
    /// For these fleets, which look every `poll`.
    pub fn new<'f>(outside: Outside, fleets: impl IntoIterator<Item = &'f Fleet>, poll: Duration) -> Self {
        let mut by_scope = BTreeMap::<Scope, Vec<Fleet>>::new();
        for fleet in fleets {
            by_scope.entry(fleet.scope.clone()).or_default().push(fleet.clone());
        }
        Observer {
            outside,
            fleets: by_scope,
            tolerance: poll / 10,
            scopes: Fetched::default(),
            groups: Fetched::default(),
        }
    }

    /// What the fleet sees now. `power` asks for the power states of its VMs too.
    pub async fn observe(&self, fleet: &Fleet, power: bool) -> Snapshot {
        let now = Instant::now();
        let since = now.checked_sub(self.tolerance).unwrap_or(now);
        let (scope, group) = (fleet.scope.clone(), (fleet.vm.group.clone(), power));
        let (scope, vms) = futures::join!(
            self.scopes.get(scope, since, self.look_at_scope(&fleet.scope)),
            self.groups.get(group, since, self.look_at_group(&fleet.vm.group, power)),
        );
        let demands = scope.demands.as_ref().map_err(String::clone);
        let own = |demands: &BTreeMap<PoolName, Demand>| {
            demands.get(&fleet.name).cloned().unwrap_or_else(|| Demand::none(self.outside.now()))
        };
        Snapshot {
            demand: demands.map(own),
            entries: scope.entries.as_ref().map(|shared| entries_of(fleet, shared)).map_err(String::clone),
            vms: vms
                .as_ref()
                .as_ref()
                .map(|pools| pools.get(&fleet.name).cloned().unwrap_or_default())
                .map_err(String::clone),
            working: scope.working.clone(),
            in_flight: BTreeMap::new(),
        }
    }

    async fn look_at_scope(&self, scope: &Scope) -> ScopeView {
        let (queue, entries) = futures::join!(self.queue(scope), self.outside.github.runners(scope));
        let fleets = self.fleets.get(scope).into_iter().flatten();
        let now = self.outside.now();
        ScopeView {
            working: queue.as_ref().map(working).unwrap_or_default(),
            demands: queue.map(|queue| attribute(fleets, &queue, now)),
            entries: entries
                .map(entries_by_prefix)
                .map_err(|error| format!("the runners of {scope}: {error}")),
        }
    }

    async fn queue(&self, scope: &Scope) -> Seen<Queue> {
        match scope {
            Scope::Repo(repo) => {
                let named = |error: CallError| format!("the queue of {scope}: {error}");
                self.outside.github.queue(repo).await.map_err(named)
            }
            Scope::Org(_) | Scope::Enterprise(_) => {
                let missing = format!(
                    "GitHub has no list of the queued jobs of {scope}, so this fleet keeps min_runners or \
                     manual_count; fleets of single repositories follow their queues"
                );
                Ok(Queue { jobs: Vec::new(), missing: vec![missing] })
            }
        }
    }

    async fn look_at_group(&self, group: &ResourceGroup, power: bool) -> VmView {
        let vms = self.outside.azure.vms(group, power).await;
        vms.map(vms_by_pool).map_err(|error| format!("the VMs of {group}: {error}"))
    }
}

//! The fleets as the configuration has them, shared by all loops. A change of it wakes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::names::{PoolName, Scope};
use tokio::sync::watch;
use tokio::time::Instant;

/// The fleets as they are configured from one moment on.
#[derive(Debug)]
pub(crate) struct FleetSet {
    by_name: BTreeMap<PoolName, Arc<Fleet>>,
    by_scope: BTreeMap<Scope, Vec<Arc<Fleet>>>,
    since: Instant,
}

/// Says which fleets there are. The loops of those that differ look at once.
#[derive(Debug, Clone)]
pub struct Fleets(Arc<watch::Sender<Arc<FleetSet>>>);

impl FleetSet {
    fn new(fleets: impl IntoIterator<Item = Fleet>) -> Arc<Self> {
        let fleets = fleets.into_iter().map(Arc::new);
        let by_name: BTreeMap<PoolName, Arc<Fleet>> =
            fleets.map(|fleet| (fleet.name.clone(), fleet)).collect();
        let mut by_scope = BTreeMap::<Scope, Vec<Arc<Fleet>>>::new();
        for fleet in by_name.values() {
            by_scope.entry(fleet.scope.clone()).or_default().push(Arc::clone(fleet));
        }
        Arc::new(FleetSet { by_name, by_scope, since: Instant::now() })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &PoolName> {
        self.by_name.keys()
    }

    pub(crate) fn get(&self, name: &PoolName) -> Option<&Arc<Fleet>> {
        self.by_name.get(name)
    }

    pub(crate) fn of_scope(&self, scope: &Scope) -> impl Iterator<Item = &Fleet> {
        self.by_scope.get(scope).into_iter().flatten().map(Arc::as_ref)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Since when it is so: what was fetched before was shared out among other fleets.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }
}

impl Fleets {
    pub(crate) fn new(fleets: impl IntoIterator<Item = Fleet>) -> Self {
        Fleets(Arc::new(watch::Sender::new(FleetSet::new(fleets))))
    }

    /// From now on there are these. Nobody is woken when they are the same.
    pub fn set(&self, fleets: impl IntoIterator<Item = Fleet>) {
        let next = FleetSet::new(fleets);
        self.0.send_if_modified(|now| {
            let differs = now.by_name != next.by_name;
            if differs {
                *now = next;
            }
            differs
        });
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<FleetSet>> {
        self.0.subscribe()
    }

    pub(crate) fn now(&self) -> Arc<FleetSet> {
        Arc::clone(&self.0.borrow())
    }
}

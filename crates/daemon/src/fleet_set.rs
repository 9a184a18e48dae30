//! The fleets as the configuration has them, shared by all loops. A change of it wakes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::demand::claims_alike;
use azlin_fleet::names::{CredentialName, PoolName};
use tokio::sync::watch;
use tokio::time::Instant;

/// The fleets as they are configured from one moment on.
#[derive(Debug)]
pub(crate) struct FleetSet {
    by_name: BTreeMap<PoolName, Arc<Fleet>>,
    by_credential: BTreeMap<Option<CredentialName>, Shared>,
}

/// The fleets of one credential, which share the jobs out that it sees.
#[derive(Debug)]
struct Shared {
    fleets: Vec<Arc<Fleet>>,
    /// Since when its jobs are shared out so.
    since: Instant,
}

/// Says which fleets there are. The loops of those that differ look at once.
#[derive(Debug, Clone)]
pub struct Fleets(Arc<watch::Sender<Arc<FleetSet>>>);

impl FleetSet {
    fn new(fleets: impl IntoIterator<Item = Fleet>, before: Option<&FleetSet>) -> Arc<Self> {
        let fleets = fleets.into_iter().map(Arc::new);
        let by_name: BTreeMap<PoolName, Arc<Fleet>> =
            fleets.map(|fleet| (fleet.name.clone(), fleet)).collect();
        let mut by_credential = BTreeMap::<Option<CredentialName>, Vec<Arc<Fleet>>>::new();
        for fleet in by_name.values() {
            by_credential.entry(fleet.credential.clone()).or_default().push(Arc::clone(fleet));
        }
        let now = Instant::now();
        let since = |credential: &Option<CredentialName>, fleets: &[Arc<Fleet>]| {
            let shared = before?.by_credential.get(credential)?;
            let pairs = shared.fleets.iter().zip(fleets);
            let mut alike = pairs.map(|(old, new)| old.name == new.name && claims_alike(old, new));
            (shared.fleets.len() == fleets.len() && alike.all(|alike| alike)).then_some(shared.since)
        };
        let shared = |(credential, fleets): (Option<CredentialName>, Vec<Arc<Fleet>>)| {
            let since = since(&credential, &fleets).unwrap_or(now);
            (credential, Shared { fleets, since })
        };
        Arc::new(FleetSet { by_credential: by_credential.into_iter().map(shared).collect(), by_name })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &PoolName> {
        self.by_name.keys()
    }

    pub(crate) fn get(&self, name: &PoolName) -> Option<&Arc<Fleet>> {
        self.by_name.get(name)
    }

    /// The fleets that share out the jobs which a credential sees.
    pub(crate) fn of_credential(&self, credential: &Option<CredentialName>) -> impl Iterator<Item = &Fleet> {
        self.by_credential.get(credential).into_iter().flat_map(|shared| &shared.fleets).map(Arc::as_ref)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Since when the jobs that a credential sees are shared out as they are: what was fetched before was
    /// shared out among other fleets.
    pub(crate) fn since(&self, credential: &Option<CredentialName>) -> Option<Instant> {
        self.by_credential.get(credential).map(|shared| shared.since)
    }
}

impl Fleets {
    pub(crate) fn new(fleets: impl IntoIterator<Item = Fleet>) -> Self {
        Fleets(Arc::new(watch::Sender::new(FleetSet::new(fleets, None))))
    }

    /// From now on there are these. Nobody is woken when they are the same.
    pub fn set(&self, fleets: impl IntoIterator<Item = Fleet>) {
        self.0.send_if_modified(|now| {
            let next = FleetSet::new(fleets, Some(now));
            let differs = now.by_name != next.by_name;
            if differs {
                *now = next;
            }
            differs
        });
    }

    /// Waits until a fleet is not configured so any more.
    pub(crate) async fn differs(&self, fleet: &Fleet) {
        let mut all = self.0.subscribe();
        // The sender is here, so the channel stays open.
        let _ = all.wait_for(|all| all.get(&fleet.name).is_none_or(|now| **now != *fleet)).await;
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<FleetSet>> {
        self.0.subscribe()
    }

    pub(crate) fn now(&self) -> Arc<FleetSet> {
        Arc::clone(&self.0.borrow())
    }
}

//! The configured fleets, shared by all loops. A change of the configuration wakes the loops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{CredentialName, PoolName, RepoPattern, RepoSlug, Scope, TokenAccess};
use azlin_fleet::observe::{claims_alike, is_in_scope, labels_served};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The fleets of one configuration.
#[derive(Debug)]
pub(crate) struct FleetSet {
    by_name: BTreeMap<PoolName, Arc<Fleet>>,
    by_credential: BTreeMap<Option<CredentialName>, CredentialFleets>,
}

/// The fleets of one credential, which share the jobs that it sees.
#[derive(Debug)]
struct CredentialFleets {
    fleets: Vec<Arc<Fleet>>,
    /// Since when its jobs are shared out among these fleets.
    since: Instant,
    /// How many repositories they name.
    repositories: u64,
    /// What they need of GitHub.
    access: Arc<TokenAccess>,
    /// The labels of their runners, in lower case.
    labels: Arc<BTreeSet<String>>,
    /// The fleets of each repository, and those of more than one, as indices into `fleets`.
    of_repo: BTreeMap<RepoSlug, Vec<usize>>,
    of_many: Vec<usize>,
}

/// The current fleets. The loops of changed fleets tick at once.
///
/// Waiting loops are woken in the order of waiting: `tokio::sync::watch` wakes in random order, and a
/// simulated day would not be the same twice.
#[derive(Debug, Clone)]
pub struct Fleets(Arc<Configured>);

#[derive(Debug)]
struct Configured {
    now: Mutex<Arc<FleetSet>>,
    changed: Notify,
}

/// Follows the changes of the fleets.
#[derive(Debug)]
pub(crate) struct FleetsReader {
    fleets: Fleets,
    seen: Arc<FleetSet>,
}

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
            (credential, CredentialFleets::new(fleets, since))
        };
        Arc::new(FleetSet { by_credential: by_credential.into_iter().map(shared).collect(), by_name })
    }

    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &PoolName> {
        self.by_name.keys()
    }

    pub(crate) fn get(&self, name: &PoolName) -> Option<&Arc<Fleet>> {
        self.by_name.get(name)
    }

    /// The fleets of one credential whose runners a repository's jobs can reach, by name.
    pub(crate) fn serving(&self, credential: &Option<CredentialName>, repo: &RepoSlug) -> Vec<&Fleet> {
        let Some(CredentialFleets { fleets, of_repo, of_many, .. }) = self.by_credential.get(credential)
        else {
            return Vec::new();
        };
        let of_many = of_many.iter().filter(|number| is_in_scope(&fleets[**number], repo));
        let mut serving: Vec<usize> =
            of_repo.get(repo).into_iter().flatten().chain(of_many).copied().collect();
        serving.sort_unstable();
        serving.into_iter().map(|number| &*fleets[number]).collect()
    }

    /// The labels of the runners of a credential, in lower case.
    pub(crate) fn labels(&self, credential: &Option<CredentialName>) -> Option<&Arc<BTreeSet<String>>> {
        self.by_credential.get(credential).map(|shared| &shared.labels)
    }

    /// How many repositories the fleets of a credential name. Those that match a `*` are not among them.
    pub(crate) fn repositories(&self, credential: &Option<CredentialName>) -> u64 {
        self.by_credential.get(credential).map_or(0, |shared| shared.repositories)
    }

    /// What the fleets of a credential need of GitHub.
    pub(crate) fn access(&self, credential: &Option<CredentialName>) -> Option<&Arc<TokenAccess>> {
        self.by_credential.get(credential).map(|shared| &shared.access)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Since when a credential's jobs are shared out among the current fleets. Older reads were shared out
    /// among other fleets.
    pub(crate) fn since(&self, credential: &Option<CredentialName>) -> Option<Instant> {
        self.by_credential.get(credential).map(|shared| shared.since)
    }
}

impl CredentialFleets {
    /// What each look needs is computed once for all of them: with thousands of fleets it would cost more than the look.
    fn new(fleets: Vec<Arc<Fleet>>, since: Instant) -> Self {
        let named: BTreeSet<RepoSlug> = fleets.iter().flat_map(|fleet| named_repositories(fleet)).collect();
        let access = Arc::new(TokenAccess::of_scopes(fleets.iter().map(|fleet| &fleet.scope)));
        let labels = Arc::new(labels_served(fleets.iter().map(Arc::as_ref)));
        let (mut of_repo, mut of_many) = (BTreeMap::<RepoSlug, Vec<usize>>::new(), Vec::new());
        for (number, fleet) in fleets.iter().enumerate() {
            match &fleet.scope {
                Scope::Repo(repo) => of_repo.entry(repo.clone()).or_default().push(number),
                Scope::Org(_) | Scope::Enterprise(_) => of_many.push(number),
            }
        }
        CredentialFleets { since, repositories: named.len() as u64, access, labels, of_repo, of_many, fleets }
    }
}

/// The repositories that a fleet's file names.
fn named_repositories(fleet: &Fleet) -> impl Iterator<Item = RepoSlug> {
    // A scale set tells of all of them, and none is read.
    let is_read = !fleet.demand.is_scale_set();
    let own = match &fleet.scope {
        Scope::Repo(repo) => Some(repo.clone()),
        Scope::Org(_) | Scope::Enterprise(_) => None,
    };
    own.into_iter().chain(fleet.repositories.iter().filter_map(RepoPattern::one)).filter(move |_| is_read)
}

impl Fleets {
    pub(crate) fn new(fleets: impl IntoIterator<Item = Fleet>) -> Self {
        let now = Mutex::new(FleetSet::new(fleets, None));
        Fleets(Arc::new(Configured { now, changed: Notify::new() }))
    }

    /// Replaces the fleets. Equal fleets wake no loop.
    pub fn set(&self, fleets: impl IntoIterator<Item = Fleet>) {
        let mut now = self.lock();
        let next = FleetSet::new(fleets, Some(&now));
        if now.by_name != next.by_name {
            *now = next;
            drop(now);
            self.0.changed.notify_waiters();
        }
    }

    /// Waits until a fleet's configuration differs from this one.
    pub(crate) async fn differs(&self, fleet: &Fleet) {
        let mut all = self.reader();
        while all.latest().get(&fleet.name).is_some_and(|now| **now == *fleet) {
            all.changed().await;
        }
    }

    /// A reader that has seen the current fleets.
    pub(crate) fn reader(&self) -> FleetsReader {
        FleetsReader { fleets: self.clone(), seen: self.now() }
    }

    pub(crate) fn now(&self) -> Arc<FleetSet> {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<FleetSet>> {
        self.0.now.lock()
    }
}

impl FleetsReader {
    /// The current fleets. Marks them as seen.
    pub(crate) fn latest(&mut self) -> &Arc<FleetSet> {
        self.seen = self.fleets.now();
        &self.seen
    }

    /// Whether the fleets differ from those seen last.
    pub(crate) fn has_changed(&self) -> bool {
        !Arc::ptr_eq(&self.fleets.lock(), &self.seen)
    }

    /// Waits until the fleets change.
    pub(crate) async fn changed(&self) {
        loop {
            let mut changed = std::pin::pin!(self.fleets.0.changed.notified());
            changed.as_mut().enable();
            if self.has_changed() {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinSet;

    use super::*;
    use crate::fixture::fleet;

    /// Seed 442 of two simulated days had different journals: loops were woken in random order.
    #[tokio::test]
    async fn a_change_wakes_in_the_order_of_waiting() {
        let fleets = Fleets::new([]);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = JoinSet::new();
        for number in 0..20 {
            let (reader, order) = (fleets.reader(), Arc::clone(&order));
            waiting.spawn(async move {
                reader.changed().await;
                order.lock().push(number);
            });
        }
        tokio::task::yield_now().await;
        fleets.set([fleet("ci", "", "")]);
        while waiting.join_next().await.is_some() {}
        assert_eq!(*order.lock(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_change_is_told_of_and_once() {
        let fleets = Fleets::new([fleet("ci", "", "")]);
        let mut reader = fleets.reader();
        fleets.set([fleet("ci", "", "")]);
        assert!(!reader.has_changed(), "the same fleets are no change");
        fleets.set([]);
        assert!(reader.has_changed());
        reader.changed().await;
        assert_eq!(reader.latest().len(), 0);
        assert!(!reader.has_changed());
        let again = tokio::time::timeout(Duration::from_secs(60), reader.changed()).await;
        assert!(again.is_err(), "what was seen is not waited for");
    }
}

//! Observe: gathers facts and interprets nothing.
//!
//! What several fleets look at is fetched once: fleets that serve one repository share its queue, fleets of
//! one scope its runners, fleets of one resource group its VMs. A fetch that began a moment ago serves whoever
//! asks; one that is under way is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azlin_fleet::config::{Fleet, Site};
use azlin_fleet::names::{PoolName, RepoSlug};
use azlin_fleet::ports::{CallError, Trouble};
use azlin_fleet::runner::RunnerInfo;
use azlin_fleet::runner_name::RunnerName;
use azlin_fleet::snapshot::{Seen, Snapshot, entries_by_prefix, entries_of, vms_by_pool};
use azlin_fleet::vm::{PowerState, PowerStates, ProvisioningState, ResourceGroup, Vm};
use tokio::time::Instant;
use tracing::warn;

use crate::fetched::Fetched;
use crate::fleet_set::Fleets;
use crate::outside::Outside;
use crate::places::Book;
use crate::queues::{OwnQueue, Queues};

/// GitHub's entries, by the fleet that they bear in their names.
type Entries = BTreeMap<String, Vec<Arc<RunnerInfo>>>;

type VmView = Result<BTreeMap<PoolName, BTreeMap<RunnerName, Arc<Vm>>>, CallError>;

/// What a fleet was hinted at, and when last.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Queues of repositories.
    pub(crate) repos: BTreeMap<RepoSlug, Instant>,
    /// The lists of runners and VMs.
    pub(crate) lists: Option<Instant>,
}

/// The eyes of all fleets.
pub struct Observer {
    outside: Outside,
    fleets: Fleets,
    places: Arc<Book>,
    /// How old a fetch may be and still serve.
    tolerance: Duration,
    began: Instant,
    queues: Queues,
    entries: Fetched<Site, Seen<Entries>>,
    groups: Fetched<(ResourceGroup, bool), VmView>,
    powers: Fetched<String, Result<PowerStates, CallError>>,
    /// Why power states could not be read, by subscription, so that it is told once.
    powerless: Mutex<BTreeMap<String, String>>,
    /// Why Azure could not make a VM, which it tells of one VM at a time.
    failures: Mutex<BTreeMap<(ResourceGroup, String), Option<CallError>>>,
}

impl Observer {
    /// For these fleets, which look every `poll`.
    pub fn new<'f>(outside: Outside, fleets: impl IntoIterator<Item = &'f Fleet>, poll: Duration) -> Self {
        Observer::of(outside, Fleets::new(fleets.into_iter().cloned()), Arc::default(), poll)
    }

    /// For fleets that may change.
    pub(crate) fn of(outside: Outside, fleets: Fleets, places: Arc<Book>, poll: Duration) -> Self {
        Observer {
            outside,
            fleets,
            places,
            tolerance: poll / 10,
            began: Instant::now(),
            queues: Queues::default(),
            entries: Fetched::default(),
            groups: Fetched::default(),
            powers: Fetched::default(),
            powerless: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// What the fleet sees now: its VMs in its own resource group, and in others that it may still
    /// have some in. `power` asks for their power states too.
    pub async fn observe(&self, fleet: &Fleet, others: &BTreeSet<ResourceGroup>, power: bool) -> Snapshot {
        self.observe_with_queue(fleet, others, power).await.0
    }

    /// The same, with the queue of the fleet's repositories as it was read.
    pub(crate) async fn observe_with_queue(
        &self,
        fleet: &Fleet,
        others: &BTreeSet<ResourceGroup>,
        power: bool,
    ) -> (Snapshot, OwnQueue) {
        self.observe_after(fleet, others, power, &Told::default()).await
    }

    /// The same after hints, which what is read is not to be older than.
    pub(crate) async fn observe_after(
        &self,
        fleet: &Fleet,
        others: &BTreeSet<ResourceGroup>,
        power: bool,
        told: &Told,
    ) -> (Snapshot, OwnQueue) {
        let now = Instant::now();
        let tolerated = now.checked_sub(self.tolerance).unwrap_or(now);
        let since = told.lists.map_or(tolerated, |told| tolerated.max(told));
        let of_repo = |repo: &RepoSlug| told.repos.get(repo).map_or(tolerated, |told| tolerated.max(*told));
        let (queue, entries, vms) = futures::join!(
            self.queue_since(fleet, of_repo),
            self.entries.get(fleet.site(), since, self.look_at_runners(fleet)),
            self.vms_of(fleet, others, power, since),
        );
        let unread = vms.as_ref().map(|(_, unread)| unread.clone()).unwrap_or_default();
        let snapshot = Snapshot {
            demand: queue.demand(fleet, self.outside.now()),
            entries: (*entries).as_ref().map(|shared| entries_of(fleet, shared)).map_err(String::clone),
            vms: vms.map(|(vms, _)| vms),
            unread,
            working: queue.working(),
            slowed: None,
            expiring: None,
            in_flight: BTreeMap::new(),
        };
        (snapshot, queue)
    }

    /// The queues that the fleet serves alone, and of them only what it was told of anew: the rest as it was
    /// read last.
    pub(crate) async fn queue_after(&self, fleet: &Fleet, told: &Told) -> OwnQueue {
        let ever = self.began;
        self.queue_since(fleet, |repo| told.repos.get(repo).copied().unwrap_or(ever)).await
    }

    async fn queue_since(&self, fleet: &Fleet, since: impl Fn(&RepoSlug) -> Instant) -> OwnQueue {
        let shared_since = self.fleets.now().since(&fleet.credential);
        let since = |repo: &RepoSlug| shared_since.map_or(since(repo), |shared| since(repo).max(shared));
        self.queues.of(fleet, &self.fleets, &self.outside, since).await
    }

    /// The resource groups that were looked at, those that fleets have left among them.
    pub(crate) fn known_groups(&self) -> BTreeSet<ResourceGroup> {
        self.groups.keys().into_iter().map(|(group, _)| group).collect()
    }

    async fn look_at_runners(&self, fleet: &Fleet) -> Seen<Entries> {
        let scope = &fleet.scope;
        let entries = self.outside.github(fleet).runners(scope).await;
        entries.map(entries_by_prefix).map_err(|error| format!("the runners of {scope}: {error}"))
    }

    async fn vms_of(
        &self,
        fleet: &Fleet,
        others: &BTreeSet<ResourceGroup>,
        power: bool,
        since: Instant,
    ) -> Seen<(BTreeMap<RunnerName, Arc<Vm>>, BTreeMap<ResourceGroup, String>)> {
        let own = &fleet.vm.group;
        let groups = others.iter().filter(|group| *group != own).chain([own]);
        let views = groups.map(|group| async move {
            let look = self.look_at_group(group, power, since);
            (group, self.groups.get((group.clone(), power), since, look).await)
        });
        let (mut all, mut unread) = (BTreeMap::new(), BTreeMap::new());
        for (group, view) in futures::future::join_all(views).await {
            match view.as_ref() {
                Ok(pools) => all.extend(pools.get(&fleet.name).cloned().unwrap_or_default()),
                // A group that was removed took its VMs with it.
                Err(error) if error.trouble == Trouble::NotFound && group != own => {}
                // To stand still would not make it readable.
                Err(error)
                    if matches!(error.trouble, Trouble::NotPermitted | Trouble::Invalid) && group != own =>
                {
                    unread.insert(group.clone(), error.message.clone());
                }
                Err(error) => return Err(format!("the VMs of {group}: {error}")),
            }
        }
        Ok((all, unread))
    }

    async fn look_at_group(&self, group: &ResourceGroup, power: bool, since: Instant) -> VmView {
        let subscription = &group.subscription_id;
        let powers = async {
            if power {
                let look = self.outside.azure.power_states(subscription);
                Some(self.powers.get(subscription.clone(), since, look).await)
            } else {
                None
            }
        };
        let (vms, powers) = futures::join!(self.outside.azure.vms(group), powers);
        let mut vms = vms?;
        self.learn_failures(group, &mut vms).await;
        self.places.saw(subscription, &vms, self.outside.now());
        if let Some(powers) = powers {
            self.tell_powerless(subscription, powers.as_ref().as_ref().err());
            for vm in &mut vms {
                vm.power = powers.as_ref().as_ref().map_or(PowerState::Unknown, |powers| powers.of(vm));
            }
        }
        Ok(vms_by_pool(vms))
    }

    /// Asks why VMs could not be made, once for each. One that is not told yet is asked for at the next look.
    async fn learn_failures(&self, group: &ResourceGroup, vms: &mut [Vm]) {
        let failed = |vm: &&mut Vm| vm.provisioning == ProvisioningState::Failed;
        let known = || self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        known().retain(|(of, name), _| of != group || vms.iter().any(|vm| vm.name == *name));
        let asked = vms.iter_mut().filter(failed).map(|vm| async {
            let key = (group.clone(), vm.name.clone());
            let before = known().get(&key).cloned();
            vm.failure = match before {
                Some(failure) => failure,
                None => match self.outside.azure.failure(group, &vm.name).await {
                    Ok(failure) => {
                        known().insert(key, failure.clone());
                        failure
                    }
                    Err(_) => None,
                },
            };
        });
        futures::future::join_all(asked).await;
    }

    /// Without power states a stopped VM is only found by its runner, which is then offline: worth a
    /// word, and no reason to stand still.
    fn tell_powerless(&self, subscription: &str, error: Option<&CallError>) {
        let mut told = self.powerless.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            None => drop(told.remove(subscription)),
            Some(error) => {
                let before = told.insert(subscription.to_owned(), error.message.clone());
                if before.is_none() {
                    warn!(subscription, reason = %error, "power states of VMs of subscription {subscription} cannot be read: {error}");
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "observe_tests.rs"]
mod tests;

//! The VMs of each resource group, read once for all fleets with VMs there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azlin_fleet::config::{Fleet, GroupContent};
use azlin_fleet::model::{
    CallError, CallErrorKind, FailedVm, ForeignText, PoolName, PowerStates, ProvisioningState, ResourceGroup,
    RunnerName, UntaggedVm, Vm,
};
use azlin_fleet::observe::{Seen, by_name, vms_by_pool};
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::warn;

use crate::capacity_cache::CapacityCache;
use crate::context::DaemonContext;
use crate::observe::in_time;
use crate::single_flight::SingleFlight;

type FleetVms = BTreeMap<RunnerName, Arc<Vm>>;

type GroupVms = Result<(BTreeMap<PoolName, FleetVms>, Vec<UntaggedVm>), CallError>;

/// The last answers from Azure.
pub(super) struct VmLists {
    context: DaemonContext,
    capacity: Arc<CapacityCache>,
    groups: SingleFlight<(ResourceGroup, bool), GroupVms>,
    powers: SingleFlight<String, Result<PowerStates, CallError>>,
    /// Subscriptions whose power states cannot be read, and why, so that each is reported once.
    pub(super) powerless: Mutex<BTreeMap<String, String>>,
    /// The groups in which VMs of a fleet have lost their tags, so that each is reported once.
    pub(super) tagless: Mutex<BTreeSet<(PoolName, ResourceGroup)>>,
    /// What is the matter with VMs that Azure calls Failed. Azure reports this for one VM at a time.
    pub(super) failures: Mutex<BTreeMap<(ResourceGroup, ForeignText), FailedVm>>,
}

impl VmLists {
    pub(super) fn new(context: DaemonContext, capacity: Arc<CapacityCache>) -> Self {
        VmLists {
            context,
            capacity,
            groups: SingleFlight::default(),
            powers: SingleFlight::default(),
            powerless: Mutex::default(),
            tagless: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Every resource group that was read.
    pub(super) fn known_groups(&self) -> BTreeSet<ResourceGroup> {
        self.groups.keys().into_iter().map(|(group, _)| group).collect()
    }

    /// The fleet's VMs in its own group and in `others`, read no earlier than `since`. Also returns which of
    /// the others could not be read, and why.
    pub(super) async fn of(
        &self,
        fleet: &Fleet,
        others: &BTreeSet<ResourceGroup>,
        power: bool,
        since: Instant,
    ) -> Seen<(FleetVms, BTreeMap<ResourceGroup, String>)> {
        let own = &fleet.vm.group;
        let groups = others.iter().filter(|group| *group != own).chain([own]);
        let lists = groups.map(|group| async move {
            let read = self.read_group(group, power, since);
            (group, self.groups.get((group.clone(), power), since, read).await)
        });
        let (mut all, mut unread) = (BTreeMap::new(), BTreeMap::new());
        for (group, list) in futures::future::join_all(lists).await {
            match list.as_ref() {
                Ok((pools, untagged)) => {
                    all.extend(pools.get(&fleet.name).cloned().unwrap_or_default());
                    all.extend(self.without_tags(fleet, group, untagged));
                }
                // A group that was removed took its VMs with it.
                Err(error) if error.kind == CallErrorKind::NotFound && group != own => {}
                // Waiting would not make the group readable.
                Err(error)
                    if matches!(
                        error.kind,
                        CallErrorKind::NotPermitted | CallErrorKind::Invalid | CallErrorKind::Blocked
                    ) && group != own =>
                {
                    unread.insert(group.clone(), error.to_string());
                }
                Err(error) => return Err(format!("the VMs of {group}: {error}")),
            }
        }
        Ok((all, unread))
    }

    /// What a group holds, read no earlier than `since`. The lists of fleets there serve.
    pub(super) async fn content(
        &self,
        group: &ResourceGroup,
        since: Instant,
    ) -> Result<GroupContent, CallError> {
        let kept = [true, false].into_iter().filter_map(|power| self.groups.last(&(group.clone(), power)));
        let recent = kept.filter(|(began, _)| *began >= since).max_by_key(|(began, _)| *began);
        let list = match recent {
            Some((_, list)) => list,
            None => {
                let read = self.read_group(group, false, since);
                self.groups.get((group.clone(), false), since, read).await
            }
        };
        let (pools, untagged) = list.as_ref().as_ref().map_err(Clone::clone)?;
        Ok(GroupContent::of(pools.values().flat_map(BTreeMap::values).map(Arc::as_ref), untagged))
    }

    async fn read_group(&self, group: &ResourceGroup, power: bool, since: Instant) -> GroupVms {
        let subscription = &group.subscription_id;
        let powers = async {
            if power {
                let read = self.context.azure.power_states(subscription);
                Some(self.powers.get(subscription.clone(), since, in_time(read)).await)
            } else {
                None
            }
        };
        let (vms, powers) = futures::join!(in_time(self.context.azure.vms(group)), powers);
        let mut vms = vms?;
        let mut untagged = self.context.azure.untagged(group);
        self.learn_failures(group, &mut vms).await;
        self.capacity.saw(subscription, &vms, self.context.now());
        if let Some(powers) = powers {
            self.report_powerless(subscription, powers.as_ref().as_ref().err());
            if let Ok(powers) = powers.as_ref() {
                vms.iter_mut().for_each(|vm| vm.power = powers.of(vm));
                untagged.iter_mut().for_each(|vm| vm.power = powers.at(group, &vm.name));
            }
        }
        Ok((vms_by_pool(vms), untagged))
    }

    /// The VMs that the fleet knows by their names alone. A person is told of the first of each group.
    fn without_tags(&self, fleet: &Fleet, group: &ResourceGroup, untagged: &[UntaggedVm]) -> FleetVms {
        let known = untagged.iter().filter_map(|vm| Some((vm, by_name(fleet, vm)?)));
        let known: Vec<(&UntaggedVm, Vm)> = known.collect();
        let mut reported = self.tagless.lock();
        match known.first() {
            None => drop(reported.remove(&(fleet.name.clone(), group.clone()))),
            Some((vm, _)) if reported.insert((fleet.name.clone(), group.clone())) => {
                let (name, fleet) = (&vm.name, &fleet.name);
                let what = if vm.tags.lost.is_empty() {
                    "there, and azlin's tags have other values".to_owned()
                } else {
                    format!("without {}", vm.tags.lost.join(", "))
                };
                warn!(
                    %fleet, vm = %name,
                    "{fleet}: VM {name} in {group} is {what}: a policy or a person changed its tags; it is known by its \
                     name; exempt tags that begin with azlin- from policies"
                );
            }
            Some(_) => {}
        }
        known.into_iter().map(|(_, vm)| (vm.tags.runner_name.clone(), Arc::new(vm))).collect()
    }

    /// Requests what is the matter with VMs that Azure calls Failed, once for each VM. A failed request is repeated
    /// with the next read.
    async fn learn_failures(&self, group: &ResourceGroup, vms: &mut [Vm]) {
        let has_failed = |vm: &Vm| vm.provisioning == ProvisioningState::Failed;
        let known = || self.failures.lock();
        let listed: BTreeSet<&str> =
            vms.iter().filter(|vm| has_failed(vm)).map(|vm| vm.name.as_str()).collect();
        known().retain(|(of, name), _| of != group || listed.contains(name.as_str()));
        let asked = vms.iter_mut().filter(|vm| has_failed(vm)).map(|vm| async {
            let key = (group.clone(), vm.name.clone());
            let before = known().get(&key).cloned();
            let view = match before {
                Some(view) => Some(view),
                None => self.context.azure.failure(group, &vm.name).await.ok(),
            };
            vm.provisioning = ProvisioningState::of_failed(view.as_ref());
            if let Some(view) = view {
                vm.failure.clone_from(&view.failure);
                known().insert(key, view);
            }
        });
        futures::future::join_all(asked).await;
    }

    /// Without power states, only an offline runner shows a stopped VM. That is worth a warning, and no
    /// reason to stop.
    fn report_powerless(&self, subscription: &str, error: Option<&CallError>) {
        let mut reported = self.powerless.lock();
        match error {
            None => drop(reported.remove(subscription)),
            Some(error) => {
                let before = reported.insert(subscription.to_owned(), error.to_string());
                if before.is_none() {
                    warn!(subscription, reason = %error, "power states of VMs of subscription {subscription} cannot be read: {error}");
                }
            }
        }
    }
}

//! VMs that Azure took on to make, until a list shows how that ended.
//!
//! Azure may remove a VM that it could not make before anybody looks, and the reason with it. So the operation of
//! each creation is kept. A VM that no list shows any more, and that nobody here deleted, is looked up there, and
//! listed as failed until it is deleted: the caller learns why, as of any VM that failed.

use std::collections::BTreeMap;
use std::time::Duration;

use azlin_fleet::model::{
    CallError, ForeignText, PowerState, ProvisioningState, ResourceGroup, Vm, VmSpec, VmTags,
};
use parking_lot::Mutex;
use tokio::time::Instant;
use url::Url;

/// The most VMs that are awaited. Beyond it the oldest is forgotten.
const MOST_AWAITED: usize = 4096;
/// After this time a VM is forgotten: Azure gives an operation up earlier.
const FORGOTTEN: Duration = Duration::from_secs(2 * 3600);
/// How long a list may not show a VM that is on its way.
const LIST_LAG: Duration = Duration::from_secs(30);

/// The VMs of all groups that are awaited.
#[derive(Debug, Default)]
pub(crate) struct AwaitedVms(Mutex<BTreeMap<(ResourceGroup, String), Awaited>>);

#[derive(Debug, Clone)]
struct Awaited {
    operation: Url,
    since: Instant,
    /// The VM, as a list would show it after its creation failed.
    vm: Vm,
    is_seen: bool,
}

/// How the operation of a creation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CreationEnd {
    /// It goes on.
    Open,
    /// It is over, and there is nothing to learn from it.
    Over,
    /// It failed.
    Failed(CallError),
}

impl AwaitedVms {
    /// Awaits a VM whose creation Azure has accepted, if it named the operation.
    pub(crate) fn accepted(&self, spec: &VmSpec, operation: Option<Url>) {
        let tags = VmTags::of(spec.name.as_str(), &spec.tags);
        let (Some(operation), Some(tags)) = (operation, tags) else { return };
        let vm = Vm {
            name: spec.name.as_str().into(),
            group: spec.group.clone(),
            size: spec.size.as_str().into(),
            location: spec.location.as_str().into(),
            zone: spec.zone.as_deref().map(ForeignText::from),
            spot: spec.spot.is_some(),
            provisioning: ProvisioningState::Failed,
            failure: None,
            power: PowerState::Unknown,
            tags,
        };
        let mut all = self.0.lock();
        all.retain(|_, awaited| awaited.since.elapsed() < FORGOTTEN);
        if all.len() >= MOST_AWAITED {
            let oldest = all.iter().min_by_key(|(_, awaited)| awaited.since).map(|(key, _)| key.clone());
            oldest.and_then(|key| all.remove(&key));
        }
        let awaited = Awaited { operation, since: Instant::now(), vm, is_seen: false };
        all.insert((spec.group.clone(), spec.name.to_string()), awaited);
    }

    /// Forgets a VM that is deleted.
    pub(crate) fn deleted(&self, group: &ResourceGroup, name: &str) {
        self.0.lock().remove(&(group.clone(), name.to_owned()));
    }

    /// Takes in a list of a group; returns which VMs it does not show any more, each with its operation where how that
    /// ended is not known yet.
    pub(crate) fn missing_in(&self, group: &ResourceGroup, list: &[Vm]) -> Vec<(String, Option<Url>)> {
        let shown: BTreeMap<&str, ProvisioningState> =
            list.iter().map(|vm| (vm.name.as_str(), vm.provisioning)).collect();
        let mut all = self.0.lock();
        let mut missing = Vec::new();
        all.retain(|(of, name), awaited| {
            if of != group {
                return true;
            }
            match shown.get(name.as_str()) {
                Some(ProvisioningState::Succeeded | ProvisioningState::Deleting) => return false,
                Some(_) => awaited.is_seen = true,
                None if awaited.vm.failure.is_some() => missing.push((name.clone(), None)),
                None if awaited.is_seen || awaited.since.elapsed() > LIST_LAG => {
                    missing.push((name.clone(), Some(awaited.operation.clone())));
                }
                None => {}
            }
            awaited.since.elapsed() < FORGOTTEN
        });
        missing
    }

    /// The operation that creates a VM, if it is awaited.
    pub(crate) fn operation(&self, group: &ResourceGroup, name: &str) -> Option<Url> {
        let all = self.0.lock();
        all.get(&(group.clone(), name.to_owned())).map(|awaited| awaited.operation.clone())
    }

    /// Takes in how the operation of a VM stands.
    pub(crate) fn ended(&self, group: &ResourceGroup, name: &str, end: CreationEnd) {
        let (key, mut all) = ((group.clone(), name.to_owned()), self.0.lock());
        match end {
            CreationEnd::Open => {}
            CreationEnd::Over => drop(all.remove(&key)),
            CreationEnd::Failed(error) => {
                if let Some(awaited) = all.get_mut(&key) {
                    awaited.vm.failure = Some(error);
                }
            }
        }
    }

    /// A VM that Azure failed to create and does not show any more, with the reason.
    pub(crate) fn failed(&self, group: &ResourceGroup, name: &str) -> Option<Vm> {
        let all = self.0.lock();
        all.get(&(group.clone(), name.to_owned()))
            .map(|awaited| &awaited.vm)
            .filter(|vm| vm.failure.is_some())
            .cloned()
    }
}

/// How an operation stands, by its body.
pub(crate) fn creation_end(body: &[u8]) -> CreationEnd {
    #[derive(serde::Deserialize)]
    struct OperationJson {
        status: String,
    }
    match serde_json::from_slice::<OperationJson>(body).map(|json| json.status.to_ascii_lowercase()) {
        Ok(status) if status == "failed" || status == "canceled" => {
            crate::error::told_in(body).map_or(CreationEnd::Over, CreationEnd::Failed)
        }
        Ok(status) if status == "succeeded" => CreationEnd::Over,
        Ok(_) => CreationEnd::Open,
        Err(_) => CreationEnd::Over,
    }
}

#[cfg(test)]
mod tests;

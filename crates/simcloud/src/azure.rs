//! Azure's side of the world: VMs, from the request for them to their removal.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

/// Where Azure stands with a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is being made.
    Creating,
    /// It is made.
    Succeeded,
    /// It could not be made.
    Failed,
    /// It is being removed.
    Deleting,
}

impl State {
    /// Azure's word for it.
    pub fn word(self) -> &'static str {
        match self {
            State::Creating => "Creating",
            State::Succeeded => "Succeeded",
            State::Failed => "Failed",
            State::Deleting => "Deleting",
        }
    }
}

/// A VM. Its NIC, disk and address live and die with it.
#[derive(Debug, Clone)]
pub struct SimVm {
    /// A number that no other VM has, even of the same name.
    pub uid: u64,
    /// The subscription.
    pub subscription: String,
    /// The resource group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// What it was asked to be: the body of the request.
    pub body: Value,
    /// Where Azure stands with it.
    pub state: State,
    /// Whether it runs; `None` before it is made.
    pub running: Option<bool>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The runner that it became.
    pub runner: Option<u64>,
}

impl SimVm {
    /// A tag's value.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.body["tags"][name].as_str()
    }

    /// The size that it was asked with.
    pub fn size(&self) -> &str {
        self.body["properties"]["hardwareProfile"]["vmSize"].as_str().unwrap_or_default()
    }

    /// Azure's id for it.
    pub fn id(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Compute/virtualMachines/{}",
            self.subscription, self.group, self.name
        )
    }

    /// What of it would stay behind when it is deleted: a NIC or a disk without `deleteOption`.
    pub fn leaks(&self) -> bool {
        let properties = &self.body["properties"];
        let nics = &properties["networkProfile"]["networkInterfaceConfigurations"];
        let keeps_nic = nics
            .as_array()
            .is_none_or(|nics| nics.iter().any(|nic| nic["properties"]["deleteOption"] != "Delete"));
        keeps_nic || properties["storageProfile"]["osDisk"]["deleteOption"] != "Delete"
    }
}

/// Where a VM is, in lower case, since Azure does not distinguish.
pub type VmKey = (String, String, String);

/// The key of a VM.
pub fn key(subscription: &str, group: &str, name: &str) -> VmKey {
    (subscription.to_ascii_lowercase(), group.to_ascii_lowercase(), name.to_ascii_lowercase())
}

/// Azure's side of the world.
#[derive(Debug, Clone, Default)]
pub struct AzureState {
    /// VMs.
    pub vms: BTreeMap<VmKey, SimVm>,
    /// The last number given.
    pub last_uid: u64,
}

impl AzureState {
    /// The VMs of a resource group.
    pub fn of_group(&self, subscription: &str, group: &str) -> Vec<&SimVm> {
        let (subscription, group, _) = key(subscription, group, "");
        self.vms.iter().filter(|((s, g, _), _)| *s == subscription && *g == group).map(|(_, vm)| vm).collect()
    }

    /// The VMs of a subscription.
    pub fn of_subscription(&self, subscription: &str) -> Vec<&SimVm> {
        let subscription = subscription.to_ascii_lowercase();
        self.vms.iter().filter(|((s, ..), _)| *s == subscription).map(|(_, vm)| vm).collect()
    }
}

/// Why Azure refuses: its status, code and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Azure's code.
    pub code: &'static str,
    /// Azure's message.
    pub message: String,
}

//! VMs that have lost our tags. A policy of the subscription may strip or rewrite tags, and so may a person.

use crate::model::{ForeignText, PowerState, ProvisioningState, ResourceGroup};

/// A VM whose name has the form of ours, and whose tags do not say whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UntaggedVm {
    /// The name as Azure spells it.
    pub name: ForeignText,
    /// The resource group that holds the VM.
    pub group: ResourceGroup,
    /// The size, such as `Standard_D4s_v5`.
    pub size: ForeignText,
    /// The region.
    pub location: ForeignText,
    /// The availability zone.
    pub zone: Option<ForeignText>,
    /// Whether Azure may evict the VM.
    pub spot: bool,
    /// The provisioning state.
    pub provisioning: ProvisioningState,
    /// The power state.
    pub power: PowerState,
    /// The tags of ours that are absent. Empty if they are there with other values.
    pub lost: Vec<&'static str>,
}

//! Reads VMs from Azure's lists.

use std::collections::BTreeMap;

use azlin_fleet::model::{CallError, PowerState, PowerStates, ProvisioningState, ResourceGroup, Vm, VmTags};

use crate::api::models::{Priority, VirtualMachine};
use crate::error;

/// The power states in a list of statuses. The group is in the ids alone.
pub(crate) fn power_states(list: &[VirtualMachine]) -> PowerStates {
    let mut states = PowerStates::default();
    for vm in list {
        if let (Some((group, name)), Some(power)) = (vm.resource.id.as_deref().and_then(place), power_of(vm))
        {
            states.insert(group, name, power);
        }
    }
    states
}

/// The power state in the instance view of one VM.
pub(crate) fn power_state(vm: &VirtualMachine) -> PowerState {
    power_of(vm).unwrap_or(PowerState::Unknown)
}

fn power_of(vm: &VirtualMachine) -> Option<PowerState> {
    let view = vm.properties.as_ref()?.instance_view.as_ref()?;
    view.statuses.iter().find_map(|status| power(status.code.as_deref()?))
}

/// Resource group and name in `/subscriptions/S/resourceGroups/G/providers/…/virtualMachines/N`.
/// Azure writes the ids of one VM in different cases.
fn place(id: &str) -> Option<(&str, &str)> {
    let mut segments = id.trim_start_matches('/').split('/');
    let group = segments.nth(3)?;
    Some((group, segments.next_back()?))
}

/// A VM as the fleet needs it; `None` when it does not have our mark.
pub(crate) fn ours(vm: &VirtualMachine, group: &ResourceGroup) -> Option<Vm> {
    let name = vm.resource.name.clone()?;
    let tags = VmTags::of(&name, &tags(vm))?;
    let properties = vm.properties.as_ref();
    let size = properties
        .and_then(|properties| properties.hardware_profile.as_ref()?.vm_size.as_ref())
        .and_then(|size| serde_json::to_value(size).ok()?.as_str().map(str::to_owned));
    Some(Vm {
        name,
        group: group.clone(),
        size: size.unwrap_or_default(),
        location: vm.resource.location.to_ascii_lowercase().replace(' ', ""),
        zone: vm.zones.first().cloned(),
        spot: properties.is_some_and(|properties| properties.priority == Some(Priority::Spot)),
        failure: None,
        provisioning: provisioning(
            properties.and_then(|properties| properties.provisioning_state.as_deref()),
        ),
        power: PowerState::Unknown,
        tags,
    })
}

/// The tags that are texts. Azure allows no others.
pub(crate) fn tags(vm: &VirtualMachine) -> BTreeMap<String, String> {
    let tags = vm.resource.tags.as_ref().and_then(|tags| tags.as_object());
    tags.into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Why Azure failed to create a VM, from its instance view: `ProvisioningState/failed/AllocationFailed`.
pub(crate) fn failure(vm: &VirtualMachine) -> Option<CallError> {
    let view = vm.properties.as_ref()?.instance_view.as_ref()?;
    view.statuses.iter().find_map(|status| {
        let code = status.code.as_deref()?.strip_prefix("ProvisioningState/failed/")?;
        Some(error::told(code, status.message.as_deref().unwrap_or_default()))
    })
}

fn provisioning(state: Option<&str>) -> ProvisioningState {
    match state {
        Some("Creating") => ProvisioningState::Creating,
        Some("Succeeded") => ProvisioningState::Succeeded,
        Some("Failed" | "Canceled") => ProvisioningState::Failed,
        Some("Deleting") => ProvisioningState::Deleting,
        _ => ProvisioningState::Other,
    }
}

fn power(code: &str) -> Option<PowerState> {
    Some(match code.strip_prefix("PowerState/")? {
        "starting" => PowerState::Starting,
        "running" => PowerState::Running,
        "stopping" => PowerState::Stopping,
        "stopped" => PowerState::Stopped,
        "deallocating" => PowerState::Deallocating,
        "deallocated" => PowerState::Deallocated,
        _ => PowerState::Unknown,
    })
}

#[cfg(test)]
mod tests;

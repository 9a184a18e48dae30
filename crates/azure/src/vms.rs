//! What Azure's VMs are to a fleet.

use azlin_fleet::model::{
    FailedVm, ForeignText, PowerState, PowerStates, ProvisioningState, ResourceGroup, RunnerName, TagsLeft,
    UntaggedVm, Vm, VmTags,
};

use crate::error;
use crate::vm_json::VmJson;

/// The power states in a list of statuses.
pub(crate) fn power_states(list: &[VmJson]) -> PowerStates {
    let mut states = PowerStates::default();
    for vm in list {
        if let Some(power) = power_of(vm) {
            states.insert(&vm.group, &vm.name, power);
        }
    }
    states
}

/// The power state in the instance view of one VM.
pub(crate) fn power_state(vm: &VmJson) -> PowerState {
    power_of(vm).unwrap_or(PowerState::Unknown)
}

fn power_of(vm: &VmJson) -> Option<PowerState> {
    vm.statuses.iter().find_map(|status| power(&status.code))
}

/// A VM as the fleet needs it; `None` when it does not have our mark.
pub(crate) fn ours(vm: &VmJson, group: &ResourceGroup) -> Option<Vm> {
    Some(listed(vm, group, VmTags::of(&vm.name, &vm.tags)?))
}

/// A VM as a list shows it: neither with its power state, nor why it failed.
fn listed<T>(vm: &VmJson, group: &ResourceGroup, tags: T) -> Vm<T> {
    Vm {
        tags,
        name: vm.name.clone(),
        group: group.clone(),
        size: vm.size.clone(),
        location: location(vm),
        zone: vm.zone.clone(),
        spot: vm.is_spot,
        failure: None,
        provisioning: provisioning(&vm.provisioning_state),
        power: PowerState::Unknown,
    }
}

/// A VM that may be ours by its name and has lost our tags.
pub(crate) fn untagged(vm: &VmJson, group: &ResourceGroup) -> Option<UntaggedVm> {
    if !RunnerName::has_form(&vm.name) || VmTags::of(&vm.name, &vm.tags).is_some() {
        return None;
    }
    let left = TagsLeft { lost: VmTags::lost(&vm.tags), host_key: VmTags::host_key_in(&vm.tags) };
    Some(listed(vm, group, left))
}

fn location(vm: &VmJson) -> ForeignText {
    vm.location.to_ascii_lowercase().replace(' ', "").into()
}

/// What the instance view shows of a VM that Azure calls failed: `ProvisioningState/failed/AllocationFailed`.
pub(crate) fn failed(vm: &VmJson) -> FailedVm {
    let found = vm.statuses.iter().find_map(|status| {
        let code = after(&status.code, "ProvisioningState/failed/")?;
        Some((code, error::told(code, &status.message)))
    });
    let (code, failure) = found.unzip();
    FailedVm { code: code.unwrap_or_default().into(), power: power_state(vm), failure }
}

/// `provisioningState` in Azure's words.
pub(crate) fn provisioning(state: &str) -> ProvisioningState {
    match state.to_ascii_lowercase().as_str() {
        "creating" => ProvisioningState::Creating,
        "succeeded" => ProvisioningState::Succeeded,
        "failed" | "canceled" => ProvisioningState::Failed,
        "deleting" => ProvisioningState::Deleting,
        _ => ProvisioningState::Other,
    }
}

fn power(code: &str) -> Option<PowerState> {
    Some(match after(code, "PowerState/")?.to_ascii_lowercase().as_str() {
        "starting" => PowerState::Starting,
        "running" => PowerState::Running,
        "stopping" => PowerState::Stopping,
        "stopped" => PowerState::Stopped,
        "deallocating" => PowerState::Deallocating,
        "deallocated" => PowerState::Deallocated,
        _ => PowerState::Unknown,
    })
}

/// The rest of a code after its beginning, in any case: Azure has written both `running` and `Running`.
fn after<'c>(code: &'c str, beginning: &str) -> Option<&'c str> {
    let (found, rest) = code.split_at_checked(beginning.len())?;
    found.eq_ignore_ascii_case(beginning).then_some(rest).filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests;

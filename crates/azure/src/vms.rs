//! Reads VMs from Azure's lists.

use std::collections::BTreeMap;

use azlin_fleet::model::{CallError, PowerState, PowerStates, ProvisioningState, ResourceGroup, Vm, VmTags};

use crate::api::models::{Priority, VirtualMachine};
use crate::error;

/// The power states in a list of statuses. The group is in the ids alone.
pub(crate) fn power_states(list: &[VirtualMachine]) -> PowerStates {
    let mut states = PowerStates::default();
    for vm in list {
        let view = vm.properties.as_ref().and_then(|properties| properties.instance_view.as_ref());
        let power = view.into_iter().flat_map(|view| &view.statuses).find_map(|s| power(s.code.as_deref()?));
        if let (Some((group, name)), Some(power)) = (vm.resource.id.as_deref().and_then(place), power) {
            states.insert(group, name, power);
        }
    }
    states
}

/// Resource group and name in `/subscriptions/S/resourceGroups/G/providers/…/virtualMachines/N`.
/// Azure writes the ids of one VM in different cases.
fn place(id: &str) -> Option<(&str, &str)> {
    let mut segments = id.trim_start_matches('/').split('/');
    let group = segments.nth(3)?;
    Some((group, segments.next_back()?))
}

/// A VM as the fleet needs it; `None` when it does not bear our mark.
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
mod tests {
    use super::*;
    use azlin_fleet::model::CallErrorKind;
    use serde_json::json;

    #[test]
    fn states_of_vms() {
        for (text, expected) in [
            (Some("Creating"), ProvisioningState::Creating),
            (Some("Updating"), ProvisioningState::Other),
            (Some("Succeeded"), ProvisioningState::Succeeded),
            (Some("Failed"), ProvisioningState::Failed),
            (Some("Canceled"), ProvisioningState::Failed),
            (Some("Deleting"), ProvisioningState::Deleting),
            (None, ProvisioningState::Other),
        ] {
            assert_eq!(provisioning(text), expected, "{text:?}");
        }
        for (code, expected) in [
            ("PowerState/running", Some(PowerState::Running)),
            ("PowerState/starting", Some(PowerState::Starting)),
            ("PowerState/stopping", Some(PowerState::Stopping)),
            ("PowerState/stopped", Some(PowerState::Stopped)),
            ("PowerState/deallocating", Some(PowerState::Deallocating)),
            ("PowerState/deallocated", Some(PowerState::Deallocated)),
            ("PowerState/unknown", Some(PowerState::Unknown)),
            ("ProvisioningState/succeeded", None),
        ] {
            assert_eq!(power(code), expected, "{code}");
        }
    }

    #[test]
    fn why_a_vm_could_not_be_made() {
        let vm = |statuses: serde_json::Value| -> VirtualMachine {
            serde_json::from_value(
                json!({"location": "x", "properties": {"instanceView": {"statuses": statuses}}}),
            )
            .expect("a VM")
        };
        let failed = json!([
            {"code": "PowerState/stopped"},
            {"code": "ProvisioningState/failed/AllocationFailed", "message": "Allocation failed.\nTry again."},
        ]);
        let failure = failure(&vm(failed)).expect("it is told");
        assert_eq!(failure.kind, CallErrorKind::NoCapacity);
        assert_eq!(failure.to_string(), "AllocationFailed \"Allocation failed. Try again.\"");
        for other in
            [json!([]), json!([{"code": "ProvisioningState/failed"}, {"code": "ProvisioningState/creating"}])]
        {
            assert_eq!(super::failure(&vm(other)), None);
        }
    }

    #[test]
    fn power_states_are_read_by_group_and_name_in_any_case() {
        let vm = |id: &str, statuses: serde_json::Value| -> VirtualMachine {
            serde_json::from_value(json!({
                "id": id, "location": "westeurope", "properties": {"instanceView": {"statuses": statuses}}
            }))
            .expect("a VM")
        };
        let at = |group: &str, name: &str| {
            format!(
                "/subscriptions/S/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}"
            )
        };
        let running = json!([{"code": "ProvisioningState/succeeded"}, {"code": "PowerState/running"}]);
        let stopped = json!([{"code": "PowerState/stopped"}]);
        let found = power_states(&[
            vm(&at("CI", "A"), running),
            vm(&at("other", "a"), stopped),
            vm(&at("ci", "b"), json!([])),
            vm("/subscriptions/S", json!([{"code": "PowerState/running"}])),
        ]);
        let mut expected = PowerStates::default();
        expected.insert("ci", "a", PowerState::Running);
        expected.insert("other", "a", PowerState::Stopped);
        assert_eq!(found, expected);
    }
}

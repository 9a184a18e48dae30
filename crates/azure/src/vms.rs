//! VMs out of Azure's lists.

use std::collections::{BTreeMap, HashMap};

use crate::api::compute::models::VirtualMachine;
use azlin_fleet::vm::{PowerState, ProvisioningState, ResourceGroup, Vm, VmTags};

/// Power states by the VM's id. Azure writes the ids of one VM in different cases.
#[derive(Debug, Default)]
pub(crate) struct Powers(HashMap<String, PowerState>);

impl Powers {
    pub(crate) fn extend(&mut self, vms: Vec<VirtualMachine>) {
        for vm in vms {
            let statuses = vm.properties.and_then(|properties| properties.instance_view);
            let power =
                statuses.iter().flat_map(|view| &view.statuses).find_map(|s| power(s.code.as_deref()?));
            if let (Some(id), Some(power)) = (vm.resource.id, power) {
                self.0.insert(id.to_ascii_lowercase(), power);
            }
        }
    }

    fn of(&self, vm: &VirtualMachine) -> PowerState {
        let id = vm.resource.id.as_deref().unwrap_or_default().to_ascii_lowercase();
        self.0.get(&id).copied().unwrap_or(PowerState::Unknown)
    }
}

/// A VM in the words of the trade; `None` when it does not bear our mark.
pub(crate) fn ours(vm: &VirtualMachine, group: &ResourceGroup, powers: &Powers) -> Option<Vm> {
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
        provisioning: provisioning(
            properties.and_then(|properties| properties.provisioning_state.as_deref()),
        ),
        power: powers.of(vm),
        tags,
    })
}

/// The tags that are texts, which is all that Azure allows.
pub(crate) fn tags(vm: &VirtualMachine) -> BTreeMap<String, String> {
    let tags = vm.resource.tags.as_ref().and_then(|tags| tags.as_object());
    tags.into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
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
        "starting" | "running" => PowerState::Running,
        "stopping" | "stopped" | "deallocating" | "deallocated" => PowerState::Stopped,
        _ => PowerState::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
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
            ("PowerState/starting", Some(PowerState::Running)),
            ("PowerState/stopped", Some(PowerState::Stopped)),
            ("PowerState/deallocated", Some(PowerState::Stopped)),
            ("PowerState/unknown", Some(PowerState::Unknown)),
            ("ProvisioningState/succeeded", None),
        ] {
            assert_eq!(power(code), expected, "{code}");
        }
    }

    #[test]
    fn a_power_state_is_found_by_an_id_in_any_case() {
        let vm = |id: &str, statuses: serde_json::Value| -> VirtualMachine {
            serde_json::from_value(json!({
                "id": id, "location": "westeurope", "properties": {"instanceView": {"statuses": statuses}}
            }))
            .expect("a VM")
        };
        let mut powers = Powers::default();
        let statuses = json!([{"code": "ProvisioningState/succeeded"}, {"code": "PowerState/running"}]);
        powers.extend(vec![vm("/subscriptions/S/resourceGroups/CI/vms/A", statuses)]);
        assert_eq!(
            powers.of(&vm("/subscriptions/s/resourceGroups/ci/vms/a", json!([]))),
            PowerState::Running
        );
        assert_eq!(
            powers.of(&vm("/subscriptions/s/resourceGroups/ci/vms/b", json!([]))),
            PowerState::Unknown
        );
    }
}

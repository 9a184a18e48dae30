use super::*;
use crate::vm_json;
use azlin_fleet::model::CallErrorKind;
use serde_json::{Value, json};

/// A VM with such an instance view.
fn vm(name: &str, group: &str, statuses: &Value) -> VmJson {
    let id =
        format!("/subscriptions/S/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}");
    let vm = json!({"id": id, "name": name, "properties": {"instanceView": {"statuses": statuses}}});
    vm_json::one(vm.to_string().as_bytes()).expect("a VM")
}

#[test]
fn states_of_vms() {
    for (text, expected) in [
        ("Creating", ProvisioningState::Creating),
        ("Updating", ProvisioningState::Other),
        ("Migrating", ProvisioningState::Other),
        ("Succeeded", ProvisioningState::Succeeded),
        ("succeeded", ProvisioningState::Succeeded),
        ("Failed", ProvisioningState::Failed),
        ("Canceled", ProvisioningState::Failed),
        ("Deleting", ProvisioningState::Deleting),
        ("", ProvisioningState::Other),
    ] {
        assert_eq!(provisioning(text), expected, "{text:?}");
    }
    for (code, expected) in [
        ("PowerState/running", Some(PowerState::Running)),
        ("PowerState/Running", Some(PowerState::Running)),
        ("powerState/RUNNING", Some(PowerState::Running)),
        ("PowerState/starting", Some(PowerState::Starting)),
        ("PowerState/stopping", Some(PowerState::Stopping)),
        ("PowerState/stopped", Some(PowerState::Stopped)),
        ("PowerState/deallocating", Some(PowerState::Deallocating)),
        ("PowerState/deallocated", Some(PowerState::Deallocated)),
        ("PowerState/unknown", Some(PowerState::Unknown)),
        ("PowerState/", None),
        ("ProvisioningState/succeeded", None),
        ("OSState/generalized", None),
        ("Pöwer", None),
    ] {
        assert_eq!(power(code), expected, "{code}");
    }
}

/// Views in the form in which Azure shows them of VMs that it calls Failed.
#[test]
fn what_is_the_matter_with_a_vm_that_failed() {
    use ProvisioningState::{Failed, Impaired, Withheld};
    let status = |code: &str| json!({"code": code, "level": "Error", "displayStatus": "Provisioning failed"});
    let with = |code: &str, message: &str, power: Option<&str>| {
        let mut failed = status(&format!("ProvisioningState/failed/{code}"));
        failed["message"] = json!(message);
        let power = power.map(|power| json!({"code": format!("PowerState/{power}"), "level": "Info"}));
        Value::Array([Some(failed), power].into_iter().flatten().collect())
    };
    let extension = "VM has reported a failure when processing extension 'AzureMonitorLinuxAgent'.";
    for (situation, statuses, expected, kind) in [
        (
            "no room in a zone",
            with("OverconstrainedZonalAllocationRequest", "Allocation failed.", None),
            Failed,
            Some(CallErrorKind::NoCapacity),
        ),
        (
            "no room",
            with("AllocationFailed", "Allocation failed.\nTry again.", None),
            Failed,
            Some(CallErrorKind::NoCapacity),
        ),
        ("an extension", with("VMExtensionProvisioningError", extension, Some("running")), Impaired, None),
        ("too late", with("OSProvisioningTimedOut", "did not finish", Some("Running")), Impaired, None),
        ("Azure's own failure", with("InternalOperationError", "abandoned", None), Failed, None),
        ("unpaid", with("VMStoppedToWarnSubscription", "a warning", Some("stopped")), Withheld, None),
        ("no reason", json!([status("ProvisioningState/failed")]), Failed, None),
        ("nothing", json!([]), Failed, None),
    ] {
        let found = failed(&vm("vm-9", "rg", &statuses));
        assert_eq!(ProvisioningState::of_failed(Some(&found)), expected, "{situation}");
        if let Some(kind) = kind {
            assert_eq!(found.failure.map(|failure| failure.kind), Some(kind), "{situation}");
        }
    }
    let found = failed(&vm("vm-9", "rg", &with("AllocationFailed", "Allocation failed.\nTry again.", None)));
    assert_eq!(found.code, "AllocationFailed");
    let told = found.failure.expect("it is told").to_string();
    assert_eq!(told, "AllocationFailed \"Allocation failed. Try again.\"");
}

#[test]
fn power_states_are_read_by_group_and_name_in_any_case() {
    let code = |codes: &[&str]| Value::Array(codes.iter().map(|code| json!({"code": code})).collect());
    let found = power_states(&[
        vm("A", "CI", &code(&["ProvisioningState/succeeded", "PowerState/running"])),
        vm("a", "other", &code(&["PowerState/stopped"])),
        vm("b", "ci", &code(&[])),
        vm("c", "ci", &code(&["ProvisioningState/creating/osProvisioningComplete", "PowerState/Running"])),
        vm(
            "d",
            "ci",
            &code(&["ProvisioningState/succeeded", "OSState/generalized", "PowerState/deallocated"]),
        ),
        vm("e", "ci", &code(&["ProvisioningState/creating"])),
    ]);
    let mut expected = PowerStates::default();
    for (group, name, state) in [
        ("ci", "a", PowerState::Running),
        ("other", "a", PowerState::Stopped),
        ("ci", "c", PowerState::Running),
        ("ci", "d", PowerState::Deallocated),
    ] {
        expected.insert(group, name, state);
    }
    assert_eq!(found, expected);
}

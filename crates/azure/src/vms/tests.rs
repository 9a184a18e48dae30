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
        format!("/subscriptions/S/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}")
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

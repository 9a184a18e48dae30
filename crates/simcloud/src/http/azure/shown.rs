//! A VM as Azure shows it: what was asked for without secrets and without the configuration of its parts, and what
//! Azure added.

use azlin_fleet::model::Image;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::azure::{SimVm, SimVmState};
use crate::world::World;

/// The size of a disk that nobody chose, in GiB: that of the image.
pub(super) const IMAGE_GIB: u64 = 30;

/// A time as Azure writes it, with seven digits and an offset.
pub(super) fn time(at: Timestamp) -> String {
    let ticks = at.subsec_nanosecond() / 100;
    format!("{}.{ticks:07}+00:00", at.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// What a request for VMs wants to see of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VmView {
    /// The VM alone.
    Model,
    /// With its instance view.
    Expanded,
    /// In a list: the group is in capitals in the id.
    Listed,
    /// In a list of statuses, which has no tags.
    Status,
}

/// A VM as Azure shows it.
pub(super) fn vm_json(world: &World, vm: &SimVm, wants: VmView) -> Value {
    let id = match wants {
        VmView::Model | VmView::Expanded => vm.id(),
        VmView::Listed | VmView::Status => vm.id_in_capitals(),
    };
    let vm_id = format!("00000000-0000-0000-0000-{:012}", vm.uid);
    let mut shown = json!({
        "name": vm.name, "id": id, "type": "Microsoft.Compute/virtualMachines", "location": vm.body["location"],
        "properties": {"vmId": vm_id, "provisioningState": vm.state.as_str()},
    });
    if wants == VmView::Status {
        shown["properties"]["instanceView"] = json!({"statuses": statuses(vm, wants)});
        return shown;
    }
    shown["etag"] = json!(format!("\"{}\"", vm.uid));
    for name in ["tags", "zones", "plan"] {
        if !vm.body[name].is_null() {
            shown[name] = vm.body[name].clone();
        }
    }
    if let Some(identity) = identity(&vm.body["identity"]) {
        shown["identity"] = identity;
    }
    let mut properties = vm.body["properties"].clone();
    for (name, value) in shown["properties"].as_object().into_iter().flatten() {
        properties[name] = value.clone();
    }
    properties["timeCreated"] = json!(time(vm.created_at));
    properties["storageProfile"] = storage(world, vm);
    properties["osProfile"] = os_profile(&vm.body["properties"]["osProfile"]);
    properties["networkProfile"] = json!({"networkInterfaces": [
        {"id": vm.nic_id(), "properties": {"primary": true, "deleteOption": vm.nic_delete_option()}},
    ]});
    if let Some(properties) = properties.as_object_mut() {
        properties.remove("userData");
        properties.retain(|_, value| !value.is_null());
    }
    if wants == VmView::Expanded {
        properties["instanceView"] = view(vm);
    }
    shown["properties"] = properties;
    shown
}

fn identity(asked: &Value) -> Option<Value> {
    let mut shown = asked.as_object()?.clone();
    let assigned = shown.get("userAssignedIdentities").and_then(Value::as_object).cloned()?;
    let about = json!({
        "principalId": "00000000-0000-0000-0000-000000000000", "clientId": "00000000-0000-0000-0000-000000000000",
    });
    let assigned: serde_json::Map<_, _> = assigned.into_iter().map(|(id, _)| (id, about.clone())).collect();
    shown.insert("userAssignedIdentities".to_owned(), Value::Object(assigned));
    Some(Value::Object(shown))
}

/// The image that a request names.
pub(super) fn image(body: &Value) -> Option<Image> {
    let reference = &body["properties"]["storageProfile"]["imageReference"];
    let text = |name: &str| reference[name].as_str().map(str::to_owned);
    Some(match text("id") {
        Some(id) => Image::Id(id),
        None => Image::Marketplace {
            publisher: text("publisher")?,
            offer: text("offer")?,
            sku: text("sku")?,
            version: text("version").unwrap_or_else(|| "latest".to_owned()),
        },
    })
}

fn storage(world: &World, vm: &SimVm) -> Value {
    let mut storage = vm.body["properties"]["storageProfile"].clone();
    let version = image(&vm.body).and_then(|image| world.image(&image)).and_then(|facts| facts.version);
    if let (Some(version), Some(reference)) = (version, storage["imageReference"].as_object_mut()) {
        reference.insert("exactVersion".to_owned(), json!(version));
    }
    let disk = &mut storage["osDisk"];
    disk["osType"] = json!("Linux");
    disk["name"] = json!(vm.disk());
    for (name, value) in [
        ("createOption", json!("FromImage")),
        ("caching", json!("ReadWrite")),
        ("deleteOption", json!("Detach")),
        ("diskSizeGB", json!(IMAGE_GIB)),
    ] {
        if disk[name].is_null() {
            disk[name] = value;
        }
    }
    if disk["diffDiskSettings"].is_null() {
        if disk["managedDisk"]["storageAccountType"].is_null() {
            disk["managedDisk"] = json!({"storageAccountType": "Premium_LRS"});
        }
        // The disk has its name at once, and its id once it exists.
        if vm.power.is_some() {
            disk["managedDisk"]["id"] = json!(vm.disk_id());
        }
    }
    storage["dataDisks"] = json!([]);
    storage
}

fn os_profile(asked: &Value) -> Value {
    let mut shown = asked.clone();
    let Some(profile) = shown.as_object_mut() else { return Value::Null };
    profile.remove("customData");
    profile.remove("adminPassword");
    profile.insert("secrets".to_owned(), json!([]));
    profile.entry("allowExtensionOperations").or_insert(json!(true));
    profile.insert("requireGuestProvisionSignal".to_owned(), json!(true));
    if let Some(linux) = profile.get_mut("linuxConfiguration").and_then(Value::as_object_mut) {
        linux.entry("provisionVMAgent").or_insert(json!(true));
        linux.insert(
            "patchSettings".to_owned(),
            json!({"patchMode": "ImageDefault", "assessmentMode": "ImageDefault"}),
        );
    }
    shown
}

/// Azure's message for an operation that failed with this code.
pub(crate) fn failure_message(code: &str, size: &str) -> String {
    match code {
        "QuotaExceeded" | "OperationNotAllowed" => {
            format!("The operation for {size} results in exceeding approved Total Regional Cores quota.")
        }
        "VMExtensionProvisioningError" => {
            "VM has reported a failure when processing extension 'AzureMonitorLinuxAgent'.".to_owned()
        }
        "OSProvisioningTimedOut" => {
            "OS Provisioning did not finish in the allotted time. The VM may still finish \
                                     provisioning successfully. Please check provisioning state later."
                .to_owned()
        }
        _ => format!("The operation for {size} failed. Try later, or another size or zone."),
    }
}

/// A VM's instance view.
pub(super) fn view(vm: &SimVm) -> Value {
    let mut view =
        json!({"statuses": statuses(vm, VmView::Expanded), "bootDiagnostics": {}, "hyperVGeneration": "V2"});
    let now = time(vm.changed_at);
    if vm.power.is_some() {
        view["disks"] = json!([{"name": vm.disk(), "statuses": [{
            "code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded", "time": now,
        }]}]);
    }
    if vm.guest.is_up && vm.is_running() {
        view["computerName"] = json!(vm.name);
        view["osName"] = json!("ubuntu");
        view["osVersion"] = json!("24.04");
        view["vmAgent"] = json!({"vmAgentVersion": "2.13.1.1", "extensionHandlers": [], "statuses": [{
            "code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Ready",
            "message": "Guest Agent is running", "time": now,
        }]});
    }
    if vm.state == SimVmState::Failed && vm.failure.as_deref() == Some("VMExtensionProvisioningError") {
        view["extensions"] = json!([{
            "name": "AzureMonitorLinuxAgent", "type": "Microsoft.Azure.Monitor.AzureMonitorLinuxAgent",
            "typeHandlerVersion": "1.33",
            "statuses": [{
                "code": "ProvisioningState/failed/1", "level": "Error", "displayStatus": "Provisioning failed",
                "message": "Enable failed",
            }],
        }]);
    }
    view
}

/// The provisioning state, with its time, and the power state, which has none.
fn statuses(vm: &SimVm, wants: VmView) -> Value {
    let is_short = wants == VmView::Status;
    let (code, display) = match vm.state {
        SimVmState::Creating => ("creating".to_owned(), "Creating"),
        SimVmState::Succeeded => ("succeeded".to_owned(), "Provisioning succeeded"),
        SimVmState::Updating => ("updating".to_owned(), "Updating"),
        SimVmState::Failed => {
            let code = vm.failure.as_deref().unwrap_or("InternalExecutionError");
            (format!("failed/{code}"), "Provisioning failed")
        }
        SimVmState::Deleting => ("deleting".to_owned(), "Deleting"),
    };
    let mut status = json!({
        "code": format!("ProvisioningState/{code}"),
        "level": if vm.state == SimVmState::Failed { "Error" } else { "Info" },
        "displayStatus": if is_short { "ProvisioningState" } else { display },
    });
    if !is_short {
        status["time"] = json!(time(vm.changed_at));
    }
    if let Some(code) = vm.failure.as_deref().filter(|_| vm.state == SimVmState::Failed) {
        status["message"] = json!(failure_message(code, vm.size()));
    }
    let power = vm.power.map(|power| {
        let display = if is_short { "PowerState".to_owned() } else { format!("VM {}", power.as_str()) };
        json!({"code": format!("PowerState/{}", power.as_str()), "level": "Info", "displayStatus": display})
    });
    std::iter::once(status).chain(power).collect()
}

//! What Azure reports beside a VM: its NIC, and its console output.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::json;

use super::azure::{error, no_vm};
use super::message::{SimRequest, SimResponse};
use crate::azure::{SimVm, key};
use crate::world::World;

/// How many bytes of the console's end are shown.
const CONSOLE: u64 = 64 * 1024;

/// A network interface, with its public address if the request expands that.
pub(super) fn nic(
    world: &World,
    request: &SimRequest,
    (subscription, group, name): (&str, &str, &str),
) -> SimResponse {
    let vms = world.state.azure.of_group(subscription, group);
    let vm = vms.into_iter().find(|vm| vm.nic().eq_ignore_ascii_case(name));
    let found = vm.and_then(|vm| Some((vm, vm.address(world.settings.real_machines)?)));
    let Some((vm, address)) = found.filter(|_| request.method == "GET") else {
        let message = format!(
            "The Resource 'Microsoft.Network/networkInterfaces/{name}' under resource group '{group}' was not found."
        );
        return error(404, "ResourceNotFound", &message);
    };
    let mut properties = json!({"primary": true, "privateIPAddress": address.to_string(), "privateIPAllocationMethod": "Dynamic"});
    if let Some(public) = vm.public_ip() {
        let id = format!("{}/{public}", vm.network("publicIPAddresses"));
        let expand = request.parameter("$expand").unwrap_or_default();
        properties["publicIPAddress"] = if expand.eq_ignore_ascii_case("ipConfigurations/publicIPAddress") {
            // Every machine has this one address.
            json!({"id": id, "name": public, "properties": {"ipAddress": address.to_string()}})
        } else {
            json!({"id": id})
        };
    }
    let id = vm.nic_id();
    let ip = json!({"id": format!("{id}/ipConfigurations/ip"), "name": "ip", "properties": properties});
    SimResponse::json(
        200,
        &json!({
            "id": id, "name": vm.nic(), "type": "Microsoft.Network/networkInterfaces", "location": vm.body["location"],
            "tags": vm.body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["tags"],
            "etag": "W/\"0\"", "kind": "Regular",
            "properties": {
                "provisioningState": "Succeeded", "primary": true, "virtualMachine": {"id": vm.id()},
                "ipConfigurations": [ip],
            },
        }),
    )
}

/// The addresses of the console's output.
pub(super) fn boot_diagnostics(
    world: &World,
    request: &SimRequest,
    (subscription, group, name): (&str, &str, &str),
) -> SimResponse {
    if request.method != "POST" {
        return error(405, "MethodNotAllowed", "Not allowed here.");
    }
    let Some(vm) = world.state.azure.vms.get(&key(subscription, group, name)) else {
        return no_vm((subscription, group, name));
    };
    if vm.body["properties"]["diagnosticsProfile"]["bootDiagnostics"]["enabled"] != true {
        let message = format!("Boot diagnostics is not enabled for the VM '{name}'.");
        return error(409, "BootDiagnosticsNotEnabled", &message);
    }
    let blob = |file: &str| format!("{}/_blob/{}/{file}?sig={}", request.base, vm.name, signature(world, vm));
    SimResponse::json(
        200,
        &json!({
            "consoleScreenshotBlobUri": blob("screenshot.bmp"), "serialConsoleLogBlobUri": blob("serial.log"),
        }),
    )
}

/// The console's output, for a request with a valid signature.
pub(super) fn serial_log(world: &World, request: &SimRequest) -> SimResponse {
    let segments = request.segments();
    let vm = match segments.as_slice() {
        ["_blob", name, "serial.log"] => world.state.azure.vms.values().find(|vm| vm.name == *name),
        _ => None,
    };
    let Some(vm) = vm else { return error(404, "BlobNotFound", "The specified blob does not exist.") };
    if request.parameter("sig") != Some(signature(world, vm)) {
        return error(403, "AuthenticationFailed", "Server failed to authenticate the request.");
    }
    let text = match &vm.machine {
        Some(machine) => end_of(&machine.console).unwrap_or_default(),
        None => vm.console().into_bytes(),
    };
    let answer = SimResponse { status: 200, body: text.into(), ..SimResponse::default() };
    SimResponse {
        route: "/_blob/{name}/serial.log".to_owned(),
        ..answer.header("content-type", "text/plain")
    }
}

fn end_of(console: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(console)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(CONSOLE)))?;
    let mut text = Vec::new();
    file.take(CONSOLE).read_to_end(&mut text)?;
    Ok(text)
}

fn signature(world: &World, vm: &SimVm) -> String {
    let mut hasher = DefaultHasher::new();
    (world.settings.seed, vm.uid, &vm.name, "console").hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

//! NICs, public addresses and disks: lists, and deletion.

use azlin_fleet::model::OrphanKind;
use serde_json::{Value, json};

use super::azure::{error, leading_to};
use super::message::{SimRequest, SimResponse};
use crate::azure::{SimResource, SimVm};
use crate::operations::OperationKind;
use crate::world::World;

/// The kind and the resource type for a segment of a path in lower case.
pub(super) fn kind(word: &str) -> Option<(OrphanKind, &'static str)> {
    Some(match word {
        "networkinterfaces" => (OrphanKind::NetworkInterface, "Microsoft.Network/networkInterfaces"),
        "publicipaddresses" => (OrphanKind::PublicIp, "Microsoft.Network/publicIPAddresses"),
        "disks" => (OrphanKind::Disk, "Microsoft.Compute/disks"),
        _ => return None,
    })
}

/// Answers a request for a list or a deletion.
pub(super) fn answer(world: &mut World, request: &SimRequest, words: &[&str]) -> (&'static str, SimResponse) {
    let Some((kind, resource)) = kind(words[6]) else {
        return ("", error(404, "NotFound", "No such resource type here."));
    };
    let parts = world.state.azure.parts(words[1], words[3], kind);
    let answer = match (request.method.as_str(), words.get(7)) {
        ("GET", None) => SimResponse::json(
            200,
            &json!({"value": parts.iter().map(|part| json(world, part, resource)).collect::<Value>()}),
        ),
        ("DELETE", Some(name)) => match parts.iter().find(|part| part.name().eq_ignore_ascii_case(name)) {
            None => SimResponse::empty(204),
            Some(SimResource { vm: Some(vm), .. }) => error(
                if kind == OrphanKind::Disk { 409 } else { 400 },
                if kind == OrphanKind::Disk { "OperationNotAllowed" } else { "NicInUse" },
                &format!("{name} is used by {vm}."),
            ),
            Some(SimResource { reserved: Some((until, vm)), .. }) if *until > world.now() => error(
                400,
                "NicReservedForAnotherVm",
                &format!(
                    "Nic(s) in request is reserved for another Virtual Machine for 180 seconds. Please provide another \
                     nic(s) or retry after 180 seconds. Reserved VM: {vm}"
                ),
            ),
            Some(part) => {
                world.state.azure.left.remove(&part.id.to_ascii_lowercase());
                let number = world.done_at_once(OperationKind::Delete, 0);
                let region = part.location.as_str().unwrap_or_default();
                let at = (resource.split('/').next().unwrap_or_default(), region);
                leading_to(SimResponse::empty(202), world, request, at, number, true)
            }
        },
        _ => error(405, "MethodNotAllowed", "Not allowed here."),
    };
    (resource, answer)
}

/// Answers a request for one address or one disk.
pub(super) fn one(world: &World, request: &SimRequest, words: &[&str]) -> (&'static str, SimResponse) {
    let Some((kind, resource)) = kind(words[6]) else {
        return ("", error(404, "NotFound", "No such resource type here."));
    };
    let name = words[7];
    let parts = world.state.azure.parts(words[1], words[3], kind);
    let found = parts.iter().find(|part| part.name().eq_ignore_ascii_case(name));
    let Some(part) = found.filter(|_| request.method == "GET") else {
        return (resource, error(404, "ResourceNotFound", &format!("{resource}/{name} was not found.")));
    };
    (resource, SimResponse::json(200, &json(world, part, resource)))
}

/// A resource as Azure shows it. A NIC uses an address even where no VM uses the NIC.
fn json(world: &World, part: &SimResource, resource: &str) -> Value {
    let mut shown = json!({
        "id": part.id, "name": part.name(), "type": resource, "location": part.location, "tags": part.tags,
        "etag": "W/\"0\"", "properties": {"provisioningState": "Succeeded"},
    });
    let vm = |id: &str| world.state.azure.vms.values().find(|vm| vm.id() == id);
    let in_capitals = part.vm.as_deref().and_then(vm).map(SimVm::id_in_capitals);
    match (part.kind, &part.vm) {
        (OrphanKind::NetworkInterface, Some(id)) => {
            shown["properties"]["virtualMachine"] = json!({"id": in_capitals.as_ref().unwrap_or(id)});
        }
        (OrphanKind::PublicIp, Some(vm)) => {
            shown["properties"]["ipConfiguration"] = json!({"id": format!("{vm}-nic")});
        }
        (OrphanKind::Disk, vm) => {
            shown["managedBy"] = json!(vm);
            shown["properties"]["diskState"] = json!(if vm.is_some() { "Attached" } else { "Unattached" });
        }
        (_, None) => {}
    }
    shown
}

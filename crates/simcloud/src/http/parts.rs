//! NICs, public addresses and disks: lists, and deletion.

use azlin_fleet::model::OrphanKind;
use serde_json::{Value, json};

use super::azure::error;
use super::message::{SimRequest, SimResponse};
use crate::azure::SimResource;
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
            &json!({"value": parts.iter().map(|part| json(part, resource)).collect::<Value>()}),
        ),
        ("DELETE", Some(name)) => match parts.iter().find(|part| part.name().eq_ignore_ascii_case(name)) {
            None => SimResponse::empty(204),
            Some(SimResource { vm: Some(vm), .. }) => error(
                if kind == OrphanKind::Disk { 409 } else { 400 },
                if kind == OrphanKind::Disk { "OperationNotAllowed" } else { "NicInUse" },
                &format!("{name} is used by {vm}."),
            ),
            Some(part) => {
                world.state.azure.left.remove(&part.id.to_ascii_lowercase());
                SimResponse::empty(202)
            }
        },
        _ => error(405, "MethodNotAllowed", "Not allowed here."),
    };
    (resource, answer)
}

/// A resource as Azure shows it. A NIC uses an address even where no VM uses the NIC.
fn json(part: &SimResource, resource: &str) -> Value {
    let mut shown = json!({
        "id": part.id, "name": part.name(), "type": resource, "location": part.location, "tags": part.tags,
        "properties": {"provisioningState": "Succeeded"},
    });
    match (part.kind, &part.vm) {
        (OrphanKind::NetworkInterface, Some(vm)) => shown["properties"]["virtualMachine"] = json!({"id": vm}),
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

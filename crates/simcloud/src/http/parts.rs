//! NICs, public addresses and disks: their lists, and their removal.

use azlin_fleet::leftover::Kind;
use serde_json::{Value, json};

use super::answer::{Answer, Ask};
use super::azure::error;
use crate::azure::Part;
use crate::world::World;

/// The kind that a path names in lower case, and its type.
pub(super) fn kind(word: &str) -> Option<(Kind, &'static str)> {
    Some(match word {
        "networkinterfaces" => (Kind::NetworkInterface, "Microsoft.Network/networkInterfaces"),
        "publicipaddresses" => (Kind::PublicIp, "Microsoft.Network/publicIPAddresses"),
        "disks" => (Kind::Disk, "Microsoft.Compute/disks"),
        _ => return None,
    })
}

/// Answers a request for a list, or for a removal.
pub(super) fn answer(world: &mut World, ask: &Ask, words: &[&str]) -> (&'static str, Answer) {
    let Some((kind, resource)) = kind(words[6]) else {
        return ("", error(404, "NotFound", "No such resource type here."));
    };
    let parts = world.state.azure.parts(words[1], words[3], kind);
    let answer = match (ask.method.as_str(), words.get(7)) {
        ("GET", None) => Answer::json(
            200,
            &json!({"value": parts.iter().map(|part| json(part, resource)).collect::<Value>()}),
        ),
        ("DELETE", Some(name)) => match parts.iter().find(|part| part.name().eq_ignore_ascii_case(name)) {
            None => Answer::empty(204),
            Some(Part { vm: Some(vm), .. }) => error(
                if kind == Kind::Disk { 409 } else { 400 },
                if kind == Kind::Disk { "OperationNotAllowed" } else { "NicInUse" },
                &format!("{name} is used by {vm}."),
            ),
            Some(part) => {
                world.state.azure.left.remove(&part.id.to_ascii_lowercase());
                Answer::empty(202)
            }
        },
        _ => error(405, "MethodNotAllowed", "Not allowed here."),
    };
    (resource, answer)
}

/// A part as Azure shows it. An address is held by its NIC, even where no VM holds that.
fn json(part: &Part, resource: &str) -> Value {
    let mut shown = json!({
        "id": part.id, "name": part.name(), "type": resource, "location": part.location, "tags": part.tags,
        "properties": {"provisioningState": "Succeeded"},
    });
    match (part.kind, &part.vm) {
        (Kind::NetworkInterface, Some(vm)) => shown["properties"]["virtualMachine"] = json!({"id": vm}),
        (Kind::PublicIp, Some(vm)) => {
            shown["properties"]["ipConfiguration"] = json!({"id": format!("{vm}-nic")});
        }
        (Kind::Disk, vm) => {
            shown["managedBy"] = json!(vm);
            shown["properties"]["diskState"] = json!(if vm.is_some() { "Attached" } else { "Unattached" });
        }
        (_, None) => {}
    }
    shown
}

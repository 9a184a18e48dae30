//! Whether what a request asks for exists in this cloud, and fits together.

use azlin_fleet::model::{ForeignText, Image};
use serde_json::Value;

use super::StrictRefusal;
use super::key;
use crate::account::{Offer, offer_of};
use crate::http::azure::shown::{IMAGE_GIB, image};
use crate::world::World;

/// Names that Azure gives to no administrator (Learn: OSProfile.adminUsername).
const RESERVED_NAMES: [&str; 32] = [
    "1",
    "123",
    "a",
    "actuser",
    "adm",
    "admin",
    "admin1",
    "admin2",
    "administrator",
    "aspnet",
    "backup",
    "console",
    "david",
    "guest",
    "john",
    "owner",
    "root",
    "server",
    "sql",
    "support",
    "support_388945a0",
    "sys",
    "test",
    "test1",
    "test2",
    "test3",
    "user",
    "user1",
    "user2",
    "user3",
    "user4",
    "user5",
];
/// What no tag may begin with.
const RESERVED_TAGS: [&str; 3] = ["azure", "microsoft", "windows"];
/// Regions that have no availability zones.
const WITHOUT_ZONES: [&str; 4] = ["northcentralus", "ukwest", "westcentralus", "westus"];
/// The zones of all other regions.
const ZONES: [&str; 3] = ["1", "2", "3"];
/// The largest ephemeral disk, in GiB.
const LARGEST_EPHEMERAL: u64 = 2040;

/// Checks what a request asks for.
pub(super) fn check(world: &World, name: &str, body: &Value) -> Result<(), StrictRefusal> {
    tags(body)?;
    login(body)?;
    zones(name, body)?;
    references(world, name, body)?;
    let size = body["properties"]["hardwareProfile"]["vmSize"].as_str().unwrap_or_default();
    if !world.account.has(size) {
        let names: Vec<ForeignText> = world.sizes().into_iter().map(|size| size.name).collect();
        let message = format!(
            "The value {size} provided for the VM size is not valid. The valid sizes in the current region are: {}.",
            names.join(",")
        );
        return Err(StrictRefusal::parameter("vmSize", message));
    }
    let disk = disk(body)?;
    price(body)?;
    // Of a size that is not offered here nothing is known.
    offer_of(size).map_or(Ok(()), |offer| fits(world, offer, body, disk))
}

fn tags(body: &Value) -> Result<(), StrictRefusal> {
    let names = body["tags"].as_object().into_iter().flat_map(|tags| tags.keys());
    let is_reserved = |name: &&String| {
        let name = name.to_ascii_lowercase();
        RESERVED_TAGS.iter().any(|prefix| name.starts_with(prefix))
    };
    names.into_iter().find(is_reserved).map_or(Ok(()), |name| {
        let message = format!(
            "Invalid tag name '{name}': following prefixes 'microsoft', 'azure', 'windows' are not allowed."
        );
        Err(StrictRefusal::bad("InvalidTagNamePrefix", message))
    })
}

fn login(body: &Value) -> Result<(), StrictRefusal> {
    let profile = &body["properties"]["osProfile"];
    let admin = profile["adminUsername"].as_str().unwrap_or_default();
    if RESERVED_NAMES.iter().any(|name| name.eq_ignore_ascii_case(admin)) {
        let message = "The Admin Username specified is not allowed.".to_owned();
        return Err(StrictRefusal::parameter("adminUsername", message));
    }
    for key in profile["linuxConfiguration"]["ssh"]["publicKeys"].as_array().into_iter().flatten() {
        if !key::is_valid(key["keyData"].as_str().unwrap_or_default()) {
            let target = "linuxConfiguration.ssh.publicKeys.keyData";
            let message = format!("The value of parameter {target} is invalid.");
            return Err(StrictRefusal::parameter(target, message));
        }
        let only = format!("/home/{admin}/.ssh/authorized_keys");
        if key["path"] != only.as_str() {
            let message = format!(
                "Destination path for SSH public keys is currently limited to its default value {only} due to a known \
                 issue in Linux provisioning agent."
            );
            return Err(StrictRefusal::parameter("linuxConfiguration.ssh.publicKeys.path", message));
        }
    }
    Ok(())
}

fn zones(name: &str, body: &Value) -> Result<(), StrictRefusal> {
    let Some(zone) = body["zones"][0].as_str() else { return Ok(()) };
    let location = body["location"].as_str().unwrap_or_default().to_ascii_lowercase().replace(' ', "");
    let there: &[&str] = if WITHOUT_ZONES.contains(&location.as_str()) { &[] } else { &ZONES };
    if !there.contains(&zone) {
        let message = format!(
            "The zone(s) '{zone}' for resource 'Microsoft.Compute/virtualMachines/{name}' is not supported. The supported \
             zones for location '{location}' are '{}'.",
            there.join(",")
        );
        return Err(StrictRefusal::bad("AvailabilityZoneNotSupported", message));
    }
    let network = &body["properties"]["networkProfile"];
    let ip = &network["networkInterfaceConfigurations"][0]["properties"]["ipConfigurations"][0]["properties"];
    if let Some(address) = ip["publicIPAddressConfiguration"]["name"].as_str()
        && network["networkApiVersion"] == "2020-11-01"
    {
        let message = format!(
            "Compute resource {name} has a zone constraint {zone} but the PublicIPAddress {address} used by the compute \
             resource via NetworkInterface or LoadBalancer has a different zone constraint Regional."
        );
        let code = "ComputeResourceZoneConstraintDoesNotMatchPublicIPAddressZoneConstraint";
        return Err(StrictRefusal::bad(code, message));
    }
    Ok(())
}

/// What a request refers to must exist.
fn references(world: &World, name: &str, body: &Value) -> Result<(), StrictRefusal> {
    let nic = &body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["properties"];
    let subnet = &nic["ipConfigurations"][0]["properties"]["subnet"]["id"];
    for id in [subnet, &nic["networkSecurityGroup"]["id"]].into_iter().filter_map(Value::as_str) {
        if !world.account.has(id) {
            let message = format!(
                "Resource {id} referenced by resource {name} was not found. Please make sure that the referenced resource \
                 exists, and that both resources are in the same region."
            );
            return Err(StrictRefusal::bad("InvalidResourceReference", message));
        }
    }
    let Some(asked) = image(body) else { return Ok(()) };
    match world.image(&asked) {
        None => {
            let code = match &asked {
                Image::Marketplace { .. } => "PlatformImageNotFound",
                Image::Id(id) if id.to_ascii_lowercase().contains("/galleries/") => "GalleryImageNotFound",
                Image::Id(_) => "ImageNotFound",
            };
            let message =
                format!("The image '{asked}' was not found in location '{}'.", world.account.location);
            Err(StrictRefusal { status: 404, ..StrictRefusal::bad(code, message) })
        }
        Some(facts) if facts.plan.is_some() && body["plan"].is_null() => {
            let message =
                "Creating a virtual machine from Marketplace image requires Plan information in the request.";
            Err(StrictRefusal::bad("VMMarketplaceInvalidInput", message.to_owned()))
        }
        Some(_) => Ok(()),
    }
}

/// The size of the disk, in GiB.
fn disk(body: &Value) -> Result<u64, StrictRefusal> {
    let disk = &body["properties"]["storageProfile"]["osDisk"];
    let size = disk["diskSizeGB"].as_u64().unwrap_or(IMAGE_GIB);
    if size < IMAGE_GIB {
        let message = format!(
            "The specified disk size {size} GB is smaller than the size of the corresponding disk in the VM image: \
             {IMAGE_GIB} GB. This is not allowed. Please choose equal or greater size or do not specify an explicit size."
        );
        return Err(StrictRefusal::parameter("osDisk.diskSizeGB", message));
    }
    if !disk["diffDiskSettings"].is_null() && size > LARGEST_EPHEMERAL {
        let message = format!(
            "The disk size {size} GB is above {LARGEST_EPHEMERAL} GB, the most of an ephemeral OS disk."
        );
        return Err(StrictRefusal::parameter("osDisk.diskSizeGB", message));
    }
    Ok(size)
}

fn price(body: &Value) -> Result<(), StrictRefusal> {
    let most = body["properties"]["billingProfile"]["maxPrice"].as_f64();
    if most.is_some_and(|most| most <= 0.0 && (most + 1.0).abs() > f64::EPSILON) {
        let message = "Invalid max price value. The only supported values for max price are -1 or a decimal greater than \
                       zero.";
        return Err(StrictRefusal::bad("MaxPriceValueInvalid", message.to_owned()));
    }
    Ok(())
}

/// Whether a size can do what is asked of it.
fn fits(world: &World, offer: &Offer, body: &Value, disk_gib: u64) -> Result<(), StrictRefusal> {
    let size = offer.name;
    let properties = &body["properties"];
    if properties["priority"] == "Spot" && !offer.spot {
        let message = format!("Azure Spot Virtual Machine is not supported for this VM size {size}.");
        return Err(StrictRefusal::bad("AzureSpotIsNotSupportedForThisVMSize", message));
    }
    let asked = image(body);
    let generation = asked.as_ref().and_then(|image| world.image(image)).and_then(|facts| facts.generation);
    if let Some(generation) =
        generation.filter(|generation| !offer.generations.contains(&generation.as_str()))
    {
        let number = generation.trim_start_matches('V');
        let message = format!(
            "The selected VM size '{size}' cannot boot Hypervisor Generation '{number}'. If this was a Create operation \
             please check that the Hypervisor Generation of the Image matches the Hypervisor Generation of the selected VM \
             Size."
        );
        return Err(StrictRefusal::bad("BadRequest", message));
    }
    if offer.is_nvme_only
        && asked.is_some_and(|image| image.to_string().to_ascii_lowercase().contains("scsi"))
    {
        let message = format!(
            "The VM size '{size}' cannot boot with OS image or disk. Please check that disk controller types supported by \
             the OS image or disk is one of the supported disk controller types for the VM size '{size}'."
        );
        return Err(StrictRefusal::parameter("vmSize", message));
    }
    let settings = &properties["storageProfile"]["osDisk"]["diffDiskSettings"];
    if !settings.is_null() {
        let (place, room) = match settings["placement"].as_str() {
            Some("CacheDisk") => ("CacheDisk", offer.cache_gib),
            Some("ResourceDisk") => ("ResourceDisk", offer.temp_gib),
            Some("NvmeDisk") => ("NvmeDisk", offer.nvme_gib),
            _ if offer.cache_gib > 0 => ("CacheDisk", offer.cache_gib),
            _ if offer.temp_gib > 0 => ("ResourceDisk", offer.temp_gib),
            _ => ("NvmeDisk", offer.nvme_gib),
        };
        let is_trusted = properties["securityProfile"]["securityType"] == "TrustedLaunch";
        let room = room.saturating_sub(u64::from(is_trusted));
        if disk_gib > room {
            let message = format!(
                "OS disk of Ephemeral VM with size greater than {room} GB is not allowed for VM size {size} when the \
                 DiffDiskPlacement is {place}. Please refer to https://aka.ms/Ephemeral for more details."
            );
            return Err(StrictRefusal { status: 409, ..StrictRefusal::bad("NotSupported", message) });
        }
    }
    Ok(())
}

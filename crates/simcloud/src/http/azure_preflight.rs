//! Read-only facts from Azure Resource Manager: subscriptions, permissions, sizes, quotas, images, networks.

use azlin_fleet::model::{Architecture, Image};
use azlin_fleet::ports::preflight::{ImageFacts, Size};
use serde_json::{Value, json};

use super::azure::error;
use super::message::{SimRequest, SimResponse};
use crate::world::World;

/// The route of a request, the action that it needs, and the answer; `None` if the request is for another
/// module. `words` are the segments of the path in lower case.
pub(super) fn answer(
    world: &World,
    request: &SimRequest,
    words: &[&str],
) -> Option<(&'static str, &'static str, SimResponse)> {
    if request.method != "GET" {
        return None;
    }
    let segments = request.segments();
    Some(match words {
        ["subscriptions", id] => {
            let found = world.subscription();
            let body = json!({"id": request.path, "subscriptionId": id, "displayName": found.name, "state": found.state});
            ("/subscriptions/{id}", "Microsoft.Resources/subscriptions/read", SimResponse::json(200, &body))
        }
        ["subscriptions", _, "resourcegroups", name] => (
            "/resourceGroups/{name}",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            group(world, name),
        ),
        ["subscriptions", .., "providers", "microsoft.authorization", "permissions"] => {
            ("/permissions", "Microsoft.Authorization/permissions/read", permissions(world, words))
        }
        ["subscriptions", _, "providers", "microsoft.compute", "skus"] => {
            ("/skus", "Microsoft.Compute/skus/read", skus(world, request))
        }
        ["subscriptions", _, "providers", "microsoft.compute", "locations", _, "usages"] => {
            ("/locations/{name}/usages", "Microsoft.Compute/locations/usages/read", usages(world))
        }
        ["subscriptions", _, "providers", "microsoft.compute", "locations", _, "publishers", ..] => (
            "/publishers/{name}/artifacttypes/vmimage/offers/{name}/skus/{name}/versions",
            "Microsoft.Compute/locations/publishers/artifacttypes/offers/skus/versions/read",
            marketplace(world, &segments),
        ),
        [.., "providers", "microsoft.compute", "galleries", _, "images", _] => (
            "/galleries/{name}/images/{name}",
            "Microsoft.Compute/galleries/images/read",
            by_id(world, request),
        ),
        [.., "providers", "microsoft.compute", "galleries", _, "images", _, "versions", _] => (
            "/galleries/{name}/images/{name}/versions/{name}",
            "Microsoft.Compute/galleries/images/versions/read",
            by_id(world, request),
        ),
        [.., "providers", "microsoft.compute", "images", _] => {
            ("/images/{name}", "Microsoft.Compute/images/read", by_id(world, request))
        }
        [.., "providers", "microsoft.network", "networksecuritygroups", name] => (
            "/networkSecurityGroups/{name}",
            "Microsoft.Network/networkSecurityGroups/read",
            security_group(world, request, name),
        ),
        [.., "providers", "microsoft.network", "virtualnetworks", name] => {
            let body = json!({"id": request.path, "name": name, "location": world.account.location, "properties": {}});
            (
                "/virtualNetworks/{name}",
                "Microsoft.Network/virtualNetworks/read",
                SimResponse::json(200, &body),
            )
        }
        [.., "providers", "microsoft.network", "virtualnetworks", _, "subnets", _] => (
            "/virtualNetworks/{name}/subnets/{name}",
            "Microsoft.Network/virtualNetworks/subnets/read",
            subnet(world, request),
        ),
        _ => return None,
    })
}

fn group(world: &World, name: &str) -> SimResponse {
    if !world.account.has(name) {
        return error(404, "ResourceGroupNotFound", &format!("Resource group '{name}' could not be found."));
    }
    let properties = json!({"provisioningState": "Succeeded"});
    SimResponse::json(
        200,
        &json!({"name": name, "location": world.account.location, "properties": properties}),
    )
}

fn security_group(world: &World, request: &SimRequest, name: &str) -> SimResponse {
    let Some(group) = world.security_group(&request.path) else {
        return error(404, "ResourceNotFound", &format!("The Resource '{name}' was not found."));
    };
    let rules = group.inbound.iter().map(|rule| {
        json!({"name": "deny-network", "properties": {
            "priority": rule.priority, "access": if rule.allows { "Allow" } else { "Deny" }, "direction": "Inbound",
            "protocol": rule.protocol, "sourceAddressPrefix": rule.sources.first(), "sourceAddressPrefixes": [],
            "destinationPortRange": rule.ports.first(), "destinationPortRanges": [],
        }})
    });
    let properties = json!({"securityRules": rules.collect::<Value>(), "defaultSecurityRules": []});
    let body =
        json!({"id": request.path, "name": name, "location": group.location, "properties": properties});
    SimResponse::json(200, &body)
}

fn permissions(world: &World, words: &[&str]) -> SimResponse {
    if let ["subscriptions", _, "resourcegroups", name, ..] = words
        && !world.account.has(name)
    {
        return group(world, name);
    }
    let roles = world.account.roles().into_iter().map(|role| {
        json!({"actions": role.actions, "notActions": role.not_actions, "dataActions": [], "notDataActions": []})
    });
    SimResponse::json(200, &json!({"value": roles.collect::<Value>()}))
}

fn skus(world: &World, request: &SimRequest) -> SimResponse {
    // Azure filters by one location.
    let filter = request.parameter("$filter").unwrap_or_default();
    let location = filter.split('\'').nth(1).unwrap_or(&world.account.location).to_owned();
    let mut skus: Vec<Value> = world.sizes().iter().map(|size| sku(size, &location)).collect();
    skus.push(
        json!({"resourceType": "disks", "name": "Premium_LRS", "locations": [location], "restrictions": []}),
    );
    SimResponse::json(200, &json!({"value": skus}))
}

fn sku(size: &Size, location: &str) -> Value {
    let flag = |value: Option<bool>| if value == Some(true) { "True" } else { "False" };
    let architecture = match size.architecture {
        Some(Architecture::Arm64) => "Arm64",
        Some(Architecture::X64) | None => "x64",
    };
    let restrictions = size.restricted.iter().map(|reason| {
        json!({
            "type": "Location", "values": [location], "restrictionInfo": {"locations": [location]},
            "reasonCode": reason,
        })
    });
    let mut sku = json!({
        "resourceType": "virtualMachines", "name": size.name, "family": size.family, "locations": [location],
        "locationInfo": [{"location": location, "zones": size.zones, "zoneDetails": []}],
        "capabilities": [
            {"name": "vCPUs", "value": size.vcpus.to_string()},
            {"name": "CpuArchitectureType", "value": architecture},
            {"name": "HyperVGenerations", "value": size.generations.join(",")},
            {"name": "EphemeralOSDiskSupported", "value": flag(size.ephemeral_os_disk)},
            {"name": "LowPriorityCapable", "value": flag(size.spot)},
            {"name": "AcceleratedNetworkingEnabled", "value": flag(size.accelerated_networking)},
            {"name": "TrustedLaunchDisabled", "value": flag(size.trusted_launch.map(|has_it| !has_it))},
            {"name": "DiskControllerTypes", "value": size.disk_controllers.join(",")},
        ],
        "restrictions": restrictions.collect::<Value>(),
    });
    let places = size.local_disk.into_iter().flat_map(|disk| match disk.kind {
        "cache" => vec![("CachedDiskBytes", disk.gib << 30)],
        "temporary disk" => vec![("MaxResourceVolumeMB", disk.gib << 10)],
        _ => vec![("NvmeDiskSizeInMiB", disk.gib << 10)],
    });
    if let Some(capabilities) = sku["capabilities"].as_array_mut() {
        capabilities.extend(places.map(|(name, value)| json!({"name": name, "value": value.to_string()})));
        if size.local_disk.is_some_and(|disk| disk.kind == "NVMe disk") {
            capabilities.push(json!({"name": "SupportedEphemeralOSDiskPlacements", "value": "NvmeDisk"}));
        }
    }
    sku
}

fn usages(world: &World) -> SimResponse {
    let usages = world.usages().into_iter().map(|usage| {
        json!({
            "unit": "Count", "currentValue": usage.used, "limit": usage.limit,
            "name": {"value": usage.name, "localizedValue": usage.name},
        })
    });
    SimResponse::json(200, &json!({"value": usages.collect::<Value>()}))
}

/// `…/publishers/P/artifacttypes/vmimage/offers/O/skus/S/versions`, with a version or without.
fn marketplace(world: &World, segments: &[&str]) -> SimResponse {
    let [.., _, publisher, _, _, _, offer, _, sku, _] = &segments[..segments.len().min(15)] else {
        return not_there("image");
    };
    let image = |version: &str| Image::Marketplace {
        publisher: (*publisher).to_owned(),
        offer: (*offer).to_owned(),
        sku: (*sku).to_owned(),
        version: version.to_owned(),
    };
    match segments.get(15) {
        None => match world.image(&image("latest")) {
            None => not_there("image"),
            Some(latest) => SimResponse::json(
                200,
                &json!([
                    {"location": "westeurope", "name": "24.04.202501010"},
                    {"location": "westeurope", "name": latest.version},
                ]),
            ),
        },
        Some(version) => world.image(&image(version)).map_or_else(
            || not_there("image"),
            |facts| {
                let mut properties = about(&facts);
                properties["osDiskImage"] = json!({"operatingSystem": facts.os});
                if facts.plan.is_some() {
                    properties["plan"] = json!({"publisher": publisher, "product": offer, "name": sku});
                }
                SimResponse::json(
                    200,
                    &json!({"location": "westeurope", "name": version, "properties": properties}),
                )
            },
        ),
    }
}

fn about(facts: &ImageFacts) -> Value {
    let architecture = if facts.architecture == Some(Architecture::Arm64) { "Arm64" } else { "x64" };
    json!({"architecture": architecture, "hyperVGeneration": facts.generation})
}

/// A managed image, a gallery's image, or a version of one.
fn by_id(world: &World, request: &SimRequest) -> SimResponse {
    let Some(facts) = world.image(&Image::Id(request.path.clone())) else { return not_there("image") };
    let mut properties = about(&facts);
    properties["osType"] = json!(facts.os);
    properties["publishingProfile"] =
        json!({"targetRegions": facts.locations.iter().map(|name| json!({"name": name})).collect::<Value>()});
    SimResponse::json(
        200,
        &json!({"id": request.path, "location": world.account.location, "properties": properties}),
    )
}

fn subnet(world: &World, request: &SimRequest) -> SimResponse {
    let Some(found) = world.subnet(&request.path) else { return not_there("subnet") };
    let ips = (0..world.in_subnet(&request.path)).map(|n| json!({"id": format!("{}/ip/{n}", request.path)}));
    let mut properties = json!({
        "addressPrefix": world.account.subnet_prefix, "ipConfigurations": ips.collect::<Value>(),
        "provisioningState": "Succeeded",
    });
    if found.nat_gateway {
        properties["natGateway"] = json!({"id": format!("{}/nat", request.path)});
    }
    if let Some(guard) = &found.security_group {
        properties["networkSecurityGroup"] = json!({"id": guard});
    }
    if found.route_table {
        properties["routeTable"] = json!({"id": format!("{}/routes", request.path)});
    }
    if let Some(outbound) = found.default_outbound {
        properties["defaultOutboundAccess"] = json!(outbound);
    }
    SimResponse::json(200, &json!({"id": request.path, "properties": properties}))
}

fn not_there(what: &str) -> SimResponse {
    error(404, "NotFound", &format!("The {what} was not found."))
}

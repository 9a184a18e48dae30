//! The parts of Azure's answers to `check` that azlin reads.

use std::net::Ipv4Addr;

use azlin_fleet::model::{Architecture, ForeignText};
use azlin_fleet::ports::preflight::{self, LocalDisk};
use serde::{Deserialize, Deserializer};

/// Addresses of each range that Azure keeps for itself (Learn: Azure Virtual Network FAQ).
const RESERVED: u64 = 5;

/// `West Europe` and `westeurope` are one location.
pub(crate) fn plain_location(location: &str) -> ForeignText {
    let plain: String =
        location.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
    plain.into()
}

pub(crate) fn architecture(text: &str) -> Option<Architecture> {
    match text.to_ascii_lowercase().as_str() {
        "x64" => Some(Architecture::X64),
        "arm64" => Some(Architecture::Arm64),
        _ => None,
    }
}

/// Azure leaves an empty field out, or writes null.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// A page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageJson<T> {
    pub(crate) value: Vec<T>,
    #[serde(default)]
    pub(crate) next_link: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscriptionJson {
    pub(crate) display_name: ForeignText,
    pub(crate) state: ForeignText,
}

/// A resource with a location.
#[derive(Deserialize)]
pub(crate) struct Located {
    pub(crate) location: ForeignText,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Permission {
    #[serde(default, deserialize_with = "or_default")]
    actions: Vec<ForeignText>,
    #[serde(default, deserialize_with = "or_default")]
    not_actions: Vec<ForeignText>,
}

impl From<Permission> for preflight::Grant {
    fn from(permission: Permission) -> Self {
        preflight::Grant { actions: permission.actions, not_actions: permission.not_actions }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageJson {
    name: UsageName,
    current_value: i64,
    limit: i64,
}

#[derive(Deserialize)]
struct UsageName {
    value: ForeignText,
}

impl From<UsageJson> for preflight::Usage {
    fn from(usage: UsageJson) -> Self {
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        preflight::Usage {
            name: usage.name.value,
            used: count(usage.current_value),
            // -1 stands for no limit.
            limit: u64::try_from(usage.limit).unwrap_or(u64::from(u32::MAX)),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sku {
    #[serde(default)]
    pub(crate) resource_type: ForeignText,
    #[serde(default)]
    name: ForeignText,
    #[serde(default)]
    family: ForeignText,
    #[serde(default, deserialize_with = "or_default")]
    location_info: Vec<LocationInfo>,
    #[serde(default, deserialize_with = "or_default")]
    capabilities: Vec<Capability>,
    #[serde(default, deserialize_with = "or_default")]
    restrictions: Vec<Restriction>,
}

#[derive(Deserialize)]
struct LocationInfo {
    #[serde(default)]
    location: ForeignText,
    #[serde(default, deserialize_with = "or_default")]
    zones: Vec<ForeignText>,
}

#[derive(Deserialize)]
struct Capability {
    name: ForeignText,
    value: ForeignText,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Restriction {
    #[serde(rename = "type", default)]
    kind: ForeignText,
    #[serde(default, deserialize_with = "or_default")]
    restriction_info: RestrictionInfo,
    #[serde(default)]
    reason_code: ForeignText,
}

#[derive(Default, Deserialize)]
struct RestrictionInfo {
    #[serde(default, deserialize_with = "or_default")]
    zones: Vec<ForeignText>,
}

impl Sku {
    /// Whether the entry is in that location, or names none. Azure may not have applied the filter.
    pub(crate) fn is_in(&self, location: &str) -> bool {
        let here = |info: &LocationInfo| plain_location(&info.location) == location;
        self.location_info.is_empty() || self.location_info.iter().any(here)
    }

    pub(crate) fn size(self, location: &str) -> preflight::Size {
        let capability =
            |name: &str| self.capabilities.iter().find(|one| one.name == name).map(|one| one.value.as_str());
        let flag = |name: &str| capability(name).map(|value| value.eq_ignore_ascii_case("true"));
        let number = |name: &str| capability(name).and_then(|text| text.parse::<u64>().ok());
        let words = |name: &str| {
            let words = capability(name).unwrap_or_default().split(',').map(str::trim);
            words.filter(|word| !word.is_empty()).map(ForeignText::from).collect::<Vec<_>>()
        };
        // In the order in which Azure chooses, where a VM names none.
        let places = [
            ("CacheDisk", "cache", number("CachedDiskBytes").map(|bytes| bytes >> 30)),
            ("ResourceDisk", "temporary disk", number("MaxResourceVolumeMB").map(|mib| mib >> 10)),
            ("NvmeDisk", "NVMe disk", number("NvmeDiskSizeInMiB").map(|mib| mib >> 10)),
        ];
        let placements = words("SupportedEphemeralOSDiskPlacements");
        let is_placement = |name: &str| {
            let is_named = placements.iter().any(|placement| placement.eq_ignore_ascii_case(name));
            // Older sizes name none, and have no NVMe disks for this.
            is_named || placements.is_empty() && name != "NvmeDisk"
        };
        let local_disks =
            places.into_iter().filter(|(name, _, gib)| is_placement(name) && gib.is_some_and(|gib| gib > 0));
        let local_disk =
            local_disks.map(|(_, kind, gib)| LocalDisk { kind, gib: gib.unwrap_or_default() }).next();
        let whole = self.restrictions.iter().find(|one| one.kind == "Location");
        let here = self.location_info.iter().filter(|info| plain_location(&info.location) == location);
        let zones = self.restrictions.iter().filter(|one| one.kind == "Zone");
        preflight::Size {
            vcpus: capability("vCPUs").and_then(|text| text.parse().ok()).unwrap_or_default(),
            architecture: capability("CpuArchitectureType").and_then(architecture),
            zones: here.flat_map(|info| info.zones.clone()).collect(),
            restricted: whole.map(|one| one.reason_code.clone()),
            restricted_zones: zones.flat_map(|one| one.restriction_info.zones.clone()).collect(),
            ephemeral_os_disk: flag("EphemeralOSDiskSupported"),
            spot: flag("LowPriorityCapable"),
            generations: words("HyperVGenerations"),
            local_disk,
            disk_controllers: words("DiskControllerTypes"),
            accelerated_networking: flag("AcceleratedNetworkingEnabled"),
            trusted_launch: flag("TrustedLaunchDisabled").map(|disabled| !disabled),
            name: self.name,
            family: self.family,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct SubnetJson {
    pub(crate) properties: SubnetProperties,
}

/// Azure writes a single value in one property and several in another, and leaves the other empty.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RuleProperties {
    priority: u32,
    #[serde(deserialize_with = "or_default")]
    access: ForeignText,
    #[serde(deserialize_with = "or_default")]
    direction: ForeignText,
    #[serde(deserialize_with = "or_default")]
    protocol: ForeignText,
    source_address_prefix: Option<ForeignText>,
    #[serde(deserialize_with = "or_default")]
    source_address_prefixes: Vec<ForeignText>,
    destination_port_range: Option<ForeignText>,
    #[serde(deserialize_with = "or_default")]
    destination_port_ranges: Vec<ForeignText>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RuleJson {
    properties: RuleProperties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SecurityGroupProperties {
    #[serde(deserialize_with = "or_default")]
    security_rules: Vec<RuleJson>,
}

#[derive(Deserialize)]
pub(crate) struct SecurityGroupJson {
    location: ForeignText,
    #[serde(default, deserialize_with = "or_default")]
    properties: SecurityGroupProperties,
}

impl SecurityGroupJson {
    pub(crate) fn security_group(self) -> preflight::SecurityGroup {
        let rules = self.properties.security_rules.into_iter().map(|rule| rule.properties);
        let inbound = rules.filter(|rule| rule.direction.eq_ignore_ascii_case("Inbound"));
        let all =
            |one: Option<ForeignText>, several: Vec<ForeignText>| one.into_iter().chain(several).collect();
        let inbound = inbound.map(|rule| preflight::InboundRule {
            priority: rule.priority,
            allows: rule.access.eq_ignore_ascii_case("Allow"),
            sources: all(rule.source_address_prefix, rule.source_address_prefixes),
            ports: all(rule.destination_port_range, rule.destination_port_ranges),
            protocol: rule.protocol,
        });
        let location = plain_location(&self.location);
        preflight::SecurityGroup { location, inbound: inbound.collect() }
    }
}

/// A resource that another one names.
#[derive(Deserialize)]
struct Named {
    id: ForeignText,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delegation {
    properties: Delegated,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Delegated {
    service_name: ForeignText,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SubnetProperties {
    address_prefix: Option<ForeignText>,
    #[serde(deserialize_with = "or_default")]
    address_prefixes: Vec<ForeignText>,
    #[serde(deserialize_with = "or_default")]
    ip_configurations: Vec<serde::de::IgnoredAny>,
    nat_gateway: Option<serde::de::IgnoredAny>,
    route_table: Option<serde::de::IgnoredAny>,
    default_outbound_access: Option<bool>,
    #[serde(deserialize_with = "or_default")]
    delegations: Vec<Delegation>,
    network_security_group: Option<Named>,
}

impl SubnetProperties {
    pub(crate) fn subnet(&self, location: Option<ForeignText>) -> preflight::Subnet {
        let prefixes = self.address_prefix.iter().chain(&self.address_prefixes);
        let counts: Vec<u64> = prefixes.filter_map(|prefix| addresses(prefix)).collect();
        let free = counts.iter().sum::<u64>().saturating_sub(self.ip_configurations.len() as u64);
        preflight::Subnet {
            location,
            delegated_to: self.delegations.first().map(|one| one.properties.service_name.clone()),
            nat_gateway: self.nat_gateway.is_some(),
            route_table: self.route_table.is_some(),
            default_outbound: self.default_outbound_access,
            free_addresses: (!counts.is_empty()).then_some(free),
            security_group: self.network_security_group.as_ref().map(|group| group.id.clone()),
        }
    }
}

/// How many addresses of a range are left for machines.
fn addresses(prefix: &str) -> Option<u64> {
    let (address, bits) = prefix.split_once('/')?;
    address.parse::<Ipv4Addr>().ok()?;
    let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
    Some((1_u64 << (32 - bits)).saturating_sub(RESERVED))
}

#[cfg(test)]
mod tests;

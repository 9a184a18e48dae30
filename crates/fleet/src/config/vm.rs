//! `[vm]`: the settings of a fleet's VMs.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::de::DeValue;

use super::reader::{Table, flag, number, text};
use super::spot;
use crate::model::Offering;
use crate::model::{Architecture, Image, Os, ResourceGroup, Spot};

/// The settings of a fleet's VMs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VmConfig {
    /// The resource group that holds the VMs.
    pub group: ResourceGroup,
    /// The region.
    pub location: String,
    /// The sizes, tried in order when Azure has no capacity. Not empty.
    pub sizes: Vec<String>,
    /// The image of their disks.
    pub image: Image,
    /// The subnet of their NICs.
    pub subnet_id: String,
    /// Whether they get a public IP address.
    pub public_ip: bool,
    /// The availability zones, tried in order when Azure has no capacity.
    pub zones: Vec<String>,
    /// Further regions with their own settings, tried in order when the first region has no capacity for any
    /// size.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Elsewhere>,
    /// Present means spot VMs, which Azure may evict.
    pub spot: Option<Spot>,
    /// The percentage of VMs that are spot VMs, if spot VMs are allowed.
    #[serde(skip)]
    pub spot_share: u32,
    /// Whether a regular VM is started when no spot VM is available.
    #[serde(skip)]
    pub regular_fallback: bool,
    /// The network security group of their NICs. Absent means that only the subnet's group applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nsg_id: Option<String>,
    /// Whether their NICs bypass the host's virtual switch.
    #[serde(skip_serializing_if = "is_off")]
    pub accelerated_networking: bool,
    /// Whether Azure may install extensions on them, as policies do.
    #[serde(skip_serializing_if = "is_off")]
    pub extensions: bool,
    /// Whether they use secure boot and a virtual TPM.
    #[serde(skip_serializing_if = "is_off")]
    pub trusted_launch: bool,
    /// Whether their OS disks are on the host's local storage.
    pub ephemeral_os_disk: bool,
    /// The size of their OS disks in GB. Absent means the size of the image.
    pub os_disk_size_gb: Option<u32>,
    /// The name of the administrator account.
    pub admin_user: String,
    /// Resource ids of user-assigned identities.
    pub identity: Vec<String>,
    /// The user's own tags.
    pub tags: BTreeMap<String, String>,
}

/// A further region for VMs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Elsewhere {
    /// The region.
    pub location: String,
    /// The subnet of NICs in the region.
    pub subnet_id: String,
    /// The availability zones of the region.
    pub zones: Vec<String>,
    /// The network security group of NICs in the region.
    pub nsg_id: Option<String>,
}

// A key that is off is in no hash, so adding the key to azlin does not replace VMs.
fn is_off(flag: &bool) -> bool {
    !flag
}

impl VmConfig {
    /// The operating system of the image. The image's name does not show it, so only one is supported;
    /// `check` asks Azure which OS the image has.
    pub fn os(&self) -> Os {
        match self.image {
            Image::Marketplace { .. } | Image::Id(_) => Os::Linux,
        }
    }

    /// The processor architecture that all sizes share.
    pub fn architecture(&self) -> Architecture {
        self.sizes.first().map_or(Architecture::X64, |size| Architecture::of_size(size))
    }

    /// All offerings, in the order in which they are tried: regions, sizes within each region, and zones
    /// within each size. If spot VMs are allowed, all offerings of one price come before those of the other.
    pub fn offerings(&self, spot_first: bool) -> Vec<Offering> {
        let prices: &[bool] = match (self.spot, spot_first) {
            (None, _) => &[false],
            (Some(_), true) if self.regular_fallback => &[true, false],
            (Some(_), true) => &[true],
            (Some(_), false) => &[false, true],
        };
        let regions = self.regions();
        let mut offerings = Vec::new();
        for spot in prices {
            for region in &regions {
                for size in &self.sizes {
                    let place = |zone: Option<&String>| Offering {
                        location: region.location.clone(),
                        size: size.clone(),
                        zone: zone.cloned(),
                        spot: *spot,
                    };
                    if region.zones.is_empty() {
                        offerings.push(place(None));
                    }
                    offerings.extend(region.zones.iter().map(|zone| place(Some(zone))));
                }
            }
        }
        offerings
    }

    /// The settings of a region.
    pub fn region(&self, location: &str) -> Elsewhere {
        let mut regions = self.regions();
        let index = regions.iter().position(|region| region.location == location).unwrap_or_default();
        regions.swap_remove(index)
    }

    /// The same settings for each of the regions, the first one first.
    pub fn in_each_region(&self) -> Vec<VmConfig> {
        let there = |region: Elsewhere| {
            let Elsewhere { location, subnet_id, zones, nsg_id } = region;
            VmConfig { location, subnet_id, zones, nsg_id, elsewhere: Vec::new(), ..self.clone() }
        };
        self.regions().into_iter().map(there).collect()
    }

    fn regions(&self) -> Vec<Elsewhere> {
        let first = Elsewhere {
            location: self.location.clone(),
            subnet_id: self.subnet_id.clone(),
            zones: self.zones.clone(),
            nsg_id: self.nsg_id.clone(),
        };
        std::iter::once(first).chain(self.elsewhere.iter().cloned()).collect()
    }

    pub(super) fn read(mut table: Table<'_, '_>) -> Option<VmConfig> {
        let subscription_id = table.required("subscription_id", "\"00000000-0000-…\"", subscription);
        let resource_group = table.required("resource_group", "\"ci-runners\"", resource_group);
        let location = table.required("location", "\"westeurope\"", location);
        let sizes = sizes(&mut table);
        let image = table.required("image", "\"Canonical:ubuntu-24_04-lts:server:latest\"", image);
        let subnet_id = table.required("subnet_id", "\"/subscriptions/…/subnets/…\"", resource_id);
        let public_ip = table.or("public_ip", false, flag);
        let zones = table.list("zones", zone).map_or_else(Vec::new, |(zones, _)| zones);
        let elsewhere = elsewhere(&mut table, location.as_deref());
        let spot = spot::read(&mut table);
        let config = VmConfig {
            group: ResourceGroup {
                subscription_id: subscription_id.unwrap_or_default(),
                name: resource_group.unwrap_or_default(),
            },
            location: location.unwrap_or_default(),
            sizes: sizes.unwrap_or_default(),
            image: image.unwrap_or_else(|| Image::Id(String::new())),
            subnet_id: subnet_id.unwrap_or_default(),
            public_ip,
            zones,
            elsewhere,
            spot: spot.spot,
            spot_share: spot.share,
            regular_fallback: spot.regular_fallback,
            nsg_id: table.optional("nsg_id", resource_id),
            accelerated_networking: table.or("accelerated_networking", false, flag),
            extensions: table.or("extensions", false, flag),
            trusted_launch: table.or("trusted_launch", false, flag),
            ephemeral_os_disk: table.or("ephemeral_os_disk", false, flag),
            os_disk_size_gb: table.optional("os_disk_size_gb", number(1..=4095)),
            admin_user: table.or("admin_user", "azureuser".to_owned(), user),
            identity: table.list("identity", resource_id).map_or_else(Vec::new, |(ids, _)| ids),
            tags: tags(&mut table),
        };
        table.finish();
        // Missing keys are already reported, so the result is discarded at the end of the file.
        Some(config)
    }
}

/// A text of allowed characters. `allowed` says in words which ones.
fn spelled(value: &DeValue<'_>, allowed: &str, is_valid: impl Fn(&str) -> bool) -> Result<String, String> {
    value.as_str().filter(|text| is_valid(text)).map(str::to_owned).ok_or_else(|| allowed.to_owned())
}

fn subscription(value: &DeValue<'_>) -> Result<String, String> {
    spelled(value, "a subscription's id, such as \"00000000-0000-0000-0000-000000000000\"", |text| {
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
    })
}

fn resource_group(value: &DeValue<'_>) -> Result<String, String> {
    spelled(value, "1 to 90 of a-z A-Z 0-9 . _ - ( ), not ending with a period", |text| {
        let valid = |c: char| c.is_ascii_alphanumeric() || "._-()".contains(c);
        (1..=90).contains(&text.len()) && text.chars().all(valid) && !text.ends_with('.')
    })
}

fn location(value: &DeValue<'_>) -> Result<String, String> {
    spelled(value, "a region's name, such as \"westeurope\"", |text| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}

/// `[[vm.elsewhere]]`: further regions, each different.
fn elsewhere(table: &mut Table<'_, '_>, first: Option<&str>) -> Vec<Elsewhere> {
    let mut regions: Vec<Elsewhere> = Vec::new();
    for mut table in table.tables("elsewhere") {
        let region = table.required("location", "\"northeurope\"", location);
        let subnet_id = table.required("subnet_id", "\"/subscriptions/…/subnets/…\"", resource_id);
        let zones = table.list("zones", zone).map_or_else(Vec::new, |(zones, _)| zones);
        let nsg_id = table.optional("nsg_id", resource_id);
        let (Some(location), Some(subnet_id)) = (region, subnet_id) else {
            table.finish();
            continue;
        };
        let is_known = regions.iter().any(|known| known.location == location);
        if is_known || first == Some(location.as_str()) {
            let message = format!("{location} is there already");
            let help = Some("name each region once".to_owned());
            table.conflict(table.span(), "location", message, help);
        }
        table.finish();
        regions.push(Elsewhere { location, subnet_id, zones, nsg_id });
    }
    regions
}

fn size(value: &DeValue<'_>) -> Result<String, String> {
    spelled(value, "a size's name, such as \"Standard_D4s_v5\"", |text| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    })
}

fn sizes(table: &mut Table<'_, '_>) -> Option<Vec<String>> {
    table.require("sizes", "[\"Standard_D4s_v5\"]");
    let (sizes, span) = table.list("sizes", size)?;
    let Some(first) = sizes.first() else {
        let message = "found an empty list; allowed: at least one size, such as [\"Standard_D4s_v5\"]";
        table.wrong(span, "sizes", message.to_owned());
        return None;
    };
    let processor = |size: &str| match Architecture::of_size(size) {
        Architecture::X64 => "x86",
        Architecture::Arm64 => "Arm",
    };
    if let Some(other) = sizes.iter().find(|size| processor(size) != processor(first)) {
        let message = format!(
            "found {first}, which is {}, and {other}, which is {}; allowed: sizes of one processor, since one image has to \
             boot on each",
            processor(first),
            processor(other)
        );
        table.wrong(span, "sizes", message);
    }
    Some(sizes)
}

fn image(value: &DeValue<'_>) -> Result<Image, String> {
    let allowed = "publisher:offer:sku:version, or a resource id, /subscriptions/…";
    let text = text(value).map_err(|_| allowed.to_owned())?;
    if text.starts_with('/') {
        return resource_id(value).map(Image::Id).map_err(|_| allowed.to_owned());
    }
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [publisher, offer, sku, version]
            if parts.iter().all(|part| !part.is_empty() && !part.contains('/')) =>
        {
            Ok(Image::Marketplace {
                publisher: (*publisher).to_owned(),
                offer: (*offer).to_owned(),
                sku: (*sku).to_owned(),
                version: (*version).to_owned(),
            })
        }
        _ => Err(allowed.to_owned()),
    }
}

fn resource_id(value: &DeValue<'_>) -> Result<String, String> {
    spelled(value, "a resource id, /subscriptions/…/resourceGroups/…/providers/…", |text| {
        let valid = |c: char| c.is_ascii_alphanumeric() || "/._-()".contains(c);
        text.to_ascii_lowercase().starts_with("/subscriptions/") && text.chars().all(valid)
    })
}

fn zone(value: &DeValue<'_>) -> Result<String, String> {
    spelled(value, "a zone's number in quotes: \"1\", \"2\" or \"3\"", |text| matches!(text, "1" | "2" | "3"))
}

/// Names of administrators that Azure refuses (REST: Virtual Machines, OSProfile), as far as they begin with a letter.
const RESERVED_USERS: [&str; 30] = [
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

fn user(value: &DeValue<'_>) -> Result<String, String> {
    spelled(
        value,
        "1 to 32 of a-z 0-9 _ -, beginning with a letter; neither \"runner\", which jobs run as, nor a name that Azure \
         reserves, such as \"admin\", \"root\", \"test\" or \"user\"",
        |text| {
            let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
            (1..=32).contains(&text.len())
                && text.chars().all(valid)
                && text.starts_with(|c: char| c.is_ascii_lowercase())
                && text != "runner"
                && !RESERVED_USERS.contains(&text)
        },
    )
}

/// Azure docs, Tag your resources: limitations. Some of the fifty tags are ours.
fn tags(table: &mut Table<'_, '_>) -> BTreeMap<String, String> {
    let tags = table.table("tags");
    let span = tags.span();
    let tags = tags.chosen(|key, value| {
        let begins_with = |prefix: &&str| key.to_ascii_lowercase().starts_with(prefix);
        if begins_with(&"azlin-") {
            return Err("tags whose name does not begin with azlin-, as the daemon's own do".to_owned());
        }
        if ["azure", "microsoft", "windows"].iter().any(begins_with) {
            let allowed =
                "tags whose name does not begin with azure, microsoft or windows, which Azure reserves";
            return Err(allowed.to_owned());
        }
        if key.is_empty() || key.len() > 512 || key.contains(['<', '>', '%', '&', '\\', '?', '/']) {
            return Err("tags whose name has 1 to 512 characters and none of < > % & \\ ? /".to_owned());
        }
        spelled(value, "text in quotes, at most 256 characters", |text| text.chars().count() <= 256)
    });
    if tags.len() > 40 {
        table.wrong(span, "tags", format!("found {} tags; allowed: at most 40", tags.len()));
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_tried_by_price_then_region_then_size_then_zone() {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let elsewhere = Elsewhere {
            location: "northeurope".to_owned(),
            subnet_id: "there".to_owned(),
            zones: vec![],
            nsg_id: None,
        };
        let of = |spot: bool, regular_fallback| VmConfig {
            sizes: list(&["A", "B"]),
            zones: list(&["1", "2"]),
            elsewhere: vec![elsewhere.clone()],
            spot: spot.then_some(Spot { max_price: None }),
            regular_fallback,
            ..crate::fixture::fleet("ci", "").vm
        };
        let brief = |vm: &VmConfig, spot_first| {
            let word = |place: Offering| {
                let zone = place.zone.map_or("-".to_owned(), |zone| zone);
                format!("{}{}{zone}{}", &place.location[..1], place.size, if place.spot { "s" } else { "" })
            };
            vm.offerings(spot_first).into_iter().map(word).collect::<Vec<_>>().join(" ")
        };
        let (regular, spot) = ("wA1 wA2 wB1 wB2 nA- nB-", "wA1s wA2s wB1s wB2s nA-s nB-s");
        assert_eq!(brief(&of(false, false), true), regular);
        assert_eq!(brief(&of(true, false), true), spot);
        assert_eq!(brief(&of(true, true), true), format!("{spot} {regular}"));
        assert_eq!(brief(&of(true, false), false), format!("{regular} {spot}"));
        assert_eq!(of(false, false).region("northeurope").subnet_id, "there");
    }
}

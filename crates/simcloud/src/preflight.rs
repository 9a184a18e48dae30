//! The read-only facts about the world that `check` asks for. Both ways into the world answer from here.

use azlin_fleet::model::{Architecture, ForeignText, Image, Os};
use azlin_fleet::ports::preflight::{
    ImageFacts, InboundRule, SecurityGroup, Size, Subnet, Subscription, Usage,
};

use crate::account::{OFFERS, Offer, WayOut, vcpus};
use crate::azure::SimVm;
use crate::world::World;

/// Every quota, where the workload sets none.
const LARGE: u32 = 1_000;

/// The addresses that Azure reserves in each subnet.
const RESERVED: u64 = 5;

/// The image version that "latest" stands for.
const LATEST: &str = "24.04.202601010";

impl World {
    /// A subscription. Every id exists.
    pub fn subscription(&self) -> Subscription {
        Subscription { name: "Simulated".into(), state: self.account.subscription_state.clone().into() }
    }

    /// The sizes that exist.
    pub fn sizes(&self) -> Vec<Size> {
        OFFERS.iter().filter(|offer| self.account.has(offer.name)).map(|offer| self.size(offer)).collect()
    }

    fn size(&self, offer: &Offer) -> Size {
        let is_restricted =
            self.account.restricted_sizes.iter().any(|name| name.eq_ignore_ascii_case(offer.name));
        Size {
            name: offer.name.into(),
            family: offer.family.into(),
            vcpus: vcpus(offer.name),
            architecture: Some(match offer.architecture {
                "Arm64" => Architecture::Arm64,
                _ => Architecture::X64,
            }),
            zones: ["1", "2", "3"].map(ForeignText::from).to_vec(),
            restricted: is_restricted.then(|| "NotAvailableForSubscription".into()),
            restricted_zones: Vec::new(),
            ephemeral_os_disk: Some(offer.has_ephemeral_os_disk()),
            spot: Some(offer.spot),
            generations: offer.generations.iter().map(|name| (*name).into()).collect(),
            local_disk: offer.local_disk(),
            disk_controllers: offer.disk_controllers(),
            accelerated_networking: Some(true),
            trusted_launch: Some(true),
        }
    }

    /// The quotas. All have the same limit.
    pub fn usages(&self) -> Vec<Usage> {
        let limit = u64::from(self.settings.vcpu_quota.unwrap_or(LARGE));
        let used = |counts: &dyn Fn(&SimVm) -> bool| {
            let vms = self.state.azure.vms.values().filter(|vm| counts(vm));
            vms.map(|vm| u64::from(vcpus(vm.size()))).sum()
        };
        let usage = |name: &str, used: u64| Usage { name: name.into(), used, limit };
        let is_spot = |vm: &SimVm| vm.body["properties"]["priority"] == "Spot";
        let mut usages = vec![usage("cores", used(&|_| true)), usage("lowPriorityCores", used(&is_spot))];
        let mut families: Vec<&str> = OFFERS.iter().map(|offer| offer.family).collect();
        families.dedup();
        for family in families {
            let is_of = |vm: &SimVm| {
                OFFERS
                    .iter()
                    .any(|offer| offer.family == family && offer.name.eq_ignore_ascii_case(vm.size()))
            };
            usages.push(usage(family, used(&is_of)));
        }
        usages
    }

    /// An image; `None` if it does not exist.
    pub fn image(&self, image: &Image) -> Option<ImageFacts> {
        let name = image.to_string();
        if !self.account.has(&name) {
            return None;
        }
        let generation = if name.to_ascii_lowercase().contains("gen1") { "V1" } else { "V2" };
        let is_arm = name.to_ascii_lowercase().contains("arm64");
        let (version, plan, locations) = match image {
            Image::Marketplace { publisher, offer, sku, version } => {
                let version = if version == "latest" { LATEST } else { version };
                (Some(version.into()), Some(format!("{publisher} {offer} {sku}").into()), Vec::new())
            }
            Image::Id(_) => (None, None, vec![self.account.location.as_str().into()]),
        };
        Some(ImageFacts {
            version,
            architecture: Some(if is_arm { Architecture::Arm64 } else { Architecture::X64 }),
            generation: Some(generation.into()),
            os: Some(Os::Linux),
            plan: plan.filter(|_| self.account.image_plan),
            locations,
            ..ImageFacts::default()
        })
    }

    /// The number of VMs in a subnet.
    pub fn in_subnet(&self, id: &str) -> u64 {
        let subnet = "/properties/networkProfile/networkInterfaceConfigurations/0/properties/ipConfigurations/0\
                      /properties/subnet/id";
        let is_in = |vm: &&SimVm| {
            let of = vm.body.pointer(subnet).and_then(|id| id.as_str());
            of.is_some_and(|of| of.eq_ignore_ascii_case(id))
        };
        self.state.azure.vms.values().filter(is_in).count() as u64
    }

    /// A subnet; `None` if it does not exist.
    pub fn subnet(&self, id: &str) -> Option<Subnet> {
        let account = &self.account;
        if !account.has(id) {
            return None;
        }
        let bits = account.subnet_prefix.rsplit('/').next().and_then(|bits| bits.parse::<u32>().ok());
        let size = bits.filter(|bits| *bits <= 32).map(|bits| 1_u64 << (32 - bits));
        Some(Subnet {
            location: Some(account.location.clone().into()),
            delegated_to: None,
            nat_gateway: account.way_out == WayOut::NatGateway,
            route_table: account.way_out == WayOut::RouteTable,
            default_outbound: match account.way_out {
                WayOut::Default => Some(true),
                WayOut::None => Some(false),
                WayOut::NatGateway | WayOut::RouteTable | WayOut::Untold => None,
            },
            free_addresses: size.map(|size| size.saturating_sub(RESERVED + self.in_subnet(id))),
            security_group: guard(id).filter(|_| account.is_guarded).map(ForeignText::from),
        })
    }

    /// A network security group; `None` if it does not exist. Those of subnets, and only those, deny what comes from the
    /// virtual network.
    pub fn security_group(&self, id: &str) -> Option<SecurityGroup> {
        let deny = InboundRule {
            priority: 4000,
            allows: false,
            sources: vec!["VirtualNetwork".into()],
            ports: vec!["*".into()],
            protocol: "*".into(),
        };
        let inbound = if id.to_ascii_lowercase().ends_with("-guard") { vec![deny] } else { Vec::new() };
        let location = self.account.location.as_str().into();
        self.account.has(id).then_some(SecurityGroup { location, inbound })
    }
}

/// The id of the network security group that guards a subnet.
fn guard(subnet: &str) -> Option<String> {
    let (provider, rest) = subnet.split_once("/virtualNetworks/")?;
    let (network, _) = rest.split_once('/')?;
    Some(format!("{provider}/networkSecurityGroups/{network}-guard"))
}

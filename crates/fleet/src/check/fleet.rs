//! The checks of one fleet: image, sizes and quotas, network, SSH key.

use super::azure::granted;
use super::facts::{AzureFacts, Facts, SubnetFacts, image_key, place_key};
use super::permissions::{ON_IDENTITY, ON_SECURITY_GROUP, ON_SUBNET};
use super::{About, Finding, Notes, State, disks, risks, scale_set, sizes};
use crate::config::{Fleet, Method, defaults_in_words};
use crate::model::{Architecture, CallError, CallErrorKind, Image, Scope};
use crate::ports::preflight::{ImageFacts, Size, Subnet};

pub(super) fn check(fleet: &Fleet, facts: &Facts) -> Vec<Finding> {
    let mut notes = Notes::new(About::Fleet(fleet.name.clone()));
    if let Some(told) = defaults_in_words(&fleet.from_defaults) {
        notes.ok("defaults", told);
    }
    for error in facts.errors.get(&fleet.name).into_iter().flatten() {
        let cure = format!("what it says; `azlin github-runner explain --pool {}` has more", fleet.name);
        notes.problem("now", error.clone(), cure);
    }
    if !fleet.enabled {
        notes.ok("enabled", "not enabled: only what draining needs is looked at");
        return notes.list;
    }
    runners(&mut notes, fleet);
    scale_set::check(&mut notes, fleet, facts);
    risks::check(&mut notes, fleet, facts);
    if let Some(azure) = facts.signed_in_azure() {
        at_azure(&mut notes, fleet, azure);
    }
    if fleet.bootstrap.method == Method::Ssh {
        match facts.ssh_keys.get(&fleet.name) {
            Some(Ok(Some(kind))) => notes.ok("SSH key", kind.clone()),
            Some(Ok(None)) => notes.note(
                State::Unknown,
                "SSH key",
                "the systemd credential ssh-key, which the service has and this shell has not",
                Some("name the key's file as ssh_private_key to have it looked at here".to_owned()),
            ),
            Some(Err(error)) => {
                let cure = error.advice.as_deref().unwrap_or("make one: ssh-keygen -t ed25519 -N ''");
                notes.problem("SSH key", error.says.as_str(), cure);
            }
            None => {}
        }
    }
    notes.list
}

/// GitHub lists queued jobs for each repository, and not for an organisation or enterprise.
fn runners(notes: &mut Notes, fleet: &Fleet) {
    if fleet.takes_jobs_without_labels {
        let found = "they count for this fleet, whichever runner group they ask for: GitHub does not show it";
        notes.ok("jobs without labels", found);
    }
    let scaling = &fleet.scaling;
    let is_told = fleet.demand.is_scale_set();
    let follows = is_told || matches!(fleet.scope, Scope::Repo(_)) || !fleet.repositories.is_empty();
    if !follows && scaling.manual_count.is_none() && scaling.min_runners == 0 {
        let found = format!(
            "there will never be one: GitHub has no list of the queued jobs of {}, and min_runners is 0",
            fleet.scope
        );
        let name = &fleet.name;
        let cure = format!(
            "name its repositories in fleets/{name}.toml, as in repositories = [\"*\"], or set min_runners there, or \
             `scale --pool {name} --count N`"
        );
        notes.problem("runners", found, cure);
    }
}

fn at_azure(notes: &mut Notes, fleet: &Fleet, facts: &AzureFacts) {
    in_region(notes, fleet, facts);
    for vm in fleet.vm.in_each_region().into_iter().skip(1) {
        // The region is checked like a fleet of its own: sizes, image and subnet.
        let mut there = fleet.clone();
        there.vm = vm;
        let mut own = Notes::new(About::Fleet(fleet.name.clone()));
        in_region(&mut own, &there, facts);
        let location = &there.vm.location;
        let told = |finding: Finding| Finding { what: format!("{location}: {}", finding.what), ..finding };
        notes.list.extend(own.list.into_iter().map(told));
    }
    for id in &fleet.vm.identity {
        if let Some(found) = facts.identities.get(id) {
            let name = id.rsplit('/').next().unwrap_or_default();
            granted(notes, &format!("identity {name}"), ON_IDENTITY, found, id);
        }
    }
}

/// Image, disk, sizes and network in the fleet's first region.
fn in_region(notes: &mut Notes, fleet: &Fleet, facts: &AzureFacts) {
    let found_image = facts.images.get(&image_key(&fleet.vm));
    if let Some(found) = found_image {
        image(notes, fleet, found);
    }
    let image = found_image.and_then(|found| found.as_ref().ok());
    if let Some(image) = image {
        trusted_launch(notes, fleet, image, facts);
    }
    disks::check(notes, fleet, image);
    sizes::check(notes, fleet, facts, image);
    if let Some(found) = facts.subnets.get(&fleet.vm.subnet_id) {
        subnet(notes, fleet, found, facts);
    }
    security_group(notes, fleet, facts);
    if fleet.vm.public_ip && !fleet.vm.zones.is_empty() {
        let found = "Azure refuses a VM in a zone whose address has other zones, and azlin cannot see whether this region does";
        notes.warning("zones and public_ip", found, "azlin github-runner check --try tries it");
    }
}

/// Says where trusted launch could be had and is off: the daemon reads no image, so it cannot decide that by itself.
fn trusted_launch(notes: &mut Notes, fleet: &Fleet, image: &ImageFacts, facts: &AzureFacts) {
    let vm = &fleet.vm;
    let sizes = facts.places.get(&place_key(vm)).and_then(|place| place.sizes.as_ref().ok());
    let lacks_it =
        |size: &Size| size.trusted_launch == Some(false) && vm.sizes.iter().any(|name| size.name == *name);
    let all_have_it = sizes.is_some_and(|sizes| !sizes.iter().any(lacks_it));
    if !vm.trusted_launch && image.generation.as_deref() == Some("V2") && all_have_it {
        notes.ok("trusted launch", "off; image and sizes have it: trusted_launch = true turns it on");
    }
}

fn image(notes: &mut Notes, fleet: &Fleet, found: &Result<ImageFacts, CallError>) {
    let vm = &fleet.vm;
    let other = "name another image";
    let facts = match found {
        Ok(facts) => facts,
        Err(error) => {
            match (&vm.image, error.kind) {
                (_, CallErrorKind::NotFound) => {
                    let cure = match &vm.image {
                        Image::Marketplace { publisher, offer, .. } => format!(
                            "az vm image list --all --location {} --publisher {publisher} --offer {offer}",
                            vm.location
                        ),
                        Image::Id(_) => "check its id, and that it was not deleted".to_owned(),
                    };
                    notes.problem("image", format!("{} is not there", vm.image), cure);
                }
                (Image::Id(id), CallErrorKind::NotPermitted) => {
                    let cure = format!("give the identity the role Reader on {id}");
                    notes.problem("image", "it may not be read, so no VM can be made from it", cure);
                }
                _ => notes.failed(State::Unknown, "image", error),
            }
            return;
        }
    };
    let wanted = vm.architecture();
    let is_here = facts.locations.is_empty() || facts.locations.iter().any(|place| *place == vm.location);
    if let Some(plan) = &facts.plan {
        let found = format!("it needs the purchase plan {plan}, which azlin does not buy");
        notes.problem("image", found, "name an image without a plan");
    } else if facts.is_specialized {
        let found = "it is specialized: it has the users and the name of one machine, and takes no others";
        notes.problem("image", found, "make a generalized image, or name one");
    } else if facts.security.as_deref() == Some("ConfidentialVM") {
        let found = "it is for confidential VMs alone, which azlin does not make";
        notes.problem("image", found, other);
    } else if let Some(os) = facts.os.filter(|os| *os != vm.os()) {
        notes.problem("image", format!("it is for {os}; runners are {}", vm.os()), other);
    } else if facts.architecture.is_some_and(|architecture| architecture != wanted) {
        let of_image = facts.architecture.map_or("", Architecture::label);
        let found = format!("it is for {of_image}, and the sizes are {}", wanted.label());
        notes.problem("image", found, "name an image and sizes of one processor");
    } else if vm.trusted_launch && facts.generation.as_deref() == Some("V1") {
        let found = "it is of generation 1, and trusted launch needs generation 2";
        notes.problem("image", found, "name an image of generation 2, or set trusted_launch = false");
    } else if !is_here {
        let found = format!("it is in {}, not in {}", facts.locations.join(", "), vm.location);
        notes.problem("image", found, format!("replicate it to {}, or {other}", vm.location));
    } else {
        let parts = [facts.version.as_deref(), facts.architecture.map(Architecture::label)];
        let told: Vec<&str> = parts.into_iter().flatten().collect();
        let told = if told.is_empty() { "is there".to_owned() } else { told.join(", ") };
        notes.ok("image", told);
    }
}

fn subnet(notes: &mut Notes, fleet: &Fleet, found: &SubnetFacts, facts: &AzureFacts) {
    match &found.subnet {
        Ok(subnet) => {
            place(notes, fleet, subnet, facts);
            outbound(notes, fleet, subnet);
        }
        Err(error) if error.kind == CallErrorKind::NotFound => {
            notes.problem("subnet", format!("{} is not there", fleet.vm.subnet_id), "check subnet_id");
            return;
        }
        Err(error) => {
            notes.failed(State::Unknown, "subnet", error);
            notes.unknown("outbound access", "cannot be known without reading the subnet");
        }
    }
    granted(notes, "subnet: permissions", ON_SUBNET, &found.grants, &fleet.vm.subnet_id);
}

fn security_group(notes: &mut Notes, fleet: &Fleet, facts: &AzureFacts) {
    let Some(id) = &fleet.vm.nsg_id else { return };
    let Some(found) = facts.security_groups.get(id) else { return };
    let (what, wanted) = ("security group", &fleet.vm.location);
    match found.group.as_ref().map(|group| &group.location) {
        Ok(location) if location == wanted => notes.ok(what, "is there"),
        Ok(other) => {
            let found = format!("it is in {other}, and the fleet's VMs are in {wanted}");
            notes.problem(what, found, format!("name a network security group in {wanted} as nsg_id"));
        }
        Err(error) if error.kind == CallErrorKind::NotFound => {
            return notes.problem(what, format!("{id} is not there"), "check nsg_id");
        }
        Err(error) => notes.failed(State::Unknown, what, error),
    }
    granted(notes, "security group: permissions", ON_SECURITY_GROUP, &found.grants, id);
}

fn place(notes: &mut Notes, fleet: &Fleet, subnet: &Subnet, facts: &AzureFacts) {
    let location = &fleet.vm.location;
    if let Some(other) = subnet.location.as_ref().filter(|other| *other != location) {
        let found = format!("its network is in {other}, and the VMs are to be in {location}");
        return notes.problem(
            "subnet",
            found,
            "a VM and its network are in one location: change one of them",
        );
    }
    if let Some(service) = &subnet.delegated_to {
        let found = format!("it is delegated to {service}: no VM can be in it");
        return notes.problem("subnet", found, "name a subnet without delegations");
    }
    let Some(free) = subnet.free_addresses else { return notes.ok("subnet", "is there") };
    let own = facts.groups.get(&fleet.vm.group).and_then(|group| group.vms.as_ref().ok());
    let own = own.map_or(0, |vms| vms.iter().filter(|vm| vm.tags.pool == fleet.name).count() as u64);
    let (most, keys) = fleet.most_vms();
    let found = format!("{free} addresses free; the fleet uses {own} and may use {most}");
    let found = if own == 0 { format!("{free} addresses free, {keys} is {most}") } else { found };
    match free + own {
        0 => notes.problem("subnet", found, "use a larger subnet"),
        room if room < u64::from(most) => {
            notes.warning("subnet", found, "use a larger subnet, or lower max_runners");
        }
        _ => notes.ok("subnet", found),
    }
}

/// Whether the API is that of github.com, on the internet.
fn is_public(api: &str) -> bool {
    api == "api.github.com" || api.ends_with(".ghe.com")
}

/// Whether VMs can reach GitHub (Learn: Default outbound access in Azure).
fn outbound(notes: &mut Notes, fleet: &Fleet, subnet: &Subnet) {
    let what = "outbound access";
    if subnet.nat_gateway {
        notes.ok(what, "by a NAT gateway");
    } else if fleet.vm.public_ip {
        notes.ok(what, "by a public address for each VM");
    } else if subnet.route_table {
        notes.ok(what, "by a route table, whose routes are not looked at");
    } else {
        match subnet.default_outbound {
            Some(true) => notes.ok(what, "by Azure's default outbound access"),
            // A gateway may announce routes, and a GitHub Enterprise Server may be reachable without the
            // internet.
            Some(false) if is_public(&fleet.github) => notes.warning(
                what,
                "no way out that can be seen here: no NAT gateway, no route table, no default outbound access",
                "give the subnet a NAT gateway, or set public_ip = true, unless a gateway has routes for it",
            ),
            Some(false) => notes.unknown(
                what,
                "a private subnet: whether a GitHub of your own can be reached from it is not to be seen here",
            ),
            None => notes.unknown(
                what,
                "cannot be known: no NAT gateway and no route table; networks from before 2026 may have Azure's \
                 default outbound access",
            ),
        }
    }
}

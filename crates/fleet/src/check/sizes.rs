//! The checks of a fleet's sizes: whether Azure offers them, and how many VMs the quotas allow.

use std::collections::BTreeMap;

use super::facts::{AzureFacts, PlaceFacts, place_key};
use super::size_facts::{self, Unusable};
use super::{Notes, State};
use crate::config::Fleet;
use crate::model::{ForeignText, Vm, counted};
use crate::ports::preflight::{ImageFacts, Size, Usage};

pub(super) fn check(notes: &mut Notes, fleet: &Fleet, facts: &AzureFacts, image: Option<&ImageFacts>) {
    let Some(PlaceFacts { sizes, usages }) = facts.places.get(&place_key(&fleet.vm)) else { return };
    let sizes = match sizes {
        Ok(sizes) if sizes.is_empty() => {
            let found = format!("Azure has no sizes there: is there a location {}?", fleet.vm.location);
            return notes.problem("location", found, "az account list-locations --query [].name lists them");
        }
        Ok(sizes) => sizes,
        Err(error) => return notes.failed(State::Unknown, "sizes", error),
    };
    let wanted = &fleet.vm.sizes;
    let found: BTreeMap<&str, Result<&Size, Unusable>> =
        wanted.iter().map(|name| (name.as_str(), usable(fleet, name, sizes, image))).collect();
    let none_is_usable = found.values().all(Result::is_err);
    let usable = || wanted.iter().filter_map(|name| found[name.as_str()].as_ref().ok().copied());
    for name in wanted {
        let what = format!("size {name}");
        match &found[name.as_str()] {
            Ok(size) => notes.ok(&what, format!("{} vCPUs", size.vcpus)),
            Err(Unusable { why, cure, .. }) => {
                let state = if none_is_usable { State::Problem } else { State::Warning };
                let another = "az vm list-skus --location LOCATION --resource-type virtualMachines lists others: name one \
                               of them in sizes";
                let cure = cure.clone().unwrap_or_else(|| another.replace("LOCATION", &fleet.vm.location));
                notes.note(state, &what, why.clone(), Some(cure));
            }
        }
    }
    match usages {
        Err(error) => notes.failed(State::Unknown, "quota", error),
        Ok(usages) => {
            let vms = facts.groups.get(&fleet.vm.group).and_then(|group| group.vms.as_ref().ok());
            let own: Vec<&Vm> = vms.into_iter().flatten().filter(|vm| vm.tags.pool == fleet.name).collect();
            let rooms: Vec<QuotaRoom> = usable().map(|size| room(fleet, size, sizes, usages, &own)).collect();
            quotas(notes, fleet, &rooms);
        }
    }
}

/// The size, or why the fleet cannot use it.
fn usable<'s>(
    fleet: &Fleet,
    name: &str,
    sizes: &'s [Size],
    image: Option<&ImageFacts>,
) -> Result<&'s Size, Unusable> {
    let vm = &fleet.vm;
    let size = size_facts::find(name, &vm.location, sizes)?;
    let has = |zones: &[ForeignText], zone: &str| zones.iter().any(|one| *one == zone);
    let is_in = |zone: &&String| has(&size.zones, zone) && !has(&size.restricted_zones, zone);
    if !vm.zones.is_empty() && !vm.zones.iter().any(|zone| is_in(&zone)) {
        return Err(Unusable::size(format!("it is not to be had in zone {}", vm.zones.join(" or "))));
    }
    size_facts::fits(vm, vm.spot.is_some(), size, image)?;
    Ok(size)
}

/// How many VMs of a size the quotas allow. The fleet's own VMs count as free.
struct QuotaRoom {
    size: String,
    vcpus: u32,
    /// The most VMs that the quotas allow. `None` means that Azure reports no quota.
    most: Option<u64>,
    /// The quotas, in words.
    said: Vec<String>,
}

fn room(fleet: &Fleet, size: &Size, sizes: &[Size], usages: &[Usage], own: &[&Vm]) -> QuotaRoom {
    let families: Vec<&str> =
        if fleet.vm.spot.is_some() { vec!["lowPriorityCores"] } else { vec![&size.family, "cores"] };
    let mut room = QuotaRoom { size: size.name.to_string(), vcpus: size.vcpus, most: None, said: Vec::new() };
    for name in families {
        let Some(usage) = usages.iter().find(|usage| plain(&usage.name) == plain(name)) else { continue };
        let sizes_of_own =
            own.iter().filter_map(|vm| sizes.iter().find(|size| size.name.eq_ignore_ascii_case(&vm.size)));
        let is_whole = ["cores", "lowPriorityCores"].contains(&name);
        let ours = sizes_of_own.filter(|of| is_whole || plain(&of.family) == plain(name));
        let ours: u64 = ours.map(|of| u64::from(of.vcpus)).sum();
        let free = (usage.limit + ours).saturating_sub(usage.used);
        let most = free / u64::from(size.vcpus.max(1));
        room.most = Some(room.most.map_or(most, |known| known.min(most)));
        let place = match name {
            "cores" => "in the region",
            "lowPriorityCores" => "by spot VMs in the region",
            family => &format!("in {family}"),
        };
        room.said.push(format!("{} of {} used {place}", usage.used, usage.limit));
    }
    room
}

/// The name of a family in one spelling: Azure uses several.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn quotas(notes: &mut Notes, fleet: &Fleet, rooms: &[QuotaRoom]) {
    let max = u64::from(fleet.most_vms().0);
    let none_fits = rooms.iter().all(|room| room.most == Some(0));
    for QuotaRoom { size, vcpus, most, said } in rooms {
        let what = format!("vCPU quota for {size}");
        let said = format!(
            "{}; {} at most: {} vCPUs",
            said.join(", "),
            counted(max, "runner"),
            max * u64::from(*vcpus)
        );
        let cure = format!(
            "ask for a higher quota in {} (portal: Quotas, Compute), lower max_runners, or add a size of another family",
            fleet.vm.location
        );
        match most {
            None => notes.unknown(&what, "Azure tells no quota for it"),
            Some(most) if *most >= max => notes.ok(&what, said),
            Some(0) => {
                let state = if none_fits { State::Problem } else { State::Warning };
                notes.note(state, &what, format!("{said}; there is room for none"), Some(cure));
            }
            Some(most) => notes.warning(&what, format!("{said}; there is room for {most}"), cure),
        }
    }
}

//! What enabled fleets share: quotas of vCPUs, and addresses of subnets. Other modules check each fleet
//! alone; this one checks their sum.

use std::collections::BTreeMap;

use super::Notes;
use super::facts::{AzureFacts, place_key};
use super::sizes::plain;
use crate::config::Fleet;
use crate::ports::preflight::Size;

pub(super) fn check(notes: &mut Notes, fleets: &[Fleet], facts: &AzureFacts) {
    let enabled: Vec<&Fleet> = fleets.iter().filter(|fleet| fleet.enabled).collect();
    quotas(notes, &enabled, facts);
    subnets(notes, &enabled, facts);
}

/// The demand of fleets on one quota.
#[derive(Default)]
struct QuotaDemand<'f> {
    fleets: Vec<&'f str>,
    wanted: u64,
    own: u64,
}

/// Each fleet counts with its first available size, which is tried first.
fn quotas(notes: &mut Notes, fleets: &[&Fleet], facts: &AzureFacts) {
    for ((subscription, location), place) in &facts.places {
        let (Ok(sizes), Ok(usages)) = (&place.sizes, &place.usages) else { continue };
        let known = |name: &str| sizes.iter().find(|size| size.name.eq_ignore_ascii_case(name));
        let mut demands: BTreeMap<String, QuotaDemand<'_>> = BTreeMap::new();
        for fleet in fleets {
            let (of, at) = place_key(&fleet.vm);
            let first = fleet.vm.sizes.iter().filter_map(|name| known(name)).find(|s| s.restricted.is_none());
            let Some(first) = first.filter(|_| of == *subscription && at == *location) else { continue };
            for name in counted_in(fleet, first) {
                let demand = demands.entry(name).or_default();
                demand.fleets.push(fleet.name.as_str());
                demand.wanted += u64::from(fleet.most_vms().0) * u64::from(first.vcpus);
            }
            let vms = facts.groups.get(&fleet.vm.group).and_then(|group| group.vms.as_ref().ok());
            let own = vms.into_iter().flatten().filter(|vm| vm.tags.pool == fleet.name);
            for size in own.filter_map(|vm| known(&vm.size)) {
                for name in counted_in(fleet, size) {
                    demands.entry(name).or_default().own += u64::from(size.vcpus);
                }
            }
        }
        for usage in usages {
            let Some(demand) = demands.get(&plain(&usage.name)).filter(|d| d.fleets.len() > 1) else {
                continue;
            };
            let room = (usage.limit + demand.own).saturating_sub(usage.used);
            if demand.wanted > room {
                let found = format!(
                    "{} of {} vCPUs used; {} take {} together at their max_runners",
                    usage.used,
                    usage.limit,
                    demand.fleets.join(", "),
                    demand.wanted
                );
                let cure = "ask for a higher quota (portal: Quotas, Compute), or lower max_runners";
                notes.warning(&format!("shared quota {} in {location}", usage.name), found, cure);
            }
        }
    }
}

/// The quotas that a VM of the fleet counts against.
fn counted_in(fleet: &Fleet, size: &Size) -> Vec<String> {
    match fleet.vm.spot {
        Some(_) => vec![plain("lowPriorityCores")],
        None => vec![plain("cores"), plain(&size.family)],
    }
}

fn subnets(notes: &mut Notes, fleets: &[&Fleet], facts: &AzureFacts) {
    for (id, found) in &facts.subnets {
        let Some(free) = found.subnet.as_ref().ok().and_then(|subnet| subnet.free_addresses) else {
            continue;
        };
        let here: Vec<&&Fleet> = fleets.iter().filter(|fleet| fleet.vm.subnet_id == *id).collect();
        let vms = facts.groups.values().filter_map(|group| group.vms.as_ref().ok()).flatten();
        let own = vms.filter(|vm| here.iter().any(|fleet| fleet.name == vm.tags.pool)).count() as u64;
        let wanted: u64 = here.iter().map(|fleet| u64::from(fleet.most_vms().0)).sum();
        if here.len() > 1 && wanted > free + own {
            let names: Vec<&str> = here.iter().map(|fleet| fleet.name.as_str()).collect();
            let found = format!(
                "{free} addresses free, {own} taken by these fleets; {} take {wanted} together at their max_runners",
                names.join(", ")
            );
            let what = format!("shared subnet {}", id.rsplit('/').next().unwrap_or_default());
            notes.warning(&what, found, "use a larger subnet, or lower max_runners");
        }
    }
}

//! Fleets whose file is gone and whose VMs are still there: nobody manages those VMs, and they are billed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Fleet;
use crate::model::runner_name::prefix;
use crate::model::{
    PoolName, Prices, ProvisioningState, ResourceGroup, RunnerName, UntaggedVm, Vm, counted, dollars,
    first_few,
};

/// A fleet without a file, as far as its VMs tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForgottenFleet {
    /// The fleet, by the tags or the names of its VMs.
    pub pool: PoolName,
    /// The scope of its runners. Absent if its VMs have lost their tags.
    pub scope: Option<String>,
    /// How many VMs are there.
    pub vms: u32,
    /// The resource groups that hold them.
    pub resource_groups: BTreeSet<ResourceGroup>,
    /// What the VMs cost per hour. Absent if a price is not known.
    pub per_hour: Option<f64>,
    /// The fleet that has taken its place under another name, if one has.
    pub renamed_to: Option<PoolName>,
    /// When it was first found.
    pub since: Timestamp,
}

/// What a resource group holds that azlin made.
#[derive(Debug, Clone, Default)]
pub struct GroupContent {
    /// VMs with our tags, by pool.
    pub by_pool: BTreeMap<PoolName, Vec<FoundVm>>,
}

/// A VM, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundVm {
    size: String,
    location: String,
    spot: bool,
    /// The host of GitHub's API, the scope, and the hash of the configuration: what only tags tell.
    tags: Option<(String, String, String)>,
}

impl GroupContent {
    /// What is in a group, without VMs that Azure removes already.
    pub fn of<'v>(vms: impl IntoIterator<Item = &'v Vm>, untagged: &[UntaggedVm]) -> Self {
        let mut content = GroupContent::default();
        for vm in vms.into_iter().filter(|vm| vm.provisioning != ProvisioningState::Deleting) {
            let tags = &vm.tags;
            let told = (tags.github.to_string(), tags.scope.to_string(), tags.config_hash.to_string());
            let (size, location) = (vm.size.to_string(), vm.location.to_string());
            let found = FoundVm { size, location, spot: vm.spot, tags: Some(told) };
            content.by_pool.entry(tags.pool.clone()).or_default().push(found);
        }
        for vm in untagged.iter().filter(|vm| vm.provisioning != ProvisioningState::Deleting) {
            let Some(pool) = pool_of(&vm.name.to_ascii_lowercase()) else { continue };
            let (size, location) = (vm.size.to_string(), vm.location.to_string());
            let found = FoundVm { size, location, spot: vm.spot, tags: None };
            content.by_pool.entry(pool).or_default().push(found);
        }
        content
    }
}

/// The pool that a VM's name tells, if azlin made the name.
fn pool_of(name: &str) -> Option<PoolName> {
    let pool: PoolName = name.rsplit_once('-')?.0.parse().ok()?;
    RunnerName::of_pool(&pool, name).map(|_| pool)
}

/// The fleets that are forgotten. `fleets` are those with a good file; `others` have a file that cannot be used. One that
/// is in `before` keeps its beginning.
pub fn forgotten<'f>(
    groups: &BTreeMap<ResourceGroup, GroupContent>,
    fleets: impl IntoIterator<Item = &'f Fleet>,
    others: &BTreeSet<PoolName>,
    prices: &Prices,
    before: &[ForgottenFleet],
    now: Timestamp,
) -> Vec<ForgottenFleet> {
    let fleets: Vec<&Fleet> = fleets.into_iter().collect();
    // A name alone tells neither case nor underscore of its pool.
    let files = fleets.iter().map(|fleet| &fleet.name).chain(others);
    let files: BTreeSet<String> = files.map(prefix).collect();
    let is_known = |pool: &PoolName| files.contains(&prefix(pool));
    let mut found: BTreeMap<&PoolName, Vec<(&ResourceGroup, &FoundVm)>> = BTreeMap::new();
    for (group, content) in groups {
        for (pool, vms) in content.by_pool.iter().filter(|(pool, _)| !is_known(pool)) {
            found.entry(pool).or_default().extend(vms.iter().map(|vm| (group, vm)));
        }
    }
    let each = found.into_iter().map(|(pool, vms)| {
        let hour =
            |vm: &FoundVm| prices.hour(&vm.size, &vm.location, vm.spot).map(|price| price.hour as f64 / 1e6);
        let renamed = fleets.iter().find(|fleet| is_renamed(fleet, &fleets, &vms));
        let before = before.iter().find(|before| before.pool == *pool);
        ForgottenFleet {
            pool: pool.clone(),
            scope: vms.iter().find_map(|(_, vm)| Some(vm.tags.as_ref()?.1.clone())),
            vms: u32::try_from(vms.len()).unwrap_or(u32::MAX),
            resource_groups: vms.iter().map(|(group, _)| (*group).clone()).collect(),
            per_hour: vms.iter().map(|(_, vm)| hour(vm)).sum(),
            renamed_to: renamed.map(|fleet| fleet.name.clone()),
            since: before.map_or(now, |before| before.since),
        }
    });
    each.collect()
}

/// Whether a fleet has taken the place of the one that made these VMs: it makes the same VMs for the same scope, or it is
/// the only fleet of that scope in that resource group.
fn is_renamed(fleet: &Fleet, fleets: &[&Fleet], vms: &[(&ResourceGroup, &FoundVm)]) -> bool {
    let is_of_scope = |fleet: &Fleet| {
        vms.iter().any(|(group, vm)| {
            let is_same = |(github, scope, _): &(String, String, String)| {
                *github == fleet.github && *scope == fleet.scope.to_string()
            };
            fleet.vm.group == **group && vm.tags.as_ref().is_some_and(is_same)
        })
    };
    let makes_such = |(_, vm): &(&ResourceGroup, &FoundVm)| {
        vm.tags.as_ref().is_some_and(|(_, _, hash)| hash == fleet.config_hash())
    };
    let is_only = || fleets.iter().filter(|other| is_of_scope(other)).count() == 1;
    is_of_scope(fleet) && (vms.iter().any(makes_such) || is_only())
}

impl ForgottenFleet {
    /// What is so: how many VMs there are, what they cost, and why no fleet manages them.
    pub fn facts(&self) -> String {
        let ForgottenFleet { pool, vms, .. } = self;
        let verb = if *vms == 1 { "keeps running and is" } else { "keep running and are" };
        let cost = match self.per_hour {
            Some(cost) => format!("{} an hour", dollars(cost)),
            None => "price not known".to_owned(),
        };
        let why = match &self.renamed_to {
            Some(new) => format!("pool {pool} was renamed to {new}, and its VMs were not"),
            None => format!("fleets/{pool}.toml is gone, and no fleet manages them"),
        };
        format!("{} of pool {pool} {verb} billed ({cost}): {why}", counted(*vms, "VM"))
    }

    /// What a person can do about it.
    pub fn cure(&self) -> String {
        let pool = &self.pool;
        let how = match &self.renamed_to {
            Some(new) => format!(
                "put fleets/{pool}.toml back beside {new}.toml, with `enabled = false`, until they are gone"
            ),
            None => {
                let groups = first_few(self.resource_groups.iter().map(ToString::to_string));
                format!("put the file back with `enabled = false`; or delete them by hand in {groups}")
            }
        };
        format!(
            "To drain them, {how}. If another daemon has pool {pool}, give it a resource group of its own"
        )
    }
}

impl fmt::Display for ForgottenFleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", self.facts(), self.cure())
    }
}

#[cfg(test)]
mod tests;

//! The open questions about the real Azure, and what a rehearsal sees of each: docs/reliability.md has the list.

use std::fmt;

use crate::model::{ForeignText, OrphanKind, Remaining, VmTags, counted};
use crate::ports::rehearsal::{ShownList, ShownPart, ShownVm};
use crate::rehearsal::RehearsalPlan;

/// A question, asked once and answered, or why it was not answered. Absent: it was not asked.
type Looked<T> = Option<Result<T, String>>;

/// Everything that a rehearsal saw.
#[derive(Debug, Clone, Default)]
pub struct Sightings {
    /// Azure's answer to the request for the VM.
    pub create: Looked<()>,
    /// The VM, after it booted or failed to.
    pub vm: Looked<ShownVm>,
    /// The parts of that VM.
    pub parts: Looked<Vec<ShownPart>>,
    /// The list of its group.
    pub group: Looked<ShownList>,
    /// The list of power states of its subscription.
    pub states: Looked<ShownList>,
    /// The labels of the entry at GitHub.
    pub labels: Looked<Vec<String>>,
    /// What is left of rate limits, as the answers told.
    pub remaining: Remaining,
    /// The names of the headers that tell so.
    pub headers: Vec<ForeignText>,
}

/// What was seen of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// What azlin expects.
    AsExpected(String),
    /// Something else.
    Differs {
        /// What azlin expects.
        expected: String,
        /// What was seen.
        seen: String,
    },
    /// azlin works with any answer.
    Told(String),
    /// Nothing, and why.
    NotSeen(String),
}

/// An open question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenQuestion {
    /// Does Azure accept the administrator's key?
    Key,
    /// Does this cloud know the API version that VMs are made with?
    ApiVersion,
    /// Where does a list with `statusOnly` have the power state?
    StatusFrame,
    /// How many VMs are on a page of a group's list?
    GroupPages,
    /// How many are on a page of a subscription's list?
    SubscriptionPages,
    /// Do the VM and its parts have our tags?
    Tags,
    /// Which zones does the public address of a VM have?
    AddressZones,
    /// What is the OS disk called?
    DiskName,
    /// Does a VM get trusted launch without asking?
    TrustedLaunch,
    /// Does anything put extensions on it?
    Extensions,
    /// Which headers tell of rate limits?
    LimitHeaders,
    /// Does a runner have the labels that it was given, and no others?
    Labels,
    /// Does an eviction take NIC and address along?
    Eviction,
}

impl OpenQuestion {
    /// All questions, in the order in which they are shown.
    pub const ALL: [OpenQuestion; 13] = [
        OpenQuestion::Key,
        OpenQuestion::ApiVersion,
        OpenQuestion::StatusFrame,
        OpenQuestion::GroupPages,
        OpenQuestion::SubscriptionPages,
        OpenQuestion::Tags,
        OpenQuestion::AddressZones,
        OpenQuestion::DiskName,
        OpenQuestion::TrustedLaunch,
        OpenQuestion::Extensions,
        OpenQuestion::LimitHeaders,
        OpenQuestion::Labels,
        OpenQuestion::Eviction,
    ];

    /// What was seen.
    pub fn seen(self, plan: &RehearsalPlan, saw: &Sightings) -> Sighting {
        match self {
            OpenQuestion::Key => key(saw),
            OpenQuestion::ApiVersion => {
                looked(&saw.vm, |vm| yes_or(vm.knows_version, "known", "refused in a read"))
            }
            OpenQuestion::StatusFrame => looked(&saw.states, frame),
            OpenQuestion::GroupPages => looked(&saw.group, pages),
            OpenQuestion::SubscriptionPages => looked(&saw.states, pages),
            OpenQuestion::Tags => looked(&saw.vm, |vm| tags(plan, vm, saw)),
            OpenQuestion::AddressZones => looked(&saw.parts, |parts| address_zones(parts, saw)),
            OpenQuestion::DiskName => looked(&saw.vm, |vm| disk_name(plan, vm)),
            OpenQuestion::TrustedLaunch => looked(&saw.vm, |vm| trusted_launch(plan, vm)),
            OpenQuestion::Extensions => {
                looked(&saw.vm, |vm| yes_or(vm.extensions.is_empty(), "none", &vm.extensions.join(", ")))
            }
            OpenQuestion::LimitHeaders => headers(saw),
            OpenQuestion::Labels => looked(&saw.labels, |labels| {
                let own: Vec<String> = plan.fleet.labels.iter().map(ToString::to_string).collect();
                yes_or(*labels == own, &own.join(", "), &labels.join(", "))
            }),
            OpenQuestion::Eviction => Sighting::NotSeen("Azure evicts a VM when it wants to".to_owned()),
        }
    }
}

fn yes_or(is_so: bool, expected: &str, seen: &str) -> Sighting {
    if is_so {
        return Sighting::AsExpected(expected.to_owned());
    }
    Sighting::Differs { expected: expected.to_owned(), seen: seen.to_owned() }
}

fn looked<T>(looked: &Looked<T>, judge: impl FnOnce(&T) -> Sighting) -> Sighting {
    match looked {
        Some(Ok(seen)) => judge(seen),
        Some(Err(why)) => Sighting::NotSeen(why.clone()),
        None => Sighting::NotSeen("the rehearsal did not get so far".to_owned()),
    }
}

/// A refusal that says nothing of a key leaves the question open.
fn key(saw: &Sightings) -> Sighting {
    match &saw.create {
        Some(Err(why)) if !["keydata", "ssh"].iter().any(|word| why.to_ascii_lowercase().contains(word)) => {
            Sighting::NotSeen("the VM was refused for another reason".to_owned())
        }
        Some(Err(why)) => yes_or(false, "accepted", why),
        Some(Ok(())) => yes_or(true, "accepted", ""),
        None => Sighting::NotSeen("no VM was requested".to_owned()),
    }
}

/// The power state of the VM, as the daemon reads it in each health poll.
fn frame(list: &ShownList) -> Sighting {
    if list.frame.is_empty() {
        return Sighting::NotSeen(format!(
            "the VM is not on the pages that were read ({})",
            page_counts(list)
        ));
    }
    let has_power = |codes: &Vec<ForeignText>| codes.iter().any(|code| code.starts_with("PowerState/"));
    let frame = list.frame.join(", ");
    if list.statuses.as_ref().is_some_and(has_power) {
        return Sighting::AsExpected(format!("in properties.instanceView.statuses; the VM has {frame}"));
    }
    yes_or(false, "properties.instanceView.statuses, with a PowerState", &frame)
}

fn page_counts(list: &ShownList) -> String {
    let each: Vec<String> = list.pages.iter().map(ToString::to_string).collect();
    format!(
        "{} on {}: {}",
        counted(list.pages.iter().sum::<usize>(), "VM"),
        counted(each.len(), "page"),
        each.join(", ")
    )
}

fn pages(list: &ShownList) -> Sighting {
    Sighting::Told(page_counts(list))
}

/// Azure's own tags say whose VM and whose parts they are.
fn tags(plan: &RehearsalPlan, vm: &ShownVm, saw: &Sightings) -> Sighting {
    let is_ours = |tags: &VmTags| tags.runner_name == plan.runner;
    let mut lacking: Vec<String> = Vec::new();
    if !VmTags::of(plan.runner.as_str(), &vm.tags).as_ref().is_some_and(is_ours) {
        lacking.push("VM".to_owned());
    }
    let parts = saw.parts.as_ref().and_then(|parts| parts.as_ref().ok()).into_iter().flatten();
    let without = parts.filter(|part| !VmTags::of_part(&part.tags).as_ref().is_some_and(is_ours));
    lacking.extend(without.map(|part| part.kind.to_string()));
    yes_or(lacking.is_empty(), "all have them", &format!("not on: {}", lacking.join(", ")))
}

fn address_zones(parts: &[ShownPart], saw: &Sightings) -> Sighting {
    let Some(address) = parts.iter().find(|part| part.kind == OrphanKind::PublicIp) else {
        return Sighting::NotSeen("the fleet's VMs have no public address".to_owned());
    };
    let of_vm = saw.vm.as_ref().and_then(|vm| vm.as_ref().ok()).map_or(&[][..], |vm| &vm.zones);
    let words = |zones: &[ForeignText]| if zones.is_empty() { "none".to_owned() } else { zones.join(", ") };
    Sighting::Told(format!("zones of the address: {}; of the VM: {}", words(&address.zones), words(of_vm)))
}

fn disk_name(plan: &RehearsalPlan, vm: &ShownVm) -> Sighting {
    let Some(disk) = &vm.os_disk else { return Sighting::NotSeen("Azure shows no name of it".to_owned()) };
    let letters = |text: &str| counted(text.chars().count(), "character");
    let is_ours = disk.to_ascii_lowercase().starts_with(plan.runner.as_str());
    let seen = format!("{disk} ({}, with a VM name of {})", letters(disk), letters(plan.runner.as_str()));
    if is_ours { Sighting::AsExpected(seen) } else { yes_or(false, "it begins with the VM's name", &seen) }
}

fn trusted_launch(plan: &RehearsalPlan, vm: &ShownVm) -> Sighting {
    let word = |is_on: bool| if is_on { "TrustedLaunch" } else { "none" };
    let seen = vm.security_type.as_deref().unwrap_or("none");
    let expected = word(plan.fleet.vm.trusted_launch);
    yes_or(seen.eq_ignore_ascii_case(expected) || expected == "none" && seen == "Standard", expected, seen)
}

fn headers(saw: &Sightings) -> Sighting {
    let Remaining { reads, global_reads, writes, deletes, operations } = &saw.remaining;
    let kinds = [("reads", reads), ("global reads", global_reads), ("writes", writes), ("deletes", deletes)];
    let told = kinds.iter().filter(|(_, left)| left.is_some()).map(|(kind, _)| (*kind).to_owned());
    let told: Vec<String> = told.chain(operations.keys().map(ToString::to_string)).collect();
    if told.is_empty() && saw.headers.is_empty() {
        return Sighting::NotSeen("no answer had one".to_owned());
    }
    Sighting::Told(format!("{}; they count {}", saw.headers.join(", "), told.join(", ")))
}

/// The question.
impl fmt::Display for OpenQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OpenQuestion::Key => "the administrator's key",
            OpenQuestion::ApiVersion => "the API version that VMs are made with",
            OpenQuestion::StatusFrame => "the power state in a list with statusOnly",
            OpenQuestion::GroupPages => "pages of the group's list",
            OpenQuestion::SubscriptionPages => "pages of the subscription's list",
            OpenQuestion::Tags => "azlin's tags on the VM and its parts",
            OpenQuestion::AddressZones => "zones of the public address",
            OpenQuestion::DiskName => "the name of the OS disk",
            OpenQuestion::TrustedLaunch => "the security type of the VM",
            OpenQuestion::Extensions => "extensions on the VM",
            OpenQuestion::LimitHeaders => "headers of rate limits",
            OpenQuestion::Labels => "the labels of the runner at GitHub",
            OpenQuestion::Eviction => "what an eviction takes along",
        })
    }
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sighting::AsExpected(seen) => write!(f, "as expected: {seen}"),
            Sighting::Differs { expected, seen } => write!(f, "DIFFERS: expected {expected}; seen {seen}"),
            Sighting::Told(seen) => f.write_str(seen),
            Sighting::NotSeen(why) => write!(f, "not seen: {why}"),
        }
    }
}

#[cfg(test)]
mod tests;

//! Azure, for all fleets: the sign-in, the subscriptions, and what is granted on resource groups.

use std::collections::BTreeSet;

use super::facts::{AzureFacts, Facts, SubscriptionFacts};
use super::permissions::{
    FOR_PUBLIC_IP, FOR_STANDBY, ON_GROUP, ON_SUBSCRIPTION, USEFUL_ON_GROUP, is_for_draining, missing,
};
use super::{About, Finding, Notes, State, shared};
use crate::config::Fleet;
use crate::model::{CallError, CallErrorKind, ResourceGroup};
use crate::ports::preflight::{Access, Grant, Principal};

const A_CREDENTIAL: &str = "set what is missing, give this machine a managed identity, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and \
     AZURE_CLIENT_SECRET";

pub(super) fn check(fleets: &[Fleet], facts: &Facts) -> Vec<Finding> {
    let mut notes = Notes::new(About::Azure);
    match &facts.azure {
        None => notes
            .unknown("credential", "not shown to anybody before azlin.toml is good: it says where Azure is"),
        Some(Err(why)) => notes.problem("credential", why, A_CREDENTIAL),
        Some(Ok(facts)) => signed_in(&mut notes, fleets, facts),
    }
    notes.list
}

fn signed_in(notes: &mut Notes, fleets: &[Fleet], facts: &AzureFacts) {
    match &facts.principal {
        Ok(principal) => notes.ok("credential", format!("{}{}", facts.kind, whose(principal))),
        Err(error) => {
            notes.failed(State::Problem, "credential", error);
            notes.unknown("everything else at Azure", "not looked at without a token");
            return;
        }
    }
    let is_silent = |error: &CallError| error.kind == CallErrorKind::Unavailable;
    let answers =
        facts.subscriptions.values().any(|found| !found.subscription.as_ref().is_err_and(is_silent));
    if let (false, Some(Err(error))) =
        (answers, facts.subscriptions.values().next().map(|found| &found.subscription))
    {
        notes.failed(State::Problem, "Azure Resource Manager", error);
        notes.unknown("everything else at Azure", "not looked at while it does not answer");
        return;
    }
    for (id, found) in &facts.subscriptions {
        subscription(notes, id, found);
    }
    for (group, found) in &facts.groups {
        let name = format!("resource group {}", group.name);
        match &found.location {
            Ok(location) => notes.ok(&name, format!("is there, in {location}")),
            Err(error) if error.kind == CallErrorKind::NotFound => {
                let cure = format!("az group create --name {} --location <location>", group.name);
                notes.problem(&name, "it does not exist", cure);
                continue;
            }
            Err(error) => notes.failed(State::Unknown, &name, error),
        }
        let needed = needed_on(group, fleets);
        granted(notes, &format!("{name}: permissions"), needed, &found.grants, &group.id());
        let is_enabled = |fleet: &Fleet| fleet.vm.group == *group && fleet.enabled;
        if let Ok(grants) = &found.grants
            && fleets.iter().any(is_enabled)
        {
            for useful in missing(USEFUL_ON_GROUP, grants) {
                let (what, lost) = match useful == USEFUL_ON_GROUP[0] {
                    true => ("boot logs", "what VMs print while they boot cannot be read"),
                    false => {
                        ("forgotten disks", "a disk that Azure forgets when it removes a VM is not found")
                    }
                };
                let cure = format!("grant that by a role on {} (docs/reference/permissions.md)", group.id());
                notes.warning(&format!("{name}: {what}"), format!("not granted: {useful}; {lost}"), cure);
            }
        }
    }
    shared::check(notes, fleets, facts);
}

fn whose(principal: &Principal) -> String {
    let Principal { user, client_id, object_id } = principal;
    let parts = [("user", user), ("client id", client_id), ("object id", object_id)];
    let told = parts.iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
    let told: Vec<String> = told.collect();
    if told.is_empty() { String::new() } else { format!(": {}", told.join(", ")) }
}

fn subscription(notes: &mut Notes, id: &str, facts: &SubscriptionFacts) {
    let what = format!("subscription {id}");
    match &facts.subscription {
        Ok(found) => {
            let said = format!("{} is {}", found.name, found.state);
            match found.state.as_str() {
                "Enabled" => notes.ok(&what, said),
                "Warned" | "PastDue" => notes.warning(&what, said, "settle what is owed for it"),
                _ => {
                    notes.problem(&what, said, "re-enable it in the portal, or name another subscription_id");
                }
            }
        }
        Err(error) if error.kind == CallErrorKind::NotFound => {
            let cure = "check subscription_id, and give the identity a role in the subscription";
            notes.problem(&what, "it does not exist, or the identity has no role in it", cure);
            return;
        }
        Err(error) => notes.failed(State::Unknown, &what, error),
    }
    let what = format!("{what}: power states");
    let cure = format!("grant {} on /subscriptions/{id}", ON_SUBSCRIPTION.join(", "));
    match &facts.power_states {
        Ok(Access::Granted) => notes.ok(&what, "permitted"),
        Ok(Access::Denied(_) | Access::Hidden) => {
            notes.problem(&what, "not permitted: VMs that have stopped are not seen", cure);
        }
        Err(error) => notes.failed(State::Unknown, &what, error),
    }
}

fn needed_on(group: &ResourceGroup, fleets: &[Fleet]) -> BTreeSet<&'static str> {
    let here = fleets.iter().filter(|fleet| fleet.vm.group == *group);
    let needed_by = |fleet: &Fleet| {
        let more = if fleet.vm.public_ip { FOR_PUBLIC_IP.as_slice() } else { &[] };
        let standby = if fleet.highest_limits().standby > 0 { FOR_STANDBY.as_slice() } else { &[] };
        let enabled = fleet.enabled;
        let all = ON_GROUP.iter().chain(more).chain(standby).copied();
        all.filter(move |action| enabled || is_for_draining(action))
    };
    here.flat_map(needed_by).collect()
}

/// Notes whether all needed actions are granted.
pub(super) fn granted<'a>(
    notes: &mut Notes,
    what: &str,
    needed: impl IntoIterator<Item = &'a str>,
    grants: &Result<Vec<Grant>, CallError>,
    scope: &str,
) {
    match grants {
        Ok(grants) => match missing(needed, grants).as_slice() {
            [] => notes.ok(what, "all that is needed is granted"),
            missing => {
                let cure = format!("grant that by a role on {scope} (docs/reference/permissions.md)");
                notes.problem(what, format!("not granted: {}", missing.join(", ")), cure);
            }
        },
        Err(error) => notes.failed(State::Unknown, what, error),
    }
}

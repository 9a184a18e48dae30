//! The actions that the daemon needs at Azure, and whether they are granted.
//!
//! docs/reference/permissions.md has the same lists; a test keeps them equal.

use crate::model::ForeignText;
use crate::ports::preflight::Grant;

/// Needed on the resource group of VMs.
pub const ON_GROUP: [&str; 9] = [
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/virtualMachines/write",
    "Microsoft.Compute/virtualMachines/delete",
    "Microsoft.Compute/disks/write",
    "Microsoft.Compute/disks/delete",
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Network/networkInterfaces/delete",
    "Microsoft.Network/networkInterfaces/join/action",
];

/// Useful on the resource group: without them VMs are made, and some features are missing.
pub const USEFUL_ON_GROUP: [&str; 2] =
    ["Microsoft.Compute/virtualMachines/retrieveBootDiagnosticsData/action", "Microsoft.Compute/disks/read"];

/// Needed on the resource group for fleets with `public_ip = true`.
pub const FOR_PUBLIC_IP: [&str; 4] = [
    "Microsoft.Network/publicIPAddresses/read",
    "Microsoft.Network/publicIPAddresses/write",
    "Microsoft.Network/publicIPAddresses/delete",
    "Microsoft.Network/publicIPAddresses/join/action",
];

/// Needed on the resource group for fleets with VMs on standby.
pub const FOR_STANDBY: [&str; 2] =
    ["Microsoft.Compute/virtualMachines/start/action", "Microsoft.Compute/virtualMachines/deallocate/action"];

/// Needed on the subnet.
pub const ON_SUBNET: [&str; 1] = ["Microsoft.Network/virtualNetworks/subnets/join/action"];

/// Needed on each network security group that fleets name.
pub const ON_SECURITY_GROUP: [&str; 1] = ["Microsoft.Network/networkSecurityGroups/join/action"];

/// Needed on each identity that VMs have.
pub const ON_IDENTITY: [&str; 1] = ["Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"];

/// Needed on each image that is named by its id, or on its gallery.
pub const ON_IMAGE: [&str; 3] = [
    "Microsoft.Compute/images/read",
    "Microsoft.Compute/galleries/images/read",
    "Microsoft.Compute/galleries/images/versions/read",
];

/// Needed on the subscription: Azure reports the power states of all its VMs at once.
pub const ON_SUBSCRIPTION: [&str; 1] = ["Microsoft.Compute/virtualMachines/read"];

/// Needed on the subscription, only by `check`. Without it some findings are unknown, and no finding is a
/// problem.
pub const FOR_CHECK: [&str; 9] = [
    "Microsoft.Authorization/permissions/read",
    "Microsoft.Compute/locations/publishers/artifacttypes/offers/skus/versions/read",
    "Microsoft.Compute/locations/usages/read",
    "Microsoft.Compute/skus/read",
    "Microsoft.Network/networkSecurityGroups/read",
    "Microsoft.Network/virtualNetworks/read",
    "Microsoft.Network/virtualNetworks/subnets/read",
    "Microsoft.Resources/subscriptions/read",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
];

/// Whether a fleet that makes no more VMs needs the action, to see and delete the existing ones.
pub(super) fn is_for_draining(action: &str) -> bool {
    action.ends_with("/read") || action.ends_with("/delete")
}

/// The needed actions that no grant includes.
pub fn missing<'a>(needed: impl IntoIterator<Item = &'a str>, grants: &[Grant]) -> Vec<&'a str> {
    let is_granted = |action: &&str| {
        grants.iter().any(|grant| {
            let any = |patterns: &[ForeignText]| patterns.iter().any(|pattern| matches(pattern, action));
            any(&grant.actions) && !any(&grant.not_actions)
        })
    };
    needed.into_iter().filter(|action| !is_granted(action)).collect()
}

/// Whether Azure's pattern matches an action. Its wildcard stands for any characters, including slashes; case
/// does not count (Learn: Understand Azure role definitions).
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == action };
    let Some(mut left) = action.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, action, expected) in [
            ("*", "Microsoft.Compute/disks/write", true),
            ("Microsoft.Compute/disks/write", "microsoft.compute/DISKS/write", true),
            ("Microsoft.Compute/*", "Microsoft.Compute/disks/write", true),
            ("Microsoft.Compute/*", "Microsoft.Network/x/read", false),
            ("*/read", "Microsoft.Compute/disks/read", true),
            ("*/read", "Microsoft.Compute/disks/write", false),
            ("Microsoft.*/disks/*", "Microsoft.Compute/disks/write", true),
            ("Microsoft.*/disks/*/x", "Microsoft.Compute/disks/x", false),
            ("Microsoft.Compute/disks/*", "Microsoft.Compute/disks", false),
            ("a*a", "a", false),
            ("", "Microsoft.Compute/disks/write", false),
        ] {
            assert_eq!(matches(pattern, action), expected, "{pattern} {action}");
        }
    }

    #[test]
    fn what_one_role_leaves_out_another_may_grant() {
        let grant = |actions: &[&str], not_actions: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|text| (*text).into()).collect();
            Grant { actions: owned(actions), not_actions: owned(not_actions) }
        };
        let contributor = grant(&["*"], &["Microsoft.Compute/disks/*"]);
        let disks = grant(&["Microsoft.Compute/disks/write"], &[]);
        assert_eq!(missing(ON_GROUP, &[]), ON_GROUP);
        let without = ["Microsoft.Compute/disks/write", "Microsoft.Compute/disks/delete"];
        assert_eq!(missing(ON_GROUP, std::slice::from_ref(&contributor)), without);
        assert_eq!(missing(ON_GROUP, &[contributor, disks]), ["Microsoft.Compute/disks/delete"]);
    }
}

//! What the account is like in which the world plays: who may do what, and what is there. As it comes,
//! everything is permitted and there; each key takes something away.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::workload::optional_duration;
use crate::world::World;

/// How VMs of every subnet reach the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayOut {
    /// By a NAT gateway.
    NatGateway,
    /// By a route table.
    RouteTable,
    /// By Azure's default outbound access.
    Default,
    /// Not at all: the subnet is private.
    None,
    /// Azure does not tell.
    Untold,
}

/// What the account is like.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Account {
    /// GitHub's token is good for so long from the start; for ever where absent.
    #[serde(deserialize_with = "optional_duration")]
    pub token_ends: Option<Duration>,
    /// Calls that GitHub does not permit, by method and a part of the path: `DELETE /actions/runners`.
    pub github_refuses: Vec<String>,
    /// Repositories that are archived.
    pub archived: Vec<String>,
    /// What is not there: names of resource groups and of sizes, images as fleets name them, ids of
    /// subnets.
    pub absent: Vec<String>,
    /// The state of every subscription.
    pub subscription_state: String,
    /// Actions that Azure grants, with its wildcards; all of them as it comes.
    pub azure_grants: Vec<String>,
    /// Actions that Azure does not grant all the same, with its wildcards: `Microsoft.Network/*`.
    pub azure_denies: Vec<String>,
    /// Where resource groups and networks are.
    pub location: String,
    /// How subnets reach the internet.
    pub way_out: WayOut,
    /// The range of every subnet.
    pub subnet_prefix: String,
    /// Sizes that the subscription may not use.
    pub restricted_sizes: Vec<String>,
    /// Whether images want a purchase plan.
    pub image_plan: bool,
}

impl Default for Account {
    fn default() -> Self {
        Account {
            token_ends: None,
            github_refuses: Vec::new(),
            archived: Vec::new(),
            absent: Vec::new(),
            subscription_state: "Enabled".to_owned(),
            azure_grants: vec!["*".to_owned()],
            azure_denies: Vec::new(),
            location: "westeurope".to_owned(),
            way_out: WayOut::NatGateway,
            subnet_prefix: "10.0.0.0/16".to_owned(),
            restricted_sizes: Vec::new(),
            image_plan: false,
        }
    }
}

impl Account {
    /// Whether something is there.
    pub fn has(&self, name: &str) -> bool {
        !self.absent.iter().any(|absent| absent.eq_ignore_ascii_case(name))
    }

    /// Whether GitHub permits a call.
    pub fn permits(&self, method: &str, path: &str) -> bool {
        !self.github_refuses.iter().any(|refused| {
            let (of, part) = refused.split_once(' ').unwrap_or(("", refused));
            (of.is_empty() || of == method) && path.contains(part)
        })
    }

    /// Whether Azure grants an action.
    pub fn grants(&self, action: &str) -> bool {
        use azlin_fleet::check::permissions::missing;
        missing([action], &self.roles()).is_empty()
    }

    /// The one role that everybody has.
    pub fn roles(&self) -> Vec<azlin_fleet::survey::Grant> {
        vec![azlin_fleet::survey::Grant {
            actions: self.azure_grants.clone(),
            not_actions: self.azure_denies.clone(),
        }]
    }
}

impl World {
    /// When GitHub's token ends, if it does.
    pub fn github_token_ends_at(&self) -> Option<Timestamp> {
        self.account.token_ends.map(|after| self.began_at() + after)
    }
}

/// A size that the world offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Its name.
    pub name: &'static str,
    /// The family that its quota is counted in.
    pub family: &'static str,
    /// Whether its disk can be on the host.
    pub ephemeral_os_disk: bool,
    /// Its processor, as Azure spells it.
    pub architecture: &'static str,
}

/// The sizes that the world offers.
pub const OFFERS: [Offer; 7] = [
    offer("Standard_D2s_v5", "standardDSv5Family", false, "x64"),
    offer("Standard_D4s_v5", "standardDSv5Family", false, "x64"),
    offer("Standard_D8s_v5", "standardDSv5Family", false, "x64"),
    offer("Standard_D4as_v5", "standardDASv5Family", false, "x64"),
    offer("Standard_D4ds_v5", "standardDDSv5Family", true, "x64"),
    offer("Standard_F4s_v2", "standardFSv2Family", true, "x64"),
    offer("Standard_D4ps_v5", "standardDPSv5Family", false, "Arm64"),
];

const fn offer(
    name: &'static str,
    family: &'static str,
    ephemeral_os_disk: bool,
    architecture: &'static str,
) -> Offer {
    Offer { name, family, ephemeral_os_disk, architecture }
}

/// The vCPUs of a size, which its name tells: `Standard_D4s_v5` has four, and so has a size without
/// a name.
pub fn vcpus(size: &str) -> u32 {
    let name = size.strip_prefix("Standard_").unwrap_or(size);
    let digits = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_size_tells_its_vcpus() {
        for (size, expected) in
            [("Standard_D4s_v5", 4), ("Standard_D16as_v5", 16), ("Standard_NC6s_v3", 6), ("", 4)]
        {
            assert_eq!(vcpus(size), expected, "{size}");
        }
    }

    #[test]
    fn what_is_refused_and_denied() {
        let account = Account {
            github_refuses: vec!["DELETE /actions/runners".to_owned(), "/actions/runs".to_owned()],
            azure_denies: vec!["Microsoft.Compute/virtualMachines/*".to_owned()],
            ..Account::default()
        };
        assert!(!account.permits("DELETE", "/repos/o/r/actions/runners/7"));
        assert!(account.permits("GET", "/repos/o/r/actions/runners/7"));
        assert!(!account.permits("GET", "/repos/o/r/actions/runs"));
        assert!(!account.grants("Microsoft.Compute/virtualMachines/write"));
        assert!(account.grants("Microsoft.Compute/disks/write"));
    }
}

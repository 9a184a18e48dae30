//! The simulated account: what is permitted in it, and what exists. By default everything is permitted and
//! exists; each key of `[premises]` in a workload file takes something away.

use std::time::Duration;

use azlin_fleet::model::{ForeignText, GroupRepositories, RepoSlug, RunRepository, RunnerGroup, Scope};
use azlin_fleet::ports::preflight::LocalDisk;
use jiff::Timestamp;
use serde::Deserialize;

use crate::workload::optional_duration;
use crate::world::World;

/// The file of the one workflow that every repository has.
pub const WORKFLOW: &str = ".github/workflows/ci.yml";

/// How VMs of every subnet reach the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayOut {
    /// Through a NAT gateway.
    NatGateway,
    /// Through a route table.
    RouteTable,
    /// Through Azure's default outbound access.
    Default,
    /// Not at all: the subnet is private.
    None,
    /// Unknown: Azure does not report it.
    Untold,
}

/// What a runner group permits. By default it serves every repository that is not public.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimGroup {
    /// Whether public repositories may use it.
    pub allows_public: bool,
    /// The only repositories that may use it. Organisations only.
    pub repositories: Option<Vec<String>>,
    /// The only workflows that may use it, as `owner/repo/.github/workflows/ci.yml@refs/heads/main`.
    pub workflows: Option<Vec<String>>,
}

/// What is permitted and what exists in the account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Account {
    /// How long GitHub's token is valid, from the start of the world; `None` means for ever.
    #[serde(deserialize_with = "optional_duration")]
    pub token_ends: Option<Duration>,
    /// Calls that GitHub refuses, as a method and a part of the path: `DELETE /actions/runners`.
    pub github_refuses: Vec<String>,
    /// What the installation of the app is permitted, by GitHub's names: `actions=read`.
    pub app_permissions: Vec<String>,
    /// Archived repositories.
    pub archived: Vec<String>,
    /// Public repositories. All others are private.
    pub public: Vec<String>,
    /// What every runner group permits.
    pub group: SimGroup,
    /// What does not exist: names of resource groups and of sizes, images as fleets name them, ids of
    /// subnets.
    pub absent: Vec<String>,
    /// The state of every subscription, in Azure's words.
    pub subscription_state: String,
    /// Actions that Azure grants, with Azure's wildcards. The default is `*`.
    pub azure_grants: Vec<String>,
    /// Actions that Azure denies although they are granted, with Azure's wildcards: `Microsoft.Network/*`.
    pub azure_denies: Vec<String>,
    /// The region of all resource groups and networks.
    pub location: String,
    /// How subnets reach the internet.
    pub way_out: WayOut,
    /// Whether a network security group guards every subnet: it denies what comes from the virtual network.
    pub is_guarded: bool,
    /// The address range of every subnet, as `10.0.0.0/16`.
    pub subnet_prefix: String,
    /// Sizes that the subscription may not use.
    pub restricted_sizes: Vec<String>,
    /// Whether images need a purchase plan.
    pub image_plan: bool,
}

impl Default for Account {
    fn default() -> Self {
        Account {
            token_ends: None,
            github_refuses: Vec::new(),
            app_permissions: APP_PERMISSIONS.map(str::to_owned).to_vec(),
            archived: Vec::new(),
            public: Vec::new(),
            group: SimGroup::default(),
            absent: Vec::new(),
            subscription_state: "Enabled".to_owned(),
            azure_grants: vec!["*".to_owned()],
            azure_denies: Vec::new(),
            location: "westeurope".to_owned(),
            way_out: WayOut::NatGateway,
            is_guarded: true,
            subnet_prefix: "10.0.0.0/16".to_owned(),
            restricted_sizes: Vec::new(),
            image_plan: false,
        }
    }
}

/// What the daemon and its webhook commands need, of every scope.
const APP_PERMISSIONS: [&str; 6] = [
    "actions=read",
    "administration=write",
    "metadata=read",
    "organization_hooks=write",
    "organization_self_hosted_runners=write",
    "repository_hooks=write",
];

impl Account {
    /// Whether the thing with this name or id exists.
    pub fn has(&self, name: &str) -> bool {
        !self.absent.iter().any(|absent| absent.eq_ignore_ascii_case(name))
    }

    /// Whether everybody may read a repository.
    pub fn is_public(&self, repo: &str) -> bool {
        self.public.iter().any(|public| public.eq_ignore_ascii_case(repo))
    }

    /// What the runner groups of a scope permit, as the daemon's port says it.
    pub fn runner_group(&self, scope: &Scope, name: &str) -> RunnerGroup {
        let SimGroup { allows_public, repositories, workflows } = self.group.clone();
        let repositories = repositories.filter(|_| matches!(scope, Scope::Org(_)));
        let patterns = |names: Vec<String>| names.iter().filter_map(|name| name.parse().ok()).collect();
        RunnerGroup {
            name: name.into(),
            repositories: repositories
                .map_or(GroupRepositories::All, |names| GroupRepositories::Selected(patterns(names))),
            allows_public,
            workflows: workflows.map(|files| files.iter().map(ForeignText::from).collect()),
        }
    }

    /// Whether a runner of this scope may take a job of the repository.
    pub fn lets_take(&self, scope: &Scope, repo: &str) -> bool {
        let Ok(slug) = repo.parse::<RepoSlug>() else { return false };
        if matches!(scope, Scope::Repo(_)) {
            return true;
        }
        let today = RunRepository { name: slug.clone(), is_public: self.is_public(repo) };
        let group = self.runner_group(scope, "");
        let is_refused = group.refuses_repository(&slug, Some(&today)).is_some()
            || group.refuses_workflows(&[format!("{repo}/{WORKFLOW}").into()]).is_some();
        !is_refused
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

    /// The one role, which every client has.
    pub fn roles(&self) -> Vec<azlin_fleet::ports::preflight::Grant> {
        vec![azlin_fleet::ports::preflight::Grant {
            actions: self.azure_grants.iter().map(ForeignText::from).collect(),
            not_actions: self.azure_denies.iter().map(ForeignText::from).collect(),
        }]
    }
}

impl World {
    /// When GitHub's token expires; `None` means never.
    pub fn github_token_ends_at(&self) -> Option<Timestamp> {
        self.account.token_ends.map(|after| self.began_at() + after)
    }
}

/// A VM size that the simulated Azure offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Azure's name for the size.
    pub name: &'static str,
    /// The quota that the size counts against.
    pub family: &'static str,
    /// The processor architecture, as Azure spells it.
    pub architecture: &'static str,
    /// The size of its cache, in GiB: an ephemeral OS disk fits in there.
    pub cache_gib: u64,
    /// The size of its temporary disk, in GiB.
    pub temp_gib: u64,
    /// The size of each of its NVMe disks, in GiB.
    pub nvme_gib: u64,
    /// The generations of virtual hardware that it boots.
    pub generations: &'static [&'static str],
    /// Whether its disks have an NVMe controller, and no other.
    pub is_nvme_only: bool,
    /// Whether it exists as a spot machine.
    pub spot: bool,
}

impl Offer {
    /// Whether the size supports an ephemeral OS disk.
    pub fn has_ephemeral_os_disk(&self) -> bool {
        self.local_disk().is_some()
    }

    /// Where Azure puts an ephemeral OS disk: the first place that the size has.
    pub fn local_disk(&self) -> Option<LocalDisk> {
        let places =
            [("cache", self.cache_gib), ("temporary disk", self.temp_gib), ("NVMe disk", self.nvme_gib)];
        places.into_iter().find(|(_, gib)| *gib > 0).map(|(kind, gib)| LocalDisk { kind, gib })
    }

    /// How its disks are attached.
    pub fn disk_controllers(&self) -> Vec<ForeignText> {
        let names: &[&str] = if self.is_nvme_only { &["NVMe"] } else { &["SCSI"] };
        names.iter().map(|name| (*name).into()).collect()
    }
}

/// All VM sizes that the simulated Azure offers.
pub const OFFERS: [Offer; 9] = [
    offer("Standard_D2s_v5", "standardDSv5Family"),
    offer("Standard_D4s_v5", "standardDSv5Family"),
    offer("Standard_D8s_v5", "standardDSv5Family"),
    offer("Standard_D4as_v5", "standardDASv5Family"),
    Offer { cache_gib: 100, temp_gib: 150, ..offer("Standard_D4ds_v5", "standardDDSv5Family") },
    Offer { cache_gib: 64, temp_gib: 32, ..offer("Standard_F4s_v2", "standardFSv2Family") },
    Offer { architecture: "Arm64", ..offer("Standard_D4ps_v5", "standardDPSv5Family") },
    Offer {
        nvme_gib: 220,
        generations: &["V2"],
        is_nvme_only: true,
        ..offer("Standard_D4ads_v6", "standardDADSv6Family")
    },
    Offer { spot: false, ..offer("Standard_B4ms", "standardBSFamily") },
];

/// A plain size of today: without room for an ephemeral disk, for both generations, and as a spot machine too.
const fn offer(name: &'static str, family: &'static str) -> Offer {
    Offer {
        name,
        family,
        architecture: "x64",
        cache_gib: 0,
        temp_gib: 0,
        nvme_gib: 0,
        generations: &["V1", "V2"],
        is_nvme_only: false,
        spot: true,
    }
}

/// The offer of this name; `None` where nothing is known of the size.
pub fn offer_of(size: &str) -> Option<&'static Offer> {
    OFFERS.iter().find(|offer| offer.name.eq_ignore_ascii_case(size))
}

/// The vCPUs of a size, read from its name: `Standard_D4s_v5` has 4. A size without a number has 4 too.
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
    fn the_name_of_a_size_has_its_vcpus() {
        for (size, expected) in
            [("Standard_D4s_v5", 4), ("Standard_D16as_v5", 16), ("Standard_NC6s_v3", 6), ("", 4)]
        {
            assert_eq!(vcpus(size), expected, "{size}");
        }
    }

    #[test]
    fn whose_jobs_a_runner_group_takes() {
        let text = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let scope = |text: &str| text.parse::<Scope>().expect("valid");
        let selected = SimGroup { repositories: text(&["o/in"]), ..SimGroup::default() };
        let deploy =
            SimGroup { workflows: text(&["o/r/.github/workflows/deploy.yml@main"]), ..SimGroup::default() };
        for (situation, group, of, repo, expected) in [
            ("private", SimGroup::default(), "org:o", "o/r", true),
            ("public", SimGroup::default(), "org:o", "o/open", false),
            ("a runner of the repository", SimGroup::default(), "repo:o/open", "o/open", true),
            ("allowed", SimGroup { allows_public: true, ..SimGroup::default() }, "org:o", "O/Open", true),
            ("selected", selected.clone(), "org:o", "o/in", true),
            ("not selected", selected, "org:o", "o/r", false),
            ("another workflow", deploy, "org:o", "o/r", false),
        ] {
            let account = Account { public: vec!["o/open".to_owned()], group, ..Account::default() };
            assert_eq!(account.lets_take(&scope(of), repo), expected, "{situation}");
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

//! What `check` asks of the outside: plain facts, read without changing anything.
//!
//! Two implementations of each exist, as of [`crate::ports`]. Nothing here judges: [`crate::check`]
//! does.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::{
    AccountName, Architecture, CallError, ForeignText, Image, Os, RepoSlug, ResourceGroup, Scope,
};

/// What kind of token GitHub is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A personal access token with scopes.
    Classic,
    /// A personal access token with permissions for some repositories.
    FineGrained,
    /// An OAuth app's.
    OAuth,
    /// A GitHub App's installation's.
    Installation,
    /// A GitHub App, whose installation's token is renewed before it ends.
    App,
    /// A GitHub App's, for a user.
    AppUser,
    /// Of no shape that is known.
    Unknown,
}

/// Who GitHub takes us for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its kind.
    pub kind: TokenKind,
    /// The user; an installation is none.
    pub login: Option<ForeignText>,
    /// When it ends, where GitHub tells it.
    pub expires_at: Option<Timestamp>,
    /// Its scopes, where it is of a kind that has them.
    pub scopes: Option<Vec<ForeignText>>,
    /// What GitHub said when it refused an app a token with no more than the fleets need.
    pub narrow_refused: Option<ForeignText>,
}

/// The primary rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateBudget {
    /// Requests in the window.
    pub limit: u64,
    /// What is left of them.
    pub remaining: u64,
    /// When the window ends.
    pub reset: Timestamp,
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// It is permitted.
    Granted,
    /// It is not. What the service says would be needed, where it does.
    Denied(Option<ForeignText>),
    /// It is not there, or not shown to us.
    Hidden,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `owner/name`, as it is spelled and called today.
    pub full_name: ForeignText,
    /// Whether nobody can push to it, so that it has no new runs.
    pub archived: bool,
    /// Whether GitHub has disabled it.
    pub disabled: bool,
    /// Whether everybody may read it, and so may fork it.
    pub is_public: bool,
}

/// What `check` asks GitHub.
#[async_trait]
pub trait GitHubPreflight: Send + Sync {
    /// Who the token belongs to, and when it ends.
    async fn credential(&self) -> Result<Credential, CallError>;

    /// The rate limit; `None` where there is none, as on some servers. Asking costs nothing of it.
    async fn rate_budget(&self) -> Result<Option<RateBudget>, CallError>;

    /// A repository; [`CallErrorKind::NotFound`](crate::model::CallErrorKind::NotFound) where it is not shown.
    async fn repository(&self, repo: &RepoSlug) -> Result<Repository, CallError>;

    /// Tries to read runs and jobs.
    async fn may_read_runs(&self, repo: &RepoSlug) -> Result<Access, CallError>;

    /// Tries to read runners.
    async fn may_read_runners(&self, scope: &Scope) -> Result<Access, CallError>;

    /// Tries to remove a runner that cannot exist. Tells something only where runners may be read.
    async fn may_administer_runners(&self, scope: &Scope) -> Result<Access, CallError>;

    /// How many runners of the scope GitHub counts beyond those that it lists.
    async fn runners_not_listed(&self, scope: &Scope) -> Result<u64, CallError>;

    /// The repositories of an account that everybody may read.
    async fn public_repositories(&self, owner: &AccountName) -> Result<Vec<RepoSlug>, CallError>;

    /// The names of runner groups.
    async fn runner_groups(&self, scope: &Scope) -> Result<Vec<ForeignText>, CallError>;
}

/// Who Azure takes us for, as far as the token tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Principal {
    /// A person's name in the directory.
    pub user: Option<ForeignText>,
    /// The application, or the managed identity's: its client id.
    pub client_id: Option<ForeignText>,
    /// The object id, which roles are assigned to.
    pub object_id: Option<ForeignText>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its name.
    pub name: ForeignText,
    /// `Enabled`, `Warned`, `PastDue`, `Disabled`, `Deleted`.
    pub state: ForeignText,
}

/// What one role grants us, with Azure's wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// `Microsoft.Compute/virtualMachines/*`.
    pub actions: Vec<ForeignText>,
    /// What is left out of them.
    pub not_actions: Vec<ForeignText>,
}

/// A size of VMs in one location, as one subscription has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// `Standard_D4s_v5`.
    pub name: ForeignText,
    /// The family that its quota is counted in: `standardDSv5Family`.
    pub family: ForeignText,
    /// vCPUs of one VM.
    pub vcpus: u32,
    /// Its processor, where it is told.
    pub architecture: Option<Architecture>,
    /// The zones that have it.
    pub zones: Vec<ForeignText>,
    /// Why the subscription may not use it there, where it may not.
    pub restricted: Option<ForeignText>,
    /// The zones in which it may not.
    pub restricted_zones: Vec<ForeignText>,
    /// Whether its disk can be on the host, where it is told.
    pub ephemeral_os_disk: Option<bool>,
    /// Whether there are spot VMs of it, where it is told.
    pub spot: Option<bool>,
    /// The generations of images that boot on it: `V1`, `V2`. Empty where that is not told.
    pub generations: Vec<ForeignText>,
    /// Where Azure puts an ephemeral OS disk, where it tells of such a place.
    pub local_disk: Option<LocalDisk>,
    /// How disks are attached: `SCSI`, `NVMe`. Empty where that is not told.
    pub disk_controllers: Vec<ForeignText>,
    /// Whether NICs may go past the host's switch, where it is told.
    pub accelerated_networking: Option<bool>,
    /// Whether it has trusted launch, where it is told.
    pub trusted_launch: Option<bool>,
}

/// Storage of a VM's host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalDisk {
    /// What it is called: cache, temporary disk, NVMe disk.
    pub kind: &'static str,
    /// Its size in GiB.
    pub gib: u64,
}

/// A quota of one location, and what is used of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// `cores`, `lowPriorityCores`, or a family's name.
    pub name: ForeignText,
    /// What is used by everything in the subscription.
    pub used: u64,
    /// What may be used.
    pub limit: u64,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFacts {
    /// The version that a VM made now would get, where there are versions.
    pub version: Option<ForeignText>,
    /// The processor that it is for, where it is told.
    pub architecture: Option<Architecture>,
    /// `V1` or `V2`, where it is told.
    pub generation: Option<ForeignText>,
    /// The operating system, where Azure reports it.
    pub os: Option<Os>,
    /// The purchase plan that each of its VMs needs: publisher, product and name.
    pub plan: Option<ForeignText>,
    /// Whether it is of one machine, with its users and its name, and takes none for new VMs.
    pub is_specialized: bool,
    /// The security type that its VMs must or may have, where it is told: `ConfidentialVM`.
    pub security: Option<ForeignText>,
    /// The size of its OS disk in GB, where it is told.
    pub disk_size_gb: Option<u32>,
    /// How its disks may be attached: `SCSI`, `NVMe`. Empty where that is not told.
    pub disk_controllers: Vec<ForeignText>,
    /// Where it can be used, each as `westeurope`; empty where that is not told or is everywhere.
    pub locations: Vec<ForeignText>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Where its network is, as `westeurope`; unknown where the network may not be read.
    pub location: Option<ForeignText>,
    /// Whether a NAT gateway is there.
    pub nat_gateway: bool,
    /// Whether a route table is there.
    pub route_table: bool,
    /// The service that the subnet is given away to, if it is.
    pub delegated_to: Option<ForeignText>,
    /// Azure's default outbound access, where it is told.
    pub default_outbound: Option<bool>,
    /// Addresses that could still be given, where it is told.
    pub free_addresses: Option<u64>,
    /// The id of the network security group that guards it.
    pub security_group: Option<ForeignText>,
}

/// A network security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroup {
    /// Where it is, as `westeurope`.
    pub location: ForeignText,
    /// Its own rules for what comes in, without those that Azure adds to every group.
    pub inbound: Vec<InboundRule>,
}

/// A rule for what comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundRule {
    /// The rule with the least number is the first.
    pub priority: u32,
    /// Whether it allows, and does not deny.
    pub allows: bool,
    /// Where from: addresses, ranges, `*`, or names of Azure's such as `VirtualNetwork`.
    pub sources: Vec<ForeignText>,
    /// The ports that it is for: numbers, ranges, or `*`.
    pub ports: Vec<ForeignText>,
    /// The protocol: `Tcp`, `Udp`, `*`.
    pub protocol: ForeignText,
}

/// What `check` asks Azure.
#[async_trait]
pub trait AzurePreflight: Send + Sync {
    /// Signs in: who we are.
    async fn principal(&self) -> Result<Principal, CallError>;

    /// A subscription.
    async fn subscription(&self, subscription_id: &str) -> Result<Subscription, CallError>;

    /// Tries to read the power states of a subscription's VMs.
    async fn may_read_power_states(&self, subscription_id: &str) -> Result<Access, CallError>;

    /// Where a resource group is, as `westeurope`.
    async fn resource_group(&self, group: &ResourceGroup) -> Result<ForeignText, CallError>;

    /// What we are granted on a resource or a resource group, by the id of it.
    async fn grants(&self, scope_id: &str) -> Result<Vec<Grant>, CallError>;

    /// The sizes of VMs in a location, the restricted ones too.
    async fn sizes(&self, subscription_id: &str, location: &str) -> Result<Vec<Size>, CallError>;

    /// The compute quotas of a location.
    async fn usages(&self, subscription_id: &str, location: &str) -> Result<Vec<Usage>, CallError>;

    /// An image, as a subscription sees it in a location.
    async fn image(
        &self,
        subscription_id: &str,
        location: &str,
        image: &Image,
    ) -> Result<ImageFacts, CallError>;

    /// A network security group, by its id.
    async fn security_group(&self, nsg_id: &str) -> Result<SecurityGroup, CallError>;

    /// A subnet, by its id.
    async fn subnet(&self, subnet_id: &str) -> Result<Subnet, CallError>;
}

impl ResourceGroup {
    /// Azure's id of it.
    pub fn id(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/{}", self.subscription_id, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_id_is_azures() {
        let group = ResourceGroup { subscription_id: "1234".to_owned(), name: "ci".to_owned() };
        assert_eq!(group.id(), "/subscriptions/1234/resourceGroups/ci");
    }
}

//! The facts that `check` found, each one once even if several fleets share it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::VmConfig;
use crate::model::{
    AccountName, CallError, CredentialName, ForeignText, PoolName, RepoPattern, RepoSlug, ResourceGroup,
    RunnerGroup, Scope, SshError, Vm,
};
use crate::ports::preflight::{
    Access, Credential, Grant, ImageFacts, Principal, RateBudget, Repository, SecurityGroup, Size, Subnet,
    Subscription, Usage,
};

type Found<T> = Result<T, CallError>;

/// All facts that `check` found.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The files that cannot be used, by name, and what is wrong with each.
    pub bad_files: Vec<(String, String)>,
    /// GitHub, or why the sign-in failed. `None` means that GitHub's URL is not known.
    pub github: Option<Result<GitHubFacts, SignInError>>,
    /// GitHub for each further credential, or why the sign-in failed.
    pub credentials: BTreeMap<CredentialName, Result<GitHubFacts, SignInError>>,
    /// Azure, or why the sign-in failed. `None` means that Azure's URL is not known.
    pub azure: Option<Result<AzureFacts, String>>,
    /// For each fleet that is bootstrapped over SSH: its key in words, or why it cannot be used. `None` means
    /// that only the service has the key.
    pub ssh_keys: BTreeMap<PoolName, Result<Option<String>, SshError>>,
    /// Where the daemon's page and metrics are served. `None` means that azlin.toml cannot be used.
    pub listen: Option<SocketAddr>,
    /// The files with secrets that every user of the machine may read.
    pub exposed: Vec<String>,
    /// What keeps each fleet from its work at present, as the running daemon tells it.
    pub errors: BTreeMap<PoolName, Vec<String>>,
    /// The pools that have a file, good or bad, also those that are not looked at.
    pub pools: BTreeSet<PoolName>,
}

/// Why a sign-in with a credential failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", join(.says, .advice.as_deref()))]
pub struct SignInError {
    /// What went wrong.
    pub says: String,
    /// What to do about it.
    pub advice: Option<String>,
}

impl SignInError {
    /// An error with what went wrong.
    pub fn new(says: impl Into<String>) -> Self {
        SignInError { says: says.into(), advice: None }
    }

    /// The same error, with what to do about it.
    pub fn advise(self, advice: impl Into<String>) -> Self {
        SignInError { advice: Some(advice.into()), ..self }
    }
}

fn join(says: &str, advice: Option<&str>) -> String {
    advice.map_or(says.to_owned(), |advice| format!("{says}; {advice}"))
}

/// What GitHub reported.
#[derive(Debug, Clone, PartialEq)]
pub struct GitHubFacts {
    /// The credential.
    pub credential: Found<Credential>,
    /// The rate limit.
    pub budget: Found<Option<RateBudget>>,
    /// How often queues are polled, by the configuration.
    pub poll: Duration,
    /// The scopes of runners. Empty if the token is refused.
    pub scopes: BTreeMap<Scope, ScopeFacts>,
    /// The repositories whose queues the fleets of organisations and enterprises follow.
    pub followed: BTreeMap<RepoPattern, Followed>,
    /// The public repositories of the accounts that they belong to.
    pub public: BTreeMap<AccountName, Found<Vec<RepoSlug>>>,
}

/// The repositories that an entry in a fleet's file stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    /// The repositories that exist and match the entry.
    pub found: Found<Vec<RepoSlug>>,
    /// Whether the runs of the first one may be read.
    pub runs: Option<Found<Access>>,
}

impl Facts {
    /// Azure, if the sign-in succeeded.
    pub(super) fn signed_in_azure(&self) -> Option<&AzureFacts> {
        self.azure.as_ref()?.as_ref().ok().filter(|azure| azure.principal.is_ok())
    }
}

/// A scope: a repository, organisation or enterprise.
#[derive(Debug, Clone, PartialEq)]
pub struct ScopeFacts {
    /// The repository. Absent if the scope is not one.
    pub repository: Option<Found<Repository>>,
    /// Whether its runs may be read. Absent if the scope is not a repository.
    pub runs: Option<Found<Access>>,
    /// Whether its runners may be read.
    pub runners: Found<Access>,
    /// Whether its runners may be removed and made. Tried only if they may be read.
    pub administer: Option<Found<Access>>,
    /// How many runners GitHub counts beyond those that it lists. Absent if they may not be read.
    pub not_listed: Option<Found<u64>>,
    /// Its runner groups. Absent if no fleet names one.
    pub groups: Option<Found<Vec<ForeignText>>>,
    /// What the group of each fleet permits, by the name in its file; without a name the default group. `None` stands for
    /// a group that is not there.
    pub limits: BTreeMap<Option<String>, Found<Option<RunnerGroup>>>,
}

/// The image's subscription, location and name, in lower case.
pub type ImageKey = (String, String, String);

/// What Azure reported. All but the first two fields are empty if the sign-in failed.
#[derive(Debug, Clone, PartialEq)]
pub struct AzureFacts {
    /// The kind of credential, in words.
    pub kind: String,
    /// The identity that signs in.
    pub principal: Found<Principal>,
    /// The subscriptions, by id.
    pub subscriptions: BTreeMap<String, SubscriptionFacts>,
    /// The resource groups.
    pub groups: BTreeMap<ResourceGroup, GroupFacts>,
    /// The subnets, by id.
    pub subnets: BTreeMap<String, SubnetFacts>,
    /// The network security groups that fleets name, by id.
    pub security_groups: BTreeMap<String, SecurityGroupFacts>,
    /// The network security groups of the subnets, by id.
    pub subnet_groups: BTreeMap<String, Found<SecurityGroup>>,
    /// The locations, by subscription and name.
    pub places: BTreeMap<(String, String), PlaceFacts>,
    /// The images.
    pub images: BTreeMap<ImageKey, Found<ImageFacts>>,
    /// What is granted on each identity, by its id.
    pub identities: BTreeMap<String, Found<Vec<Grant>>>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq)]
pub struct SubscriptionFacts {
    /// The subscription.
    pub subscription: Found<Subscription>,
    /// Whether the power states of its VMs may be read.
    pub power_states: Found<Access>,
}

/// A resource group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupFacts {
    /// The location of the resource group.
    pub location: Found<ForeignText>,
    /// What is granted on the resource group.
    pub grants: Found<Vec<Grant>>,
    /// The VMs with our tags in the resource group.
    pub vms: Found<Vec<Vm>>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq)]
pub struct SubnetFacts {
    /// The subnet.
    pub subnet: Found<Subnet>,
    /// What is granted on the subnet.
    pub grants: Found<Vec<Grant>>,
}

/// A network security group.
#[derive(Debug, Clone, PartialEq)]
pub struct SecurityGroupFacts {
    /// The group.
    pub group: Found<SecurityGroup>,
    /// What is granted on it.
    pub grants: Found<Vec<Grant>>,
}

/// A location, as a subscription sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceFacts {
    /// The VM sizes that the location offers.
    pub sizes: Found<Vec<Size>>,
    /// The quotas of the location.
    pub usages: Found<Vec<Usage>>,
}

/// The key under which the facts hold a fleet's image.
pub fn image_key(vm: &VmConfig) -> ImageKey {
    let (subscription, location) = place_key(vm);
    (subscription, location, vm.image.to_string().to_ascii_lowercase())
}

/// The key under which the facts hold a fleet's location.
pub fn place_key(vm: &VmConfig) -> (String, String) {
    (vm.group.subscription_id.to_ascii_lowercase(), vm.location.clone())
}

//! What was found, each thing once however many fleets share it.

use std::collections::BTreeMap;

use crate::config::VmConfig;
use crate::model::{
    CallError, CredentialName, PoolName, RepoPattern, RepoSlug, ResourceGroup, Scope, SshError, Vm,
};
use crate::ports::preflight::{
    Access, Credential, Grant, ImageFacts, Principal, RateBudget, Repository, Size, Subnet, Subscription,
    Usage,
};

type Found<T> = Result<T, CallError>;

/// Everything that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Files that cannot be used, by name, and what is wrong with them.
    pub bad_files: Vec<(String, String)>,
    /// GitHub, or why nobody can sign in there. `None` where it is not known where GitHub is.
    pub github: Option<Result<GitHubFacts, SignInError>>,
    /// The same for each further credential.
    pub credentials: BTreeMap<CredentialName, Result<GitHubFacts, SignInError>>,
    /// Azure, or why nobody can sign in there. `None` where it is not known where Azure is.
    pub azure: Option<Result<AzureFacts, String>>,
    /// Of each fleet that is bootstrapped over SSH: its key in words, or why it cannot be used. `None`
    /// where only the service has it.
    pub ssh_keys: BTreeMap<PoolName, Result<Option<String>, SshError>>,
}

/// Why nobody can sign in with a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", join(.says, .advice.as_deref()))]
pub struct SignInError {
    /// What is wrong.
    pub says: String,
    /// What to do about it.
    pub advice: Option<String>,
}

impl SignInError {
    /// An error with what is wrong.
    pub fn new(says: impl Into<String>) -> Self {
        SignInError { says: says.into(), advice: None }
    }

    /// The same, with what to do about it.
    pub fn advise(self, advice: impl Into<String>) -> Self {
        SignInError { advice: Some(advice.into()), ..self }
    }
}

fn join(says: &str, advice: Option<&str>) -> String {
    advice.map_or(says.to_owned(), |advice| format!("{says}; {advice}"))
}

/// What GitHub told.
#[derive(Debug, Clone, PartialEq)]
pub struct GitHubFacts {
    /// The token.
    pub credential: Found<Credential>,
    /// The rate limit.
    pub budget: Found<Option<RateBudget>>,
    /// Where runners are registered. Empty where the token is refused.
    pub scopes: BTreeMap<Scope, ScopeFacts>,
    /// The repositories whose queues fleets of organisations and enterprises follow.
    pub followed: BTreeMap<RepoPattern, Followed>,
}

/// Repositories that a fleet's file names.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    /// Those that there are, by what the file has.
    pub found: Found<Vec<RepoSlug>>,
    /// Whether the runs of the first may be read.
    pub runs: Option<Found<Access>>,
}

impl Facts {
    /// Azure, where the sign-in succeeded.
    pub(super) fn signed_in_azure(&self) -> Option<&AzureFacts> {
        self.azure.as_ref()?.as_ref().ok().filter(|azure| azure.principal.is_ok())
    }
}

/// A place where runners are registered.
#[derive(Debug, Clone, PartialEq)]
pub struct ScopeFacts {
    /// The repository, where it is one.
    pub repository: Option<Found<Repository>>,
    /// Whether its runs may be read, where it is a repository.
    pub runs: Option<Found<Access>>,
    /// Whether its runners may be read.
    pub runners: Found<Access>,
    /// Whether they may be removed and made; tried where they may be read.
    pub administer: Option<Found<Access>>,
    /// Its runner groups, where a fleet names one.
    pub groups: Option<Found<Vec<String>>>,
}

/// An image's subscription, location and name, in lower case.
pub type ImageKey = (String, String, String);

/// What Azure told. All but the first two are empty where the sign-in failed.
#[derive(Debug, Clone, PartialEq)]
pub struct AzureFacts {
    /// The kind of credential, in words.
    pub kind: String,
    /// Who that is.
    pub principal: Found<Principal>,
    /// Subscriptions by id.
    pub subscriptions: BTreeMap<String, SubscriptionFacts>,
    /// Resource groups.
    pub groups: BTreeMap<ResourceGroup, GroupFacts>,
    /// Subnets by id.
    pub subnets: BTreeMap<String, SubnetFacts>,
    /// Locations, by subscription and name.
    pub places: BTreeMap<(String, String), PlaceFacts>,
    /// Images.
    pub images: BTreeMap<ImageKey, Found<ImageFacts>>,
    /// What is granted on identities, by their ids.
    pub identities: BTreeMap<String, Found<Vec<Grant>>>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq)]
pub struct SubscriptionFacts {
    /// It.
    pub subscription: Found<Subscription>,
    /// Whether the power states of its VMs may be read.
    pub power_states: Found<Access>,
}

/// A resource group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupFacts {
    /// Where it is.
    pub location: Found<String>,
    /// What is granted on it.
    pub grants: Found<Vec<Grant>>,
    /// Our VMs in it.
    pub vms: Found<Vec<Vm>>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq)]
pub struct SubnetFacts {
    /// It.
    pub subnet: Found<Subnet>,
    /// What is granted on it.
    pub grants: Found<Vec<Grant>>,
}

/// A location, as a subscription sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceFacts {
    /// Its sizes.
    pub sizes: Found<Vec<Size>>,
    /// Its quotas.
    pub usages: Found<Vec<Usage>>,
}

/// Under what a fleet's image is found.
pub fn image_key(vm: &VmConfig) -> ImageKey {
    let (subscription, location) = place_key(vm);
    (subscription, location, vm.image.to_string().to_ascii_lowercase())
}

/// Under what a fleet's location is found.
pub fn place_key(vm: &VmConfig) -> (String, String) {
    (vm.group.subscription_id.to_ascii_lowercase(), vm.location.clone())
}

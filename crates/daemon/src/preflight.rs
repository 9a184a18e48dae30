//! Gathers what `check` judges: all requests run at once, and each is sent once even if fleets share it.
//! Nothing is judged here.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::check::{
    AzureFacts, Facts, Followed, GitHubFacts, GroupFacts, PlaceFacts, ScopeFacts, SecurityGroupFacts,
    SignInError, SubnetFacts, SubscriptionFacts, image_key, place_key,
};
use azlin_fleet::config::{DaemonConfig, Fleet, Method, VmConfig};
use azlin_fleet::model::{
    CredentialName, ForeignText, PoolName, RepoPattern, ResourceGroup, Scope, SshError, TokenAccess,
};
use azlin_fleet::ports::{
    Azure, GitHub, Ssh,
    preflight::{Access, AzurePreflight, GitHubPreflight},
};
use futures::future::{OptionFuture, join_all};

/// The ports to ask. If an adapter cannot be made, that is a finding, and the error says why.
pub struct PreflightAdapters<'a, G, A> {
    /// GitHub, as the first credential or the named one sees it.
    pub github: &'a (dyn Fn(Option<&CredentialName>) -> Result<G, SignInError> + Sync),
    /// Azure, and the kind of its credential.
    pub azure: Result<(A, String), String>,
    /// Reads the keys of fleets.
    pub ssh: &'a dyn Ssh,
    /// Whether the service's credentials can be read here.
    pub has_credentials: bool,
}

/// Everything that `check` judges, except the files.
pub async fn gather<G, A>(
    config: &DaemonConfig,
    fleets: &[Fleet],
    adapters: PreflightAdapters<'_, G, A>,
) -> Facts
where
    G: GitHub + GitHubPreflight,
    A: Azure + AzurePreflight,
{
    let PreflightAdapters { github, azure, ssh, has_credentials } = adapters;
    let at_github = async {
        let named = each(config.credentials.keys(), |name| signed_in(github, Some(name), config, fleets));
        let (first, named) = tokio::join!(signed_in(github, None, config, fleets), named);
        (first, named.into_iter().map(|(name, found)| (name.clone(), found)).collect())
    };
    let at_azure = async {
        match azure {
            Ok((client, kind)) => Ok(azure_facts(&client, kind, fleets).await),
            Err(why) => Err(why),
        }
    };
    let ((github, credentials), azure) = tokio::join!(at_github, at_azure);
    let ssh_keys = ssh_keys(fleets, ssh, has_credentials);
    Facts {
        bad_files: Vec::new(),
        github: Some(github),
        credentials,
        azure: Some(azure),
        ssh_keys,
        listen: Some(config.listen),
        exposed: Vec::new(),
        errors: BTreeMap::new(),
        pools: fleets.iter().map(|fleet| fleet.name.clone()).collect(),
    }
}

/// What a credential shows of GitHub, or why sign-in fails.
async fn signed_in<G: GitHub + GitHubPreflight>(
    github: &(dyn Fn(Option<&CredentialName>) -> Result<G, SignInError> + Sync),
    name: Option<&CredentialName>,
    config: &DaemonConfig,
    fleets: &[Fleet],
) -> Result<GitHubFacts, SignInError> {
    let own = fleets.iter().filter(|fleet| fleet.credential.as_ref() == name);
    Ok(github_facts(&github(name)?, config.poll_queue, &own.cloned().collect::<Vec<_>>()).await)
}

/// One request for each key, all concurrent.
async fn each<K, V, F>(keys: impl IntoIterator<Item = K>, ask: impl Fn(K) -> F) -> BTreeMap<K, V>
where
    K: Ord + Clone,
    F: Future<Output = V>,
{
    let keys: BTreeSet<K> = keys.into_iter().collect();
    let answers = keys.into_iter().map(|key| {
        let answer = ask(key.clone());
        async { (key, answer.await) }
    });
    join_all(answers).await.into_iter().collect()
}

async fn github_facts(
    github: &(impl GitHub + GitHubPreflight),
    poll: Duration,
    fleets: &[Fleet],
) -> GitHubFacts {
    github.serve_access(&Arc::new(TokenAccess::of_scopes(fleets.iter().map(|fleet| &fleet.scope))));
    let (credential, budget) = tokio::join!(github.credential(), github.rate_budget());
    let is_in = credential.is_ok();
    let asked = fleets.iter().filter(|_| is_in);
    let scopes = each(asked.map(|fleet| &fleet.scope), |scope| async move {
        let own = fleets.iter().filter(|fleet| fleet.scope == *scope);
        scope_facts(github, scope, own.map(|fleet| fleet.runner_group.clone()).collect()).await
    });
    let patterns = fleets.iter().filter(|_| is_in).flat_map(|fleet| fleet.repositories.iter().cloned());
    let followed = each(patterns, |pattern| async move { follow(github, &pattern).await });
    let owners =
        fleets.iter().filter(|_| is_in).flat_map(|fleet| fleet.repositories.iter().map(RepoPattern::owner));
    let public = each(owners, |owner| async move { github.public_repositories(&owner).await });
    let (scopes, followed, public) = tokio::join!(scopes, followed, public);
    let scopes = scopes.into_iter().map(|(scope, facts)| (scope.clone(), facts)).collect();
    GitHubFacts { credential, budget, poll, scopes, followed, public }
}

/// The repositories that a fleet's file names, and whether the first is readable.
async fn follow(github: &(impl GitHub + GitHubPreflight), pattern: &RepoPattern) -> Followed {
    let found = match pattern.one() {
        Some(repo) => Ok(vec![repo]),
        None => github.repositories(&pattern.owner()).await,
    };
    let found = found.map(|all| all.into_iter().filter(|repo| pattern.matches(repo)).collect::<Vec<_>>());
    let runs = match found.as_ref().ok().and_then(|found| found.first()) {
        Some(repo) => Some(github.may_read_runs(repo).await),
        None => None,
    };
    Followed { found, runs }
}

/// What a scope shows. `names` are the runner groups of its fleets.
async fn scope_facts(
    github: &(impl GitHub + GitHubPreflight),
    scope: &Scope,
    names: BTreeSet<Option<String>>,
) -> ScopeFacts {
    let repo = match scope {
        Scope::Repo(repo) => Some(repo),
        Scope::Org(_) | Scope::Enterprise(_) => None,
    };
    let of_runners = async {
        // Who may read the whole list may read runners; a refusal has an answer of its own.
        let not_listed = github.runners_not_listed(scope).await;
        let runners = match &not_listed {
            Ok(_) => Ok(Access::Granted),
            Err(_) => github.may_read_runners(scope).await,
        };
        let (administer, not_listed) = match &runners {
            Ok(Access::Granted) => (Some(github.may_administer_runners(scope).await), Some(not_listed)),
            _ => (None, None),
        };
        (runners, administer, not_listed)
    };
    let of_groups = async {
        let grouped = names.into_iter().filter(|_| repo.is_none());
        let limits =
            each(grouped, |name| async move { github.runner_group(scope, name.as_deref()).await }).await;
        // The names of all groups are only told where one is not there.
        let (named, first) =
            (limits.iter().filter(|(name, _)| name.is_some()), limits.keys().flatten().next());
        let is_missing = named.clone().any(|(_, group)| !matches!(group, Ok(Some(_))));
        let groups = match first {
            Some(_) if is_missing => Some(github.runner_groups(scope).await),
            Some(_) => {
                Some(Ok(named.filter_map(|(name, _)| name.as_deref().map(ForeignText::from)).collect()))
            }
            None => None,
        };
        (groups, limits)
    };
    let (repository, runs, (runners, administer, not_listed), (groups, limits)) = tokio::join!(
        OptionFuture::from(repo.map(|repo| github.repository(repo))),
        OptionFuture::from(repo.map(|repo| github.may_read_runs(repo))),
        of_runners,
        of_groups,
    );
    ScopeFacts { repository, runs, runners, administer, not_listed, groups, limits }
}

async fn azure_facts(azure: &(impl Azure + AzurePreflight), kind: String, fleets: &[Fleet]) -> AzureFacts {
    let principal = azure.principal().await;
    let is_in = principal.is_ok();
    let in_regions: Vec<VmConfig> =
        fleets.iter().filter(|_| is_in).flat_map(|fleet| fleet.vm.in_each_region()).collect();
    let vms = || in_regions.iter();
    let subscriptions = each(vms().map(|vm| vm.group.subscription_id.clone()), |id| async move {
        let (subscription, power_states) =
            tokio::join!(azure.subscription(&id), azure.may_read_power_states(&id));
        SubscriptionFacts { subscription, power_states }
    });
    let groups =
        each(vms().map(|vm| vm.group.clone()), |group| async move { group_facts(azure, &group).await });
    let subnets = each(vms().map(|vm| vm.subnet_id.clone()), |id| async move {
        let (subnet, grants) = tokio::join!(azure.subnet(&id), azure.grants(&id));
        SubnetFacts { subnet, grants }
    });
    let security_groups = each(vms().filter_map(|vm| vm.nsg_id.clone()), |id| async move {
        let (group, grants) = tokio::join!(azure.security_group(&id), azure.grants(&id));
        SecurityGroupFacts { group, grants }
    });
    let places = each(vms().map(place_key), |(subscription, location)| async move {
        let (sizes, usages) =
            tokio::join!(azure.sizes(&subscription, &location), azure.usages(&subscription, &location));
        PlaceFacts { sizes, usages }
    });
    // If an image has two spellings, either one works.
    let named: BTreeMap<_, _> = vms().map(|vm| (image_key(vm), vm)).collect();
    let images = each(named.keys().cloned(), |key| {
        let vm = named[&key];
        async move { azure.image(&vm.group.subscription_id, &vm.location, &vm.image).await }
    });
    let identities =
        each(vms().flat_map(|vm| vm.identity.clone()), |id| async move { azure.grants(&id).await });
    let (subscriptions, groups, subnets, security_groups, places, images, identities) =
        tokio::join!(subscriptions, groups, subnets, security_groups, places, images, identities);
    let guards = subnets
        .values()
        .filter_map(|found| found.subnet.as_ref().ok()?.security_group.as_ref().map(ToString::to_string));
    let subnet_groups = each(guards, |id| async move { azure.security_group(&id).await }).await;
    AzureFacts {
        kind,
        principal,
        subscriptions,
        groups,
        subnets,
        security_groups,
        subnet_groups,
        places,
        images,
        identities,
    }
}

async fn group_facts(azure: &(impl Azure + AzurePreflight), group: &ResourceGroup) -> GroupFacts {
    let id = group.id();
    let (location, grants, vms) =
        tokio::join!(azure.resource_group(group), azure.grants(&id), azure.vms(group));
    GroupFacts { location, grants, vms }
}

/// The keys of fleets that need one: their kind and where they come from.
fn ssh_keys(
    fleets: &[Fleet],
    ssh: &dyn Ssh,
    has_credentials: bool,
) -> BTreeMap<PoolName, Result<Option<String>, SshError>> {
    let over_ssh = fleets.iter().filter(|fleet| fleet.bootstrap.method == Method::Ssh);
    let key = |fleet: &Fleet| {
        let file = fleet.bootstrap.ssh_private_key.as_deref();
        if file.is_none() && !has_credentials {
            return Ok(None);
        }
        let found = ssh.public_key(file)?;
        let kind = found.split(' ').next().unwrap_or_default();
        let origin = file.map_or("the systemd credential ssh-key".into(), Path::to_string_lossy);
        Ok(Some(format!("{kind}, from {origin}")))
    };
    over_ssh.map(|fleet| (fleet.name.clone(), key(fleet))).collect()
}

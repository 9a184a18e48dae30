//! The read-only questions of `check`, over the simulated world.

use async_trait::async_trait;
use azlin_fleet::model::{
    AccountName, Budget, CallError, CallErrorKind, ForeignText, Image, RepoSlug, ResourceGroup, Scope,
};
use azlin_fleet::ports::preflight::{
    Access, AzurePreflight, Credential, GitHubPreflight, Grant, ImageFacts, Principal, RateBudget,
    Repository, SecurityGroup, Size, Subnet, Subscription, TokenKind, Usage,
};
use serde_json::Value;

use super::{CallEffect, InProcess, SimCall};
use crate::fault::Side;
use crate::world::World;

pub(super) fn reads(side: Side, path: &str) -> SimCall {
    SimCall {
        side,
        method: "GET",
        path: path.to_owned(),
        route: path.to_owned(),
        effect: CallEffect::Reads,
        requests: 0,
        vm: Value::Null,
    }
}

fn not_there(what: &str) -> CallError {
    CallError::new(CallErrorKind::NotFound, "404 Not Found").during(what)
}

fn path(scope: &Scope, rest: &str) -> String {
    match scope {
        Scope::Repo(repo) => format!("/repos/{repo}{rest}"),
        Scope::Org(org) => format!("/orgs/{org}{rest}"),
        Scope::Enterprise(slug) => format!("/enterprises/{slug}{rest}"),
    }
}

impl InProcess {
    async fn tried(&self, scope: &Scope, method: &'static str, rest: &str) -> Result<Access, CallError> {
        let path = path(scope, rest);
        let call = SimCall { method, ..reads(Side::Github, &path) };
        self.call(call, |world, _| {
            Ok(if !world.account.permits(method, &path) {
                Access::Denied(None)
            } else if !world.state.github.knows(scope) {
                Access::Hidden
            } else {
                Access::Granted
            })
        })
        .await
    }

    /// A read at Azure that needs this action.
    async fn look<T>(
        &self,
        path: &str,
        action: &str,
        found: impl FnOnce(&World) -> Option<T>,
    ) -> Result<T, CallError> {
        self.call(reads(Side::Azure, path), |world, _| {
            if !world.account.grants(action) {
                let why = format!("{action} is not granted");
                return Err(CallError::new(CallErrorKind::NotPermitted, why).during(path));
            }
            found(world).ok_or_else(|| not_there(path))
        })
        .await
    }
}

#[async_trait]
impl GitHubPreflight for InProcess {
    async fn credential(&self) -> Result<Credential, CallError> {
        self.call(reads(Side::Github, "/user"), |world, _| {
            let expires_at = world.github_token_ends_at();
            if expires_at.is_some_and(|end| end <= world.now()) {
                return Err(CallError::new(CallErrorKind::NotPermitted, "GET /user: 401 Bad credentials"));
            }
            let scopes = ["admin:org", "manage_runners:enterprise", "repo"];
            Ok(Credential {
                kind: TokenKind::Classic,
                login: Some("sim-user".into()),
                expires_at,
                scopes: Some(scopes.map(ForeignText::from).to_vec()),
                narrow_refused: None,
            })
        })
        .await
    }

    async fn rate_budget(&self) -> Result<Option<RateBudget>, CallError> {
        self.call(reads(Side::Github, "/rate_limit"), |world, _| {
            let none = || RateBudget { limit: 0, remaining: 0, reset: world.now() };
            let shown = |budget: Budget| RateBudget {
                limit: budget.limit,
                remaining: budget.remaining,
                reset: budget.reset,
            };
            Ok(Some(world.budget().map_or_else(none, shown)))
        })
        .await
    }

    async fn repository(&self, repo: &RepoSlug) -> Result<Repository, CallError> {
        let path = format!("/repos/{repo}");
        self.call(reads(Side::Github, &path), |world, _| {
            let known = world.state.github.repos.get(&repo.as_str().to_ascii_lowercase());
            let (full_name, _) = known.ok_or_else(|| not_there(&path))?;
            let archived = world.account.archived.iter().any(|one| one.eq_ignore_ascii_case(full_name));
            let is_public = world.account.is_public(full_name);
            Ok(Repository { full_name: full_name.clone().into(), archived, disabled: false, is_public })
        })
        .await
    }

    async fn may_read_runs(&self, repo: &RepoSlug) -> Result<Access, CallError> {
        self.tried(&Scope::Repo(repo.clone()), "GET", "/actions/runs").await
    }

    async fn may_read_runners(&self, scope: &Scope) -> Result<Access, CallError> {
        self.tried(scope, "GET", "/actions/runners").await
    }

    async fn may_administer_runners(&self, scope: &Scope) -> Result<Access, CallError> {
        self.tried(scope, "DELETE", "/actions/runners/0").await
    }

    async fn runners_not_listed(&self, scope: &Scope) -> Result<u64, CallError> {
        match self.may_read_runners(scope).await? {
            Access::Granted => Ok(0),
            Access::Denied(_) | Access::Hidden => Err(not_there(&scope.to_string())),
        }
    }

    async fn public_repositories(&self, owner: &AccountName) -> Result<Vec<RepoSlug>, CallError> {
        self.call(reads(Side::Github, &format!("/orgs/{owner}/repos")), |world, _| {
            let repos = world.state.github.repos_of(owner.as_str()).into_iter();
            let public = repos.filter(|(name, _)| world.account.is_public(name));
            Ok(public.filter_map(|(name, _)| name.parse().ok()).collect())
        })
        .await
    }

    async fn runner_groups(&self, scope: &Scope) -> Result<Vec<ForeignText>, CallError> {
        self.call(reads(Side::Github, &path(scope, "/actions/runner-groups")), |_, _| {
            Ok(vec!["Default".into(), "builders".into()])
        })
        .await
    }
}

#[async_trait]
impl AzurePreflight for InProcess {
    async fn principal(&self) -> Result<Principal, CallError> {
        Ok(Principal::default())
    }

    async fn subscription(&self, subscription_id: &str) -> Result<Subscription, CallError> {
        let path = format!("/subscriptions/{subscription_id}");
        self.look(&path, "Microsoft.Resources/subscriptions/read", |world| Some(world.subscription())).await
    }

    async fn may_read_power_states(&self, subscription_id: &str) -> Result<Access, CallError> {
        let path = format!("/subscriptions/{subscription_id}/providers/Microsoft.Compute/virtualMachines");
        match self.look(&path, "Microsoft.Compute/virtualMachines/read", |_| Some(())).await {
            Ok(()) => Ok(Access::Granted),
            Err(error) if error.kind == CallErrorKind::NotPermitted => Ok(Access::Denied(None)),
            Err(error) => Err(error),
        }
    }

    async fn resource_group(&self, group: &ResourceGroup) -> Result<ForeignText, CallError> {
        self.look(&group.id(), "Microsoft.Resources/subscriptions/resourceGroups/read", |world| {
            world.account.has(&group.name).then(|| world.account.location.as_str().into())
        })
        .await
    }

    async fn grants(&self, scope_id: &str) -> Result<Vec<Grant>, CallError> {
        let group = scope_id.split('/').nth(4).unwrap_or_default();
        self.look(scope_id, "Microsoft.Authorization/permissions/read", |world| {
            world.account.has(group).then(|| world.account.roles())
        })
        .await
    }

    async fn sizes(&self, _: &str, location: &str) -> Result<Vec<Size>, CallError> {
        self.look(location, "Microsoft.Compute/skus/read", |world| Some(world.sizes())).await
    }

    async fn usages(&self, _: &str, location: &str) -> Result<Vec<Usage>, CallError> {
        self.look(location, "Microsoft.Compute/locations/usages/read", |world| Some(world.usages())).await
    }

    async fn image(&self, _: &str, _: &str, image: &Image) -> Result<ImageFacts, CallError> {
        let action = match image {
            Image::Marketplace { .. } => {
                "Microsoft.Compute/locations/publishers/artifacttypes/offers/skus/versions/read"
            }
            Image::Id(id) if id.to_ascii_lowercase().contains("/galleries/") => {
                "Microsoft.Compute/galleries/images/read"
            }
            Image::Id(_) => "Microsoft.Compute/images/read",
        };
        self.look(&image.to_string(), action, |world| world.image(image)).await
    }

    async fn security_group(&self, nsg_id: &str) -> Result<SecurityGroup, CallError> {
        let action = "Microsoft.Network/networkSecurityGroups/read";
        self.look(nsg_id, action, |world| world.security_group(nsg_id)).await
    }

    async fn subnet(&self, subnet_id: &str) -> Result<Subnet, CallError> {
        let action = "Microsoft.Network/virtualNetworks/subnets/read";
        self.look(subnet_id, action, |world| world.subnet(subnet_id)).await
    }
}

//! What a runner group permits. The list of groups says it, and a group for some repositories has a list of its own.

use azlin_fleet::model::{CallError, GroupRepositories, RepoPattern, RunnerGroup, Scope};
use azlin_http::RequestEffect;
use reqwest::Method;

use crate::http::Http;
use crate::pages;
use crate::runners::{call, group_named};
use crate::wire::{GroupOrganizationsJson, GroupRepositoriesJson, RunnerGroupJson, RunnerGroupsJson};

/// The group of that name, or the default group; `None` when there is none of that name.
pub(crate) async fn read(
    http: &Http,
    scope: &Scope,
    name: Option<&str>,
) -> Result<Option<RunnerGroup>, CallError> {
    if matches!(scope, Scope::Repo(_)) {
        return Ok(None);
    }
    let groups = call(http, scope, Method::GET, "runner-groups?per_page=100", RequestEffect::Reads)?;
    let groups: Vec<RunnerGroupJson> =
        pages::all::<RunnerGroupsJson>(http, groups).await?.items.into_values().collect();
    let found = match name {
        Some(name) => group_named(&groups, name),
        None => groups.iter().find(|group| group.default),
    };
    let Some(group) = found else { return Ok(None) };
    let repositories = match group.visibility.as_deref() {
        Some("selected") => GroupRepositories::Selected(selected(http, scope, group.id).await?),
        Some("private") => GroupRepositories::Private,
        _ => GroupRepositories::All,
    };
    let workflows = || group.selected_workflows.clone().unwrap_or_default();
    Ok(Some(RunnerGroup {
        name: group.name.clone(),
        repositories,
        // An old server that does not say it forbids nothing that could be known here.
        allows_public: group.allows_public_repositories.unwrap_or(true),
        workflows: group.restricted_to_workflows.unwrap_or(false).then(workflows),
    }))
}

/// The repositories of an organisation's group, or all of the organisations of an enterprise's group.
async fn selected(http: &Http, scope: &Scope, group: u64) -> Result<Vec<RepoPattern>, CallError> {
    let list = |kind: &str| {
        let path = format!("runner-groups/{group}/{kind}?per_page=100");
        call(http, scope, Method::GET, &path, RequestEffect::Reads)
    };
    if matches!(scope, Scope::Enterprise(_)) {
        let found = pages::all::<GroupOrganizationsJson>(http, list("organizations")?).await?;
        let organisations = found.items.into_values();
        return Ok(organisations.filter_map(|one| format!("{}/*", one.login).parse().ok()).collect());
    }
    let found = pages::all::<GroupRepositoriesJson>(http, list("repositories")?).await?;
    Ok(found.items.into_values().filter_map(|repo| repo.full_name.parse().ok()).collect())
}

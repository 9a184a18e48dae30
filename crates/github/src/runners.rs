//! Runners of a scope: list, get, register, remove.

use std::collections::HashMap;

use azlin_fleet::model::{
    CallError, CallErrorKind, Deregistration, Download, RegistrationToken, RunnerConfig, RunnerId,
    RunnerInfo, RunnerName, RunnerRegistration, Scope,
};
use azlin_http::RequestEffect;
use parking_lot::Mutex;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::answer::{Expects, Heard, heard};
use crate::http::{GitHubCall, Http};
use crate::pages;
use crate::runner_counts::RunnerCounts;
use crate::wire;

/// The group that every repository has, and the first of an organisation or enterprise.
const DEFAULT_GROUP: u64 = 1;

/// Ids of runner groups by name: they do not change while a group lives.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    known: Mutex<HashMap<(Scope, String), u64>>,
}

/// Every runner, or an error. Where entries come and go while the pages are read, one may be missing. The
/// planner then asks for that runner by itself.
pub(crate) async fn list(
    http: &Http,
    counts: &RunnerCounts,
    scope: &Scope,
) -> Result<Vec<RunnerInfo>, CallError> {
    let call = call(http, scope, Method::GET, "runners?per_page=100", RequestEffect::Reads)?;
    let list = pages::all::<wire::RunnersJson>(http, call).await?;
    let (there, total) = (list.items.len(), list.total_count);
    if list.steady && !counts.look(scope, there as u64, total) {
        let message = format!(
            "GitHub lists {there} runners of {scope} and tells of {total}; the next tick reads them again"
        );
        return Err(CallError::new(CallErrorKind::Unavailable, message));
    }
    Ok(list.items.into_values().map(RunnerInfo::from).collect())
}

/// One runner; `None` when GitHub has no such entry.
pub(crate) async fn get(http: &Http, scope: &Scope, id: RunnerId) -> Result<Option<RunnerInfo>, CallError> {
    let call = call(http, scope, Method::GET, &format!("runners/{id}"), RequestEffect::Reads)?;
    match http.page::<wire::RunnerJson>(&call).await {
        Ok((runner, _)) => Ok(Some(runner.into())),
        Err(error) if error.kind == CallErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The runner of that name; `None` when GitHub has no such entry.
pub(crate) async fn named(
    http: &Http,
    counts: &RunnerCounts,
    scope: &Scope,
    name: &RunnerName,
) -> Result<Option<RunnerInfo>, CallError> {
    // A server that does not know the parameter lists all runners.
    let call =
        call(http, scope, Method::GET, &format!("runners?name={name}&per_page=100"), RequestEffect::Reads)?;
    let list = pages::all::<wire::RunnersJson>(http, call).await?;
    let lacks = list.total_count.saturating_sub(list.items.len() as u64);
    let is_whole = list.steady && (lacks == 0 || counts.believed(scope) == Some(lacks));
    let found = list.items.into_values().find(|runner| runner.name.eq_ignore_ascii_case(name.as_str()));
    if found.is_none() && !is_whole {
        let message =
            format!("GitHub has not shown all runners of {scope}; the next tick looks for {name} again");
        return Err(CallError::new(CallErrorKind::Unavailable, message));
    }
    Ok(found.map(RunnerInfo::from))
}

pub(crate) async fn registration_token(http: &Http, scope: &Scope) -> Result<RegistrationToken, CallError> {
    let mut call = call(http, scope, Method::POST, "runners/registration-token", RequestEffect::Reads)?;
    call.expects = Expects::CREATED;
    let token: wire::RegistrationTokenJson = http.value(&call).await?;
    Ok(RegistrationToken {
        token: SecretString::from(token.token),
        expires_at: token.expires_at,
        url: http.api.page(scope),
    })
}

/// Creates an ephemeral runner's entry. It is not repeated when its answer is lost, since the entry may exist
/// under this name.
pub(crate) async fn jit_config(
    http: &Http,
    groups: &Groups,
    config: &RunnerConfig,
) -> Result<RunnerRegistration, CallError> {
    let scope = &config.scope;
    let group = groups.id(http, scope, config.runner_group.as_deref()).await?;
    let mut call = call(http, scope, Method::POST, "runners/generate-jitconfig", RequestEffect::Creates)?;
    call.body = Some(jit_request(config, group));
    call.expects = Expects::CREATED;
    let made: wire::JitConfigJson = http.value(&call).await.inspect_err(|error| {
        if error.kind == CallErrorKind::NotFound {
            // The group may have been removed and created again.
            groups.forget(scope);
        }
    })?;
    Ok(RunnerRegistration {
        runner_id: RunnerId(made.runner.id),
        runner_name: config.runner_name.clone(),
        encoded_jit_config: SecretString::from(made.encoded_jit_config),
    })
}

fn jit_request(config: &RunnerConfig, group: u64) -> Value {
    json!({
        "name": config.runner_name,
        "runner_group_id": group,
        "labels": config.labels,
        "work_folder": "_work",
    })
}

/// Removes an entry unless its runner runs a job, which GitHub answers with 422. An entry is gone only if GitHub says
/// so in its own form.
pub(crate) async fn deregister(
    http: &Http,
    scope: &Scope,
    id: RunnerId,
) -> Result<Deregistration, CallError> {
    let mut call = call(http, scope, Method::DELETE, &format!("runners/{id}"), RequestEffect::WritesOnce)?;
    call.expects = Expects::NO_CONTENT;
    let answer = http.send(&call, None).await?;
    match heard(call.expects, &answer) {
        Heard::Success(_) => Ok(Deregistration::Removed),
        Heard::Refusal(StatusCode::NOT_FOUND, _) => Ok(Deregistration::NotFound),
        Heard::Refusal(StatusCode::UNPROCESSABLE_ENTITY, _) => Ok(Deregistration::Busy),
        Heard::Refusal(..) | Heard::Foreign => Err(http.failed(&call, &answer)),
    }
}

pub(crate) async fn downloads(http: &Http, scope: &Scope) -> Result<Vec<Download>, CallError> {
    let call = call(http, scope, Method::GET, "runners/downloads", RequestEffect::Reads)?;
    let (applications, _) = http.page::<Vec<wire::RunnerApplicationJson>>(&call).await?;
    Ok(applications.into_iter().map(Download::from).collect())
}

impl Groups {
    async fn id(&self, http: &Http, scope: &Scope, name: Option<&str>) -> Result<u64, CallError> {
        let Some(name) = name.filter(|_| !matches!(scope, Scope::Repo(_))) else {
            return Ok(DEFAULT_GROUP);
        };
        let key = (scope.clone(), name.to_ascii_lowercase());
        if let Some(id) = self.lock().get(&key) {
            return Ok(*id);
        }
        let call = call(http, scope, Method::GET, "runner-groups?per_page=100", RequestEffect::Reads)?;
        let list = pages::all::<wire::RunnerGroupsJson>(http, call).await?;
        let groups: Vec<wire::RunnerGroupJson> = list.items.into_values().collect();
        let id = group_named(&groups, name).map(|group| group.id).ok_or_else(|| {
            let there: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
            CallError::new(
                CallErrorKind::NotFound,
                format!("{scope} has no runner group {name:?}; it has: {}", there.join(", ")),
            )
        })?;
        self.lock().insert(key, id);
        Ok(id)
    }

    fn forget(&self, scope: &Scope) {
        self.lock().retain(|(of, _), _| of != scope);
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<(Scope, String), u64>> {
        self.known.lock()
    }
}

/// The group of that name. "default" is the default group where no group has this name.
pub(crate) fn group_named<'g>(
    groups: &'g [wire::RunnerGroupJson],
    name: &str,
) -> Option<&'g wire::RunnerGroupJson> {
    let named = groups.iter().find(|group| group.name.eq_ignore_ascii_case(name));
    let default = || groups.iter().find(|group| group.default && name.eq_ignore_ascii_case("default"));
    named.or_else(default)
}

/// A call on `/actions/…` of a scope, which is answered with 200 and JSON where nothing else is declared.
pub(crate) fn call(
    http: &Http,
    scope: &Scope,
    method: Method,
    below: &str,
    effect: RequestEffect,
) -> Result<GitHubCall, CallError> {
    let root = match scope {
        Scope::Repo(repo) => format!("repos/{repo}"),
        Scope::Org(org) => format!("orgs/{org}"),
        Scope::Enterprise(name) => format!("enterprises/{name}"),
    };
    let needs = needs(scope);
    let url = http.api.join(&format!("{root}/actions/{below}"))?;
    Ok(GitHubCall { method, url, body: None, effect, expects: Expects::OK, needs })
}

/// The permission that the runners of a scope need, in GitHub's words.
pub(crate) fn needs(scope: &Scope) -> &'static str {
    match scope {
        Scope::Repo(_) => "Administration: read and write on the repository",
        Scope::Org(_) => "Self-hosted runners: read and write on the organisation",
        Scope::Enterprise(_) => "manage_runners:enterprise",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_name_without_regard_to_case() {
        let groups: Vec<wire::RunnerGroupJson> = serde_json::from_str(
            r#"[{"id":1,"name":"Default","default":true},{"id":9,"name":"Big Iron"},{"id":4,"name":"arm"}]"#,
        )
        .expect("groups");
        for (name, expected) in [("big iron", Some(9)), ("default", Some(1)), ("arm", Some(4)), ("x", None)] {
            assert_eq!(group_named(&groups, name).map(|group| group.id), expected, "{name}");
        }
    }
}

//! The sets themselves: found by name, made, given other labels, deleted.

use azlin_fleet::model::{
    CallError, CallErrorKind, Label, ScaleSetConfig, ScaleSetId, ScaleSetInfo, Scope, SetDeletion, first_few,
};
use reqwest::{Method, StatusCode};

use super::refused::{Exception, exception, failed};
use super::service::ServiceCall;
use super::wire::{CountedJson, ScaleSetJson, SetGroupJson, asked_set};
use crate::client::GitHubClient;

/// The default group, which every scope has.
const DEFAULT_GROUP: u64 = 1;

const SETS: [&str; 2] = ["runtime", "runnerscalesets"];

impl GitHubClient {
    pub(super) async fn sets(&self, scope: &Scope) -> Result<Vec<ScaleSetInfo>, CallError> {
        let call = ServiceCall::new(Method::GET, SETS.to_vec());
        let all: CountedJson<ScaleSetJson> = self.service_value(scope, &call).await?;
        Ok(all.value.into_iter().map(ScaleSetInfo::from).collect())
    }

    pub(super) async fn set_named(&self, config: &ScaleSetConfig) -> Result<Option<ScaleSetInfo>, CallError> {
        let group = self.set_group(config).await?;
        let mut call = ServiceCall::new(Method::GET, SETS.to_vec());
        call.query = vec![("runnerGroupId", group.to_string()), ("name", config.name.clone())];
        let found: CountedJson<ScaleSetJson> = self.service_value(&config.scope, &call).await?;
        let mut sets = found.value.into_iter().map(ScaleSetInfo::from);
        // A server that does not know the parameters lists all.
        let found = sets.find(|set| set.name.eq_ignore_ascii_case(&config.name));
        self.service.know(config, found.as_ref().map(|set| set.id));
        Ok(found)
    }

    pub(super) async fn create_set(&self, config: &ScaleSetConfig) -> Result<ScaleSetInfo, CallError> {
        let group = self.set_group(config).await?;
        let labels: Vec<&str> = config.labels.iter().map(Label::as_str).collect();
        let mut call = ServiceCall::new(Method::POST, SETS.to_vec());
        call.body = Some(asked_set(&config.name, group, &labels));
        let made: ScaleSetJson = self.service_value(&config.scope, &call).await?;
        self.service.know(config, Some(ScaleSetId(made.id)));
        Ok(made.into())
    }

    pub(super) async fn relabel_set(
        &self,
        id: ScaleSetId,
        config: &ScaleSetConfig,
    ) -> Result<ScaleSetInfo, CallError> {
        let group = self.set_group(config).await?;
        let labels: Vec<&str> = config.labels.iter().map(Label::as_str).collect();
        let id = id.to_string();
        let mut call = ServiceCall::new(Method::PATCH, [&SETS[..], &[id.as_str()]].concat());
        call.body = Some(asked_set(&config.name, group, &labels));
        let changed: ScaleSetJson = self.service_value(&config.scope, &call).await?;
        Ok(changed.into())
    }

    pub(super) async fn delete_set(&self, scope: &Scope, id: ScaleSetId) -> Result<SetDeletion, CallError> {
        let id = id.to_string();
        let call = ServiceCall::new(Method::DELETE, [&SETS[..], &[id.as_str()]].concat());
        let reply = self.service_answer(scope, &call).await?;
        match (reply.status, exception(&reply)) {
            (StatusCode::NO_CONTENT | StatusCode::OK, _) => Ok(SetDeletion::Deleted),
            (_, Some(Exception::SetNotFound)) => Ok(SetDeletion::NotFound),
            (_, Some(Exception::JobStillRunning)) => Ok(SetDeletion::Busy),
            _ => Err(failed(&call.name(), &reply, call.effect, "")),
        }
    }

    /// The id of the group that a set should be in.
    async fn set_group(&self, config: &ScaleSetConfig) -> Result<u64, CallError> {
        let is_repo = matches!(config.scope, Scope::Repo(_));
        let Some(name) = config.runner_group.as_deref().filter(|_| !is_repo) else {
            return Ok(DEFAULT_GROUP);
        };
        let call = ServiceCall::new(Method::GET, vec!["runtime", "runnergroups", ""]);
        let groups: CountedJson<SetGroupJson> = self.service_value(&config.scope, &call).await?;
        let named = groups.value.iter().find(|group| group.name.eq_ignore_ascii_case(name));
        if named.is_none() && name.eq_ignore_ascii_case("default") {
            return Ok(DEFAULT_GROUP);
        }
        named.map(|group| group.id).ok_or_else(|| {
            let there = first_few(groups.value.iter().map(|group| group.name.to_string()));
            let scope = &config.scope;
            let why = format!("{scope} has no runner group {name:?} for scale sets; it has: {there}");
            CallError::new(CallErrorKind::NotFound, why)
        })
    }
}

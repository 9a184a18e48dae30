//! The entries of a set's runners.

use azlin_fleet::model::{
    CallError, CallErrorKind, RunnerConfig, RunnerId, RunnerInfo, RunnerRegistration, ScaleSetConfig,
    ScaleSetId, Scope,
};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;

use super::service::ServiceCall;
use super::wire::{AgentsJson, SetJitConfigJson};
use crate::client::GitHubClient;

impl GitHubClient {
    /// Makes the entry of a runner of this set. It is not repeated when its answer is lost, since the entry may exist
    /// under this name.
    pub(crate) async fn jit_config_of_set(
        &self,
        config: &RunnerConfig,
        set: &str,
    ) -> Result<RunnerRegistration, CallError> {
        let id = self.set_id(config, set).await?;
        let made = self.made_in(id, config).await;
        if made.as_ref().is_err_and(|error| error.kind == CallErrorKind::NotFound) {
            // The set may have been made anew.
            self.service.ids.lock().retain(|_, known| *known != id);
        }
        made
    }

    async fn made_in(&self, set: ScaleSetId, config: &RunnerConfig) -> Result<RunnerRegistration, CallError> {
        let set = set.to_string();
        let path = vec!["runtime", "runnerscalesets", set.as_str(), "generatejitconfig"];
        let mut call = ServiceCall::new(Method::POST, path);
        call.body = Some(json!({"name": config.runner_name, "workFolder": "_work"}));
        let made: SetJitConfigJson = self.service_value(&config.scope, &call).await?;
        Ok(RunnerRegistration {
            runner_id: RunnerId(made.runner.id),
            runner_name: config.runner_name.clone(),
            encoded_jit_config: SecretString::from(made.encoded_jit_config),
        })
    }

    /// All runners of a scope, as the service lists them: it has no pages, and its requests do not count.
    pub(super) async fn agents(&self, scope: &Scope) -> Result<Vec<RunnerInfo>, CallError> {
        let call = ServiceCall::new(Method::GET, vec!["distributedtask", "pools", "0", "agents"]);
        let all: AgentsJson = self.service_value(scope, &call).await?;
        if all.count != all.value.len() {
            let why = format!("{} counted {} runners and listed {}", call.name(), all.count, all.value.len());
            return Err(CallError::new(CallErrorKind::Unavailable, why));
        }
        Ok(all.value.into_iter().map(RunnerInfo::from).collect())
    }

    /// The id of a set, from the last answer that had it.
    async fn set_id(&self, config: &RunnerConfig, name: &str) -> Result<ScaleSetId, CallError> {
        let set = ScaleSetConfig {
            scope: config.scope.clone(),
            name: name.to_owned(),
            runner_group: config.runner_group.clone(),
            labels: Vec::new(),
        };
        let known = self.service.id_of(&set);
        if let Some(id) = known {
            return Ok(id);
        }
        let found = self.set_named(&set).await?;
        found.map(|set| set.id).ok_or_else(|| {
            let why = format!("{} has no scale set {name:?} yet: the daemon makes it", config.scope);
            CallError::new(CallErrorKind::Unavailable, why)
        })
    }
}

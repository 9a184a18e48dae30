//! The entries of a set's runners.

use azlin_fleet::model::{
    CallError, CallErrorKind, RunnerConfig, RunnerId, RunnerRegistration, ScaleSetConfig, ScaleSetId,
};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;

use super::service::ServiceCall;
use super::wire::SetJitConfigJson;
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

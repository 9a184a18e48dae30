//! The entries of a set's runners.

use azlin_fleet::model::{CallError, RunnerId, RunnerName, RunnerRegistration, ScaleSetId, Scope};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;

use super::service::ServiceCall;
use super::wire::SetJitConfigJson;
use crate::client::GitHubClient;

impl GitHubClient {
    /// It is not repeated when its answer is lost, since the entry may exist under this name.
    pub(super) async fn jit_config_of(
        &self,
        scope: &Scope,
        set: ScaleSetId,
        name: &RunnerName,
    ) -> Result<RunnerRegistration, CallError> {
        let set = set.to_string();
        let path = vec!["runtime", "runnerscalesets", set.as_str(), "generatejitconfig"];
        let mut call = ServiceCall::new(Method::POST, path);
        call.body = Some(json!({"name": name, "workFolder": "_work"}));
        let made: SetJitConfigJson = self.service_value(scope, &call).await?;
        Ok(RunnerRegistration {
            runner_id: RunnerId(made.runner.id),
            runner_name: name.clone(),
            encoded_jit_config: SecretString::from(made.encoded_jit_config),
        })
    }
}

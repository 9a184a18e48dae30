//! Runners that register themselves, with a token from GitHub's API and `config.sh`.

use std::time::Duration;

use azlin_fleet::model::{AccountName, RepoSlug, Scope};
use jiff::Timestamp;
use rand::RngExt;
use serde_json::{Value, json};

use crate::fault::FaultKind;
use crate::github::SimRunner;
use crate::world::{World, WorldEvent};

/// What a token for `config.sh` permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenUse {
    /// It permits to register runners.
    Register,
    /// It permits to remove runners.
    Remove,
}

/// A token that was issued.
#[derive(Debug, Clone)]
pub(crate) struct RunnerToken {
    scope: Scope,
    what_for: TokenUse,
    expires_at: Timestamp,
}

/// A request by `config.sh`.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Where the runner registers.
    pub scope: Scope,
    /// The registration token.
    pub token: String,
    /// The runner's name.
    pub name: String,
    /// All labels of the runner.
    pub labels: Vec<String>,
    /// The name of its group; `None` means the default group.
    pub group: Option<String>,
    /// Whether it takes only one job.
    pub ephemeral: bool,
    /// Whether it replaces a runner of the same name.
    pub replace: bool,
}

/// A refusal by GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerRefusal {
    /// The HTTP status.
    pub status: u16,
    /// The message for people.
    pub message: String,
}

impl RunnerRefusal {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        RunnerRefusal { status, message: message.into() }
    }
}

/// The scope of a page on GitHub: `o/r`, `o`, `enterprises/e`.
pub(crate) fn scope_of(path: &str) -> Option<Scope> {
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["enterprises", slug] => slug.parse::<AccountName>().ok().map(Scope::Enterprise),
        [_, _] => path.parse::<RepoSlug>().ok().map(Scope::Repo),
        [org] => org.parse::<AccountName>().ok().map(Scope::Org),
        _ => None,
    }
}

/// The id of a runner group. All but two belong to others.
pub(crate) fn group_id(name: &str) -> u64 {
    match name {
        "" | "Default" => 1,
        "builders" => 2,
        _ => 3,
    }
}

impl World {
    /// Issues a token for `config.sh`. Returns it with its expiry.
    pub fn issue_runner_token(&mut self, scope: &Scope, what_for: TokenUse) -> (String, Timestamp) {
        let prefix = match what_for {
            TokenUse::Register => "AREG",
            TokenUse::Remove => "AREM",
        };
        let token = format!("{prefix}{:026}", self.state.github.number());
        let expires_at = self.now() + Duration::from_secs(3600);
        let now = self.now();
        self.runner_tokens.retain(|_, token| token.expires_at > now);
        self.runner_tokens.insert(token.clone(), RunnerToken { scope: scope.clone(), what_for, expires_at });
        (token, expires_at)
    }

    pub(crate) fn token_is_good(&self, token: &str, scope: &Scope, what_for: TokenUse) -> bool {
        self.runner_tokens.get(token).is_some_and(|known| {
            known.what_for == what_for
                && known.expires_at > self.now()
                && known.scope.to_string().eq_ignore_ascii_case(&scope.to_string())
        })
    }

    /// Registers a runner. One that replaces another keeps that one's id.
    ///
    /// # Errors
    /// If the token is not valid, the name is in use, or a fault strikes.
    pub fn register(&mut self, asked: &Registration) -> Result<SimRunner, RunnerRefusal> {
        if !self.token_is_good(&asked.token, &asked.scope, TokenUse::Register) {
            return Err(RunnerRefusal::new(
                404,
                "Http response code: NotFound from the registration token check",
            ));
        }
        if self.strikes(|what| matches!(what, FaultKind::RegistrationRefused)) {
            return Err(RunnerRefusal::new(
                403,
                "Registration was refused. Runner registration is not allowed here.",
            ));
        }
        if asked.name.is_empty() || asked.name.len() > 64 {
            return Err(RunnerRefusal::new(400, "The runner name must be 1 to 64 characters."));
        }
        let group = match asked.group.as_deref() {
            None | Some("" | "Default") => 1,
            Some("builders") if !matches!(asked.scope, Scope::Repo(_)) => 2,
            Some(other) => {
                return Err(RunnerRefusal::new(
                    404,
                    format!("Could not find any self-hosted runner group named \"{other}\"."),
                ));
            }
        };
        let there = self.state.github.runners_of(&asked.scope);
        let same = there.into_iter().find(|runner| runner.name.eq_ignore_ascii_case(&asked.name)).cloned();
        if let Some(same) = &same {
            if !asked.replace {
                let message = format!("A runner exists with the same name {}.", asked.name);
                return Err(RunnerRefusal::new(409, message));
            }
            if same.is_busy() {
                return Err(RunnerRefusal::new(409, format!("The runner {} runs a job.", asked.name)));
            }
            self.state.github.jits.remove(&same.jit);
        }
        let id = same.map_or_else(|| self.state.github.number(), |same| same.id);
        let runner = SimRunner {
            group,
            labels: asked.labels.clone(),
            ephemeral: asked.ephemeral,
            secret: format!("{:032x}", self.rng.random::<u128>()),
            ..SimRunner::registered(id, asked.scope.clone(), asked.name.clone(), self.now())
        };
        self.state.github.runners.insert(id, runner.clone());
        self.after(self.settings.entry_limit, WorldEvent::Forget(id));
        Ok(runner)
    }

    /// The content of `.runner` on the machine.
    pub(crate) fn runner_json(&self, scope: &Scope, id: u64, name: &str, ephemeral: bool) -> Value {
        let path = match scope {
            Scope::Repo(slug) => slug.to_string(),
            Scope::Org(org) => org.to_string(),
            Scope::Enterprise(slug) => format!("enterprises/{slug}"),
        };
        json!({
            "agentId": id, "agentName": name, "poolId": 1, "poolName": "Default", "ephemeral": ephemeral,
            "serverUrl": self.url, "gitHubUrl": format!("{}/{path}", self.url), "workFolder": "_work",
        })
    }

    /// Removes a runner, as `config.sh remove` asks.
    ///
    /// # Errors
    /// If the token is not valid, there is no such runner, or it has a job.
    pub fn unregister(&mut self, id: u64, token: &str) -> Result<(), RunnerRefusal> {
        let scope = self.state.github.runners.get(&id).map(|runner| runner.scope.clone());
        let Some(scope) = scope else { return Err(RunnerRefusal::new(404, "There is no such runner.")) };
        if !self.token_is_good(token, &scope, TokenUse::Remove) {
            return Err(RunnerRefusal::new(404, "Http response code: NotFound from the removal token check"));
        }
        if self.state.github.runners.get(&id).is_some_and(SimRunner::is_busy) {
            return Err(RunnerRefusal::new(422, "The runner runs a job."));
        }
        match self.deregister(&scope, id) {
            crate::calls::Removal::Removed => Ok(()),
            crate::calls::Removal::NotFound => Err(RunnerRefusal::new(404, "There is no such runner.")),
            crate::calls::Removal::Busy => Err(RunnerRefusal::new(422, "The runner runs a job.")),
        }
    }
}

#[cfg(test)]
mod tests;

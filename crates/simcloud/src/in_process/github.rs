//! GitHub's port over the simulated world.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use azlin_fleet::model::{
    AccountName, Budget, CallError, CallErrorKind, Calls, CompletedJob, Deregistration, Download,
    ForeignText, FoundJob, JobId, Queue, RegistrationToken, RepoSlug, RunId, RunnerConfig, RunnerError,
    RunnerGroup, RunnerId, RunnerInfo, RunnerName, RunnerRegistration, RunnerStatus, Scope, TokenAccess,
    WebLink,
};
use azlin_fleet::ports::{GitHub, ScaleSets};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::queue::job;
use super::{CallEffect, InProcess, SimCall};
use crate::calls::{NoRunner, Removal};
use crate::fault::{FaultKind, Side};
use crate::github::{JobState, SimJob, SimRunner};
use crate::guest::true_checksum;
use crate::registration::TokenUse;
use crate::world::World;

/// A call on a scope. `rest` follows `/actions/`, and `id` replaces `{runner_id}` in it.
pub(super) fn on(scope: &Scope, method: &'static str, rest: &str, id: Option<RunnerId>) -> SimCall {
    let (path, route) = match scope {
        Scope::Repo(repo) => (format!("/repos/{repo}"), "/repos/{owner}/{repo}"),
        Scope::Org(org) => (format!("/orgs/{org}"), "/orgs/{org}"),
        Scope::Enterprise(slug) => (format!("/enterprises/{slug}"), "/enterprises/{enterprise}"),
    };
    let effect = match (method, rest) {
        // A token whose answer is lost changes nothing.
        ("GET", _) | (_, "runners/registration-token") => CallEffect::Reads,
        _ => CallEffect::Changes,
    };
    let filled = id.map_or_else(|| rest.to_owned(), |id| rest.replace("{runner_id}", &id.to_string()));
    SimCall {
        side: Side::Github,
        method,
        path: format!("{path}/actions/{filled}"),
        route: format!("{route}/actions/{rest}"),
        effect,
        requests: 1,
        vm: Value::Null,
    }
}

/// GitHub hides what does not exist.
pub(super) fn known(world: &World, scope: &Scope) -> Result<(), CallError> {
    if world.state.github.knows(scope) || world.state.github.moved(scope).is_some() {
        return Ok(());
    }
    Err(CallError::new(CallErrorKind::NotFound, format!("{scope}: 404 Not Found")))
}

/// GitHub redirects from the old name of a repository. What changes something follows no redirect.
fn unmoved(world: &World, scope: &Scope) -> Result<(), CallError> {
    if world.state.github.moved(scope).is_some() {
        return Err(CallError::new(CallErrorKind::Invalid, format!("{scope}: 307 Moved Permanently")));
    }
    known(world, scope)
}

/// Where reads of a scope lead.
fn followed(world: &World, scope: &Scope) -> Scope {
    world.state.github.moved(scope).unwrap_or_else(|| scope.clone())
}

fn found(repo: &RepoSlug, sim: &SimJob, now: Timestamp) -> Option<FoundJob> {
    let JobState::Completed(conclusion) = sim.state else { return job(repo, sim, now).map(FoundJob::Open) };
    Some(FoundJob::Completed(CompletedJob {
        id: JobId(sim.id),
        name: sim.name.clone().into(),
        workflow: Some("CI".into()),
        link: link(repo, sim),
        conclusion: conclusion.as_str().into(),
        completed_at: sim.completed_at,
        runner_name: sim.runner.as_ref().map(|(_, name)| name.into()),
    }))
}

/// The page of a job, as the JSON of `http/` has it.
pub(super) fn link(repo: &RepoSlug, job: &SimJob) -> Option<WebLink> {
    let page = format!("https://github.com/{repo}/actions/runs/{}/job/{}", job.run, job.id);
    WebLink::on_site(&page, &Url::parse("https://github.com").ok()?)
}

pub(super) fn info(runner: &SimRunner) -> RunnerInfo {
    RunnerInfo {
        runner_id: RunnerId(runner.id),
        runner_name: runner.name.clone().into(),
        status: if runner.online { RunnerStatus::Online } else { RunnerStatus::Offline },
        busy: runner.is_busy(),
        labels: runner.labels.iter().map(ForeignText::from).collect(),
    }
}

/// The page of a scope, as `config.sh` gets it.
fn page(scope: &Scope) -> String {
    match scope {
        Scope::Repo(repo) => format!("https://github.example/{repo}"),
        Scope::Org(org) => format!("https://github.example/{org}"),
        Scope::Enterprise(name) => format!("https://github.example/enterprises/{name}"),
    }
}

#[async_trait]
impl GitHub for InProcess {
    async fn queue(&self, repo: &RepoSlug) -> Result<Queue, CallError> {
        self.read_queue(repo).await
    }

    async fn queue_after(&self, repo: &RepoSlug, runs: &BTreeSet<RunId>) -> Result<Queue, CallError> {
        self.read_runs(repo, runs).await
    }

    fn serve_labels(&self, labels: &Arc<BTreeSet<String>>) {
        self.queues.lock().labels = Some(Arc::clone(labels));
    }

    fn serve_access(&self, _access: &Arc<TokenAccess>) {}

    async fn runner_group(
        &self,
        scope: &Scope,
        name: Option<&str>,
    ) -> Result<Option<RunnerGroup>, CallError> {
        if matches!(scope, Scope::Repo(_)) {
            return Ok(None);
        }
        self.call(on(scope, "GET", "runner-groups", None), |world, _| {
            known(world, scope)?;
            let name = name.unwrap_or("Default");
            let is_there = ["default", "builders"].iter().any(|there| name.eq_ignore_ascii_case(there));
            Ok(is_there.then(|| world.account.runner_group(scope, name)))
        })
        .await
    }

    /// Every list is whole.
    fn uncounted_runners(&self, _scope: &Scope) -> Option<u64> {
        None
    }

    async fn repositories(&self, owner: &AccountName) -> Result<Vec<RepoSlug>, CallError> {
        let call = SimCall {
            side: Side::Github,
            method: "GET",
            path: format!("/orgs/{owner}/repos"),
            route: "/orgs/{org}/repos".to_owned(),
            effect: CallEffect::Reads,
            requests: 1,
            vm: Value::Null,
        };
        self.call(call, |world, _| {
            known(world, &Scope::Org(owner.clone()))?;
            let repos = world.state.github.repos_of(owner.as_str());
            Ok(repos.into_iter().filter_map(|(name, _)| name.parse().ok()).collect())
        })
        .await
    }

    async fn job(&self, repo: &RepoSlug, id: JobId) -> Result<Option<FoundJob>, CallError> {
        let scope = Scope::Repo(repo.clone());
        let mut call = on(&scope, "GET", "jobs/{job_id}", None);
        call.path = call.path.replace("{job_id}", &id.to_string());
        self.call(call, |world, _| {
            let github = &world.state.github;
            let sim = github.jobs.get(&id.0).filter(|sim| {
                let name = github.present_name(repo.as_str());
                github.runs.get(&sim.run).is_some_and(|run| run.repo.eq_ignore_ascii_case(name))
            });
            let (sim, now) = (sim.cloned().map(|sim| world.shown_job(sim)), world.now());
            Ok(sim.and_then(|sim| found(repo, &sim, now)))
        })
        .await
    }

    async fn runners(&self, scope: &Scope) -> Result<Vec<RunnerInfo>, CallError> {
        self.call(on(scope, "GET", "runners", None), |world, stale| {
            known(world, scope)?;
            let scope = followed(world, scope);
            Ok(world.shown_runners(&scope, stale).iter().map(info).collect())
        })
        .await
    }

    async fn runner(&self, scope: &Scope, id: RunnerId) -> Result<Option<RunnerInfo>, CallError> {
        self.call(on(scope, "GET", "runners/{runner_id}", Some(id)), |world, _| {
            let scope = followed(world, scope);
            Ok(world.one_runner(&scope, id.0).as_ref().map(info))
        })
        .await
    }

    async fn runner_named(&self, scope: &Scope, name: &RunnerName) -> Result<Option<RunnerInfo>, CallError> {
        self.call(on(scope, "GET", "runners", None), |world, stale| {
            let scope = followed(world, scope);
            let runners = world.shown_runners(&scope, stale);
            Ok(runners.iter().find(|runner| runner.name == name.as_str()).map(info))
        })
        .await
    }

    async fn registration_token(&self, scope: &Scope) -> Result<RegistrationToken, RunnerError> {
        let made = self.call(on(scope, "POST", "runners/registration-token", None), |world, _| {
            unmoved(world, scope)?;
            let (token, expires_at) = world.issue_runner_token(scope, TokenUse::Register);
            let (token, url) = (SecretString::from(token), page(scope));
            Ok(RegistrationToken { token, expires_at, url })
        });
        made.await.map_err(RunnerError::RegistrationToken)
    }

    async fn jit_config(&self, config: &RunnerConfig) -> Result<RunnerRegistration, RunnerError> {
        if let Some(set) = &config.scale_set {
            return self.jit_config_of_set(config, set).await;
        }
        let (scope, name) = (config.scope.clone(), config.runner_name.clone());
        let labels: Vec<String> = config.labels.iter().map(ToString::to_string).collect();
        let call = on(&scope, "POST", "runners/generate-jitconfig", None);
        let made = self.change(call, move |world| {
            unmoved(world, &scope)?;
            match world.jit_config(&scope, name.as_str(), 1, labels.clone()) {
                Ok((runner, jit)) => Ok(RunnerRegistration {
                    runner_name: name.clone(),
                    runner_id: RunnerId(runner.id),
                    encoded_jit_config: SecretString::from(jit),
                }),
                Err(NoRunner::NameTaken) => {
                    Err(CallError::new(CallErrorKind::NameTaken, "the name is taken"))
                }
                Err(NoRunner::Invalid(why)) => Err(CallError::new(CallErrorKind::Invalid, why)),
            }
        });
        made.await.map_err(RunnerError::Registration)
    }

    async fn deregister(&self, scope: &Scope, id: RunnerId) -> Result<Deregistration, RunnerError> {
        let of = scope.clone();
        let gone = self.change(on(scope, "DELETE", "runners/{runner_id}", Some(id)), move |world| {
            if world.state.github.moved(&of).is_some() {
                unmoved(world, &of)?;
            }
            Ok(match world.deregister(&of, id.0) {
                Removal::Removed => Deregistration::Removed,
                Removal::NotFound => Deregistration::NotFound,
                Removal::Busy => Deregistration::Busy,
            })
        });
        gone.await.map_err(RunnerError::Deregistration)
    }

    async fn downloads(&self, scope: &Scope) -> Result<Vec<Download>, CallError> {
        self.call(on(scope, "GET", "runners/downloads", None), |world, _| {
            known(world, scope)?;
            let is_wrong = world.strikes(|what| matches!(what, FaultKind::WrongChecksum));
            let sha256 = if is_wrong { "0".repeat(64) } else { true_checksum() };
            let one = |architecture: &str| Download {
                os: "linux".into(),
                architecture: architecture.into(),
                url: "https://downloads.example/actions-runner.tar.gz".to_owned(),
                filename: "actions-runner.tar.gz".to_owned(),
                sha256: Some(sha256.clone()),
            };
            Ok(vec![one("x64"), one("arm64")])
        })
        .await
    }

    fn scale_sets(&self) -> &dyn ScaleSets {
        self
    }

    fn burst_reads(&self) -> u64 {
        self.queues.lock().burst_reads()
    }

    fn event_reads(&self) -> u64 {
        self.queues.lock().event_reads
    }

    fn token_ends(&self) -> Option<Timestamp> {
        self.world().github_token_ends_at()
    }

    /// Nothing is sent.
    fn calls(&self) -> Calls {
        Calls::default()
    }

    fn budget(&self) -> Option<Budget> {
        self.world().budget()
    }
}

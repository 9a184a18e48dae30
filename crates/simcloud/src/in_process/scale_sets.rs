//! The port of runner scale sets over the simulated world.

use std::time::Duration;

use async_trait::async_trait;
use azlin_fleet::model::{
    CallError, CallErrorKind, JobNews, JobNewsKind, MessageId, RunId, RunnerConfig, RunnerError, RunnerId,
    RunnerInfo, RunnerRegistration, ScaleSetConfig, ScaleSetId, ScaleSetInfo, ScaleSetLevel, ScaleSetMessage,
    ScaleSetSession, Scope, SessionError, SessionKey, SetDeletion, SetRunner,
};
use azlin_fleet::ports::ScaleSets;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{CallEffect, InProcess, SimCall};
use crate::fault::Side;
use crate::github::SimRunner;
use crate::registration::group_id;
use crate::scale_set_fault::ScaleSetFault;
use crate::scale_sets::{
    AskedScaleSet, NewsKind, OpenSession, PolledMessage, ServiceRefusal, SetNews, SetStatistics, SimMessage,
    SimScaleSet,
};
use crate::world::World;

/// A call to the service. It does not count in GitHub's limit.
fn to_service(method: &'static str, rest: &str) -> SimCall {
    let effect = if method == "GET" { CallEffect::Reads } else { CallEffect::Changes };
    let path = format!("/_actions/{rest}");
    SimCall { side: Side::Github, method, route: path.clone(), path, effect, requests: 0, vm: Value::Null }
}

fn of_set(method: &'static str, set: ScaleSetId, rest: &str) -> SimCall {
    let mut call = to_service(method, &format!("rest/_apis/runtime/runnerscalesets/{set}{rest}"));
    call.route = format!("/_actions/rest/_apis/runtime/runnerscalesets/{{id}}{rest}");
    call
}

fn refused(refusal: ServiceRefusal) -> CallError {
    let kind = match refusal {
        ServiceRefusal::SetExists | ServiceRefusal::AgentExists | ServiceRefusal::SessionConflict => {
            CallErrorKind::NameTaken
        }
        ServiceRefusal::NoSet | ServiceRefusal::NoAgent | ServiceRefusal::NoRoute => CallErrorKind::NotFound,
        ServiceRefusal::InvalidToken => CallErrorKind::NotPermitted,
        ServiceRefusal::SessionExpired | ServiceRefusal::JobStillRunning | ServiceRefusal::Invalid => {
            CallErrorKind::Invalid
        }
    };
    CallError::new(kind, format!("{refusal:?}"))
}

fn session_refused(refusal: ServiceRefusal) -> SessionError {
    let error = refused(refusal);
    match refusal {
        ServiceRefusal::SessionConflict => SessionError::Taken(error),
        ServiceRefusal::NoSet => SessionError::SetGone(error),
        ServiceRefusal::SessionExpired => SessionError::Over(error),
        _ => SessionError::Call(error),
    }
}

fn asked(config: &ScaleSetConfig) -> AskedScaleSet {
    AskedScaleSet {
        name: Some(config.name.clone()),
        group: Some(group_id(config.runner_group.as_deref().unwrap_or_default())),
        labels: Some(config.labels.iter().map(ToString::to_string).collect()),
        disable_update: Some(true),
    }
}

fn level(of: SetStatistics) -> ScaleSetLevel {
    let SetStatistics { available, assigned, running, registered, busy, idle, .. } = of;
    ScaleSetLevel { available, assigned, running, registered, busy, idle }
}

fn info(world: &World, set: &SimScaleSet) -> ScaleSetInfo {
    ScaleSetInfo {
        id: ScaleSetId(set.id),
        name: set.name.clone().into(),
        runner_group: None,
        labels: set.labels.iter().map(Into::into).collect(),
        created_at: Some(set.created_at),
        level: Some(level(world.set_statistics(set.id))),
    }
}

fn news(world: &World, news: &SetNews) -> Option<JobNews> {
    let github = &world.state.github;
    let job = github.jobs.get(&news.job)?;
    let run = github.runs.get(&job.run)?;
    let runner = || news.runner.as_ref().map(|(id, name)| SetRunner { id: RunnerId(*id), name: name.into() });
    let kind = match news.kind {
        NewsKind::Available => JobNewsKind::Offered(news.request),
        NewsKind::Assigned => JobNewsKind::Assigned,
        NewsKind::Started => JobNewsKind::Started(runner()?),
        NewsKind::Completed => {
            JobNewsKind::Completed { result: news.result.unwrap_or_default().into(), runner: runner() }
        }
    };
    Some(JobNews {
        job: news.guid.clone().into(),
        kind,
        run: RunId(run.id),
        repo: run.repo.parse().ok()?,
        name: job.name.clone().into(),
        workflow: "ci.yml".into(),
        link: None,
        labels: job.labels.iter().map(Into::into).collect(),
        queued_at: Some(job.queued_at),
    })
}

fn message(world: &World, found: &SimMessage) -> ScaleSetMessage {
    let all: Vec<JobNews> = found.news.iter().filter_map(|one| news(world, one)).collect();
    ScaleSetMessage { id: MessageId(found.id), level: Some(level(found.statistics)), news: all, unread: 0 }
}

fn session(scope: &Scope, opened: OpenSession) -> Result<ScaleSetSession, CallError> {
    let queue = Url::parse("http://127.0.0.1/_actions/scalesets/message").ok().filter(|_| opened.has_url);
    let why = "GitHub gave the session no address of its messages";
    Ok(ScaleSetSession {
        scope: scope.clone(),
        key: SessionKey { set: ScaleSetId(opened.set), id: opened.id.into() },
        queue: queue.ok_or_else(|| CallError::new(CallErrorKind::Unavailable, why))?,
        token: SecretString::from(opened.token),
        level: Some(level(opened.statistics)),
    })
}

impl InProcess {
    async fn renew(&self, known: &mut ScaleSetSession) -> Result<(), SessionError> {
        let (scope, set, id) = (known.scope.clone(), known.key.set.0, known.key.id.to_string());
        let call = of_set("PATCH", known.key.set, "/sessions/{session}");
        let renewed = self.change(call, move |world| Ok(world.renew_session(&scope, set, &id))).await?;
        *known = session(&known.scope, renewed.map_err(session_refused)?)?;
        Ok(())
    }

    /// Does something with the token of a session, which is renewed once where it has ended.
    async fn with_token<T: Send + 'static>(
        &self,
        known: &mut ScaleSetSession,
        call: impl Fn() -> SimCall + Send,
        effect: impl Fn(&mut World, &str) -> Result<T, ServiceRefusal> + Clone + Send + 'static,
    ) -> Result<T, SessionError> {
        let mut is_renewed = false;
        loop {
            let (token, effect) = (known.token.expose_secret().to_owned(), effect.clone());
            match self.change(call(), move |world| Ok(effect(world, &token))).await? {
                Ok(done) => return Ok(done),
                Err(ServiceRefusal::InvalidToken) if !is_renewed => {
                    is_renewed = true;
                    self.renew(known).await?;
                }
                Err(refusal) => return Err(session_refused(refusal)),
            }
        }
    }

    /// One poll; the refusal where the token is valid no more.
    async fn poll(
        &self,
        token: &str,
        after: u64,
        capacity: u32,
    ) -> Result<Result<Option<ScaleSetMessage>, ServiceRefusal>, CallError> {
        let found = |world: &mut World| {
            if let Some(odd) = world.poll_begins(token)? {
                return Ok(odd);
            }
            world.poll_messages(token, after, capacity)
        };
        let call = to_service("GET", "scalesets/message");
        let begun = self.call(call, |world, _| Ok(found(world))).await?;
        let until = Instant::now() + self.locked().settings.poll_hold;
        let mut polled = begun;
        loop {
            match polled {
                Err(refusal) => return Ok(Err(refusal)),
                Ok(PolledMessage::Message(found)) => return Ok(Ok(Some(message(&self.locked(), &found)))),
                Ok(PolledMessage::Empty) => {
                    let why = "the answer is not what GitHub sends";
                    return Err(CallError::new(CallErrorKind::Unavailable, why));
                }
                Ok(PolledMessage::Nothing) if Instant::now() >= until => return Ok(Ok(None)),
                Ok(PolledMessage::Nothing) => {}
            }
            // What came while the answer was on its way is there now.
            polled = self.world().poll_messages(token, after, capacity);
            if polled == Ok(PolledMessage::Nothing) {
                self.news(token, until).await;
                polled = self.world().poll_messages(token, after, capacity);
            }
        }
    }

    /// Waits for news of the queue, or until something happens in the world, which does nothing by itself.
    async fn news(&self, token: &str, until: Instant) {
        let (queue, next) = {
            let world = self.locked();
            let now = world.now();
            let next =
                world.next_event().map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
            (world.queue_waits(token), next)
        };
        let wakes = next.map_or(until, |next| until.min(Instant::now() + next));
        if let Some(queue) = queue {
            // An error means that the time is over.
            let _ = timeout_at(wakes, queue.notified()).await;
        }
    }
}

impl InProcess {
    /// Makes the entry of a runner of this set.
    pub(super) async fn jit_config_of_set(
        &self,
        config: &RunnerConfig,
        set: &str,
    ) -> Result<RunnerRegistration, RunnerError> {
        let (scope, runner_name, set) = (config.scope.clone(), config.runner_name.clone(), set.to_owned());
        let group = group_id(config.runner_group.as_deref().unwrap_or_default());
        let call = of_set("POST", ScaleSetId(0), "/generatejitconfig");
        let made = self.change(call, move |world| {
            if world.set_fault(ScaleSetFault::PlainError) {
                return Err(CallError::new(CallErrorKind::Invalid, "the service is not well"));
            }
            let is_it = |found: &&SimScaleSet| found.group == group && found.name.eq_ignore_ascii_case(&set);
            let Some(id) = world.scale_sets(&scope).into_iter().find(is_it).map(|set| set.id) else {
                return Err(CallError::new(CallErrorKind::Unavailable, "there is no such scale set yet"));
            };
            let (runner, jit) = world.set_jit_config(&scope, id, runner_name.as_str()).map_err(refused)?;
            Ok(RunnerRegistration {
                runner_name: runner_name.clone(),
                runner_id: RunnerId(runner.id),
                encoded_jit_config: SecretString::from(jit),
            })
        });
        made.await.map_err(RunnerError::Registration)
    }
}

#[async_trait]
impl ScaleSets for InProcess {
    async fn list(&self, scope: &Scope) -> Result<Vec<ScaleSetInfo>, CallError> {
        let call = to_service("GET", "rest/_apis/runtime/runnerscalesets");
        self.call(call, |world, _| {
            Ok(world.scale_sets(scope).into_iter().map(|set| info(world, set)).collect())
        })
        .await
    }

    async fn find(&self, config: &ScaleSetConfig) -> Result<Option<ScaleSetInfo>, CallError> {
        let group = asked(config).group;
        let is_it =
            |set: &&SimScaleSet| Some(set.group) == group && set.name.eq_ignore_ascii_case(&config.name);
        let call = to_service("GET", "rest/_apis/runtime/runnerscalesets");
        self.call(call, |world, _| {
            super::github::known(world, &config.scope)?;
            Ok(world.scale_sets(&config.scope).into_iter().find(is_it).map(|set| info(world, set)))
        })
        .await
    }

    async fn create(&self, config: &ScaleSetConfig) -> Result<ScaleSetInfo, CallError> {
        let (scope, asked) = (config.scope.clone(), asked(config));
        let call = to_service("POST", "rest/_apis/runtime/runnerscalesets");
        self.change(call, move |world| {
            super::github::known(world, &scope)?;
            let id = world.create_scale_set(&scope, asked.clone()).map_err(refused)?;
            world.scale_set(&scope, id).map(|set| info(world, set)).map_err(refused)
        })
        .await
    }

    async fn relabel(&self, id: ScaleSetId, config: &ScaleSetConfig) -> Result<ScaleSetInfo, CallError> {
        let (scope, asked) = (config.scope.clone(), asked(config));
        self.change(of_set("PATCH", id, ""), move |world| {
            world.change_scale_set(&scope, id.0, asked.clone()).map_err(refused)?;
            world.scale_set(&scope, id.0).map(|set| info(world, set)).map_err(refused)
        })
        .await
    }

    async fn delete(&self, scope: &Scope, id: ScaleSetId) -> Result<SetDeletion, CallError> {
        let scope = scope.clone();
        self.change(of_set("DELETE", id, ""), move |world| match world.delete_scale_set(&scope, id.0) {
            Ok(()) => Ok(SetDeletion::Deleted),
            Err(ServiceRefusal::NoSet) => Ok(SetDeletion::NotFound),
            Err(ServiceRefusal::JobStillRunning) => Ok(SetDeletion::Busy),
            Err(refusal) => Err(refused(refusal)),
        })
        .await
    }

    async fn runners(&self, scope: &Scope) -> Result<Vec<RunnerInfo>, CallError> {
        let call = to_service("GET", "rest/_apis/distributedtask/pools/0/agents");
        self.call(call, |world, stale| {
            super::github::known(world, scope)?;
            let agent = |runner: &SimRunner| RunnerInfo { labels: Vec::new(), ..super::github::info(runner) };
            Ok(world.shown_runners(scope, stale).iter().map(agent).collect())
        })
        .await
    }

    async fn open(
        &self,
        scope: &Scope,
        set: ScaleSetId,
        owner: &str,
    ) -> Result<ScaleSetSession, SessionError> {
        let (of, owner) = (scope.clone(), owner.to_owned());
        let call = of_set("POST", set, "/sessions");
        let opened = self.change(call, move |world| Ok(world.open_session(&of, set.0, &owner))).await?;
        Ok(session(scope, opened.map_err(session_refused)?)?)
    }

    async fn close(&self, scope: &Scope, session: &SessionKey) -> Result<(), CallError> {
        let (scope, set, id) = (scope.clone(), session.set, session.id.to_string());
        let call = of_set("DELETE", set, "/sessions/{session}");
        let closed = self.change(call, move |world| Ok(world.close_session(&scope, set.0, &id))).await?;
        match closed {
            Ok(()) | Err(ServiceRefusal::NoSet | ServiceRefusal::SessionExpired) => Ok(()),
            Err(refusal) => Err(refused(refusal)),
        }
    }

    async fn next(
        &self,
        session: &mut ScaleSetSession,
        after: Option<MessageId>,
        capacity: u32,
    ) -> Result<Option<ScaleSetMessage>, SessionError> {
        let mut is_renewed = false;
        loop {
            let token = session.token.expose_secret().to_owned();
            match self.poll(&token, after.map_or(0, |after| after.0), capacity).await? {
                Ok(found) => return Ok(found),
                Err(ServiceRefusal::InvalidToken) if !is_renewed => {
                    is_renewed = true;
                    self.renew(session).await?;
                }
                Err(refusal) => return Err(session_refused(refusal)),
            }
        }
    }

    async fn acknowledge(
        &self,
        session: &mut ScaleSetSession,
        message: MessageId,
    ) -> Result<(), SessionError> {
        let call = || to_service("DELETE", "scalesets/message/{id}");
        self.with_token(session, call, move |world, token| world.delete_message(token, message.0))
            .await
            .map(drop)
    }

    async fn offered(&self, scope: &Scope, set: ScaleSetId) -> Result<Vec<u64>, CallError> {
        let call = of_set("GET", set, "/acquirablejobs");
        self.call(call, |world, _| world.acquirable_jobs(scope, set.0).map_err(refused)).await
    }

    async fn acquire(&self, session: &mut ScaleSetSession, offers: &[u64]) -> Result<Vec<u64>, SessionError> {
        let (set, offers) = (session.key.set, offers.to_vec());
        let call = || of_set("POST", set, "/acquirejobs");
        self.with_token(session, call, move |world, token| world.acquire_jobs(token, &offers)).await
    }
}

//! The session of a set, and its messages.

use azlin_fleet::model::{
    CallError, CallErrorKind, ForeignText, JobNews, JobNewsKind, MessageId, RepoSlug, RunId, RunnerId,
    ScaleSetId, ScaleSetMessage, ScaleSetSession, Scope, SessionError, SessionKey, SetRunner, WebLink,
};
use azlin_http::{HttpReply, HttpRequest, RequestEffect};
use jiff::Timestamp;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::refused::{Exception, exception, failed, unanswered};
use super::service::{POLL_LIMIT, ServiceCall, read, request};
use super::wire::{
    CountedJson, JobNewsJson, MessageJson, OfferedJobJson, SessionJson, StatisticsJson, address, without_mark,
};
use crate::client::GitHubClient;

const CAPACITY: HeaderName = HeaderName::from_static("x-scalesetmaxcapacity");

impl GitHubClient {
    pub(super) async fn open_session(
        &self,
        scope: &Scope,
        set: ScaleSetId,
        owner: &str,
    ) -> Result<ScaleSetSession, SessionError> {
        let id = set.to_string();
        let mut call = ServiceCall::new(Method::POST, sessions(&id).to_vec());
        call.body = Some(json!({"ownerName": owner}));
        let reply = self.service_answer(scope, &call).await?;
        if reply.status == StatusCode::OK {
            return Ok(session(&call.name(), &reply, scope, set)?);
        }
        let error = failed(&call.name(), &reply, call.effect, "");
        Err(match (exception(&reply), reply.status) {
            (Some(Exception::SessionConflict), _) | (None, StatusCode::CONFLICT) => {
                SessionError::Taken(error)
            }
            (Some(Exception::SetNotFound), _) => SessionError::SetGone(error),
            _ => SessionError::Call(error),
        })
    }

    pub(super) async fn close_session(&self, scope: &Scope, session: &SessionKey) -> Result<(), CallError> {
        let set = session.set.to_string();
        let path = [&sessions(&set)[..], &[session.id.as_str()]].concat();
        let call = ServiceCall::new(Method::DELETE, path);
        let reply = self.service_answer(scope, &call).await?;
        let is_over = matches!(reply.status, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST);
        if reply.status.is_success() || is_over {
            return Ok(());
        }
        Err(failed(&call.name(), &reply, call.effect, ""))
    }

    /// Renews the token of a session. The whole answer replaces it.
    async fn renew(&self, known: &mut ScaleSetSession) -> Result<(), SessionError> {
        let set = known.key.set.to_string();
        let path = [&sessions(&set)[..], &[known.key.id.as_str()]].concat();
        let call = ServiceCall::new(Method::PATCH, path);
        let reply = self.service_answer(&known.scope, &call).await?;
        if reply.status == StatusCode::OK {
            *known = session(&call.name(), &reply, &known.scope, known.key.set)?;
            return Ok(());
        }
        let error = failed(&call.name(), &reply, call.effect, "");
        Err(match (exception(&reply), reply.status) {
            (Some(Exception::SetNotFound), _) => SessionError::SetGone(error),
            (_, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST) => SessionError::Over(error),
            _ => SessionError::Call(error),
        })
    }

    pub(super) async fn next_message(
        &self,
        session: &mut ScaleSetSession,
        after: Option<MessageId>,
        capacity: u32,
    ) -> Result<Option<ScaleSetMessage>, SessionError> {
        const CALL: &str = "GET the next message";
        let mut renewed = false;
        loop {
            let url = cursor(&session.queue, after);
            let token = session.token.expose_secret();
            let mut asked = HttpRequest { url: &url, bearer: Some(token), ..request(&Method::GET, None) };
            asked.headers.insert(CAPACITY, HeaderValue::from(capacity));
            asked.time_limit = Some(POLL_LIMIT);
            // Past the limit of requests at once: a poll is held for a minute.
            let reply = self.service.client.send_in_turn(asked).await;
            let effect = RequestEffect::Reads;
            let reply = reply.map_err(|lost| unanswered(CALL, &lost, effect, token))?;
            match reply.status {
                StatusCode::ACCEPTED => return Ok(None),
                StatusCode::OK => return Ok(Some(message(CALL, &reply, self.http.api.site().as_ref())?)),
                StatusCode::UNAUTHORIZED if !renewed => {
                    renewed = true;
                    self.renew(session).await?;
                }
                status => {
                    let error = failed(CALL, &reply, effect, token);
                    return Err(match (exception(&reply), status) {
                        (Some(Exception::SetNotFound), _) => SessionError::SetGone(error),
                        (Some(Exception::SessionOver), _) | (None, StatusCode::NOT_FOUND) => {
                            SessionError::Over(error)
                        }
                        _ => SessionError::Call(error),
                    });
                }
            }
        }
    }

    pub(super) async fn delete_message(
        &self,
        session: &mut ScaleSetSession,
        message: MessageId,
    ) -> Result<(), SessionError> {
        let id = message.0.to_string();
        let name = format!("DELETE message {id}");
        let url = |session: &ScaleSetSession| below(&session.queue, &id);
        let call = (Method::DELETE, None, RequestEffect::WritesOnce);
        let reply = self.by_queue_token(session, &name, url, call).await?;
        if reply.status.is_success() || reply.status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(failed(&name, &reply, RequestEffect::WritesOnce, session.token.expose_secret()).into())
    }

    pub(super) async fn offered_jobs(&self, scope: &Scope, set: ScaleSetId) -> Result<Vec<u64>, CallError> {
        let set = set.to_string();
        let path = vec!["runtime", "runnerscalesets", set.as_str(), "acquirablejobs"];
        let call = ServiceCall::new(Method::GET, path);
        let reply = self.service_answer(scope, &call).await?;
        if reply.status == StatusCode::NO_CONTENT {
            return Ok(Vec::new());
        }
        let offered: CountedJson<OfferedJobJson> = read(&call.name(), &reply, call.effect)?;
        Ok(offered.value.into_iter().map(|job| job.runner_request_id).collect())
    }

    pub(super) async fn acquire_jobs(
        &self,
        session: &mut ScaleSetSession,
        offers: &[u64],
    ) -> Result<Vec<u64>, SessionError> {
        let set = session.key.set.to_string();
        let path = vec!["runtime", "runnerscalesets", set.as_str(), "acquirejobs"];
        let mut call = ServiceCall::new(Method::POST, path);
        // A job that is acquired twice is acquired once.
        call.effect = RequestEffect::WritesOnce;
        let admin = self.address_of(&session.scope, &call).await?;
        let body = Some(json!(offers));
        let how = (Method::POST, body, call.effect);
        let reply = self.by_queue_token(session, &call.name(), |_| admin.clone(), how).await?;
        let won: CountedJson<u64> = read(&call.name(), &reply, call.effect)?;
        Ok(won.value)
    }

    /// The answer to a request with the token of a session, which is renewed once where it has ended.
    async fn by_queue_token(
        &self,
        session: &mut ScaleSetSession,
        name: &str,
        url: impl Fn(&ScaleSetSession) -> Url,
        (method, body, effect): (Method, Option<Value>, RequestEffect),
    ) -> Result<HttpReply, SessionError> {
        let made = || request(&method, body.as_ref());
        let at = url(session);
        let reply = self.service.send(name, effect, made, (&at, &session.token)).await?;
        if reply.status != StatusCode::UNAUTHORIZED {
            return Ok(reply);
        }
        self.renew(session).await?;
        let at = url(session);
        Ok(self.service.send(name, effect, made, (&at, &session.token)).await?)
    }
}

fn sessions(set: &str) -> [&str; 4] {
    ["runtime", "runnerscalesets", set, "sessions"]
}

fn session(
    call: &str,
    reply: &HttpReply,
    scope: &Scope,
    set: ScaleSetId,
) -> Result<ScaleSetSession, CallError> {
    let found: SessionJson = read(call, reply, RequestEffect::Creates)?;
    let queue = address(&found.message_queue_url).filter(|_| !found.message_queue_access_token.is_empty());
    // GitHub has answered so, and a later session had both.
    let Some(queue) = queue else {
        let why = "GitHub gave the session no address of its messages, or no token for them";
        return Err(CallError::new(CallErrorKind::Unavailable, why).during(call));
    };
    Ok(ScaleSetSession {
        scope: scope.clone(),
        key: SessionKey { set, id: found.session_id },
        queue,
        token: SecretString::from(found.message_queue_access_token),
        level: found.statistics.map(StatisticsJson::level),
    })
}

/// The address of the queue, with the cursor added to the query that it has.
fn cursor(queue: &Url, after: Option<MessageId>) -> Url {
    let mut url = queue.clone();
    if let Some(MessageId(after)) = after.filter(|after| after.0 > 0) {
        url.query_pairs_mut().append_pair("lastMessageId", &after.to_string());
    }
    url
}

/// The address of a message: below the path of the queue, with its query.
fn below(queue: &Url, id: &str) -> Url {
    let mut url = queue.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(id);
    }
    url
}

/// Reads a message. Its body may be empty. What cannot be read of it is counted and skipped: the level is what counts, and
/// a message that nobody could read would come again for ever.
fn message(call: &str, reply: &HttpReply, site: Option<&Url>) -> Result<ScaleSetMessage, CallError> {
    let found: MessageJson = read(call, reply, RequestEffect::Reads)?;
    let body = found.body.filter(|body| !body.trim().is_empty());
    let is_of_jobs = found.message_type == "RunnerScaleSetJobMessages";
    let entries: Option<Vec<Value>> = match body.filter(|_| is_of_jobs) {
        None => Some(Vec::new()),
        Some(body) => serde_json::from_slice(without_mark(body.as_bytes())).ok(),
    };
    let all = entries.as_ref().map_or(1, Vec::len);
    let news: Vec<JobNews> =
        entries.into_iter().flatten().filter_map(|entry| job_news(entry, site)).collect();
    let unread = u32::try_from(all - news.len()).unwrap_or(u32::MAX);
    let level = found.statistics.map(StatisticsJson::level);
    Ok(ScaleSetMessage { id: MessageId(found.message_id), level, news, unread })
}

/// What an entry of a message reports; `None` for a kind that is not known.
fn job_news(entry: Value, site: Option<&Url>) -> Option<JobNews> {
    let json: JobNewsJson = serde_json::from_value(entry).ok()?;
    let positive = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0);
    let runner = || {
        let id = RunnerId(positive(json.runner_id)?);
        (!json.runner_name.is_empty()).then(|| SetRunner { id, name: json.runner_name.clone() })
    };
    let kind = match json.message_type.as_str() {
        "JobAvailable" => JobNewsKind::Offered(positive(json.runner_request_id)?),
        "JobAssigned" => JobNewsKind::Assigned,
        "JobStarted" => JobNewsKind::Started(runner()?),
        "JobCompleted" => JobNewsKind::Completed { result: json.result.clone(), runner: runner() },
        _ => return None,
    };
    let job = match &json.job_id {
        Value::String(id) if !id.is_empty() => ForeignText::from(id),
        Value::Number(id) => ForeignText::from(id.to_string()),
        _ => return None,
    };
    // The zero time stands for none.
    let queued_at = json.queue_time.parse::<Timestamp>().ok().filter(|at| at.as_second() > 0);
    let repo: RepoSlug = format!("{}/{}", json.owner_name, json.repository_name).parse().ok()?;
    let run = RunId(positive(json.workflow_run_id).unwrap_or_default());
    let site = site.filter(|_| run.0 > 0);
    let page = site.map(|site| (site, format!("{}{repo}/actions/runs/{run}", site.as_str())));
    Some(JobNews {
        job,
        kind,
        run,
        name: json.job_display_name,
        workflow: file_of(&json.job_workflow_ref),
        link: page.and_then(|(site, page)| WebLink::on_site(&page, site)),
        labels: json.request_labels,
        repo,
        queued_at,
    })
}

/// The file of a workflow: `ci.yml` of `acme/widgets/.github/workflows/ci.yml@refs/heads/main`.
fn file_of(reference: &str) -> ForeignText {
    let path = reference.split('@').next().unwrap_or(reference);
    path.rsplit('/').next().unwrap_or(path).into()
}

#[cfg(test)]
mod tests;

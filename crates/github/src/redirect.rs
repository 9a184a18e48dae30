//! Redirects. GitHub answers with one where a repository or an organisation has another name today (GitHub Docs:
//! Best practices for using the REST API, Follow redirects): 301 to a GET, 307 to anything else.
//!
//! - What changes nothing is sent once more, to the same origin alone. A token for `config.sh` changes nothing that
//!   lasts, so 307 is followed for it.
//! - What writes is not sent elsewhere: what it removes or creates is what the fleet's file names.

use std::collections::HashMap;

use azlin_fleet::model::{Advice, CallError, CallErrorKind, RepoId, RepoSlug};
use azlin_http::{HttpReply, RequestEffect};
use parking_lot::Mutex;
use reqwest::{Method, StatusCode, header};
use url::Url;

use crate::api_url::ApiUrl;
use crate::http::GitHubCall;
use crate::refusal::GitHubRefusal;

/// The repositories that have another name today: their ids, by the path of the name that they had.
#[derive(Debug, Default)]
pub(crate) struct MovedRepositories(Mutex<HashMap<String, RepoId>>);

impl MovedRepositories {
    /// Takes in where GitHub has redirected a call about `owner` to: `repositories/ID/…`.
    pub(crate) fn add(&self, owner: &str, api: &ApiUrl, target: &Url) {
        let id = api
            .owner(target)
            .strip_prefix("repositories/")
            .and_then(|rest| rest.split('/').next()?.parse().ok());
        if let Some(id) = id {
            self.0.lock().insert(owner.to_ascii_lowercase(), RepoId(id));
        }
    }

    /// The id of a repository that has another name today.
    pub(crate) fn id(&self, repo: &RepoSlug) -> Option<RepoId> {
        self.0.lock().get(&format!("repos/{repo}").to_ascii_lowercase()).copied()
    }
}

/// Where a call is sent once more; `None` where its answer is no redirect. The error says why a redirect is
/// not followed.
pub(crate) fn target(api: &ApiUrl, call: &GitHubCall, answer: &HttpReply) -> Result<Option<Url>, CallError> {
    let status = answer.status;
    if !is_redirect(status) {
        return Ok(None);
    }
    let refuse = |kind, why, advice| Err(refused(call, status, kind, why, advice));
    let target = location(call, answer);
    let is_here = target.as_ref().is_some_and(|target| api.has_same_origin(target));
    let elsewhere = if target.is_some() && !is_here { Advice::CheckApiUrl } else { Advice::CheckProxy };
    if call.effect != RequestEffect::Reads {
        return if is_here && GitHubRefusal::read(&answer.body).is_some() {
            refuse(CallErrorKind::Invalid, "GitHub has moved it", Advice::RenameRepository)
        } else {
            let why = "it redirects, which is no answer to what writes";
            refuse(CallErrorKind::OutcomeUnknown, why, elsewhere)
        };
    }
    let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    match target {
        None => refuse(CallErrorKind::Unavailable, "it redirects to nowhere", elsewhere),
        Some(_) if !is_here => refuse(CallErrorKind::Invalid, "it redirects to another host", elsewhere),
        Some(target) if target == call.url => Err(in_a_circle(call, status)),
        Some(_) if call.method != Method::GET && !keeps_method => {
            refuse(CallErrorKind::Unavailable, "it redirects to another method", elsewhere)
        }
        Some(target) => Ok(Some(target)),
    }
}

/// The error for a redirect after the one that led to `moved`; `None` where the answer is no redirect.
pub(crate) fn after_one(call: &GitHubCall, moved: &GitHubCall, answer: &HttpReply) -> Option<CallError> {
    let status = answer.status;
    let target = location(moved, answer).filter(|target| [&call.url, &moved.url].contains(&target));
    is_redirect(status).then(|| match target {
        Some(_) => in_a_circle(call, status),
        None => {
            let why = "it redirects more than once";
            refused(call, status, CallErrorKind::Unavailable, why, Advice::CheckProxy)
        }
    })
}

fn is_redirect(status: StatusCode) -> bool {
    status.is_redirection() && status != StatusCode::NOT_MODIFIED
}

fn location(call: &GitHubCall, answer: &HttpReply) -> Option<Url> {
    let location = answer.headers.get(header::LOCATION)?.to_str().ok()?;
    call.url.join(location).ok()
}

fn in_a_circle(call: &GitHubCall, status: StatusCode) -> CallError {
    refused(call, status, CallErrorKind::Unavailable, "it redirects in a circle", Advice::CheckProxy)
}

fn refused(
    call: &GitHubCall,
    status: StatusCode,
    kind: CallErrorKind,
    why: &str,
    advice: Advice,
) -> CallError {
    CallError::new(kind, format!("{status}: {why}")).during(call).advise(advice)
}

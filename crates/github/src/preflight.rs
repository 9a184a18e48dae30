//! What `check` asks: the owner of the token, its permissions, and what is left of the rate limit. Nothing is
//! changed: the only removal names a runner that cannot exist.

use async_trait::async_trait;
use azlin_fleet::model::{AccountName, Advice, CallError, CallErrorKind, ForeignText, RepoSlug, Scope};
use azlin_fleet::ports::preflight::{Access, Credential, GitHubPreflight, RateBudget, Repository, TokenKind};
use azlin_http::{HttpReply, RequestEffect};
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use crate::answer::{Expects, Heard, heard};
use crate::app::App;
use crate::client::GitHubClient;
use crate::http::{As, GitHubCall};
use crate::pages::ListPage;
use crate::rate;
use crate::sign_in::not_signed_in;
use crate::{error, pages, runners, wire};

/// GitHub gives no runner this id: ids begin at 1.
const NO_RUNNER: &str = "runners/0";

impl GitHubClient {
    fn reads(&self, path: &str, needs: &'static str) -> Result<GitHubCall, CallError> {
        let url = self.http.api.join(path)?;
        Ok(GitHubCall {
            method: Method::GET,
            url,
            body: None,
            effect: RequestEffect::Reads,
            expects: Expects::OK,
            needs,
        })
    }

    /// The permission that an attempt to read shows.
    async fn may_read<P: ListPage>(&self, call: &GitHubCall) -> Result<Access, CallError> {
        let answer = self.http.send(call, None).await?;
        match heard(call.expects, &answer) {
            Heard::Success(body) => self.http.read::<P>(call, body).map(|_| Access::Granted),
            Heard::Refusal(StatusCode::NOT_FOUND, _) => Ok(Access::Hidden),
            _ => self.denied(call, &answer),
        }
    }

    /// A plain refusal, which names the permission that is missing. Any other answer is an error.
    fn denied(&self, call: &GitHubCall, answer: &HttpReply) -> Result<Access, CallError> {
        let error = self.http.failed(call, answer);
        match error.advice {
            Some(Advice::GrantToken(_)) => {
                Ok(Access::Denied(error::accepted(&answer.headers).map(ForeignText::from)))
            }
            _ => Err(error),
        }
    }

    /// Which app it is. Its installation's token is requested first, since that error is more specific.
    async fn as_app(&self, app: &App) -> Result<Credential, CallError> {
        #[derive(Deserialize)]
        struct AppJson {
            slug: ForeignText,
        }
        self.http.sign_in.token(&self.http, "app", "app").await?;
        let call = self.reads("app", "a GitHub App")?;
        let here = Timestamp::now();
        let answer = self.http.send_as(&call, None, As::App(app.jwt(here))).await?;
        let Heard::Success(body) = heard(call.expects, &answer) else {
            return Err(not_signed_in(&call, &answer, here));
        };
        let AppJson { slug } = self.http.read(&call, body)?;
        let narrow_refused = self.http.sign_in.narrow_refused().map(ForeignText::from);
        let (kind, login) = (TokenKind::App, Some(slug));
        Ok(Credential { kind, login, expires_at: None, scopes: None, narrow_refused })
    }
}

#[async_trait]
impl GitHubPreflight for GitHubClient {
    async fn credential(&self) -> Result<Credential, CallError> {
        #[derive(Deserialize)]
        struct UserJson {
            login: ForeignText,
        }
        if let Some(app) = self.http.sign_in.app() {
            return self.as_app(app).await;
        }
        let call = self.reads("user", "a token that is valid")?;
        let answer = self.http.send(&call, None).await?;
        let login = match heard(call.expects, &answer) {
            Heard::Success(body) => Some(self.http.read::<UserJson>(&call, body)?.login),
            // An installation is no user.
            Heard::Refusal(StatusCode::NOT_FOUND, _) => None,
            _ => self.denied(&call, &answer).map(|_| None)?,
        };
        Ok(Credential {
            kind: self.http.sign_in.kind(),
            login,
            expires_at: rate::token_ends(&answer.headers),
            scopes: text(&answer.headers, "x-oauth-scopes").map(scopes),
            narrow_refused: None,
        })
    }

    async fn rate_budget(&self) -> Result<Option<RateBudget>, CallError> {
        #[derive(Deserialize)]
        struct RateLimitJson {
            resources: ResourcesJson,
        }
        #[derive(Deserialize)]
        struct ResourcesJson {
            core: CoreLimitJson,
        }
        #[derive(Deserialize)]
        struct CoreLimitJson {
            limit: u64,
            remaining: u64,
            reset: i64,
        }
        let call = self.reads("rate_limit", "a token that is valid")?;
        let CoreLimitJson { limit, remaining, reset } = match self.http.value::<RateLimitJson>(&call).await {
            Ok(found) => found.resources.core,
            // A GitHub Enterprise Server may have no limits.
            Err(error) if error.kind == CallErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let reset = Timestamp::from_second(reset).unwrap_or(Timestamp::MAX);
        Ok(Some(RateBudget { limit, remaining, reset }))
    }

    async fn repository(&self, repo: &RepoSlug) -> Result<Repository, CallError> {
        #[derive(Deserialize)]
        struct RepositoryNameJson {
            full_name: ForeignText,
            #[serde(default)]
            archived: bool,
            #[serde(default)]
            disabled: bool,
            private: Option<bool>,
        }
        let call = self.reads(&format!("repos/{repo}"), "Metadata: read on the repository")?;
        let RepositoryNameJson { full_name, archived, disabled, private } = self.http.value(&call).await?;
        let is_public = private == Some(false);
        Ok(Repository { full_name, archived, disabled, is_public })
    }

    async fn may_read_runs(&self, repo: &RepoSlug) -> Result<Access, CallError> {
        let path = format!("repos/{repo}/actions/runs?per_page=1");
        self.may_read::<wire::RunsJson>(&self.reads(&path, "Actions: read on the repository")?).await
    }

    async fn may_read_runners(&self, scope: &Scope) -> Result<Access, CallError> {
        let path = "runners?per_page=1";
        let call = runners::call(&self.http, scope, Method::GET, path, RequestEffect::Reads)?;
        self.may_read::<wire::RunnersJson>(&call).await
    }

    async fn may_administer_runners(&self, scope: &Scope) -> Result<Access, CallError> {
        let mut call =
            runners::call(&self.http, scope, Method::DELETE, NO_RUNNER, RequestEffect::WritesOnce)?;
        call.expects = Expects::NO_CONTENT;
        let answer = self.http.send(&call, None).await?;
        match heard(call.expects, &answer) {
            // A removal that finds nothing was permitted.
            Heard::Success(_)
            | Heard::Refusal(StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY, _) => {
                Ok(Access::Granted)
            }
            _ => self.denied(&call, &answer),
        }
    }

    async fn runners_not_listed(&self, scope: &Scope) -> Result<u64, CallError> {
        let path = "runners?per_page=100";
        let call = runners::call(&self.http, scope, Method::GET, path, RequestEffect::Reads)?;
        let list = pages::all::<wire::RunnersJson>(&self.http, call).await?;
        Ok(if list.steady { list.total_count.saturating_sub(list.items.len() as u64) } else { 0 })
    }

    async fn public_repositories(&self, owner: &AccountName) -> Result<Vec<RepoSlug>, CallError> {
        let path = format!("orgs/{owner}/repos?per_page=100&type=public");
        let call = self.reads(&path, "Metadata: read on the repositories")?;
        let list = pages::all::<wire::RepositoriesJson>(&self.http, call).await?;
        let public = list.items.into_values().filter(|repo| repo.private == Some(false));
        Ok(public.filter_map(|repo| repo.full_name.parse().ok()).collect())
    }

    async fn runner_groups(&self, scope: &Scope) -> Result<Vec<ForeignText>, CallError> {
        if let Scope::Repo(_) = scope {
            return Err(CallError::new(CallErrorKind::Invalid, format!("{scope} has no runner groups")));
        }
        let path = "runner-groups?per_page=100";
        let call = runners::call(&self.http, scope, Method::GET, path, RequestEffect::Reads)?;
        let list = pages::all::<wire::RunnerGroupsJson>(&self.http, call).await?;
        // "default" stands for the default group, whatever its name.
        let is_named_so = list.items.values().any(|group| group.name.eq_ignore_ascii_case("default"));
        let has_default = !is_named_so && list.items.values().any(|group| group.default);
        let names = list.items.into_values().map(|group| group.name);
        Ok(names.chain(has_default.then(|| "default".into())).collect())
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn scopes(header: &str) -> Vec<ForeignText> {
    header.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(ForeignText::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_a_classic_token() {
        assert_eq!(scopes("repo, admin:org"), ["repo", "admin:org"]);
        assert_eq!(scopes(""), Vec::<ForeignText>::new(), "a token without any");
    }
}

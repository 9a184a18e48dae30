//! The checks of GitHub: the token, its permissions, and the rate limit.

use std::time::Duration;

use jiff::Timestamp;

use super::carried::carried;
use super::facts::{Facts, Followed, GitHubFacts, ScopeFacts, SignInError};
use super::{About, Finding, Notes, State, risks, runner_group};
use crate::config::Fleet;
use crate::model::{
    CallError, CallErrorKind, CredentialName, ForeignText, PoolName, RepoPattern, RepoSlug, Scope, counted,
    rounded,
};
use crate::ports::preflight::{Access, Credential, RateBudget, Repository, TokenKind};

/// `check` warns of a credential that expires within this time.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

const A_TOKEN: &str = "set GITHUB_TOKEN to a token with Actions: read and Administration: write on the repository, or \
                       Self-hosted runners: write on the organisation";

pub(super) fn check(fleets: &[Fleet], facts: &Facts, now: Timestamp) -> Vec<Finding> {
    let mut notes = Notes::new(About::GitHub);
    match &facts.github {
        None => notes
            .unknown("credential", "not shown to anybody before azlin.toml is good: it says where GitHub is"),
        // A credential that no fleet uses may be absent if there are others.
        Some(Err(_)) if !facts.credentials.is_empty() && of(fleets, None).is_empty() => {}
        Some(found) => one(&mut notes, &of(fleets, None), found, now),
    }
    for (name, found) in &facts.credentials {
        let mut own = Notes::new(About::GitHub);
        one(&mut own, &of(fleets, Some(name)), found, now);
        let named = |finding: Finding| Finding { what: format!("{name}: {}", finding.what), ..finding };
        notes.list.extend(own.list.into_iter().map(named));
    }
    notes.list
}

/// The fleets that use a credential.
fn of(fleets: &[Fleet], credential: Option<&CredentialName>) -> Vec<Fleet> {
    fleets.iter().filter(|fleet| fleet.credential.as_ref() == credential).cloned().collect()
}

fn one(notes: &mut Notes, fleets: &[Fleet], found: &Result<GitHubFacts, SignInError>, now: Timestamp) {
    match found {
        Err(error) => {
            let cure = error.advice.as_deref().unwrap_or(A_TOKEN);
            notes.problem("credential", error.says.as_str(), cure);
        }
        Ok(facts) => signed_in(notes, fleets, facts, now),
    }
}

fn signed_in(notes: &mut Notes, fleets: &[Fleet], facts: &GitHubFacts, now: Timestamp) {
    match &facts.credential {
        Ok(found) => {
            credential(notes, found, now);
            let scopes = found.scopes.as_deref().filter(|_| is_scoped(found.kind)).unwrap_or_default();
            let more = risks::superfluous(scopes);
            if !more.is_empty() {
                let found = format!("who has the token can do more than azlin needs: {}", more.join(", "));
                let cure = "make a token without these, or sign in as a GitHub App";
                notes.warning("risk: scopes", found, cure);
            }
            if let Some(said) = &found.narrow_refused {
                let found = format!(
                    "who has the app's token can do more than azlin needs: GitHub gives no narrower one, and says \"{said}\""
                );
                let cure = "give the app Actions: read and Administration: write on the repositories, or Self-hosted runners: \
                            write on the organisation; let its installation reach each repository in the fleets' files; and \
                            write renamed repositories by their new names";
                notes.warning("risk: app token", found, cure);
            }
        }
        Err(error) if error.kind == CallErrorKind::NotPermitted => {
            notes.failed(State::Problem, "credential", error);
            notes.unknown("permissions", "not tried with a token that is refused");
            return;
        }
        Err(CallError { kind: CallErrorKind::Throttled, retry_after, .. }) => {
            return used_up(notes, facts.budget.as_ref().ok(), *retry_after, now);
        }
        Err(error) => {
            notes.failed(State::Problem, "credential", error);
            notes.unknown("permissions", "not tried while GitHub does not answer");
            return;
        }
    }
    match &facts.budget {
        Ok(found) => {
            budget(notes, found.as_ref(), now);
            if let Some(RateBudget { limit, .. }) = found {
                carried(notes, fleets, facts, *limit);
            }
        }
        Err(error) => notes.failed(State::Unknown, "rate limit", error),
    }
    let kind = facts.credential.as_ref().map_or(TokenKind::Unknown, |credential| credential.kind);
    for (at, found) in &facts.scopes {
        let fleets = || fleets.iter().filter(|fleet| fleet.scope == *at);
        let pools: Vec<&PoolName> = fleets().map(|fleet| &fleet.name).collect();
        let is_enabled = fleets().any(|fleet| fleet.enabled);
        scope(notes, kind, at, found, &pools, is_enabled);
        let enabled = || fleets().filter(|fleet| fleet.enabled);
        let mut groups: Vec<&str> = enabled().filter_map(|fleet| fleet.runner_group.as_deref()).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            runner_group(notes, at, group, found);
        }
        runner_group::limits(notes, at, &enabled().collect::<Vec<_>>(), facts, found);
    }
    for (pattern, found) in &facts.followed {
        if fleets.iter().any(|fleet| fleet.enabled && fleet.repositories.contains(pattern)) {
            followed(notes, kind, pattern, found);
        }
    }
}

/// The repositories whose queues the fleets of organisations and enterprises follow.
fn followed(notes: &mut Notes, kind: TokenKind, pattern: &RepoPattern, facts: &Followed) {
    let what = pattern.to_string();
    match &facts.found {
        Ok(found) if found.is_empty() => {
            let cure = "check repositories in the fleet's file, and give the token access to them";
            return notes.warning(&what, "there is no such repository, or the token may not see it", cure);
        }
        Ok(found) if pattern.one().is_none() => notes.ok(&what, counted(found.len(), "repository")),
        Ok(_) => {}
        Err(error) => return notes.failed(State::Problem, &what, error),
    }
    if let Some(found) = &facts.runs {
        let needs = if is_scoped(kind) { "the scope repo" } else { "Actions: read, on the repositories" };
        access(notes, &format!("{what}: read runs"), found, &give(needs));
    }
}

/// The token may be valid: GitHub does not say until the rate limit resets.
fn used_up(notes: &mut Notes, budget: Option<&Option<RateBudget>>, wait: Option<Duration>, now: Timestamp) {
    let spent = budget.and_then(Option::as_ref).filter(|budget| budget.remaining == 0);
    let until = spent.map(|budget| budget.reset).or_else(|| now.checked_add(wait?).ok());
    let until = until.map_or(String::new(), |until| until.strftime(", until %H:%M UTC").to_string());
    let found = format!("used up{until}; the rest is not tried until then");
    let cure = "run check again then; poll less often ([poll] queue), or use a token that nothing else uses";
    notes.warning("rate limit", found, cure);
    notes.unknown("credential", "not tried while the rate limit is used up");
    notes.unknown("permissions", "not tried while the rate limit is used up");
}

fn credential(notes: &mut Notes, found: &Credential, now: Timestamp) {
    let Credential { kind, login, expires_at, scopes, narrow_refused: _ } = found;
    let what = match kind {
        TokenKind::Classic => "personal access token (classic)",
        TokenKind::FineGrained => "fine-grained personal access token",
        TokenKind::OAuth => "OAuth token",
        TokenKind::Installation => "token of an app's installation",
        TokenKind::App => "GitHub App",
        TokenKind::AppUser => "token of an app for a user",
        TokenKind::Unknown => "token of a kind that is not known",
    };
    let whose = login.as_ref().map_or(String::new(), |login| format!(" of {login}"));
    let scopes = scopes.as_ref().filter(|_| is_scoped(*kind)).map(|scopes| match scopes.as_slice() {
        [] => " (no scope)".to_owned(),
        scopes => format!(" (scopes: {})", scopes.join(", ")),
    });
    let whose = format!("{whose}{}", scopes.unwrap_or_default());
    let renew = "make a new token and set GITHUB_TOKEN to it before that, then restart the daemon";
    let Some(end) = expires_at else {
        // GitHub docs: Generating a user access token; Authenticating as an installation.
        let life = match kind {
            TokenKind::App => {
                return notes
                    .ok("credential", format!("{what}{}, whose token is renewed each hour", name(login)));
            }
            TokenKind::Installation => "an hour",
            TokenKind::AppUser => "eight hours",
            _ => return notes.ok("credential", format!("{what}{whose}; GitHub reports no expiry date")),
        };
        let found = format!("{what}{whose}, which ends within {life} and is not renewed");
        let cure = "sign in as the app itself (azlin.toml: [github] app_id), or use a personal access token";
        return notes.warning("credential", found, cure);
    };
    let day = end.strftime("%Y-%m-%d %H:%M UTC");
    match Duration::try_from(end.duration_since(now)) {
        Ok(left) if left >= SOON => {
            notes.ok("credential", format!("{what}{whose}, good until {day}"));
        }
        Ok(left) if !left.is_zero() => {
            notes.warning("credential", format!("{what}{whose}, ends in {}, {day}", rounded(left)), renew);
        }
        _ => notes.problem("credential", format!("{what}{whose}, ended {day}"), A_TOKEN),
    }
}

/// The name of an app with a leading blank; empty if it is unknown.
fn name(login: &Option<ForeignText>) -> String {
    login.as_ref().map_or(String::new(), |slug| format!(" {slug}"))
}

fn budget(notes: &mut Notes, found: Option<&RateBudget>, now: Timestamp) {
    let Some(RateBudget { limit, remaining, reset }) = found else {
        return notes.ok("rate limit", "there is none");
    };
    let left = Duration::try_from(reset.duration_since(now)).unwrap_or_default();
    let said = format!("{remaining} of {limit} requests left for the next {}", rounded(left));
    if *remaining >= limit / 10 {
        notes.ok("rate limit", said);
    } else {
        let cure = "poll less often ([poll] queue), or use a token that nothing else uses";
        notes.warning("rate limit", said, cure);
    }
}

/// A scope, as people call it.
pub(super) fn named(scope: &Scope) -> String {
    match scope {
        Scope::Repo(repo) => repo.to_string(),
        Scope::Org(org) => format!("organisation {org}"),
        Scope::Enterprise(slug) => format!("enterprise {slug}"),
    }
}

fn scope(
    notes: &mut Notes,
    kind: TokenKind,
    scope: &Scope,
    facts: &ScopeFacts,
    pools: &[&PoolName],
    is_enabled: bool,
) {
    let name = named(scope);
    if let (Scope::Repo(repo), Some(found)) = (scope, &facts.repository)
        && !repository(notes, repo, found, pools, is_enabled)
    {
        return;
    }
    if let Some(found) = facts.runs.as_ref().filter(|_| is_enabled) {
        let needs = if is_scoped(kind) { "the scope repo" } else { "Actions: read" };
        access(notes, &format!("{name}: read runs"), found, &give(needs));
    }
    let cure = match (scope, is_scoped(kind)) {
        (Scope::Repo(_), true) => give("the scope repo, of a user who administers the repository"),
        (Scope::Org(_), true) => give("the scope admin:org, of an owner of the organisation"),
        (Scope::Enterprise(_), false) => "use a classic token with manage_runners:enterprise: no other kind \
                                          administers an enterprise's runners"
            .to_owned(),
        (Scope::Enterprise(_), true) => {
            give("the scope manage_runners:enterprise, of an owner of the enterprise")
        }
        (Scope::Repo(_), false) => give("Administration: read and write"),
        (Scope::Org(_), false) => give("Self-hosted runners: read and write"),
    };
    access(notes, &format!("{name}: read runners"), &facts.runners, &cure);
    if let Some(found) = &facts.administer {
        access(notes, &format!("{name}: administer runners"), found, &cure);
    }
    match &facts.not_listed {
        Some(Ok(count @ 1..)) => {
            let found = format!(
                "GitHub counts {} more than it lists: the daemon uses the list once three looks differ by the same number",
                counted(*count, "runner")
            );
            let cure = "none is needed if this is gone in the next check; else ask GitHub's support why";
            notes.warning(&format!("{name}: list of runners"), found, cure);
        }
        Some(Err(error)) => notes.failed(State::Unknown, &format!("{name}: list of runners"), error),
        Some(Ok(0)) | None => {}
    }
}

fn is_scoped(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Classic | TokenKind::OAuth)
}

/// Whether the repository exists, so that further checks make sense.
fn repository(
    notes: &mut Notes,
    repo: &RepoSlug,
    found: &Result<Repository, CallError>,
    pools: &[&PoolName],
    is_enabled: bool,
) -> bool {
    let what = repo.to_string();
    let files: Vec<String> = pools.iter().map(|pool| format!("fleets/{pool}.toml")).collect();
    let files = files.join(", ");
    match found {
        Ok(Repository { disabled: true, .. }) => {
            notes.problem(&what, "GitHub has disabled it", "ask GitHub's support why");
        }
        Ok(Repository { archived: true, .. }) if !is_enabled => {
            notes.ok(&what, "is there, archived");
        }
        Ok(Repository { archived: true, .. }) => {
            let cure = format!("unarchive it, or set enabled = false in {files}");
            notes.problem(&what, "it is archived: no workflow runs in it", cure);
        }
        Ok(Repository { full_name, .. }) if !full_name.eq_ignore_ascii_case(&what) => {
            let cure = format!("write repo = \"{full_name}\" in {files}");
            notes.warning(&what, format!("it is called {full_name} today"), cure);
        }
        Ok(_) => notes.ok(&what, "is there"),
        Err(error) if error.kind == CallErrorKind::NotFound => {
            let cure = format!("check repo in {files}, and give the token access to the repository");
            notes.problem(&what, "it does not exist, or the token may not see it", cure);
            return false;
        }
        Err(error) => {
            notes.failed(State::Unknown, &what, error);
        }
    }
    true
}

/// Advice for a token that lacks a permission.
fn give(needs: &str) -> String {
    format!("give the token {needs}, and authorise it for single sign-on where the owner has that")
}

fn access(notes: &mut Notes, what: &str, found: &Result<Access, CallError>, cure: &str) {
    match found {
        Ok(Access::Granted) => notes.ok(what, "permitted"),
        Ok(Access::Denied(None)) => notes.problem(what, "not permitted", cure),
        Ok(Access::Denied(Some(wanted))) => {
            notes.problem(what, format!("not permitted; GitHub wants {wanted}"), cure);
        }
        Ok(Access::Hidden) => notes.problem(what, "not there, or not shown to this token", cure),
        Err(error) => notes.failed(State::Unknown, what, error),
    }
}

fn runner_group(notes: &mut Notes, scope: &Scope, group: &str, facts: &ScopeFacts) {
    let what = format!("{}: runner group {group}", named(scope));
    match &facts.groups {
        Some(Ok(there)) if there.iter().any(|name| name.eq_ignore_ascii_case(group)) => {
            notes.ok(&what, "is there");
        }
        Some(Ok(there)) => {
            let cure = "make it in the settings of Actions, or name another as runner_group";
            notes.problem(&what, format!("there is none; there are: {}", there.join(", ")), cure);
        }
        Some(Err(error)) => notes.failed(State::Unknown, &what, error),
        None => {}
    }
}

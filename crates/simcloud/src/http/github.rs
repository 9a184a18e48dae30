//! GitHub's REST API over the simulated world.

use std::hash::{DefaultHasher, Hash, Hasher};

use azlin_fleet::model::{AccountName, Budget, RepoSlug, Scope};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::github_json as shape;
use super::message::{SimRequest, SimResponse};
use super::repository_json;
use super::{addresses, github_app, github_webhooks};
use crate::account::SimGroup;
use crate::calls::{NoRunner, Removal};
use crate::fault::{FaultKind, Lag};
use crate::github::{SimJob, SimRun};
use crate::registration::TokenUse;
use crate::world::World;

/// Answers a request. Lists lag as `stale` says.
pub(crate) fn answer(world: &mut World, request: &SimRequest, stale: Lag) -> SimResponse {
    if let Some(found) = github_app::answer(world, request) {
        return found;
    }
    if let Some(found) = super::scale_sets::sign_in(world, request) {
        return found;
    }
    let token = request.bearer().unwrap_or_default();
    let ends = match world.installation_tokens.get(token) {
        Some(token) => Some(token.ends),
        None if token == world.settings.token => world.github_token_ends_at(),
        None => Some(Timestamp::UNIX_EPOCH),
    };
    if ends.is_some_and(|end| end <= world.now()) {
        return SimResponse::json(401, &shape::error(401, "Bad credentials"));
    }
    let is_given = token == world.settings.token;
    let needed = needed(&request.method, &request.path);
    let narrow = world.installation_tokens.get(token);
    if let Some(refused) = narrow.and_then(|token| token.refuses(request, needed)) {
        world.count_requests(1);
        return refused;
    }
    if let Some(elsewhere) = addresses::moved(world, request) {
        world.count_requests(1);
        return elsewhere;
    }
    let found = permitted(world, request, stale);
    if is_given { about_the_token(world, found) } else { found }
}

/// Adds what GitHub reports about the token in every answer.
fn about_the_token(world: &World, answer: SimResponse) -> SimResponse {
    let answer = match world.github_token_ends_at() {
        Some(end) => answer.header(
            "github-authentication-token-expiration",
            end.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        ),
        None => answer,
    };
    if world.settings.token.starts_with("ghp_") {
        answer.header("x-oauth-scopes", "admin:org, manage_runners:enterprise, repo")
    } else {
        answer
    }
}

fn permitted(world: &mut World, request: &SimRequest, stale: Lag) -> SimResponse {
    let is_free = request.path == "/rate_limit";
    if !is_free && world.is_beyond_limit() {
        return SimResponse::json(403, &shape::error(403, "API rate limit exceeded"));
    }
    let token = request.bearer().unwrap_or_default();
    if !is_free && let Err(wait) = world.count_for_secondary_limits(token, &request.method, &request.path) {
        let message =
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        let seconds = wait.as_secs() + 1;
        return SimResponse::json(403, &shape::error(403, message))
            .header("retry-after", seconds.to_string());
    }
    if !world.account.permits(&request.method, &request.path) {
        world.count_requests(1);
        let message = "Resource not accessible by personal access token";
        let wants = needed(&request.method, &request.path);
        return SimResponse::json(403, &shape::error(403, message))
            .header("x-accepted-github-permissions", wants);
    }
    let found = conditional(request, route(world, request, stale));
    if found.status != 304 && !is_free {
        world.count_requests(1);
    }
    world.others_use_the_limit();
    if is_free { SimResponse::json(200, &limits(world)) } else { found }
}

/// The answer of `/rate_limit`. No limit is shown as a limit of 0.
fn limits(world: &World) -> Value {
    let none = Budget { limit: 0, remaining: 0, reset: world.now() };
    let Budget { limit, remaining, reset } = world.budget().unwrap_or(none);
    let rate = json!({"limit": limit, "used": limit - remaining, "remaining": remaining, "reset": reset.as_second()});
    json!({"resources": {"core": rate, "search": rate}, "rate": rate})
}

/// Adds the headers of the rate limit, if there is one. Who is not signed in has the limit of the address.
pub(crate) fn with_limit(world: &mut World, answer: SimResponse) -> SimResponse {
    let Some(budget) = world.budget() else { return answer };
    let budget = if answer.status == 401 { world.anonymous_budget() } else { budget };
    let Budget { limit, remaining, reset } = budget;
    answer
        .header("x-ratelimit-limit", limit.to_string())
        .header("x-ratelimit-remaining", remaining.to_string())
        .header("x-ratelimit-used", (limit - remaining).to_string())
        .header("x-ratelimit-reset", reset.as_second().to_string())
        .header("x-ratelimit-resource", "core")
}

/// The permission that a call needs, as GitHub reports it.
fn needed(method: &str, path: &str) -> &'static str {
    if path.contains("/hooks") {
        return match (path.starts_with("/repos/"), method) {
            (true, "GET") => "repository_hooks=read",
            (true, _) => "repository_hooks=write",
            (false, "GET") => "organization_hooks=read",
            (false, _) => "organization_hooks=write",
        };
    }
    let reads_runs = ["/actions/runs", "/actions/jobs"].iter().any(|part| path.contains(part));
    match (reads_runs, path.starts_with("/repos/"), method) {
        (true, ..) => "actions=read",
        (_, true, "GET") => "administration=read",
        (_, true, _) => "administration=write",
        (_, _, "GET") => "organization_self_hosted_runners=read",
        _ => "organization_self_hosted_runners=write",
    }
}

/// Answers 304 if the client has this answer already, by the same token.
fn conditional(request: &SimRequest, answer: SimResponse) -> SimResponse {
    if request.method != "GET" || answer.status != 200 {
        return answer;
    }
    let mut hasher = DefaultHasher::new();
    (&answer.body, request.bearer()).hash(&mut hasher);
    let etag = format!("W/\"{:016x}\"", hasher.finish());
    if request.if_none_match.as_deref() == Some(&etag) {
        return SimResponse { route: answer.route, ..SimResponse::empty(304) }.header("etag", etag);
    }
    answer.header("etag", etag)
}

fn route(world: &mut World, request: &SimRequest, stale: Lag) -> SimResponse {
    let segments = request.segments();
    let (scope, rest): (Option<Scope>, &[&str]) = match segments.as_slice() {
        ["repos", owner, repo, rest @ ..] => {
            (format!("{owner}/{repo}").parse::<RepoSlug>().ok().map(Scope::Repo), rest)
        }
        ["orgs", org, rest @ ..] => (org.parse::<AccountName>().ok().map(Scope::Org), rest),
        ["enterprises", slug, rest @ ..] => (slug.parse::<AccountName>().ok().map(Scope::Enterprise), rest),
        ["user"] if request.method == "GET" => return one_user(world, request),
        ["rate_limit"] => return SimResponse::empty(200),
        _ => (None, &[]),
    };
    let Some(scope) = scope.filter(|scope| world.state.github.knows(scope)) else {
        return SimResponse::json(404, &shape::not_found());
    };
    let (prefix, repo) = match &scope {
        Scope::Repo(slug) => ("/repos/{owner}/{repo}", Some(slug.to_string())),
        Scope::Org(_) => ("/orgs/{org}", None),
        Scope::Enterprise(_) => ("/enterprises/{enterprise}", None),
    };
    let (route, mut answer) = match (request.method.as_str(), rest, repo) {
        ("GET", [], Some(repo)) => ("", one_repository(world, request, &repo)),
        ("GET", ["actions", "runs"], Some(repo)) => ("/actions/runs", runs(world, request, &repo, stale)),
        ("GET", ["actions", "runs", id], Some(repo)) => {
            ("/actions/runs/{run_id}", one_run(world, request, &repo, id))
        }
        ("GET", ["actions", "runs", id, "jobs"], Some(repo)) => {
            ("/actions/runs/{run_id}/jobs", jobs(world, request, &repo, id, stale))
        }
        ("GET", ["actions", "jobs", id], Some(repo)) => {
            ("/actions/jobs/{job_id}", one_job(world, request, &repo, id))
        }
        ("GET", ["repos"], None) if matches!(scope, Scope::Org(_)) => {
            ("/repos", repositories(world, request, &scope))
        }
        (_, ["hooks", rest @ ..], _) => github_webhooks::answer(world, request, &scope, rest),
        (_, ["actions", rest @ ..], _) => runner_route(world, request, &scope, rest, stale),
        _ => ("", SimResponse::json(404, &shape::not_found())),
    };
    answer.route = format!("{prefix}{route}");
    answer
}

fn repositories(world: &World, request: &SimRequest, scope: &Scope) -> SimResponse {
    let Scope::Org(org) = scope else { return SimResponse::json(404, &shape::not_found()) };
    let only_public = request.parameter("type").as_deref() == Some("public");
    let mut repos = world.state.github.repos_of(org.as_str());
    repos.retain(|(name, _)| !only_public || world.account.is_public(name));
    let (items, link) = page(request, repos, 30);
    let items = items.into_iter().map(|(name, id)| in_short(world, request, &name, id));
    linked(SimResponse::json(200, &items.collect()), link)
}

fn runner_route(
    world: &mut World,
    request: &SimRequest,
    scope: &Scope,
    rest: &[&str],
    stale: Lag,
) -> (&'static str, SimResponse) {
    match (request.method.as_str(), rest) {
        ("GET", ["runners"]) => ("/actions/runners", runners(world, request, scope, stale)),
        ("GET", ["runners", "downloads"]) => {
            ("/actions/runners/downloads", SimResponse::json(200, &downloads(world)))
        }
        ("POST", ["runners", "registration-token"]) => {
            ("/actions/runners/registration-token", token(world, scope, TokenUse::Register))
        }
        ("POST", ["runners", "remove-token"]) => {
            ("/actions/runners/remove-token", token(world, scope, TokenUse::Remove))
        }
        ("POST", ["runners", "generate-jitconfig"]) => {
            ("/actions/runners/generate-jitconfig", jit_config(world, request, scope))
        }
        ("GET", ["runners", id]) => ("/actions/runners/{runner_id}", one_runner(world, scope, id)),
        ("DELETE", ["runners", id]) => ("/actions/runners/{runner_id}", deregister(world, scope, id)),
        ("GET", ["runner-groups"]) if !matches!(scope, Scope::Repo(_)) => {
            ("/actions/runner-groups", groups(world, request, scope))
        }
        ("GET", ["runner-groups", _, "repositories"]) if matches!(scope, Scope::Org(_)) => {
            ("/actions/runner-groups/{runner_group_id}/repositories", group_repositories(world, request))
        }
        _ => ("", SimResponse::json(404, &shape::not_found())),
    }
}

/// A page of a list, and its `Link` header.
pub(super) fn page<T>(request: &SimRequest, items: Vec<T>, default: usize) -> (Vec<T>, Option<String>) {
    let size = request.number("per_page", default).clamp(1, 100);
    let number = request.number("page", 1).max(1);
    let last = items.len().div_ceil(size).max(1);
    let link = |page: usize, rel: &str| {
        let kept = url::form_urlencoded::parse(request.query.as_bytes()).filter(|(key, _)| key != "page");
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
        let joint = if query.is_empty() { "" } else { "&" };
        format!("<{}{}?{query}{joint}page={page}>; rel=\"{rel}\"", request.base, request.numbered)
    };
    let mut links = Vec::new();
    if number > 1 {
        links.extend([link(number - 1, "prev"), link(1, "first")]);
    }
    if number < last {
        links.extend([link(number + 1, "next"), link(last, "last")]);
    }
    let items = items.into_iter().skip((number - 1) * size).take(size).collect();
    (items, (!links.is_empty()).then(|| links.join(", ")))
}

#[expect(clippy::needless_pass_by_value, reason = "callers make the value in place")]
fn listed(name: &str, total: usize, items: Vec<Value>, link: Option<String>) -> SimResponse {
    linked(SimResponse::json(200, &json!({"total_count": total, name: items})), link)
}

pub(super) fn linked(answer: SimResponse, link: Option<String>) -> SimResponse {
    match link {
        Some(link) => answer.header("link", link),
        None => answer,
    }
}

fn repository(world: &World, request: &SimRequest, repo: &str) -> String {
    let known = world.state.github.repos.get(&repo.to_ascii_lowercase());
    known.map(|(name, id)| in_short(world, request, name, *id)).unwrap_or_default().to_string()
}

fn in_short(world: &World, request: &SimRequest, name: &str, id: u64) -> Value {
    let mut repository = repository_json::in_short(&request.base, name, id);
    repository["private"] = json!(!world.account.is_public(name));
    repository
}

/// The token's user. An app's installation is none.
fn one_user(world: &World, request: &SimRequest) -> SimResponse {
    let answer = if world.settings.token.starts_with("ghs_") {
        SimResponse::json(403, &shape::error(403, "Resource not accessible by integration"))
    } else {
        SimResponse::json(200, &repository_json::user_in_full(&request.base, "sim-user"))
    };
    SimResponse { route: "/user".to_owned(), ..answer }
}

fn one_repository(world: &World, request: &SimRequest, repo: &str) -> SimResponse {
    let known = world.state.github.repos.get(&repo.to_ascii_lowercase());
    known.map_or_else(
        || SimResponse::json(404, &shape::not_found()),
        |(name, id)| {
            let mut repository = repository_json::in_full(&request.base, name, *id);
            let archived = &world.account.archived;
            repository["private"] = json!(!world.account.is_public(name));
            repository["archived"] = json!(archived.iter().any(|one| one.eq_ignore_ascii_case(name)));
            SimResponse::json(200, &repository)
        },
    )
}

/// A filtered list has at most 1,000 results, but the total counts all.
fn runs(world: &World, request: &SimRequest, repo: &str, stale: Lag) -> SimResponse {
    let state = &world.seen(stale).github;
    let status = request.parameter("status");
    let mut runs: Vec<&SimRun> = state.runs_with(repo, status.as_deref());
    let total = runs.len();
    if status.is_some() {
        runs.truncate(1000);
    }
    let (runs, link) = page(request, runs, 30);
    let repository = repository(world, request, repo);
    let runs: Vec<_> =
        runs.into_iter().map(|run| shape::run(&request.base, state, run, &repository)).collect();
    let body = format!("{{\"total_count\":{total},\"workflow_runs\":[{}]}}", runs.join(","));
    linked(SimResponse::text(200, body), link)
}

fn find_run<'w>(world: &'w World, repo: &str, id: &str, stale: Lag) -> Option<&'w SimRun> {
    let run = world.seen(stale).github.runs.get(&id.parse().ok()?)?;
    run.repo.eq_ignore_ascii_case(repo).then_some(run)
}

fn one_run(world: &World, request: &SimRequest, repo: &str, id: &str) -> SimResponse {
    let Some(run) = find_run(world, repo, id, Lag::default()) else {
        return SimResponse::json(404, &shape::not_found());
    };
    let repository = repository(world, request, repo);
    SimResponse::text(200, shape::run(&request.base, &world.state.github, run, &repository))
}

fn jobs(world: &mut World, request: &SimRequest, repo: &str, id: &str, stale: Lag) -> SimResponse {
    let Some(run) = find_run(world, repo, id, stale).cloned() else {
        return SimResponse::json(404, &shape::not_found());
    };
    let jobs = run.jobs.iter().filter_map(|id| world.seen(stale).github.jobs.get(id).cloned());
    let (jobs, now): (Vec<SimJob>, _) = (jobs.collect(), world.now());
    let total = jobs.len();
    let (jobs, link) = page(request, jobs, 30);
    let jobs = jobs.into_iter().map(|job| world.shown_job(job));
    let items = jobs.map(|job| shape::job(&request.base, &run.repo, &run, &job, now)).collect();
    listed("jobs", total, items, link)
}

fn one_job(world: &mut World, request: &SimRequest, repo: &str, id: &str) -> SimResponse {
    let job = id.parse().ok().and_then(|id: u64| world.state.github.jobs.get(&id)).cloned();
    let job = job.map(|job| world.shown_job(job));
    let run = job.as_ref().and_then(|job| world.state.github.runs.get(&job.run));
    match job.as_ref().zip(run) {
        Some((job, run)) if run.repo.eq_ignore_ascii_case(repo) => {
            SimResponse::json(200, &shape::job(&request.base, &run.repo, run, job, world.now()))
        }
        _ => SimResponse::json(404, &shape::not_found()),
    }
}

fn runners(world: &mut World, request: &SimRequest, scope: &Scope, stale: Lag) -> SimResponse {
    let mut runners = world.shown_runners(scope, stale);
    if let Some(name) = request.parameter("name") {
        runners.retain(|runner| runner.name == name);
    }
    let total = runners.len();
    let (runners, link) = page(request, runners, 30);
    listed("runners", total, runners.iter().map(shape::runner).collect(), link)
}

fn one_runner(world: &mut World, scope: &Scope, id: &str) -> SimResponse {
    let found = id.parse().ok().and_then(|id| world.one_runner(scope, id));
    found.map_or_else(
        || SimResponse::json(404, &shape::not_found()),
        |runner| SimResponse::json(200, &shape::runner(&runner)),
    )
}

fn deregister(world: &mut World, scope: &Scope, id: &str) -> SimResponse {
    let Ok(id) = id.parse() else { return SimResponse::json(404, &shape::not_found()) };
    let name = world.state.github.runner(scope, id).map(|runner| runner.name.clone()).unwrap_or_default();
    match world.deregister(scope, id) {
        Removal::Removed => SimResponse::empty(204),
        Removal::Busy => {
            // GitHub's text has one quotation mark too many.
            let message = format!("Bad request - Runner \"{name}\" is still running a job\"");
            SimResponse::json(422, &shape::error(422, &message))
        }
        Removal::NotFound => SimResponse::json(404, &shape::not_found()),
    }
}

fn downloads(world: &mut World) -> Value {
    let mut downloads = match &world.package {
        Some(package) => shape::package(&world.url, package),
        None => shape::downloads(),
    };
    if world.strikes(|what| matches!(what, FaultKind::WrongChecksum)) {
        for download in downloads.as_array_mut().into_iter().flatten() {
            download["sha256_checksum"] = json!("0".repeat(64));
        }
    }
    downloads
}

fn token(world: &mut World, scope: &Scope, what_for: TokenUse) -> SimResponse {
    let (token, expires_at) = world.issue_runner_token(scope, what_for);
    SimResponse::json(
        201,
        &json!({"token": token, "expires_at": expires_at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()}),
    )
}

fn jit_config(world: &mut World, request: &SimRequest, scope: &Scope) -> SimResponse {
    let Some(body) = request.json() else {
        return SimResponse::json(400, &shape::error(400, "Problems parsing JSON"));
    };
    let labels = body["labels"].as_array().into_iter().flatten();
    let labels = labels.filter_map(|label| label.as_str().map(str::to_owned)).collect();
    let name = body["name"].as_str().unwrap_or_default();
    let group = body["runner_group_id"].as_u64().unwrap_or(0);
    match world.jit_config(scope, name, group, labels) {
        Ok((runner, jit)) => {
            SimResponse::json(201, &json!({"runner": shape::runner(&runner), "encoded_jit_config": jit}))
        }
        Err(NoRunner::NameTaken) => {
            let message = format!("Already exists - A runner with the name {name} already exists.");
            SimResponse::json(409, &shape::error(409, &message))
        }
        Err(NoRunner::Invalid(why)) => SimResponse::json(422, &shape::error(422, &why)),
    }
}

/// The repositories that a runner group is limited to.
fn group_repositories(world: &World, request: &SimRequest) -> SimResponse {
    let names = world.account.group.repositories.iter().flatten();
    let known = names.filter_map(|name| world.state.github.repos.get(&name.to_ascii_lowercase()));
    let known: Vec<Value> = known.map(|(name, id)| in_short(world, request, name, *id)).collect();
    let total = known.len();
    let (items, link) = page(request, known, 30);
    listed("repositories", total, items, link)
}

fn groups(world: &World, request: &SimRequest, scope: &Scope) -> SimResponse {
    let SimGroup { allows_public, repositories, workflows } = &world.account.group;
    let is_selected = repositories.is_some() && matches!(scope, Scope::Org(_));

    let account = match scope {
        Scope::Org(org) => format!("{}/orgs/{org}", request.base),
        Scope::Enterprise(slug) => format!("{}/enterprises/{slug}", request.base),
        Scope::Repo(_) => String::new(),
    };
    let group = |id: u64, name: &str| {
        json!({
            "id": id, "name": name, "visibility": if is_selected { "selected" } else { "all" }, "default": id == 1, "inherited": false,
            "runners_url": format!("{account}/actions/runner-groups/{id}/runners"),
            "allows_public_repositories": allows_public, "restricted_to_workflows": workflows.is_some(),
            "selected_workflows": workflows.clone().unwrap_or_default(),
            "workflow_restrictions_read_only": false,
        })
    };
    let (items, link) = page(request, vec![group(1, "Default"), group(2, "builders")], 30);
    listed("runner_groups", 2, items, link)
}

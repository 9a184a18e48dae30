//! What only the wire shows: the client against a server with each test's answers.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod app;
mod bounds;
mod budgets;
mod calls;
mod faults;
mod moved;
mod preflight;
mod queue;
mod refusals;
mod renewal;
mod runners;
mod scale_sets;
mod secrets;
mod shapes;

use std::time::Duration;

use azlin_fleet::model::{RepoSlug, Scope};
use azlin_github::{GitHubClient, GitHubSettings, Token};
use azlin_simcloud::scripted::{Reply, Request, ScriptedServer};
use secrecy::SecretString;

const TOKEN: &str = "ghp_N0tARealT0kenButShapedLikeOne";

/// A server, and a client of it with short pauses.
async fn github(
    answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
) -> (ScriptedServer, GitHubClient) {
    let server = ScriptedServer::start(answer).await;
    let client = GitHubClient::new(settings(&server)).expect("a client");
    (server, client)
}

fn settings(server: &ScriptedServer) -> GitHubSettings {
    let token = Token::new(&SecretString::from(TOKEN)).expect("a token");
    GitHubSettings { retry_pause: Duration::from_millis(1), ..GitHubSettings::new(server.url.clone(), token) }
}

/// As [`github`], with a short time limit, for a silent server.
async fn hasty(
    answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
) -> (ScriptedServer, GitHubClient) {
    let server = ScriptedServer::start(answer).await;
    // Long enough for an answer on a busy machine.
    let settings = GitHubSettings { request_timeout: Duration::from_secs(1), ..settings(&server) };
    (server, GitHubClient::new(settings).expect("a client"))
}

/// An answer with these headers.
fn told(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Reply::Answer(status, headers, body.to_owned())
}

/// A page of a proxy or a portal.
fn page(status: u16) -> Reply {
    told(status, &[("content-type", "text/html")], "<!DOCTYPE html>\n<html><title>Sign in</title></html>")
}

fn repo() -> RepoSlug {
    "o/r".parse().expect("valid")
}

fn scope() -> Scope {
    "repo:o/r".parse().expect("valid")
}

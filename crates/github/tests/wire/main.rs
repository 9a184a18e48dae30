//! What only the wire shows: the client against a server that answers as each test says.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod app;
mod faults;
mod queue;
mod runners;
mod secrets;
mod survey;

use std::time::Duration;

use azlin_fleet::names::{RepoSlug, Scope};
use azlin_github::{GitHubClient, Settings, Token};
use azlin_simcloud::scripted::{Reply, Request, Server};
use secrecy::SecretString;

const TOKEN: &str = "ghp_N0tARealT0kenButShapedLikeOne";

/// A server and a client of it, which pauses for little.
async fn github(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> (Server, GitHubClient) {
    let server = Server::start(answer).await;
    let client = GitHubClient::new(settings(&server)).expect("a client");
    (server, client)
}

fn settings(server: &Server) -> Settings {
    let token = Token::new(&SecretString::from(TOKEN)).expect("a token");
    Settings { retry_pause: Duration::from_millis(1), ..Settings::new(server.url.clone(), token) }
}

/// As [`github`], with a time limit that a silent server reaches soon.
async fn hasty(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> (Server, GitHubClient) {
    let server = Server::start(answer).await;
    // Long enough for an answer on a busy machine.
    let settings = Settings { request_timeout: Duration::from_secs(1), ..settings(&server) };
    (server, GitHubClient::new(settings).expect("a client"))
}

fn repo() -> RepoSlug {
    "o/r".parse().expect("valid")
}

fn scope() -> Scope {
    "repo:o/r".parse().expect("valid")
}

//! `GET /api/explain/job/<id or address>`, `/runner/<name>` and `/pool/<name>`: what `explain` prints, as JSON, or as text
//! for a client that accepts text alone.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::nothing;
use crate::questions::{CommandQuestion, Desk};

/// The shortest time from one explanation to the next: each reads at GitHub and Azure, and anybody who sees the page may ask.
const PAUSE: Duration = Duration::from_secs(1);
/// Columns of an explanation as text.
const WIDTH: usize = 100;

/// Adds the explanations.
pub(super) fn route(router: Router, desk: Desk) -> Router {
    let (desk, place) = (Arc::new(desk), Arc::new(Semaphore::new(1)));
    router.route(
        "/api/explain/{kind}/{what}",
        get(async move |Path((kind, what)): Path<(String, String)>, headers: HeaderMap| {
            if !["job", "runner", "pool"].contains(&kind.as_str()) {
                return nothing().into_response();
            }
            let Ok(_place) = Arc::clone(&place).try_acquire_owned() else {
                let text = "another explanation is under way: ask again in a second\n";
                return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
            };
            let next = Instant::now() + PAUSE;
            let is_text = headers.get(ACCEPT).is_some_and(|accept| accept == "text/plain");
            let response = explained(&desk, &kind, &what, is_text).await;
            sleep_until(next).await;
            response
        }),
    )
}

async fn explained(desk: &Desk, kind: &str, what: &str, is_text: bool) -> Response {
    let command = ["github-runner", "explain"].map(str::to_owned);
    let format = if is_text { "table" } else { "json" };
    let named = [format!("--{kind}={what}"), format!("--output={format}")];
    let question = CommandQuestion {
        config_dir: desk.config_dir.clone(),
        args: command.into_iter().chain(named).collect(),
        width: Some(WIDTH),
        colour: false,
    };
    let answer = desk.answer(question).await;
    if answer.output.is_empty() {
        // Usage, or nothing of that name; or nothing could be read.
        let status = match answer.code {
            2 => StatusCode::BAD_REQUEST,
            3 => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_GATEWAY,
        };
        return (status, answer.errors).into_response();
    }
    let media = if is_text { "text/plain; charset=utf-8" } else { "application/json" };
    ([(CONTENT_TYPE, media)], answer.output).into_response()
}

//! `GET /`: what the fleets do, as a page. It reads `GET /api/status`, which is what `status --output json` prints,
//! `GET /api/history/<pool>`, and `GET /api/events`, by which it hears of what has changed.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use azlin_fleet::names::PoolName;
use azlin_fleet::status::{DaemonStatus, Status};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::Stream;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use tokio::time::sleep;

use crate::board::{Board, Reader};
use crate::outside::Outside;
use crate::status_file::status;

const HTML: &str = include_str!("page.html");
/// The page's own style and script, told by what is in them, and questions to this daemon: nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let (style, script) = (hash_of("style"), hash_of("script"));
    format!(
        "default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
});
/// The shortest time between two events to one client, however much happens.
const PAUSE: Duration = Duration::from_secs(1);

/// What `/` and what it reads answer from.
#[derive(Clone)]
pub struct Page {
    /// Each fleet's last tick, and its last hours.
    pub board: Board,
    /// The time of day, and the rate limits.
    pub outside: Outside,
    /// Whose page it is.
    pub daemon: DaemonStatus,
}

/// What has changed.
#[derive(Serialize)]
struct Event {
    /// With those fleets alone that were looked at since.
    #[serde(flatten)]
    status: Status,
    /// Every fleet, if one has come or gone.
    names: Option<Vec<PoolName>>,
}

impl Page {
    pub(super) fn route(self, router: Router) -> Router {
        let page = Arc::new(self);
        let (status, history, events) = (Arc::clone(&page), Arc::clone(&page), page);
        router
            .route("/", get(async || html()))
            .route("/api/status", get(async move || json(&status.status())))
            .route("/api/history/{pool}", get(async move |Path(pool): Path<String>| history.history(&pool)))
            .route("/api/events", get(async move |headers: HeaderMap| events.events(&headers)))
    }

    fn status(&self) -> Status {
        status(self.board.read(), self.daemon.clone(), &self.outside)
    }

    fn history(&self, pool: &str) -> Response {
        let history = pool.parse().ok().and_then(|pool: PoolName| self.board.history(&pool));
        match history {
            Some(history) => json(&history),
            None => (StatusCode::NOT_FOUND, "there is no such fleet\n").into_response(),
        }
    }

    /// Server-sent events. A connection does not last; whoever comes again says what he knows, and hears the rest.
    fn events(&self, headers: &HeaderMap) -> Response {
        let body = Body::from_stream(self.clone().changes(self.board.reader(), self.known(headers)));
        ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
    }

    /// What whoever comes again has heard of this run already.
    fn known(&self, headers: &HeaderMap) -> u64 {
        let id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
        id.and_then(|id| id.strip_prefix(&self.run())?.parse().ok()).unwrap_or(0)
    }

    fn changes(self, reader: Reader, known: u64) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures::stream::unfold(
            (self, reader, known, Duration::ZERO),
            |(page, mut reader, known, pause)| async move {
                sleep(pause).await;
                let posted = reader.next().await;
                let stamp = posted.stamp();
                let (posted, names) = posted.since(known);
                let event = Event { status: status(posted, page.daemon.clone(), &page.outside), names };
                let data = serde_json::to_string(&event).unwrap_or_default();
                let text = format!("retry: 1000\nid: {}{stamp}\ndata: {data}\n\n", page.run());
                Some((Ok(Bytes::from(text)), (page, reader, stamp, PAUSE)))
            },
        )
    }

    /// What tells this run of the daemon from others, which count anew.
    fn run(&self) -> String {
        format!("{}-", self.daemon.started_at.as_millisecond())
    }
}

fn html() -> ([(HeaderName, &'static str); 2], &'static str) {
    ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY.as_str())], HTML)
}

/// The hash of what stands in an element, as a policy names it.
fn hash_of(element: &str) -> String {
    let inner = HTML
        .split_once(&format!("<{element}>"))
        .and_then(|(_, rest)| rest.split_once(&format!("</{element}>")));
    let (inner, _) = inner.unwrap_or_default();
    format!("'sha256-{}'", BASE64.encode(digest(&SHA256, inner.as_bytes())))
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;

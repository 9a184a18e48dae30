//! `GET /`: what the fleets do, as a page. Its script reads `GET /api/status`, which is what `status --output
//! json` prints, `GET /api/history/<pool>`, and the changes from `GET /api/events`.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use azlin_fleet::model::PoolName;
use azlin_fleet::report::DaemonStatus;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::Stream;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use tokio::time::sleep;

use crate::context::DaemonContext;
use crate::status_file::{SharedStatus, status};
use crate::status_store::StatusStore;

const HTML: &str = include_str!("page.html");
/// Allows the page's own style and script, identified by their hashes, and requests to this daemon; nothing
/// else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let (style, script) = (hash_of("style"), hash_of("script"));
    format!(
        "default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
});
/// The shortest time between two events to one client, however much happens.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a client waits before it connects again.
const RETRY: Duration = Duration::from_secs(1);

/// What the page and its requests read.
#[derive(Clone)]
pub(crate) struct StatusPage {
    /// Each fleet's last tick and its history.
    pub(crate) status_store: StatusStore,
    /// The time of day, and the rate limits.
    pub(crate) context: DaemonContext,
    /// The daemon that the page shows.
    pub(crate) daemon: DaemonStatus,
}

/// What has changed since the client's last event.
#[derive(Serialize)]
struct StatusEvent {
    /// Holds only the fleets that ticked since.
    #[serde(flatten)]
    status: SharedStatus,
    /// The names of all fleets, if one was added or removed.
    names: Option<Vec<PoolName>>,
}

impl StatusPage {
    pub(super) fn route(self, router: Router) -> Router {
        let page = Arc::new(self);
        let (status, history, events) = (Arc::clone(&page), Arc::clone(&page), page);
        router
            .route("/", get(async || html()))
            .route("/api/status", get(async move || json(&status.status())))
            .route("/api/history/{pool}", get(async move |Path(pool): Path<String>| history.history(&pool)))
            .route("/api/events", get(async move |headers: HeaderMap| events.events(&headers)))
    }

    fn status(&self) -> SharedStatus {
        status(self.status_store.read(), self.daemon.clone(), &self.context)
    }

    fn history(&self, pool: &str) -> Response {
        let history = pool.parse().ok().and_then(|pool: PoolName| self.status_store.history(&pool));
        match history {
            Some(history) => json(&history.view()),
            None => (StatusCode::NOT_FOUND, "there is no such fleet\n").into_response(),
        }
    }

    /// Server-sent events. A connection is short; a client that reconnects names the last event it got, and
    /// gets the rest.
    fn events(&self, headers: &HeaderMap) -> Response {
        self.clone().sse(self.known(headers)).into_response()
    }

    /// The revision of this run that a client already has.
    fn known(&self, headers: &HeaderMap) -> u64 {
        let id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
        id.and_then(|id| id.strip_prefix(&self.run())?.parse().ok()).unwrap_or(0)
    }

    fn sse(self, known: u64) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
        let reader = self.status_store.reader();
        Sse::new(futures::stream::unfold(
            (self, reader, known, Duration::ZERO),
            |(page, mut reader, known, pause)| async move {
                sleep(pause).await;
                let view = reader.next().await;
                let revision = view.revision();
                let (view, names) = view.since(known);
                let event = StatusEvent { status: status(view, page.daemon.clone(), &page.context), names };
                let data = serde_json::to_string(&event).unwrap_or_default();
                let event = Event::default().retry(RETRY).id(format!("{}{revision}", page.run())).data(data);
                Some((Ok(event), (page, reader, revision, PAUSE)))
            },
        ))
    }

    /// Distinguishes this run of the daemon from others, whose revisions start again at the beginning.
    fn run(&self) -> String {
        format!("{}-", self.daemon.started_at.as_millisecond())
    }
}

fn html() -> ([(HeaderName, &'static str); 2], &'static str) {
    ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY.as_str())], HTML)
}

/// The hash of an element's content, as a policy names it.
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
mod tests;

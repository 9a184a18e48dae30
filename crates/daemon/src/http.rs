//! The daemon's listeners: its page, its health and metrics, and webhooks from GitHub.
//!
//! A client may be anyone. So nothing is kept for one that has shown nothing, time and memory are limited for each and for
//! all together, and the oldest gives way to the newest.

mod connection;
mod crowding;
mod doors;
mod explain;
mod guard;
mod health;
mod host;
mod page;
mod places;
mod webhook_handler;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use azlin_fleet::report::DoorKind;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::questions::Desk;
use connection::attend;
pub(crate) use crowding::watch_doors;
pub(crate) use doors::Doors;
use doors::Visit;
pub(crate) use health::Health;
pub(crate) use page::StatusPage;
use places::Origin;
pub(crate) use webhook_handler::WebhookHandler;

/// The longest head of a request that is read, and so what a connection may hold without a body.
const MOST_HEAD: usize = 16 * 1024;

/// What one listener answers.
#[derive(Clone)]
pub struct Listener {
    operators: Option<Router>,
    github: Option<WebhookHandler>,
    doors: Doors,
}

impl Listener {
    /// Answers operators who ask under an address or one of these names: page, health and metrics.
    /// With a desk it explains, too.
    pub(crate) fn for_operators(
        page: StatusPage,
        health: Health,
        hosts: Vec<String>,
        doors: Doors,
        desk: Option<Desk>,
    ) -> Self {
        let health = Arc::new(health);
        let (ready, counted) = (Arc::clone(&health), Arc::clone(&health));
        let router = Router::new()
            .route("/healthz", get(move || std::future::ready(health.answer())))
            .route("/readyz", get(move || std::future::ready(ready.is_ready())))
            .route("/metrics", get(move || std::future::ready(counted.metrics())));
        let router = match desk {
            Some(desk) => explain::route(router, desk),
            None => router,
        };
        let router = guard::guarded(page.route(router).fallback(async || nothing()), hosts);
        Listener { operators: Some(router), github: None, doors }
    }

    /// Answers GitHub only.
    pub(crate) fn for_github(handler: WebhookHandler, doors: Doors) -> Self {
        Listener { operators: None, github: Some(handler), doors }
    }

    /// Answers GitHub, too.
    #[must_use]
    pub(crate) fn and_for_github(self, handler: WebhookHandler) -> Self {
        Listener { github: Some(handler), ..self }
    }

    /// Its places, which other listeners can share.
    pub(crate) fn doors(&self) -> Doors {
        self.doors.clone()
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(self, socket: Arc<TcpListener>) {
        let this = Arc::new(self);
        loop {
            let Ok((stream, from)) = socket.accept().await else {
                // Usually out of file descriptors: some may be freed in a moment.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (this, visit) = (Arc::clone(&this), this.doors.arrives(Origin::of(from.ip())));
            tokio::spawn(async move { attend(stream, &visit, |request| this.answer(request, &visit)).await });
        }
    }

    async fn answer(&self, request: Request, visit: &Visit) -> Response {
        // What stands before the daemon may have looked at the other one.
        if request.headers().get_all(header::HOST).iter().count() > 1 {
            return (StatusCode::BAD_REQUEST, "the request names several hosts\n").into_response();
        }
        match (&self.github, &self.operators) {
            (Some(github), _) if request.uri().path() == "/webhook" => github.answer(request, visit).await,
            (_, Some(router)) => {
                visit.enters(DoorKind::Operators, 0);
                let answer = TowerToHyperService::new(router.clone()).call(request).await;
                answer.unwrap_or_else(|never| match never {})
            }
            (_, None) => nothing().into_response(),
        }
    }
}

fn nothing() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "nothing is here\n")
}

//! The daemon's listeners: its page, its health and metrics, and webhooks from GitHub.
//!
//! A client may be anyone: time, memory and number of connections are limited.

mod guard;
mod health;
mod host;
mod page;
mod webhook_handler;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub(crate) use health::Health;
pub(crate) use page::StatusPage;
pub(crate) use webhook_handler::WebhookHandler;

/// Connections of one listener at once. More wait until one of these ends.
const CONNECTIONS: usize = 256;
/// How long a client may take to send the head of its request.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may last.
const LONGEST: Duration = Duration::from_secs(20);
/// The longest head of a request that is read.
const MOST_HEAD: usize = 32 * 1024;

/// What one listener answers.
pub struct Listener {
    router: Router,
}

impl Listener {
    /// Answers operators who ask under an address or one of these names: page, health and metrics.
    pub(crate) fn for_operators(page: StatusPage, health: Health, hosts: Vec<String>) -> Self {
        let health = Arc::new(health);
        let (ready, counted) = (Arc::clone(&health), Arc::clone(&health));
        let router = Router::new()
            .route("/healthz", get(move || std::future::ready(health.answer())))
            .route("/readyz", get(move || std::future::ready(ready.is_ready())))
            .route("/metrics", get(move || std::future::ready(counted.metrics())));
        Listener { router: guard::guarded(page.route(router).fallback(nothing), hosts) }
    }

    /// Answers GitHub only.
    pub(crate) fn for_github(handler: WebhookHandler) -> Self {
        Listener { router: handler.route(Router::new().fallback(nothing)) }
    }

    /// Answers GitHub, too.
    #[must_use]
    pub(crate) fn and_for_github(self, handler: WebhookHandler) -> Self {
        Listener { router: handler.route(self.router) }
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(self, listener: Arc<TcpListener>) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                // Usually out of file descriptors: some may be freed in a moment.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let service = TowerToHyperService::new(self.router.clone());
            tokio::spawn(async move {
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    // A new request is answered with the fleets that exist then.
                    .keep_alive(false)
                    .header_read_timeout(HEAD)
                    .max_buf_size(MOST_HEAD)
                    .serve_connection(TokioIo::new(stream), service);
                // A client may go away at any moment.
                let _ = timeout(LONGEST, connection).await;
                drop(slot);
            });
        }
    }
}

async fn nothing() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "nothing is here\n")
}

//! The daemon's listeners: its page, how it is, and hints from GitHub.
//!
//! Whoever connects may be anybody: each connection has little time and little room, and there are only so
//! many at once.

mod guard;
mod health;
mod webhook_handler;
mod page;

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

pub use health::Health;
pub use webhook_handler::WebhookHandler;
pub use page::StatusPage;

/// Connections of one listener at once. More wait until one of these ends.
const CONNECTIONS: usize = 256;
/// How long a client may take for the head of its request.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may last.
const LONGEST: Duration = Duration::from_secs(20);
/// How much of a request's head is read.
const MOST_HEAD: usize = 32 * 1024;

/// What one listener answers.
pub struct Listener {
    router: Router,
}

impl Listener {
    /// To those who look after the daemon, if they ask under an address or one of these names: what it does, and
    /// how it is.
    pub fn for_operators(page: StatusPage, health: Health, hosts: Vec<String>) -> Self {
        let health = Arc::new(health);
        let (ready, counted) = (Arc::clone(&health), Arc::clone(&health));
        let router = Router::new()
            .route("/healthz", get(move || std::future::ready(health.answer())))
            .route("/readyz", get(move || std::future::ready(ready.is_ready())))
            .route("/metrics", get(move || std::future::ready(counted.metrics())));
        Listener { router: guard::guarded(page.route(router).fallback(nothing), hosts) }
    }

    /// To GitHub alone.
    pub fn for_github(handler: WebhookHandler) -> Self {
        Listener { router: handler.route(Router::new().fallback(nothing)) }
    }

    /// To GitHub as well.
    #[must_use]
    pub fn and_for_github(self, handler: WebhookHandler) -> Self {
        Listener { router: handler.route(self.router) }
    }

    /// Answers until the task is dropped.
    pub async fn serve(self, listener: Arc<TcpListener>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, as a rule: others may be freed in a moment.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let service = TowerToHyperService::new(self.router.clone());
            tokio::spawn(async move {
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    // Whoever asks again is to hear of the fleets that there are then.
                    .keep_alive(false)
                    .header_read_timeout(HEAD)
                    .max_buf_size(MOST_HEAD)
                    .serve_connection(TokioIo::new(stream), service);
                // A client that goes away is no concern of ours.
                let _ = timeout(LONGEST, connection).await;
                drop(place);
            });
        }
    }
}

async fn nothing() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "nothing is here\n")
}

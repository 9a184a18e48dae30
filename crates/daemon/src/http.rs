//! The daemon's listener: `GET /healthz`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::names::PoolName;
use azlin_fleet::scaling::elapsed;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::board::Board;
use crate::fleet_set::Fleets;
use crate::outside::Outside;

/// What `/healthz` answers from.
#[derive(Clone)]
pub struct Health {
    /// Each fleet's last tick.
    pub board: Board,
    /// The time of day.
    pub outside: Outside,
    /// The fleets that should tick.
    pub fleets: Fleets,
    /// How old a fleet's last tick may be.
    pub patience: Duration,
}

impl Health {
    fn answer(&self) -> (StatusCode, String) {
        let now = self.outside.now();
        let (board, fleets) = (self.board.read().fleets, self.fleets.now());
        let ticks = |name: &&PoolName| {
            board.get(*name).is_some_and(|status| elapsed(status.at, now) <= self.patience)
        };
        let (all, fresh) = (fleets.len(), fleets.names().filter(ticks).count());
        let status = if fresh == all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let body = serde_json::json!({ "fleets": all, "fleets_ticking": fresh });
        (status, format!("{body}\n"))
    }
}

/// Answers until the task is dropped.
pub async fn serve_health(listener: Arc<TcpListener>, health: Health) {
    let health = Arc::new(health);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, as a rule: others may be freed in a moment.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let health = Arc::clone(&health);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = respond(&health, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                // Whoever asks again is to hear of the fleets that there are then.
                .keep_alive(false)
                .header_read_timeout(Duration::from_secs(10))
                .serve_connection(TokioIo::new(stream), service);
            // A client that goes away is no concern of ours.
            let _ = connection.await;
        });
    }
}

fn respond(health: &Health, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz") => health.answer(),
        _ => (StatusCode::NOT_FOUND, "only GET /healthz is here\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}

//! One API: a limit of requests at once, counters, and a debug line for each request.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::attempts::Attempts;
use crate::error_body::quote;
use crate::retry::RequestEffect;
use crate::traffic::Traffic;
use crate::transport::{HttpReply, HttpRequest, HttpTransport, NoReply};

/// A place among the requests that may run at once, until this is dropped.
#[derive(Debug)]
pub struct RequestTurn<'c> {
    _change: Option<SemaphorePermit<'c>>,
    _place: SemaphorePermit<'c>,
}

/// Sends the requests of one API.
#[derive(Debug)]
pub struct ApiClient {
    /// The API's name, for the log.
    name: &'static str,
    transport: Arc<HttpTransport>,
    /// A request waits here while too many others are in flight. A long poll holds its place until it ends.
    at_once: Semaphore,
    /// The same for requests that change something: a quarter of the places is left to reads. Otherwise a list would wait
    /// for a thousand VMs that are asked for.
    changes_at_once: Semaphore,
    first_pause: Duration,
    /// What was sent and received.
    pub traffic: Traffic,
}

impl ApiClient {
    /// A client that has at most `at_once` requests in flight. `first_pause` is the pause before a request is
    /// tried again; it doubles, with jitter.
    pub fn new(
        name: &'static str,
        transport: Arc<HttpTransport>,
        at_once: usize,
        first_pause: Duration,
    ) -> Self {
        let changes_at_once = Semaphore::new((at_once * 3 / 4).max(1));
        let at_once = Semaphore::new(at_once);
        ApiClient { name, transport, at_once, changes_at_once, first_pause, traffic: Traffic::default() }
    }

    /// The transport, for requests that belong to no API's limits.
    pub fn transport(&self) -> &HttpTransport {
        &self.transport
    }

    /// The first pause before a request is tried again.
    pub fn first_pause(&self) -> Duration {
        self.first_pause
    }

    /// The tries of a call with this effect. `time_limit` is that of one request, where it has its own.
    pub fn attempts(&self, effect: RequestEffect, time_limit: Option<Duration>) -> Attempts {
        let time_limit = time_limit.unwrap_or(self.transport.request_timeout());
        Attempts::new(self.name, effect, time_limit, self.first_pause)
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn send(&self, request: HttpRequest<'_>) -> Result<HttpReply, NoReply> {
        let _turn = self.turn(&request.method).await;
        self.send_in_turn(request).await
    }

    /// Waits for a place among the requests that may run at once.
    pub async fn turn(&self, method: &Method) -> Option<RequestTurn<'_>> {
        let change = match *method {
            Method::GET | Method::HEAD => None,
            _ => Some(self.changes_at_once.acquire().await.ok()?),
        };
        Some(RequestTurn { _change: change, _place: self.at_once.acquire().await.ok()? })
    }

    /// Sends a request once, for a caller that holds a [turn](Self::turn): what ends soon, such as a token, is made
    /// after the wait.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn send_in_turn(&self, request: HttpRequest<'_>) -> Result<HttpReply, NoReply> {
        let (method, url, bearer) = (request.method.clone(), request.url, request.bearer);
        let started = Instant::now();
        self.traffic.sent();
        let reply = self.transport.send(request).await;
        let (api, path, took_ms) = (self.name, url.path(), started.elapsed().as_millis() as u64);
        match &reply {
            Ok(HttpReply { status, body, .. }) => {
                let (status, bytes) = (status.as_u16(), body.len());
                self.traffic.received(status, bytes);
                tracing::debug!(api, %method, path, status, bytes, took_ms, "{api} answered {method} {path} with {status}");
            }
            Err(no_reply) => {
                let why = quote(no_reply.why(), bearer.as_slice());
                tracing::debug!(api, %method, path, why, took_ms, "{api} did not answer {method} {path}: {why}");
            }
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::HttpSettings;

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_changes_leaves_places_to_reads() {
        let transport = HttpTransport::new(HttpSettings::new(Duration::from_secs(1), 1024));
        let client = ApiClient::new("x", Arc::new(transport), 8, Duration::from_secs(1));
        let mut held = Vec::new();
        let mut all = Vec::new();
        for method in [&Method::POST, &Method::GET] {
            while let Ok(turn) = tokio::time::timeout(Duration::from_secs(1), client.turn(method)).await {
                held.push(turn);
            }
            all.push(held.len());
        }
        assert_eq!(all, [6, 8]);
    }
}

//! `POST /webhook`: a delivery from GitHub wakes fleets. It decides nothing.
//!
//! Only the signature shows that a delivery is GitHub's, and it is known when the body is complete. So before that, little is
//! kept for little time, and nothing of a delivery that does not even bear a signature.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use azlin_fleet::ports::{Delivery, DeliverySignature, NotTaken, RawDelivery, WebhookReader};
use azlin_fleet::report::DoorKind;
use futures::StreamExt;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::doors::Visit;
use crate::metrics::Metrics;
use crate::status_store::StatusStore;
use crate::triggers::TriggerRouter;

/// The largest delivery that is read. One about a job has about ten kilobytes, as a form thirty.
const MOST_BODY: usize = 128 * 1024;
/// How long a body may take. GitHub itself gives up after 10 seconds.
const BODY: Duration = Duration::from_secs(5);

const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
const EVENT: HeaderName = HeaderName::from_static("x-github-event");

/// Receives GitHub's deliveries about jobs.
#[derive(Clone)]
pub(crate) struct WebhookHandler {
    webhook: Option<Arc<dyn WebhookReader>>,
    trigger_router: TriggerRouter,
    metrics: Metrics,
    refused: Arc<AtomicU64>,
}

impl WebhookHandler {
    /// Wakes fleets after verified deliveries. Without a secret to verify with, every delivery is refused.
    pub(crate) fn new(
        webhook: Option<Arc<dyn WebhookReader>>,
        trigger_router: TriggerRouter,
        status_store: &StatusStore,
    ) -> Self {
        WebhookHandler {
            webhook,
            trigger_router,
            metrics: status_store.metrics().clone(),
            refused: Arc::default(),
        }
    }

    pub(super) async fn answer(&self, request: Request, visit: &Visit) -> Response {
        if request.method() != Method::POST {
            let text = "deliveries come with POST\n";
            return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")], text).into_response();
        }
        let Some(webhook) = &self.webhook else {
            let text = "no webhook is expected here: the daemon has no webhook-secret\n";
            return (StatusCode::NOT_FOUND, text).into_response();
        };
        let (head, body) = request.into_parts();
        let values = head.headers.get_all(SIGNATURE).iter().map(HeaderValue::as_bytes);
        let signature = match DeliverySignature::of_headers(values) {
            Ok(signature) => signature,
            Err(why) => return self.refused(&why),
        };
        let most = match length(&head.headers) {
            Some(length) if length > MOST_BODY => return too_large(),
            Some(length) => length,
            None => MOST_BODY,
        };
        visit.enters(DoorKind::Webhook, most);
        let body = match timeout(BODY, read(body, most)).await {
            Ok(Ok(body)) => body,
            Ok(Err(BodyProblem::TooLarge)) => return too_large(),
            Ok(Err(BodyProblem::Broken)) => {
                return (StatusCode::BAD_REQUEST, "the body is broken off\n").into_response();
            }
            Err(_) => return (StatusCode::REQUEST_TIMEOUT, "the body took too long\n").into_response(),
        };
        let text = |name: &HeaderName| {
            head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let (event, content_type) = (text(&EVENT), text(&header::CONTENT_TYPE));
        match webhook.read(RawDelivery { event, signature, content_type, body: &body }) {
            Ok(delivery) => self.taken(&delivery),
            Err(why) => self.refused(&why),
        }
    }

    fn taken(&self, delivery: &Delivery) -> Response {
        match delivery {
            Delivery::Ping => {
                self.metrics.delivered("ping");
                info!("GitHub's webhook reaches this daemon");
                (StatusCode::OK, "pong\n").into_response()
            }
            Delivery::Job(job_event) => {
                let woken = self.trigger_router.tell(job_event);
                self.metrics.delivered(if woken > 0 { "told" } else { "concerns_none" });
                debug!(repo = %job_event.repo, job = job_event.job.0, news = ?job_event.change, woken, "webhook: job {} of {}: {:?}, which concerns {woken} fleets", job_event.job, job_event.repo, job_event.change);
                StatusCode::ACCEPTED.into_response()
            }
            Delivery::Other => {
                self.metrics.delivered("concerns_none");
                (StatusCode::OK, "it concerns no fleet\n").into_response()
            }
        }
    }

    /// Any client can cause refusals, so each is logged more rarely than the one before.
    fn refused(&self, why: &NotTaken) -> Response {
        let count = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            warn!(count, reason = %why, "a webhook's delivery was refused (refusal {count} since start): {why}");
        }
        let (status, outcome) = match why {
            NotTaken::Unsigned => (StatusCode::UNAUTHORIZED, "unsigned"),
            NotTaken::Forged => (StatusCode::UNAUTHORIZED, "forged"),
            NotTaken::Unreadable(_) => (StatusCode::BAD_REQUEST, "unreadable"),
        };
        self.metrics.delivered(outcome);
        (status, format!("{why}\n")).into_response()
    }
}

/// Why a body is not read to its end.
enum BodyProblem {
    TooLarge,
    Broken,
}

fn too_large() -> Response {
    (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large for a delivery about a job\n").into_response()
}

/// The length that the client announces, which hyper holds it to.
fn length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a body of at most this many bytes.
async fn read(body: Body, most: usize) -> Result<Vec<u8>, BodyProblem> {
    let (mut pieces, mut read) = (body.into_data_stream(), Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| BodyProblem::Broken)?;
        if read.len() + piece.len() > most {
            return Err(BodyProblem::TooLarge);
        }
        if read.capacity() == 0 {
            read.reserve_exact(most);
        }
        read.extend_from_slice(&piece);
    }
    Ok(read)
}

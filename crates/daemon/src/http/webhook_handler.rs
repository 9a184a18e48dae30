//! `POST /webhook`: a delivery from GitHub wakes fleets. It decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use azlin_fleet::ports::{Delivery, NotTaken, RawDelivery, WebhookReader};
use tracing::{debug, info, warn};

use crate::metrics::Metrics;
use crate::status_store::StatusStore;
use crate::triggers::TriggerRouter;

/// The largest delivery that is read. A job's delivery has about ten kilobytes.
const MOST_BODY: usize = 1024 * 1024;

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

    pub(super) fn route(self, router: Router) -> Router {
        let answer =
            post(move |headers: HeaderMap, body: Bytes| std::future::ready(self.answer(&headers, &body)));
        router.route("/webhook", answer.layer(DefaultBodyLimit::max(MOST_BODY)))
    }

    fn answer(&self, headers: &HeaderMap, body: &Bytes) -> (StatusCode, String) {
        let Some(webhook) = &self.webhook else {
            let text = "no webhook is expected here: the daemon has no webhook-secret\n";
            return (StatusCode::NOT_FOUND, text.to_owned());
        };
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let delivery = RawDelivery {
            event: header("x-github-event").unwrap_or_default(),
            signature: header("x-hub-signature-256"),
            content_type: header("content-type").unwrap_or_default(),
            body,
        };
        match webhook.read(delivery) {
            Ok(delivery) => self.taken(&delivery),
            Err(why) => self.refused(&why),
        }
    }

    fn taken(&self, delivery: &Delivery) -> (StatusCode, String) {
        match delivery {
            Delivery::Ping => {
                self.metrics.delivered("ping");
                info!("GitHub's webhook reaches this daemon");
                (StatusCode::OK, "pong\n".to_owned())
            }
            Delivery::Job(job_event) => {
                let woken = self.trigger_router.tell(job_event);
                self.metrics.delivered(if woken > 0 { "told" } else { "concerns_none" });
                debug!(repo = %job_event.repo, job = job_event.job.0, news = ?job_event.change, woken, "webhook: job {} of {}: {:?}, which concerns {woken} fleets", job_event.job, job_event.repo, job_event.change);
                (StatusCode::ACCEPTED, String::new())
            }
            Delivery::Other => {
                self.metrics.delivered("concerns_none");
                (StatusCode::OK, "it concerns no fleet\n".to_owned())
            }
        }
    }

    /// Any client can cause refusals, so each is logged more rarely than the one before.
    fn refused(&self, why: &NotTaken) -> (StatusCode, String) {
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
        (status, format!("{why}\n"))
    }
}

//! `GET /healthz`: whether every fleet ticks. `GET /readyz`: whether each fleet has ticked. Where so many fleets start that
//! their first looks take turns, one that waits for its turn counts as well. `GET /metrics`: counters and gauges.

use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, StatusCode};
use azlin_fleet::model::{PoolName, elapsed};
use tokio_util::sync::CancellationToken;

use crate::context::DaemonContext;
use crate::first_looks::FirstLooks;
use crate::fleet_set::Fleets;
use crate::metrics;
use crate::status_store::StatusStore;

/// What these requests are answered from.
#[derive(Clone)]
pub(crate) struct Health {
    /// Each fleet's last tick.
    pub(crate) status_store: StatusStore,
    /// The time of day.
    pub(crate) context: DaemonContext,
    /// The fleets that should tick.
    pub(crate) fleets: Fleets,
    /// The fleets that have not looked yet.
    pub(crate) first_looks: FirstLooks,
    /// How old a fleet's last tick may be when it had to tick at each poll; while polls are rarer it may be as much older.
    pub(crate) patience: Duration,
    /// Cancelled when the daemon stops.
    pub(crate) stop: CancellationToken,
}

impl Health {
    /// The metrics for Prometheus.
    pub(super) fn metrics(&self) -> ([(HeaderName, &'static str); 1], String) {
        let text = self.status_store.metrics().text(&self.status_store.read(), &self.context);
        ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
    }

    pub(super) fn answer(&self) -> (StatusCode, String) {
        let now = self.context.now();
        let (statuses, fleets) = (self.status_store.read().fleets, self.fleets.now());
        let ticks = |name: &&PoolName| match statuses.get(*name) {
            // The last tick said when the next poll is due.
            Some(status) => {
                elapsed(status.next_poll.unwrap_or(status.at).max(status.at), now) <= self.patience
            }
            None => self.first_looks.excuse(name, self.patience),
        };
        let (all, fresh) = (fleets.len(), fleets.names().filter(ticks).count());
        let body = serde_json::json!({ "fleets": all, "fleets_ticking": fresh });
        (status(fresh == all), format!("{body}\n"))
    }

    /// Whether each fleet has ticked, and the daemon is not stopping. A fleet whose last look at GitHub and Azure failed
    /// makes it no less ready: webhooks still arrive, and the body says how many fleets were seen whole.
    pub(super) fn is_ready(&self) -> (StatusCode, String) {
        let (statuses, fleets) = (self.status_store.read().fleets, self.fleets.now());
        let is_seen = |name: &&PoolName| statuses.contains_key(*name);
        let (all, seen) = (fleets.len(), fleets.names().filter(is_seen).count());
        let unseen = fleets.names().filter(|name| !is_seen(name));
        let waits = unseen.filter(|name| self.first_looks.excuse(name, self.patience)).count();
        let is_stopping = self.stop.is_cancelled();
        let is_known = |name: &&PoolName| {
            statuses.get(*name).is_some_and(|status| status.jobs_known && status.runners_known)
        };
        let known = fleets.names().filter(is_known).count();
        let body = serde_json::json!({
            "fleets": all, "fleets_seen": seen, "fleets_known": known, "stopping": is_stopping,
        });
        (status(seen + waits == all && !is_stopping), format!("{body}\n"))
    }
}

fn status(is_good: bool) -> StatusCode {
    if is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

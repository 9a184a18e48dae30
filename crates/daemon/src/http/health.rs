//! `GET /healthz`: whether every fleet is looked at.

use std::time::Duration;

use axum::http::StatusCode;
use azlin_fleet::names::PoolName;
use azlin_fleet::scaling::elapsed;

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
    pub(super) fn answer(&self) -> (StatusCode, String) {
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

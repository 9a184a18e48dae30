//! The doors: who asks for what has places of its own, also where operators and GitHub share an address.
//!
//! A connection arrives, and says by the head of its request what it wants. Until then it takes part in the crowd before the
//! doors. So neither sockets that say nothing nor bodies that never end keep operators out, or GitHub, and what all of them
//! together may hold is a few megabytes.

use azlin_fleet::report::DoorKind;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::MOST_HEAD;
use super::places::{Origin, Place, Places};
use crate::metrics::Metrics;

/// 128 connections whose heads are not complete: an honest one has its head within a round trip.
const ARRIVING: usize = 128 * MOST_HEAD;
/// 64 operators: each page that is open has an event stream, and Prometheus and probes come and go.
const OPERATORS: usize = 64 * MOST_HEAD;
/// About 40 of GitHub's deliveries about a job at once, or 7 of the largest bodies: most are complete with their heads, and
/// done a moment later. What gives way holds its bytes until its task has run, so the memory in use is some more.
const DELIVERIES: usize = 1024 * 1024;

/// The places behind all listeners of a daemon.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    arriving: Places,
    operators: Places,
    webhook: Places,
    metrics: Metrics,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionEnd {
    /// It got an answer, which is none of the below.
    Answered,
    /// It was refused as not signed, or not with a secret that is known: 401.
    Unsigned,
    /// Its body was refused as too large: 413.
    TooLarge,
    /// It was no request that could be read: 400, 431.
    Unreadable,
    /// It took too long.
    Cut,
    /// The client went before it had its answer.
    Left,
    /// It gave way to another one.
    Evicted,
}

impl ConnectionEnd {
    fn as_str(self) -> &'static str {
        match self {
            ConnectionEnd::Answered => "answered",
            ConnectionEnd::Unsigned => "unsigned",
            ConnectionEnd::TooLarge => "too_large",
            ConnectionEnd::Unreadable => "unreadable",
            ConnectionEnd::Cut => "cut",
            ConnectionEnd::Left => "left",
            ConnectionEnd::Evicted => "evicted",
        }
    }
}

/// One connection: at which door it is, and its place there.
#[derive(Debug)]
pub(super) struct Visit {
    doors: Doors,
    from: Origin,
    leave: CancellationToken,
    at: Mutex<(DoorKind, Place)>,
}

impl Doors {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Doors {
            arriving: Places::new(ARRIVING),
            operators: Places::new(OPERATORS),
            webhook: Places::new(DELIVERIES),
            metrics,
        }
    }

    /// How many connections have had to give way at each door so far.
    pub(crate) fn evicted(&self) -> [(DoorKind, u64); 3] {
        DoorKind::ALL.map(|kind| (kind, self.places(kind).evicted()))
    }

    /// A connection has come.
    pub(super) fn arrives(&self, from: Origin) -> Visit {
        let leave = CancellationToken::new();
        let place = self.arriving.enter(from, MOST_HEAD, &leave);
        Visit { doors: self.clone(), from, leave, at: Mutex::new((DoorKind::Arrival, place)) }
    }

    fn places(&self, kind: DoorKind) -> &Places {
        match kind {
            DoorKind::Arrival => &self.arriving,
            DoorKind::Operators => &self.operators,
            DoorKind::Webhook => &self.webhook,
        }
    }
}

impl Visit {
    /// It goes on to a door, with a body of at most this many bytes.
    pub(super) fn enters(&self, kind: DoorKind, body: usize) {
        let place = self.doors.places(kind).enter(self.from, MOST_HEAD + body, &self.leave);
        *self.at.lock() = (kind, place);
    }

    /// Returns when it must give way to another one.
    pub(super) async fn must_leave(&self) {
        self.leave.cancelled().await;
    }

    pub(super) fn ends(&self, end: ConnectionEnd) {
        self.doors.metrics.connection_ended(self.at.lock().0.as_str(), end.as_str());
    }
}

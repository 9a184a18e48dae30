//! What was sent and received, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use azlin_fleet::model::{CallOutcome, Calls};
use parking_lot::Mutex;

/// Sums since the client was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrafficCounts {
    /// Requests that were sent, including repeated ones.
    pub requests: u64,
    /// Answers "not modified", which cost nothing of a rate limit at GitHub.
    pub not_modified: u64,
    /// Bytes of bodies, uncompressed.
    pub bytes_received: u64,
}

/// Counts what is sent and received.
#[derive(Debug, Default)]
pub struct Traffic {
    requests: AtomicU64,
    not_modified: AtomicU64,
    bytes_received: AtomicU64,
    calls: Mutex<Calls>,
}

impl Traffic {
    pub(crate) fn sent(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, status: u16, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
        if status == 304 {
            self.not_modified.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request has ended. Only the adapter knows whether a refusal is about a rate limit, so the adapter
    /// says so.
    pub fn ended(&self, outcome: CallOutcome) {
        self.calls.lock().add(outcome);
    }

    /// How the requests have ended.
    pub fn calls(&self) -> Calls {
        *self.calls.lock()
    }

    /// The sums.
    pub fn counts(&self) -> TrafficCounts {
        TrafficCounts {
            requests: self.requests.load(Ordering::Relaxed),
            not_modified: self.not_modified.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
        }
    }
}

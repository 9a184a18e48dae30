//! What was sent and received.

use std::sync::atomic::{AtomicU64, Ordering};

use azlin_fleet::model::{CallOutcome, Calls};
use parking_lot::Mutex;

/// Sums since the client was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests sent, repeated ones too.
    pub requests: u64,
    /// Answers "not modified", which cost nothing of the budget.
    pub not_modified: u64,
    /// Bytes of bodies, unpacked.
    pub bytes_received: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    not_modified: AtomicU64,
    bytes_received: AtomicU64,
    calls: Mutex<Calls>,
}

impl Counters {
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn not_modified(&self) {
        self.not_modified.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has ended.
    pub(crate) fn ended(&self, outcome: CallOutcome) {
        self.calls.lock().add(outcome);
    }

    pub(crate) fn calls(&self) -> Calls {
        *self.calls.lock()
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.load(Ordering::Relaxed),
            not_modified: self.not_modified.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
        }
    }
}

//! What was sent and received, and what Azure's limits were at last.

use std::sync::atomic::{AtomicU64, Ordering};

use azlin_fleet::model::{CallOutcome, Calls, Remaining};
use parking_lot::Mutex;

/// Sums since the client was made, of requests to the resource manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests sent, repeated ones too.
    pub requests: u64,
    /// Bytes of bodies, unpacked.
    pub bytes_received: u64,
}

/// Azure names about a dozen.
const MOST_OPERATIONS: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    bytes_received: AtomicU64,
    calls: Mutex<Calls>,
    remaining: Mutex<Remaining>,
}

impl Counters {
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
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

    pub(crate) fn saw(&self, headers: &reqwest::header::HeaderMap) {
        let number = |kind: &str| {
            let name = format!("x-ms-ratelimit-remaining-subscription-{kind}");
            headers.get(name)?.to_str().ok()?.parse().ok()
        };
        let mut remaining = self.remaining.lock();
        remaining.reads = number("reads").or(remaining.reads);
        remaining.writes = number("writes").or(remaining.writes);
        remaining.deletes = number("deletes").or(remaining.deletes);
        // "Microsoft.Compute/GetVM3Min;238,Microsoft.Compute/GetVM30Min;1190"
        let of_operations = headers.get_all("x-ms-ratelimit-remaining-resource").into_iter();
        let texts = of_operations.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
        for (name, left) in texts.filter_map(|one| one.trim().split_once(';')) {
            if let Ok(left) = left.parse()
                && (remaining.operations.len() < MOST_OPERATIONS || remaining.operations.contains_key(name))
            {
                remaining.operations.insert(name.to_owned(), left);
            }
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn remaining(&self) -> Remaining {
        self.remaining.lock().clone()
    }
}

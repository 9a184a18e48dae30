//! One fetch for all tasks that request the same value at about the same time.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::seeded_bug;
use parking_lot::Mutex;
use tokio::time::Instant;

type Slot<T> = Arc<tokio::sync::Mutex<Option<(Instant, Arc<T>)>>>;

/// The last fetched values, by key. Different keys never wait for each other.
pub(crate) struct SingleFlight<K, T>(Mutex<BTreeMap<K, Slot<T>>>);

impl<K, T> Default for SingleFlight<K, T> {
    fn default() -> Self {
        SingleFlight(Mutex::default())
    }
}

impl<K: Ord, T> SingleFlight<K, T> {
    /// Drops the fetched value.
    pub(crate) fn forget(&self, key: &K) {
        self.0.lock().remove(key);
    }

    /// All keys that were ever requested.
    pub(crate) fn keys(&self) -> Vec<K>
    where
        K: Clone,
    {
        self.0.lock().keys().cloned().collect()
    }

    /// The last value, and when its fetch began, unless one is being fetched.
    pub(crate) fn last(&self, key: &K) -> Option<(Instant, Arc<T>)> {
        let slot = Arc::clone(self.0.lock().get(key)?);
        slot.try_lock().ok()?.clone()
    }

    /// The value if it was fetched no earlier than `since`, else the result of `fetch`. Waits for a running
    /// fetch.
    pub(crate) async fn get(&self, key: K, since: Instant, fetch: impl Future<Output = T>) -> Arc<T> {
        let slot = Arc::clone(self.0.lock().entry(key).or_default());
        let mut last = slot.lock().await;
        if let Some((began, value)) = &*last {
            let is_fresh = *began >= since;
            if seeded_bug!(CacheForever, is_fresh, true) {
                return Arc::clone(value);
            }
        }
        let began = Instant::now();
        let value = Arc::new(fetch.await);
        *last = Some((began, Arc::clone(&value)));
        value
    }
}

#[cfg(test)]
mod tests;

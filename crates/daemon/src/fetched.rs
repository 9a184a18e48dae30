//! One fetch for all who ask for the same thing at about the same time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use azlin_fleet::seeded_bug;
use tokio::time::Instant;

type Place<T> = Arc<tokio::sync::Mutex<Option<(Instant, Arc<T>)>>>;

/// What was fetched last, by key. Different keys never wait for each other.
pub(crate) struct Fetched<K, T>(Mutex<BTreeMap<K, Place<T>>>);

impl<K, T> Default for Fetched<K, T> {
    fn default() -> Self {
        Fetched(Mutex::default())
    }
}

impl<K: Ord, T> Fetched<K, T> {
    /// What was fetched is not to be trusted any more.
    pub(crate) fn forget(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Everything that was ever asked for.
    pub(crate) fn keys(&self) -> Vec<K>
    where
        K: Clone,
    {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// What was fetched no earlier than `since`, or what `fetch` brings. A fetch that is under way
    /// is waited for.
    pub(crate) async fn get(&self, key: K, since: Instant, fetch: impl Future<Output = T>) -> Arc<T> {
        let place = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
        let mut last = place.lock().await;
        if let Some((began, value)) = &*last
            && seeded_bug!(CacheForever, *began >= since, true)
        {
            return Arc::clone(value);
        }
        let began = Instant::now();
        let value = Arc::new(fetch.await);
        *last = Some((began, Arc::clone(&value)));
        value
    }
}

#[cfg(test)]
#[path = "fetched_tests.rs"]
mod tests;

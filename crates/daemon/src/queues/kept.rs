//! The queues as they were read last. A queue is read as a whole, or only the jobs of runs that events named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azlin_fleet::model::RunId;
use azlin_fleet::seeded_bug;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How recently a queue must have been read.
pub(crate) struct ReadSince {
    /// The whole queue.
    pub(crate) whole: Instant,
    /// The jobs of some of its runs.
    pub(crate) runs: BTreeMap<RunId, Instant>,
}

/// What a read of a queue reads.
pub(super) enum ReadPart {
    Whole,
    /// Only the jobs of these runs.
    Runs(BTreeSet<RunId>),
}

/// The last read queues, by key. Different keys never wait for each other.
pub(super) struct KeptQueues<K, T>(Mutex<BTreeMap<K, KeptSlot<T>>>);

type KeptSlot<T> = Arc<tokio::sync::Mutex<Option<KeptQueue<T>>>>;

struct KeptQueue<T> {
    value: Arc<T>,
    whole_at: Instant,
    /// When runs were read since.
    runs_at: BTreeMap<RunId, Instant>,
}

impl<K, T> Default for KeptQueues<K, T> {
    fn default() -> Self {
        KeptQueues(Mutex::default())
    }
}

impl<T> KeptQueue<T> {
    /// What has to be read again; `None` if nothing has.
    fn stale(&self, since: &ReadSince) -> Option<ReadPart> {
        if seeded_bug!(CacheForever, self.whole_at < since.whole, false) {
            return Some(ReadPart::Whole);
        }
        let read_at = |run: &RunId| self.runs_at.get(run).map_or(self.whole_at, |at| self.whole_at.max(*at));
        let stale = since.runs.iter().filter(|(run, since)| read_at(run) < **since);
        let runs: BTreeSet<RunId> = stale.map(|(run, _)| *run).collect();
        let are_stale = !runs.is_empty();
        seeded_bug!(CacheForever, are_stale, false).then_some(ReadPart::Runs(runs))
    }
}

impl<K: Ord, T> KeptQueues<K, T> {
    /// The queue, if it was read recently enough, else with what `read` reads again. Waits for a running read.
    pub(super) async fn get(
        &self,
        key: K,
        since: &ReadSince,
        read: impl AsyncFnOnce(ReadPart) -> T,
    ) -> Arc<T> {
        let slot = Arc::clone(self.0.lock().entry(key).or_default());
        let mut kept = slot.lock().await;
        let part = match &*kept {
            Some(kept) => match kept.stale(since) {
                Some(part) => part,
                None => return Arc::clone(&kept.value),
            },
            None => ReadPart::Whole,
        };
        let began = Instant::now();
        let runs = match &part {
            ReadPart::Whole => None,
            ReadPart::Runs(runs) => Some(runs.clone()),
        };
        let value = Arc::new(read(part).await);
        match (&mut *kept, runs) {
            (Some(kept), Some(runs)) => {
                kept.runs_at.extend(runs.into_iter().map(|run| (run, began)));
                kept.value = Arc::clone(&value);
            }
            (kept, _) => {
                *kept =
                    Some(KeptQueue { value: Arc::clone(&value), whole_at: began, runs_at: BTreeMap::new() });
            }
        }
        value
    }
}

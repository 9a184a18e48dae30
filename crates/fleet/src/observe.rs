//! What was observed: snapshots, demand, triggers, and how often to poll.

mod demand;
mod freshness;
mod poll_pace;
mod snapshot;
mod trigger;

pub use demand::{
    Claim, Demand, OldestPending, QueueMetrics, attribute, claims_alike, has_label, is_in_scope, owner,
    serves,
};
pub use freshness::{
    DOWNLOADS_MAX_AGE, FAILED_DOWNLOADS_MAX_AGE, Freshness, LastLists, MaxAges, Poll, REPOSITORIES_MAX_AGE,
};
pub use poll_pace::{PollPacer, SlowedPolling};
pub(crate) use snapshot::list_lag;
pub use snapshot::{
    Lists, ObservedDemand, Operation, Seen, Snapshot, entries_by_prefix, entries_of, unknown_demand,
    vms_by_pool, working,
};
pub use trigger::{ReadScope, Triggers};

//! What was observed: snapshots, demand, triggers, and how often to poll.

mod busy_runners;
mod by_name;
mod demand;
mod first_look;
mod freshness;
mod job_times;
mod left_out;
mod poll_pace;
mod run_reads;
mod scale_set;
mod set_session;
mod snapshot;
mod trigger;
mod trigger_pace;

pub use busy_runners::BusyRunners;
pub use by_name::by_name;
pub use demand::{
    Claim, Demand, QueueMetrics, QueuedJob, UnservedJobs, attribute, claims_alike, has_label, is_in_scope,
    labels_served, owner, serves,
};
pub use first_look::{FIRST_LOOKS_AT_ONCE, first_look_pause};
pub use freshness::{
    DOWNLOADS_MAX_AGE, FAILED_DOWNLOADS_MAX_AGE, Freshness, GROUPS_MAX_AGE, LONGEST_READ, LastLists, MaxAges,
    Poll, REPOSITORIES_MAX_AGE,
};
pub use job_times::JobTimes;
pub use left_out::{LeftOut, left_out, refused};
pub use poll_pace::{PollPacer, SlowedBy, SlowedPolling};
pub use run_reads::{MOST_RUNS, RunChoice, RunReads, RunState, can_be_ours};
pub use scale_set::{ScaleSetStatus, SetEffects, SetWatch};
pub use set_session::{
    EARLY_END, EARLY_END_PAUSE, SetStep, TOLD_AFTER, after_trouble, differs, held_set, lacking, set_capacity,
    wait_after,
};
pub(crate) use snapshot::list_lag;
pub use snapshot::{
    Lists, ObservedDemand, Operation, Seen, Snapshot, Working, entries_by_prefix, entries_of, unknown_demand,
    vms_by_pool, working,
};
pub use trigger::{ReadScope, Triggers};
pub use trigger_pace::{TriggerPacer, even_wait, is_short};

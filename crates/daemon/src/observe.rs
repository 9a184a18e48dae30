//! Observe: gathers facts and interprets nothing.
//!
//! What several fleets need is read once: fleets of one repository share its queue, fleets of one scope its
//! runners, and fleets of one resource group its VMs. `azlin_fleet::observe` decides how old a shared read
//! may be. A read under way is waited for, not repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::{DemandSource, Fleet, GroupContent, Site};
use azlin_fleet::model::{CallError, CallErrorKind, PoolName, RepoSlug, ResourceGroup, RunnerInfo, in_words};
use azlin_fleet::observe::{
    BusyRunners, LONGEST_READ, Lists, MaxAges, Poll, Seen, Snapshot, entries_by_prefix, entries_of,
};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::capacity_cache::CapacityCache;
use crate::context::DaemonContext;
use crate::fleet_set::Fleets;
use crate::queues::{FleetQueue, JobQueues, ReadSince};
use crate::scale_set::SetCells;
use crate::single_flight::SingleFlight;
use vms::VmLists;

mod vms;

/// GitHub's entries of runners, by the prefix of their names.
type Entries = BTreeMap<String, Vec<Arc<RunnerInfo>>>;

/// Reads for all fleets, and keeps what was read last.
pub(crate) struct Observer {
    context: DaemonContext,
    fleets: Fleets,
    /// The time between two polls.
    interval: Duration,
    /// When the observer was made: nothing was read before.
    epoch: Instant,
    queues: JobQueues,
    entries: SingleFlight<(Site, DemandSource), Seen<Entries>>,
    vms: VmLists,
    /// The busy runners of each fleet, from one look to the next.
    busy: Mutex<BTreeMap<PoolName, BusyRunners>>,
}

impl Observer {
    /// For these fleets, with a poll every `interval`.
    pub(crate) fn new<'f>(
        context: DaemonContext,
        fleets: impl IntoIterator<Item = &'f Fleet>,
        interval: Duration,
    ) -> Self {
        Observer::of(context, Fleets::new(fleets.into_iter().cloned()), Arc::default(), interval)
    }

    /// For fleets that may change.
    pub(crate) fn of(
        context: DaemonContext,
        fleets: Fleets,
        capacity: Arc<CapacityCache>,
        interval: Duration,
    ) -> Self {
        Observer {
            vms: VmLists::new(context.clone(), capacity),
            context,
            fleets,
            interval,
            epoch: Instant::now(),
            queues: JobQueues::default(),
            entries: SingleFlight::default(),
            busy: Mutex::default(),
        }
    }

    /// What a poll shows the fleet: its VMs in its own resource group and in others that may still hold some
    /// of them, and the queues as they were read.
    pub(crate) async fn poll(
        &self,
        fleet: &Fleet,
        others: &BTreeSet<ResourceGroup>,
        poll: Poll,
    ) -> (Snapshot, FleetQueue) {
        let now = Instant::now();
        let ages = MaxAges::of_poll(poll, self.interval, self.shared_out(fleet, now));
        self.look(fleet, others, &ages, now, None).await
    }

    /// What the fleet observes when nothing may be older than `ages` allow at `now`. Reuses the lists of
    /// `last` where they are fresh enough.
    pub(crate) async fn look(
        &self,
        fleet: &Fleet,
        others: &BTreeSet<ResourceGroup>,
        ages: &MaxAges,
        now: Instant,
        last: Option<&Snapshot>,
    ) -> (Snapshot, FleetQueue) {
        if let Some(access) = self.fleets.now().access(&fleet.credential) {
            self.context.github(fleet).serve_access(access);
        }
        let since = |age: Option<Duration>| age.and_then(|age| now.checked_sub(age)).unwrap_or(self.epoch);
        let since_of = |repo: &RepoSlug| ReadSince {
            whole: since(ages.queue(repo)),
            runs: ages.runs(repo).map(|(run, age)| (run, since(Some(age)))).collect(),
        };
        let lists = async {
            match (ages.lists, last) {
                (None, Some(last)) => last.lists(),
                (age, _) => self.lists(fleet, others, ages.power, since(age.or(Some(Duration::ZERO)))).await,
            }
        };
        let queue = self.queues.of(fleet, &self.fleets, &self.context, since_of);
        let (queue, lists) = futures::join!(queue, lists);
        let now = self.context.now();
        let mut seen = Snapshot::new(queue.observed(fleet, now), lists);
        self.busy.lock().entry(fleet.name.clone()).or_default().take_off(&mut seen, now);
        if let Some(count) = self.context.github(fleet).uncounted_runners(&fleet.scope) {
            seen.note_uncounted(&fleet.scope, count);
        }
        (seen, queue)
    }

    /// What the sessions of scale sets show.
    pub(crate) fn set_cells(&self) -> &SetCells {
        &self.queues.set_cells
    }

    /// How long the credential's jobs have been shared out among the current fleets.
    pub(crate) fn shared_out(&self, fleet: &Fleet, now: Instant) -> Option<Duration> {
        let since = self.fleets.now().since(&fleet.credential)?;
        Some(now.saturating_duration_since(since))
    }

    /// Every resource group that was read, including those that fleets have left.
    pub(crate) fn known_groups(&self) -> BTreeSet<ResourceGroup> {
        self.vms.known_groups()
    }

    /// What a resource group holds, read no earlier than `since`.
    pub(crate) async fn content(
        &self,
        group: &ResourceGroup,
        since: Instant,
    ) -> Result<GroupContent, CallError> {
        self.vms.content(group, since).await
    }

    async fn lists(
        &self,
        fleet: &Fleet,
        others: &BTreeSet<ResourceGroup>,
        power: bool,
        since: Instant,
    ) -> Lists {
        let (entries, vms) = futures::join!(
            self.entries.get((fleet.site(), fleet.demand.source), since, self.read_runners(fleet)),
            self.vms.of(fleet, others, power, since),
        );
        let entries = (*entries).as_ref().map(|all| entries_of(fleet, all)).map_err(String::clone);
        match vms {
            Ok((vms, unread)) => Lists { entries, vms: Ok(vms), unread },
            Err(why) => Lists { entries, vms: Err(why), unread: BTreeMap::new() },
        }
    }

    async fn read_runners(&self, fleet: &Fleet) -> Seen<Entries> {
        let (scope, github) = (&fleet.scope, self.context.github(fleet));
        if fleet.demand.is_scale_set() {
            // These requests do not count. What the service does not tell is asked of the REST API.
            if let Ok(entries) = in_time(github.scale_sets().runners(scope)).await {
                return Ok(entries_by_prefix(entries));
            }
        }
        let entries = in_time(github.runners(scope)).await;
        entries.map(entries_by_prefix).map_err(|error| format!("the runners of {scope}: {error}"))
    }
}

/// The result of a read, or an error where it takes longer than it may.
pub(crate) async fn in_time<T>(read: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    let result = tokio::time::timeout(LONGEST_READ, read).await;
    result.unwrap_or_else(|_| {
        let why = format!("it was not read within {}", in_words(LONGEST_READ));
        Err(CallError::new(CallErrorKind::Unavailable, why))
    })
}

#[cfg(test)]
mod tests;

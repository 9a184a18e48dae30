//! The first looks of many fleets: some at once, the others one after the other as GitHub's budget gives. A fleet with
//! runners, or that a trigger names, does not wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{CredentialName, PoolName};
use azlin_fleet::observe::{FIRST_LOOKS_AT_ONCE, first_look_pause};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::context::DaemonContext;

/// The first looks of all fleets.
#[derive(Debug, Clone)]
pub(crate) struct FirstLooks(Arc<FirstLooksState>);

#[derive(Debug)]
struct FirstLooksState {
    /// Whether there are so many fleets that they take turns.
    take_turns: bool,
    at_once: Arc<Semaphore>,
    state: Mutex<Turns>,
}

#[derive(Debug, Default)]
struct Turns {
    /// Fleets that have not looked yet, and since when each is looking.
    unseen: BTreeMap<PoolName, Option<Instant>>,
    /// How many turns each credential had, and when its next one is.
    next: BTreeMap<Option<CredentialName>, (usize, Instant)>,
}

/// The turn of a fleet, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    looks: FirstLooks,
    fleet: PoolName,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.looks.0.state.lock().unseen.remove(&self.fleet);
    }
}

impl FirstLooks {
    /// For these fleets. Where they are few, none waits.
    pub(crate) fn new<'f>(fleets: impl ExactSizeIterator<Item = &'f PoolName>) -> Self {
        let take_turns = fleets.len() > FIRST_LOOKS_AT_ONCE;
        let unseen = fleets.filter(|_| take_turns).map(|name| (name.clone(), None)).collect();
        let state = Mutex::new(Turns { unseen, ..Turns::default() });
        let at_once = Arc::new(Semaphore::new(FIRST_LOOKS_AT_ONCE));
        FirstLooks(Arc::new(FirstLooksState { take_turns, at_once, state }))
    }

    /// Whether a fleet that has not ticked waits for its turn, or has had it for less than this time.
    pub(crate) fn excuse(&self, fleet: &PoolName, patience: Duration) -> bool {
        let state = self.0.state.lock();
        let since = state.unseen.get(fleet);
        since.is_some_and(|since| since.is_none_or(|since| since.elapsed() <= patience))
    }

    /// Waits for the fleet's turn.
    pub(crate) async fn turn(self, context: DaemonContext, fleet: Arc<Fleet>) -> Turn {
        if self.0.take_turns {
            self.0.state.lock().unseen.entry(fleet.name.clone()).or_insert(None);
        }
        let permit = Arc::clone(&self.0.at_once).acquire_owned().await.ok();
        sleep_until(self.reserve(&context, &fleet)).await;
        self.with(&fleet.name, permit)
    }

    /// The fleet looks now, without a turn.
    pub(crate) fn begin(&self, fleet: &PoolName) -> Turn {
        self.with(fleet, None)
    }

    fn with(&self, fleet: &PoolName, permit: Option<OwnedSemaphorePermit>) -> Turn {
        if let Some(since) = self.0.state.lock().unseen.get_mut(fleet) {
            *since = Some(Instant::now());
        }
        Turn { looks: self.clone(), fleet: fleet.clone(), _permit: permit }
    }

    /// When the next first look with the fleet's credential may begin. Nobody else gets that moment.
    fn reserve(&self, context: &DaemonContext, fleet: &Fleet) -> Instant {
        let pause = first_look_pause(context.github(fleet).budget(), context.now());
        let (mut state, now) = (self.0.state.lock(), Instant::now());
        let (had, next) = state.next.entry(fleet.credential.clone()).or_insert((0, now));
        *had += 1;
        if *had <= FIRST_LOOKS_AT_ONCE {
            return now;
        }
        let at = (*next).max(now);
        *next = at + pause;
        at
    }
}

//! The first looks of many fleets: some at once, the others one after the other as GitHub's budget gives. A fleet with
//! runners, or that a trigger names, does not wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{Carried, CredentialName, PoolName};
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
    state: Mutex<FirstLookTurns>,
}

#[derive(Debug, Default)]
struct FirstLookTurns {
    /// Fleets that have not looked yet, and since when each is looking.
    unseen: BTreeMap<PoolName, Option<Instant>>,
    of_credential: BTreeMap<Option<CredentialName>, (Line, u32)>,
}

/// The line of a credential's fleets: the first one waits, and the others for it. Beside it, how many have been through.
type Line = Arc<tokio::sync::Mutex<CredentialTurns>>;

/// The turns of the fleets of one credential.
#[derive(Debug)]
struct CredentialTurns {
    began: Instant,
    next: Instant,
}

/// The turn of a fleet, until this is dropped.
#[derive(Debug)]
pub(crate) struct FirstLookTurn {
    looks: FirstLooks,
    fleet: PoolName,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for FirstLookTurn {
    fn drop(&mut self) {
        self.looks.0.state.lock().unseen.remove(&self.fleet);
    }
}

impl FirstLooks {
    /// For these fleets. Where they are few, none waits.
    pub(crate) fn new<'f>(fleets: impl ExactSizeIterator<Item = &'f PoolName>) -> Self {
        let take_turns = fleets.len() > FIRST_LOOKS_AT_ONCE as usize;
        let unseen = fleets.filter(|_| take_turns).map(|name| (name.clone(), None)).collect();
        let state = Mutex::new(FirstLookTurns { unseen, ..FirstLookTurns::default() });
        let at_once = Arc::new(Semaphore::new(FIRST_LOOKS_AT_ONCE as usize));
        FirstLooks(Arc::new(FirstLooksState { take_turns, at_once, state }))
    }

    /// Whether a fleet that has not ticked waits for its turn, or has had it for less than this time.
    pub(crate) fn excuse(&self, fleet: &PoolName, patience: Duration) -> bool {
        let state = self.0.state.lock();
        let since = state.unseen.get(fleet);
        since.is_some_and(|since| since.is_none_or(|since| since.elapsed() <= patience))
    }

    /// How many requests the first looks with a credential have taken: no poll will repeat them.
    pub(crate) fn requests(&self, credential: &Option<CredentialName>) -> u64 {
        let state = self.0.state.lock();
        let had = state.of_credential.get(credential).map_or(0, |(_, had)| *had);
        u64::from(had) * Carried::FIRST_LOOK
    }

    /// Waits for the fleet's turn.
    pub(crate) async fn turn(self, context: DaemonContext, fleet: Arc<Fleet>) -> FirstLookTurn {
        if self.0.take_turns {
            self.0.state.lock().unseen.entry(fleet.name.clone()).or_insert(None);
        }
        let permit = Arc::clone(&self.0.at_once).acquire_owned().await.ok();
        self.stand_in_line(&context, &fleet).await;
        self.with(&fleet.name, permit)
    }

    /// The fleet looks now, without a turn.
    pub(crate) fn begin(&self, fleet: &PoolName) -> FirstLookTurn {
        self.with(fleet, None)
    }

    fn with(&self, fleet: &PoolName, permit: Option<OwnedSemaphorePermit>) -> FirstLookTurn {
        if let Some(since) = self.0.state.lock().unseen.get_mut(fleet) {
            *since = Some(Instant::now());
        }
        FirstLookTurn { looks: self.clone(), fleet: fleet.clone(), _permit: permit }
    }

    /// Waits until GitHub's budget gives another first look with the fleet's credential.
    async fn stand_in_line(&self, context: &DaemonContext, fleet: &Fleet) {
        let line = {
            let new = || CredentialTurns { began: Instant::now(), next: Instant::now() };
            let mut state = self.0.state.lock();
            let line = state.of_credential.entry(fleet.credential.clone());
            Arc::clone(&line.or_insert_with(|| (Arc::new(tokio::sync::Mutex::new(new())), 0)).0)
        };
        let mut turns = line.lock().await;
        let had = {
            let mut state = self.0.state.lock();
            let had = state.of_credential.get_mut(&fleet.credential).map(|(_, had)| had);
            had.map_or(0, |had| {
                *had += 1;
                *had
            })
        };
        if had <= FIRST_LOOKS_AT_ONCE {
            return;
        }
        let pause = first_look_pause(context.github(fleet).budget(), context.now());
        // Those that began at once count as well.
        let earliest = turns.began + pause.min(Carried::first_look_pause()) * had;
        sleep_until(turns.next.max(earliest)).await;
        turns.next = Instant::now() + pause;
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::fixture::{CloudFixture, fleet};

    /// When each of so many fleets had its turn, in seconds. None of them looks any longer.
    async fn turns(settings: &str, count: usize) -> (FirstLooks, Vec<Arc<Fleet>>, Vec<u64>) {
        let fixture = CloudFixture::new(settings);
        let fleets: Vec<Arc<Fleet>> =
            (0..count).map(|number| Arc::new(fleet(&format!("f{number}"), "", ""))).collect();
        let looks = FirstLooks::new(fleets.iter().map(|fleet| &fleet.name));
        let (began, mut all) = (Instant::now(), JoinSet::new());
        for fleet in &fleets {
            let turn = looks.clone().turn(fixture.context.clone(), Arc::clone(fleet));
            all.spawn(async move { (turn.await, began.elapsed().as_secs()).1 });
        }
        let mut at = all.join_all().await;
        at.sort_unstable();
        (looks, fleets, at)
    }

    #[tokio::test(start_paused = true)]
    async fn many_fleets_look_for_the_first_time_as_the_budget_gives() {
        let at_once = FIRST_LOOKS_AT_ONCE as usize;
        for (settings, count, at_last) in [
            ("rate_limit = 5000", at_once, 0),
            ("rate_limit = 0", 300, 0),
            ("rate_limit = 5000", 65, 28),
            // 300 looks of 6 requests, of which 810 may be sent in a minute.
            ("rate_limit = 5000", 300, 133),
        ] {
            let (looks, fleets, at) = turns(settings, count).await;
            assert_eq!(at[..at_once.min(count)], vec![0; at_once.min(count)], "{settings} {count}");
            let last = at[count - 1];
            assert!(last.abs_diff(at_last) <= 1, "{settings} {count}: {last}");
            let excused = fleets.iter().filter(|fleet| looks.excuse(&fleet.name, Duration::MAX));
            assert_eq!(excused.count(), 0, "all have looked");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fleet_that_waits_for_its_turn_is_excused_and_one_that_looks_for_a_while() {
        let names: Vec<PoolName> =
            (0..65).map(|number| format!("f{number}").parse().expect("a good name")).collect();
        let patience = Duration::from_secs(60);
        let few = FirstLooks::new(names[..64].iter());
        assert!(!few.excuse(&names[0], patience), "few fleets all look at once");
        let many = FirstLooks::new(names.iter());
        assert!(many.excuse(&names[0], patience));
        let turn = many.begin(&names[0]);
        tokio::time::sleep(patience).await;
        assert!(many.excuse(&names[0], patience));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!many.excuse(&names[0], patience), "it is stuck");
        drop(turn);
        assert!(!many.excuse(&names[0], Duration::MAX) && many.excuse(&names[1], patience));
    }
}

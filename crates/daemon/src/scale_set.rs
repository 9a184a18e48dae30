//! The sessions of runner scale sets. A task for each fleet holds its session, writes what that shows into a cell, and
//! triggers a tick. It decides nothing: what to do after trouble, and what the messages amount to, is decided in
//! `azlin_fleet::observe`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::{Fleet, wanted_set};
use azlin_fleet::model::{
    CallError, CallErrorKind, MessageId, PoolName, ScaleSetConfig, ScaleSetInfo, ScaleSetSession,
    SessionError, SessionKey, counted,
};
use azlin_fleet::observe::{
    EARLY_END, EARLY_END_PAUSE, SetStep, SetWatch, TOLD_AFTER, after_trouble, differs, held_set, lacking,
    set_capacity,
};
use azlin_fleet::ports::ScaleSets;
use azlin_fleet::seeded_bug;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use crate::context::DaemonContext;
use crate::fleet_loop::LoopContext;
use crate::observe::in_time;
use crate::triggers::TriggerQueue;

/// How long the daemon waits at its end until a session is closed. One that is not lapses by itself.
const CLOSES_WITHIN: Duration = Duration::from_secs(5);

/// What the session of each fleet shows.
#[derive(Clone, Default)]
pub(crate) struct SetCells(Arc<Mutex<BTreeMap<PoolName, SetCell>>>);

/// What the session of one fleet shows.
pub(crate) type SetCell = Arc<Mutex<SetWatch>>;

impl SetCells {
    fn of(&self, fleet: &PoolName) -> SetCell {
        Arc::clone(self.0.lock().entry(fleet.clone()).or_default())
    }

    /// The session of the fleet's scale set, for a daemon to come.
    pub(crate) fn session(&self, fleet: &PoolName) -> Option<SessionKey> {
        self.0.lock().get(fleet).and_then(|cell| cell.lock().session().cloned())
    }

    /// Takes in which session a daemon before had.
    pub(crate) fn remember(&self, fleet: &PoolName, session: Option<SessionKey>) {
        if session.is_some() {
            self.of(fleet).lock().remember(session);
        }
    }

    /// What is known of the fleet's scale set. Where no session has shown anything yet, the set itself is asked for.
    pub(crate) async fn look(&self, fleet: &Fleet, context: &DaemonContext) -> SetCell {
        let cell = self.of(&fleet.name);
        let is_blank = cell.lock().is_blank();
        if is_blank && let Some(wanted) = wanted_set(fleet) {
            match in_time(context.github(fleet).scale_sets().find(&wanted)).await {
                Ok(Some(set)) => found(&cell, &wanted, set, context),
                Ok(None) => cell.lock().has_no_set(context.now()),
                Err(error) => cell.lock().is_troubled(error.to_string(), context.now()),
            }
        }
        cell
    }
}

fn found(cell: &SetCell, wanted: &ScaleSetConfig, set: ScaleSetInfo, context: &DaemonContext) {
    let refused = lacking(wanted, &set);
    cell.lock().has_set(set, refused, context.now());
}

/// Holds the session of a fleet's scale set while the fleet has one, until the daemon stops.
pub(crate) async fn follow_scale_set(name: PoolName, shared: Arc<LoopContext>) {
    let mut fleets = shared.fleets.reader();
    loop {
        let fleet = fleets.latest().get(&name).cloned();
        let wanted = fleet.as_deref().and_then(held_set);
        let Some((fleet, wanted)) = fleet.zip(wanted) else {
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => return,
                () = fleets.changed() => continue,
            }
        };
        let mut holder = SessionHolder {
            cell: shared.observer.set_cells().of(&name),
            trigger_queue: shared.trigger_router.trigger_queue(&name),
            shared: &shared,
            fleet: &fleet,
            wanted: &wanted,
            session: None,
            last: None,
            failures: 0,
        };
        let stops = tokio::select! {
            biased;
            () = shared.stop.cancelled() => true,
            () = holds_another(&name, &fleet, &shared) => false,
            () = holder.hold() => false,
        };
        holder.close().await;
        if stops {
            return;
        }
    }
}

/// Waits until the fleet has another scale set, or another way to sign in, or none.
async fn holds_another(name: &PoolName, fleet: &Fleet, shared: &LoopContext) {
    let mut fleets = shared.fleets.reader();
    let same = |now: &Arc<Fleet>| held_set(now) == held_set(fleet) && now.credential == fleet.credential;
    while fleets.latest().get(name).is_some_and(same) {
        fleets.changed().await;
    }
}

/// Holds one session.
struct SessionHolder<'a> {
    shared: &'a LoopContext,
    fleet: &'a Fleet,
    wanted: &'a ScaleSetConfig,
    cell: SetCell,
    trigger_queue: Arc<TriggerQueue>,
    session: Option<ScaleSetSession>,
    /// The last message: only a bug that tests seed uses it.
    last: Option<MessageId>,
    /// Failures in a row.
    failures: u32,
}

impl SessionHolder<'_> {
    fn sets(&self) -> &dyn ScaleSets {
        self.shared.context.github(self.fleet).scale_sets()
    }

    /// Goes from step to step for ever.
    async fn hold(&mut self) {
        let mut step = SetStep::FindSet;
        loop {
            let result = match step {
                SetStep::FindSet => self.find_set().await.map(|()| SetStep::Open),
                SetStep::Open => self.open().await,
                SetStep::Poll => self.poll().await.map(|()| SetStep::Poll),
            };
            step = match result {
                Ok(next) => {
                    if step == SetStep::Poll {
                        self.is_well();
                    }
                    next
                }
                Err(error) => self.is_troubled(&error).await,
            };
        }
    }

    fn is_well(&mut self) {
        if self.failures >= TOLD_AFTER {
            let name = &self.fleet.name;
            info!(fleet = %name, "{name}: the scale set tells of jobs again");
        }
        self.failures = 0;
    }

    /// Waits as long as the error asks for. Returns what comes then.
    async fn is_troubled(&mut self, error: &SessionError) -> SetStep {
        self.failures += 1;
        let (step, wait) = after_trouble(error, self.failures);
        let name = &self.fleet.name;
        debug!(fleet = %name, reason = %error, wait_ms = wait.as_millis() as u64, "{name}: {error}");
        if self.failures == TOLD_AFTER {
            warn!(fleet = %name, reason = %error, "{name}: the scale set does not tell of jobs; what it told last counts: {error}");
        }
        // One failure that is followed at once by another try is no news.
        if !wait.is_zero() {
            self.cell.lock().is_troubled(error.to_string(), self.shared.context.now());
        }
        if step != SetStep::Poll {
            self.close().await;
        }
        sleep(wait).await;
        if self.session.is_none() && step == SetStep::Poll { SetStep::Open } else { step }
    }

    /// Finds the set, or makes it, and gives it the labels that it should have.
    async fn find_set(&mut self) -> Result<(), SessionError> {
        let (sets, wanted) = (self.sets(), self.wanted);
        let mut found_set = sets.find(wanted).await?;
        if found_set.is_none() {
            self.cell.lock().set_is_gone();
            let name = &self.fleet.name;
            found_set = match sets.create(wanted).await {
                Ok(made) => {
                    info!(fleet = %name, set = %made.id, "{name}: scale set {} made in {}", wanted.name, wanted.scope);
                    Some(made)
                }
                // Another request of ours, whose answer was lost, has made it.
                Err(error) if error.kind == CallErrorKind::NameTaken => sets.find(wanted).await?,
                Err(error) => return Err(error.into()),
            };
        }
        let Some(mut set) = found_set else {
            let why = format!("{} says that {} is taken, and shows no such set", wanted.scope, wanted.name);
            return Err(CallError::new(CallErrorKind::Unavailable, why).into());
        };
        if differs(wanted, &set) {
            set = sets.relabel(set.id, wanted).await?;
        }
        found(&self.cell, wanted, set, &self.shared.context);
        Ok(())
    }

    async fn open(&mut self) -> Result<SetStep, SessionError> {
        let set = self.cell.lock().set_id();
        let Some(set) = set else { return Ok(SetStep::FindSet) };
        let owner = format!("azlin-{}", self.fleet.name);
        let scope = &self.wanted.scope;
        let mut opened = self.sets().open(scope, set, &owner).await;
        let left =
            if matches!(opened, Err(SessionError::Taken(_))) { self.cell.lock().left_open() } else { None };
        if let Some(left) = left {
            let name = &self.fleet.name;
            self.sets().close(scope, &left).await?;
            info!(fleet = %name, %set, "{name}: the session that a daemon before has left open is ended");
            opened = self.sets().open(scope, set, &owner).await;
        }
        if matches!(opened, Err(SessionError::Taken(_))) {
            // The set itself says how many jobs it has, until the session of a daemon that died lapses.
            if let Ok(Some(set)) = self.sets().find(self.wanted).await {
                found(&self.cell, self.wanted, set, &self.shared.context);
                self.trigger_queue.told(false);
            }
        }
        let session = opened?;
        self.cell.lock().opened(&session.key, session.level, self.shared.context.now());
        self.trigger_queue.told(false);
        self.session = Some(session);
        Ok(SetStep::Poll)
    }

    /// Waits for one message, and takes it in: first into the cell, so that the fleet acts at once; it is deleted at
    /// last, so that a crash in between brings it again.
    async fn poll(&mut self) -> Result<(), SessionError> {
        let now = self.shared.fleets.now();
        let capacity = set_capacity(now.get(&self.fleet.name).map_or(self.fleet, Arc::as_ref)).max(1);
        let sets = self.shared.context.github(self.fleet).scale_sets();
        let Some(session) = &mut self.session else { return Ok(()) };
        let began = Instant::now();
        // Without a cursor: what is not deleted comes again, and ids that begin anew hide nothing.
        let cursor = seeded_bug!(CursorKept, None, self.last);
        let Some(message) = sets.next(session, cursor, capacity).await? else {
            let misses_offers = {
                let mut cell = self.cell.lock();
                cell.heard_nothing(self.shared.context.now());
                cell.misses_offers()
            };
            if misses_offers {
                acquire_missed(&self.fleet.name, sets, session).await;
            }
            if began.elapsed() < EARLY_END {
                sleep(EARLY_END_PAUSE).await;
            }
            return Ok(());
        };
        let id = message.id;
        self.last = self.last.max(Some(id));
        let effects = self.cell.lock().take(message, self.shared.context.now());
        self.trigger_queue.told(effects.has_ended);
        if seeded_bug!(DeletedFirst, false, true) {
            sets.acknowledge(session, id).await?;
        }
        if !effects.offers.is_empty() {
            sets.acquire(session, &effects.offers).await?;
        }
        sets.acknowledge(session, id).await
    }

    /// Ends the session, so that the next one need not wait until it lapses.
    async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            let closed = timeout(CLOSES_WITHIN, self.sets().close(&session.scope, &session.key)).await;
            if matches!(closed, Ok(Ok(()))) {
                self.cell.lock().closed();
            } else {
                debug!(fleet = %self.fleet.name, "{}: the session of the scale set lapses by itself", self.fleet.name);
            }
        }
    }
}

/// Acquires what is offered and no message tells of. Where jobs are assigned without an offer there is nothing to acquire.
async fn acquire_missed(name: &PoolName, sets: &dyn ScaleSets, session: &mut ScaleSetSession) {
    let offered = sets.offered(&session.scope, session.key.set).await;
    let acquired = match offered {
        Ok(offers) if offers.is_empty() => return,
        Ok(offers) => sets.acquire(session, &offers).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match acquired {
        Ok(jobs) => {
            let what = counted(u32::try_from(jobs.len()).unwrap_or(u32::MAX), "job");
            info!(fleet = %name, "{name}: the scale set has acquired {what} whose offer was lost");
        }
        Err(why) => debug!(fleet = %name, reason = %why, "{name}: what is offered cannot be acquired: {why}"),
    }
}

#[cfg(test)]
mod tests;

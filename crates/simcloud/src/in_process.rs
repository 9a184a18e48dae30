//! The world behind the ports, in this very process: for the loop in virtual time.
//!
//! Calls take their time and fail as the workload's faults say, with the same operations behind
//! them as over HTTP. A failure has the meaning that the adapters would give it, so that what holds
//! here holds over the wire.

mod azure;
mod fuse;
mod github;
mod ssh;
mod survey;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azlin_fleet::ports::{CallError, Trouble};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::fault::{Call, Failure, Lag, Side, Weather};
use crate::http::Clock;
use crate::world::{Happening, World};
use fuse::Fuse;

/// How long the adapters wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of so many requests of GitHub's limit the adapter keeps one for what is no look.
const KEPT: u64 = 50;

/// A world behind the ports.
#[derive(Clone)]
pub struct InProcess {
    world: Arc<Mutex<World>>,
    clock: Clock,
    host_keys: Arc<AtomicU64>,
    fuse: Fuse,
}

/// What a call does when it is carried out, for what its loss means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Changes,
}

/// A call, as it would go over the wire.
struct Wire {
    side: Side,
    method: &'static str,
    /// With names and ids: what faults go by.
    path: String,
    /// With their parameters' names: what the ledger counts by.
    route: String,
    effect: Effect,
    /// How many requests it is.
    requests: u32,
}

/// A call that is under way, until it is dropped.
struct Open<'c> {
    cloud: &'c InProcess,
    requests: u32,
    is_start: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut world = self.cloud.locked();
        world.open_requests -= self.requests;
        world.open_starts -= u32::from(self.is_start);
    }
}

impl InProcess {
    /// The world, with the time that it is given before each call.
    pub fn new(world: Arc<Mutex<World>>, clock: Clock) -> Self {
        InProcess { world, clock, host_keys: Arc::default(), fuse: Fuse::default() }
    }

    /// The caller is to die after so many points at which that makes a difference: before it sends what
    /// changes something, and when that has had its effect, but nobody has heard of it.
    pub fn caller_dies_after(&self, points: u64) {
        self.fuse.set(points);
    }

    /// Waits for that moment. From then on nothing is sent any more; what is on its way has its effect all
    /// the same.
    pub async fn caller_is_dead(&self) {
        self.fuse.blows().await;
    }

    fn locked(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.locked();
        world.advance((self.clock)());
        world
    }

    /// What the adapter would not even send, since GitHub's limit is used up with what is under way.
    fn open(&self, wire: &Wire) -> Result<(Open<'_>, Weather), CallError> {
        let mut world = self.world();
        let requests = if wire.side == Side::Github { wire.requests } else { 0 };
        if requests > 0
            && let Some(budget) = world.budget()
        {
            let kept = if wire.effect == Effect::Reads { budget.limit.div_ceil(KEPT) } else { 0 };
            if budget.remaining < u64::from(world.open_requests + requests) + kept {
                let wait = Duration::try_from(budget.reset.duration_since(world.now())).unwrap_or_default();
                world.ledger.requests_held_back += u64::from(requests);
                return Err(
                    wire.failed(Trouble::Throttled(Some(wait)), "not sent, since the limit is used up")
                );
            }
        }
        world.open_requests += requests;
        let is_start = wire.effect == Effect::Changes && wire.method != "DELETE";
        world.open_starts += u32::from(is_start);
        world.ledger.peak_open_starts = world.ledger.peak_open_starts.max(world.open_starts);
        let weather = world.weather(Call { side: wire.side, method: wire.method, path: &wire.path });
        drop(world);
        Ok((Open { cloud: self, requests, is_start }, weather))
    }

    /// What reaches the service, now.
    fn arrives<T>(
        &self,
        wire: &Wire,
        is_awaited: bool,
        effect: impl FnOnce(&mut World) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let mut world = self.world();
        if wire.side == Side::Github {
            if world.is_beyond_limit() {
                return Err(wire.failed(Trouble::Throttled(None), "the limit is used up"));
            }
            world.count_requests(wire.requests);
            world.others_use_the_limit();
        }
        let result = effect(&mut world);
        let refused = result.as_ref().err().map(|error| error.message.as_str());
        let (side, method, path) = (wire.side, wire.method, wire.path.as_str());
        world.tell(&Happening::Call { side, method, path, refused, is_awaited });
        result
    }

    /// One call that looks: half of its time to get there, then half of its time back. The answer may be lost
    /// on its way, and nobody waits for it for ever.
    async fn call<T>(
        &self,
        wire: Wire,
        look: impl FnOnce(&mut World, Lag) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let (open, weather) = self.open(&wire)?;
        let there = (weather.latency / 2).min(PATIENCE);
        let back = (weather.latency - weather.latency / 2).min(PATIENCE - there);
        sleep(there).await;
        let result = match weather.failure {
            Some(failure) => Err(wire.fails(&failure)),
            None => self.arrives(&wire, true, |world| look(world, weather.stale)),
        };
        sleep(back).await;
        drop(open);
        let is_late = weather.latency > PATIENCE;
        self.answered(
            &wire,
            if is_late { Err(wire.failed(wire.lost(), "no answer in time")) } else { result },
        )
    }

    /// One call that changes something. Once sent it is on its own: whoever has sent it may have given up by
    /// the time it has its effect.
    async fn change<T: Send + 'static>(
        &self,
        wire: Wire,
        mut effect: impl FnMut(&mut World) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        self.fuse.point().await;
        let (open, weather) = self.open(&wire)?;
        let (cloud, sent) = (self.clone(), Arc::new(wire));
        let wire = Arc::clone(&sent);
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            sleep(weather.latency / 2).await;
            let is_carried_out = !matches!(weather.failure, Some(Failure::Reset | Failure::Status(..)));
            let mut result = Err(sent.failed(Trouble::Unknown, "not sent"));
            for _ in 0..if is_carried_out { 1 + u32::from(weather.is_twice) } else { 0 } {
                result = cloud.arrives(&sent, !tell.is_closed(), &mut effect);
            }
            if is_carried_out {
                cloud.fuse.burn();
            }
            if let Some(failure) = weather.failure {
                result = Err(sent.fails(&failure));
            }
            sleep(weather.latency - weather.latency / 2).await;
            let _ = tell.send(result);
        });
        let result = match timeout(PATIENCE, told).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(wire.failed(wire.lost(), "no answer in time")),
        };
        drop(open);
        self.answered(&wire, result)
    }

    fn answered<T>(&self, wire: &Wire, result: Result<T, CallError>) -> Result<T, CallError> {
        let status = if result.is_ok() { 200 } else { 500 };
        self.world().ledger.request(wire.side, wire.method, &wire.route, status, 0);
        result
    }
}

impl Wire {
    fn failed(&self, trouble: Trouble, why: &str) -> CallError {
        CallError::new(trouble, format!("{} {}: {why}", self.method, self.path))
    }

    /// What comes of it when it fails so.
    fn fails(&self, failure: &Failure) -> CallError {
        match failure {
            Failure::Reset => self.failed(Trouble::Unavailable, "the connection was reset"),
            Failure::Status(status, retry_after) => self.refused(*status, *retry_after),
            Failure::Truncated | Failure::LostAnswer => self.failed(self.lost(), "the answer was lost"),
        }
    }

    /// What it means that no answer came.
    fn lost(&self) -> Trouble {
        match self.effect {
            Effect::Reads => Trouble::Unavailable,
            Effect::Changes => Trouble::OutcomeUnknown,
        }
    }

    /// A status that a fault answers with, as the adapters read it.
    fn refused(&self, status: u16, retry_after: Option<u64>) -> CallError {
        let wait = retry_after.map(Duration::from_secs);
        let trouble = match (status, self.side) {
            (429, _) | (403, Side::Github) => Trouble::Throttled(wait),
            (401 | 403, _) => Trouble::NotPermitted,
            (404, _) => Trouble::NotFound,
            (409 | 503, Side::Azure) => Trouble::Unavailable,
            (500.., _) => self.lost(),
            (400 | 410 | 422, _) => Trouble::Invalid,
            _ => Trouble::Unknown,
        };
        self.failed(trouble, &status.to_string())
    }
}

#[cfg(test)]
mod tests;

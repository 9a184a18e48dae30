//! The world behind the ports, in this very process: for the loop in virtual time.
//!
//! Calls take their time and fail as the workload's faults say, with the same operations behind
//! them as over HTTP. A failure has the meaning that the adapters would give it, so that what holds
//! here holds over the wire.

mod azure;
mod github;
mod ssh;
mod survey;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azlin_fleet::ports::{CallError, Trouble};

use crate::fault::{Call, Failure, Side};
use crate::http::Clock;
use crate::world::World;

/// How long the adapters wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A world behind the ports.
#[derive(Clone)]
pub struct InProcess {
    world: Arc<Mutex<World>>,
    clock: Clock,
    host_keys: Arc<AtomicU64>,
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
}

impl InProcess {
    /// The world, with the time that it is given before each call.
    pub fn new(world: Arc<Mutex<World>>, clock: Clock) -> Self {
        InProcess { world, clock, host_keys: Arc::default() }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance((self.clock)());
        world
    }

    /// One call: half of its time to get there, then its effect, then half of its time back. The
    /// answer may be lost on its way, and nobody waits for it for ever.
    async fn call<T>(
        &self,
        wire: Wire,
        effect: impl FnOnce(&mut World, Duration) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let weather = self.world().weather(Call { side: wire.side, method: wire.method, path: &wire.path });
        let there = (weather.latency / 2).min(PATIENCE);
        let back = (weather.latency - weather.latency / 2).min(PATIENCE - there);
        tokio::time::sleep(there).await;
        let result = match weather.failure {
            Some(Failure::Reset) => Err(wire.failed(Trouble::Unavailable, "the connection was reset")),
            Some(Failure::Status(status, retry_after)) => Err(wire.refused(status, retry_after)),
            Some(Failure::Truncated | Failure::LostAnswer) => {
                // Whatever it did, nobody hears of it.
                let _ = effect(&mut self.world(), weather.stale);
                Err(wire.failed(wire.lost(), "the answer was lost"))
            }
            None => effect(&mut self.world(), weather.stale),
        };
        tokio::time::sleep(back).await;
        let result = if weather.latency > PATIENCE {
            Err(wire.failed(wire.lost(), "no answer in time"))
        } else {
            result
        };
        let status = if result.is_ok() { 200 } else { 500 };
        self.world().ledger.request(wire.side, wire.method, &wire.route, status, 0);
        result
    }
}

impl Wire {
    fn failed(&self, trouble: Trouble, why: &str) -> CallError {
        CallError::new(trouble, format!("{} {}: {why}", self.method, self.path))
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
            (409, Side::Azure) | (503, Side::Azure) => Trouble::Unavailable,
            (500.., _) => self.lost(),
            (400 | 410 | 422, _) => Trouble::Invalid,
            _ => Trouble::Unknown,
        };
        self.failed(trouble, &status.to_string())
    }
}

#[cfg(test)]
mod tests;

//! The world behind the ports, in the same process: for the loop in virtual time.
//!
//! Calls take time and fail as the workload's faults say, and do the same as over HTTP. A failure means what
//! the adapters would make of it, so that tests here hold for HTTP too.

mod azure;
mod crash;
mod github;
mod meaning;
mod preflight;
mod queue;
mod rehearsal;
mod scale_sets;
mod ssh;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use azlin_fleet::model::{CallError, CallErrorKind};
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::fault::{CallFailure, CallFaults, CallTarget, Lag, Side};
use crate::http::SimClock;
use crate::world::{Occurrence, World};
use crash::CrashCountdown;
use queue::KnownQueues;

/// How long the adapters wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The adapter reserves one in this many requests of GitHub's limit for calls that change something.
const KEPT: u64 = 50;

/// A world behind the ports.
#[derive(Clone)]
pub struct InProcess {
    world: Arc<Mutex<World>>,
    clock: SimClock,
    host_keys: Arc<AtomicU64>,
    crash: CrashCountdown,
    queues: Arc<Mutex<KnownQueues>>,
}

/// What a call does. It decides what a lost answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallEffect {
    Reads,
    Changes,
}

/// A call, as it would go over HTTP.
struct SimCall {
    side: Side,
    method: &'static str,
    /// The path with names and ids: faults match it.
    path: String,
    /// The path with the names of its parameters: statistics count by it.
    route: String,
    effect: CallEffect,
    /// How many requests the call takes.
    requests: u32,
    /// The VM that the call asks for, as a request's body; null if it asks for none.
    vm: Value,
}

/// A call that is under way until this is dropped.
struct OpenCall<'c> {
    cloud: &'c InProcess,
    requests: u32,
    is_start: bool,
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        let mut world = self.cloud.locked();
        world.open_requests -= self.requests;
        world.open_starts -= u32::from(self.is_start);
    }
}

impl InProcess {
    /// The ports of a world. The clock sets the world's time before each call.
    pub fn new(world: Arc<Mutex<World>>, clock: SimClock) -> Self {
        let (host_keys, crash, queues) = (Arc::default(), CrashCountdown::default(), Arc::default());
        InProcess { world, clock, host_keys, crash, queues }
    }

    /// Crashes the caller after this many points at which a crash makes a difference: before it sends a
    /// change, and after the change had its effect but before the caller knows.
    pub fn crash_caller_after(&self, points: u64) {
        self.crash.set(points);
    }

    /// Waits for the crash. From then on nothing is sent; calls under way still have their effect.
    pub async fn caller_crashed(&self) {
        self.crash.is_over().await;
    }

    fn locked(&self) -> MutexGuard<'_, World> {
        self.world.lock()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.locked();
        world.advance((self.clock)());
        world
    }

    /// Opens a call, unless the adapter would not send it.
    fn open(&self, call: &SimCall) -> Result<(OpenCall<'_>, CallFaults), CallError> {
        let mut world = self.world();
        let requests = if call.side == Side::Github { call.requests } else { 0 };
        if requests > 0 {
            call.may_send(&mut world, requests)?;
        }
        world.open_requests += requests;
        let is_start = call.effect == CallEffect::Changes && call.makes_something();
        world.open_starts += u32::from(is_start);
        world.statistics.peak_open_starts = world.statistics.peak_open_starts.max(world.open_starts);
        let SimCall { side, method, path, vm, .. } = call;
        let faults = world.call_faults(CallTarget { side: *side, method, path, vm });
        drop(world);
        Ok((OpenCall { cloud: self, requests, is_start }, faults))
    }

    /// Carries out a call that has reached the service.
    fn arrives<T>(
        &self,
        call: &SimCall,
        is_awaited: bool,
        effect: impl FnOnce(&mut World) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let mut world = self.world();
        if call.side == Side::Github {
            if call.requests > 0 && world.is_beyond_limit() {
                return Err(call.failed(CallErrorKind::Throttled, "the limit is used up"));
            }
            world.count_requests(call.requests);
            world.others_use_the_limit();
        }
        let refusal = if call.side == Side::Azure { azure::refusal(&mut world, call) } else { None };
        let result = refusal.map_or_else(|| effect(&mut world), Err);
        let refused = result.as_ref().err().map(ToString::to_string);
        let refused = refused.as_deref();
        let (side, method, path) = (call.side, call.method, call.path.as_str());
        world.notify(&Occurrence::Call { side, method, path, refused, is_awaited });
        result
    }

    /// Makes a call that only reads: half of its time to get there, half to get back. The answer may be lost
    /// or late.
    async fn call<T>(
        &self,
        call: SimCall,
        look: impl FnOnce(&mut World, Lag) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let (open, faults) = self.open(&call)?;
        let there = (faults.latency / 2).min(PATIENCE);
        let back = (faults.latency - faults.latency / 2).min(PATIENCE - there);
        sleep(there).await;
        let result = match faults.failure {
            Some(failure) => Err(call.fails(&failure)),
            None => self.arrives(&call, true, |world| {
                world.is_odd = faults.is_odd;
                let seen = look(world, faults.stale);
                world.is_odd = false;
                seen
            }),
        };
        sleep(back).await;
        drop(open);
        let is_late = faults.latency > PATIENCE;
        self.answered(
            &call,
            if is_late { Err(call.failed(call.lost(), "no answer in time")) } else { result },
        )
    }

    /// Makes a call that changes something. It runs on its own: its sender may have given up before it has
    /// its effect.
    async fn change<T: Send + 'static>(
        &self,
        call: SimCall,
        mut effect: impl FnMut(&mut World) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        self.crash.pass_point().await;
        let (open, faults) = self.open(&call)?;
        let (cloud, sent) = (self.clone(), Arc::new(call));
        let call = Arc::clone(&sent);
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            sleep(faults.latency / 2).await;
            let is_carried_out = !matches!(
                faults.failure,
                Some(
                    CallFailure::Reset
                        | CallFailure::Status(..)
                        | CallFailure::Refused(_)
                        | CallFailure::Page(_)
                )
            );
            let mut result = Err(sent.failed(CallErrorKind::Unknown, "not sent"));
            for _ in 0..if is_carried_out { 1 + u32::from(faults.is_twice) } else { 0 } {
                result = cloud.arrives(&sent, !sender.is_closed(), &mut effect);
            }
            if is_carried_out {
                cloud.crash.count_down();
            }
            if let Some(failure) = faults.failure {
                result = Err(sent.fails(&failure));
            }
            sleep(faults.latency - faults.latency / 2).await;
            let _ = sender.send(result);
        });
        let result = match timeout(PATIENCE, receiver).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(call.failed(call.lost(), "no answer in time")),
        };
        drop(open);
        self.answered(&call, result)
    }

    fn answered<T>(&self, call: &SimCall, result: Result<T, CallError>) -> Result<T, CallError> {
        let status = if result.is_ok() { 200 } else { 500 };
        self.world().statistics.request(call.side, call.method, &call.route, status, 0);
        result
    }
}

impl SimCall {
    /// Holds requests back that the adapter would not send: GitHub's limit is used up, with the calls under way.
    fn may_send(&self, world: &mut World, requests: u32) -> Result<(), CallError> {
        let Some(budget) = world.budget() else { return Ok(()) };
        let kept = if self.effect == CallEffect::Reads { budget.limit.div_ceil(KEPT) } else { 0 };
        if budget.remaining >= u64::from(world.open_requests + requests) + kept {
            return Ok(());
        }
        let wait = Duration::try_from(budget.reset.duration_since(world.now())).unwrap_or_default();
        world.statistics.requests_held_back += u64::from(requests);
        Err(self.failed(CallErrorKind::Throttled, "not sent, since the limit is used up").after(Some(wait)))
    }

    fn failed(&self, trouble: CallErrorKind, why: &str) -> CallError {
        CallError::new(trouble, why).during(format_args!("{} {}", self.method, self.path))
    }

    /// Whether it makes a VM or a runner.
    fn makes_something(&self) -> bool {
        // The service of scale sets has other things to make: a set, a session.
        let is_deallocation = self.path.ends_with("/deallocate");
        let is_of_service = self.path.starts_with("/_actions/") && !self.path.ends_with("/generatejitconfig");
        matches!(self.method, "PUT" | "POST") && !is_of_service && !is_deallocation
    }

    /// The error of a call that fails like this.
    fn fails(&self, failure: &CallFailure) -> CallError {
        match failure {
            CallFailure::Reset => self.failed(CallErrorKind::Unavailable, "the connection was reset"),
            CallFailure::Status(status, retry_after) => self.refused(*status, *retry_after),
            CallFailure::Refused(refusal) => {
                meaning::refused(refusal, self.lost()).during(format_args!("{} {}", self.method, self.path))
            }
            CallFailure::Truncated | CallFailure::LostAnswer => {
                self.failed(self.lost(), "the answer was lost")
            }
            CallFailure::Page(_) => self.failed(self.lost(), "the answer is a page of something on the way"),
        }
    }

    /// What a lost answer means.
    fn lost(&self) -> CallErrorKind {
        match self.effect {
            CallEffect::Reads => CallErrorKind::Unavailable,
            CallEffect::Changes => CallErrorKind::OutcomeUnknown,
        }
    }

    /// The error for a status from a fault, as the adapters read it.
    fn refused(&self, status: u16, retry_after: Option<u64>) -> CallError {
        let wait = retry_after.map(Duration::from_secs);
        let trouble = match (status, self.side) {
            (429, _) | (403, Side::Github) => CallErrorKind::Throttled,
            (401 | 403, _) => CallErrorKind::NotPermitted,
            (404, _) => CallErrorKind::NotFound,
            (409 | 503, Side::Azure) => CallErrorKind::Unavailable,
            (500.., _) => self.lost(),
            (400 | 410 | 422, _) => CallErrorKind::Invalid,
            _ => CallErrorKind::Unknown,
        };
        self.failed(trouble, &status.to_string()).after(wait)
    }
}

#[cfg(test)]
mod tests;

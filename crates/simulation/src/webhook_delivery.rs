//! Webhook deliveries to the daemon: some are lost, late, doubled or out of order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_daemon::TriggerRouter;
use azlin_fleet::model::{JobChange, JobEvent};
use azlin_simcloud::World;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep_until};

use super::checker::Checker;
use super::scenario::WebhookConditions;
use super::trace::Trace;

/// Job events that the daemon's own calls cause are collected at least this often.
const LOOK: Duration = Duration::from_secs(10);

/// Carries job events from the world to the running daemon.
#[derive(Clone)]
pub struct WebhookDelivery {
    conditions: WebhookConditions,
    world: Arc<Mutex<World>>,
    trace: Trace,
    checker: Checker,
    began: Instant,
    start: Timestamp,
    in_transit: Arc<Mutex<InTransit>>,
}

struct InTransit {
    /// Events in transit, by time of arrival and order of departure.
    events: BTreeMap<(Instant, u64), JobEvent>,
    departed: u64,
    rng: StdRng,
}

impl InTransit {
    fn accept(&mut self, job_event: &JobEvent, longest: Duration) {
        let wait = self.rng.random_range(0..=longest.as_millis());
        let arrives_at = Instant::now() + Duration::from_millis(wait.try_into().unwrap_or(u64::MAX));
        self.departed += 1;
        self.events.insert((arrives_at, self.departed), job_event.clone());
    }
}

impl WebhookDelivery {
    /// A delivery with these conditions.
    pub fn new(
        conditions: WebhookConditions,
        seed: u64,
        world: Arc<Mutex<World>>,
        trace: Trace,
        checker: Checker,
        start: Timestamp,
    ) -> Self {
        let rng = StdRng::seed_from_u64(seed ^ 0x9057);
        let in_transit = InTransit { events: BTreeMap::new(), departed: 0, rng };
        world.lock().state.github.take_job_events();
        WebhookDelivery {
            conditions,
            world,
            trace,
            checker,
            began: Instant::now(),
            start,
            in_transit: Arc::new(Mutex::new(in_transit)),
        }
    }

    /// Delivers to this daemon until the future is dropped. What arrives while no daemon runs is lost.
    pub async fn deliver_to(self, trigger_router: TriggerRouter) {
        loop {
            sleep_until(self.deliver(&trigger_router)).await;
        }
    }

    /// Drops the events that have arrived by now.
    pub fn drop_arrived(&self) {
        self.collect();
        let now = Instant::now();
        self.in_transit().events.retain(|(at, _), _| *at > now);
    }

    /// Delivers what is due; returns when to deliver again.
    fn deliver(&self, trigger_router: &TriggerRouter) -> Instant {
        let (now, next_event) = (Instant::now(), self.collect());
        let mut in_transit = self.in_transit();
        while let Some(first) = in_transit.events.first_entry()
            && first.key().0 <= now
        {
            let job_event = first.remove();
            self.trace.line(
                self.began.elapsed(),
                format_args!("webhook: job {} {:?}", job_event.job, job_event.change),
            );
            trigger_router.tell(&job_event);
            if job_event.change == JobChange::Queued {
                self.checker.told_of(job_event.job.0);
            }
        }
        let next = in_transit.events.keys().next().map_or(now + LOOK, |(at, _)| *at);
        next.min(next_event).min(now + LOOK).max(now + Duration::from_millis(1))
    }

    /// Collects the world's new job events; returns when the world next changes by itself.
    fn collect(&self) -> Instant {
        let mut world = self.world.lock();
        world.advance(self.start + self.began.elapsed());
        let news = world.state.github.take_job_events();
        let next = world.next_event().map(|at| Duration::try_from(at.duration_since(self.start)));
        drop(world);
        let WebhookConditions { lost, doubled, late, again } = self.conditions;
        let mut in_transit = self.in_transit();
        for job_event in news {
            if !in_transit.rng.random_bool(lost) {
                in_transit.accept(&job_event, late);
            }
            if in_transit.rng.random_bool(doubled) {
                in_transit.accept(&job_event, again);
            }
        }
        next.and_then(Result::ok).map_or(Instant::now() + LOOK, |after| self.began + after)
    }

    fn in_transit(&self) -> MutexGuard<'_, InTransit> {
        self.in_transit.lock()
    }
}

//! GitHub's webhook: what it tells the daemon of jobs, and what is lost, late, doubled and out of order on the
//! way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_daemon::TriggerRouter;
use azlin_fleet::observe::JobEvent;
use azlin_simcloud::World;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep_until};

use super::scenario::Post;
use super::trace::Trace;

/// What happens in the world because of the daemon is found out by then.
const LOOK: Duration = Duration::from_secs(10);

/// Takes what has happened to jobs to whichever daemon lives.
#[derive(Clone)]
pub struct Postman {
    post: Post,
    world: Arc<Mutex<World>>,
    trace: Trace,
    began: Instant,
    start: Timestamp,
    bag: Arc<Mutex<Bag>>,
}

struct Bag {
    /// What is on its way, by when it comes and in which order it left.
    on_its_way: BTreeMap<(Instant, u64), JobEvent>,
    left: u64,
    chance: StdRng,
}

impl Bag {
    fn takes(&mut self, job_event: &JobEvent, longest: Duration) {
        let wait = self.chance.random_range(0..=longest.as_millis());
        let comes = Instant::now() + Duration::from_millis(wait.try_into().unwrap_or(u64::MAX));
        self.left += 1;
        self.on_its_way.insert((comes, self.left), job_event.clone());
    }
}

impl Postman {
    /// One who treats what he carries like this.
    pub fn new(post: Post, seed: u64, world: Arc<Mutex<World>>, trace: Trace, start: Timestamp) -> Self {
        let chance = StdRng::seed_from_u64(seed ^ 0x9057);
        let bag = Bag { on_its_way: BTreeMap::new(), left: 0, chance };
        world.lock().state.github.take_news();
        Postman { post, world, trace, began: Instant::now(), start, bag: Arc::new(Mutex::new(bag)) }
    }

    /// Delivers to this daemon until this is dropped. What comes while nobody is there is lost.
    pub async fn delivers_to(self, trigger_router: TriggerRouter) {
        loop {
            sleep_until(self.deliver(&trigger_router)).await;
        }
    }

    /// What comes now is gone.
    pub fn finds_nobody(&self) {
        self.collect();
        let now = Instant::now();
        self.bag().on_its_way.retain(|(at, _), _| *at > now);
    }

    /// Delivers what is due; when to go again.
    fn deliver(&self, trigger_router: &TriggerRouter) -> Instant {
        let (now, next_event) = (Instant::now(), self.collect());
        let mut bag = self.bag();
        while let Some(first) = bag.on_its_way.first_entry()
            && first.key().0 <= now
        {
            let job_event = first.remove();
            self.trace.line(
                self.began.elapsed(),
                format_args!("webhook: job {} {:?}", job_event.job, job_event.change),
            );
            trigger_router.tell(&job_event);
        }
        let next = bag.on_its_way.keys().next().map_or(now + LOOK, |(at, _)| *at);
        next.min(next_event).min(now + LOOK).max(now + Duration::from_millis(1))
    }

    /// Takes what GitHub has to tell; when the world goes on by itself.
    fn collect(&self) -> Instant {
        let mut world = self.world.lock();
        world.advance(self.start + self.began.elapsed());
        let news = world.state.github.take_news();
        let next = world.next_event().map(|at| Duration::try_from(at.duration_since(self.start)));
        drop(world);
        let Post { lost, doubled, late, again } = self.post;
        let mut bag = self.bag();
        for job_event in news {
            if !bag.chance.random_bool(lost) {
                bag.takes(&job_event, late);
            }
            if bag.chance.random_bool(doubled) {
                bag.takes(&job_event, again);
            }
        }
        next.and_then(Result::ok).map_or(Instant::now() + LOOK, |after| self.began + after)
    }

    fn bag(&self) -> MutexGuard<'_, Bag> {
        self.bag.lock()
    }
}

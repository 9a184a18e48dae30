//! Whether the fleets' loops live: each one is asked, and answers where it waits for what comes next.
//! A timer of its own would go on beside a loop that hangs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azlin_fleet::names::PoolName;
use tokio::sync::watch;
use tokio::time::Instant;

/// Asks all loops of a daemon.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The number of the last question.
    asked: watch::Sender<u64>,
    /// Wakes who waits for answers.
    answered: watch::Sender<()>,
    /// Which question each loop answered last.
    hearts: Mutex<BTreeMap<PoolName, u64>>,
}

/// A loop's own: it counts until it is dropped, be it by a panic.
pub(crate) struct Heart {
    fleet: PoolName,
    asked: watch::Receiver<u64>,
    pulse: Pulse,
}

impl Pulse {
    /// Waits until every loop that there is has answered.
    pub async fn felt(&self) {
        let mut answered = self.0.answered.subscribe();
        self.0.asked.send_modify(|question| *question += 1);
        let question = *self.0.asked.borrow();
        while self.hearts().values().any(|last| *last < question) {
            // The sender is here, so the channel stays open.
            let _ = answered.changed().await;
        }
    }

    /// The heart of a loop that begins.
    pub(crate) fn heart(&self, fleet: &PoolName) -> Heart {
        let mut asked = self.0.asked.subscribe();
        let question = *asked.borrow_and_update();
        self.hearts().insert(fleet.clone(), question);
        Heart { fleet: fleet.clone(), asked, pulse: self.clone() }
    }

    fn hearts(&self) -> MutexGuard<'_, BTreeMap<PoolName, u64>> {
        self.0.hearts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heart {
    /// Waits for the next question, and answers it.
    pub(crate) async fn beat(&mut self) {
        // The pulse is here, so the channel stays open.
        let _ = self.asked.changed().await;
        let question = *self.asked.borrow_and_update();
        self.pulse.hearts().insert(self.fleet.clone(), question);
        self.pulse.0.answered.send_replace(());
    }

    /// Answers while something else goes on, at most so long; it never ends.
    pub(crate) async fn beat_for(&mut self, limit: Duration) {
        let start = Instant::now();
        while start.elapsed() < limit {
            self.beat().await;
        }
        std::future::pending::<()>().await;
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.pulse.hearts().remove(&self.fleet);
        self.pulse.0.answered.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    fn pool(name: &str) -> PoolName {
        name.parse().expect("a good name")
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_felt_when_every_loop_has_answered() {
        let pulse = Pulse::default();
        let is_felt = async |pulse: &Pulse| timeout(Duration::from_secs(1), pulse.felt()).await.is_ok();
        assert!(is_felt(&pulse).await, "there is no loop");

        let (mut quick, mut slow) = (pulse.heart(&pool("quick")), pulse.heart(&pool("slow")));
        let (felt, ()) = tokio::join!(is_felt(&pulse), quick.beat());
        assert!(!felt, "the slow one has not answered");

        let both = async { tokio::join!(quick.beat(), slow.beat()) };
        let (felt, _) = tokio::join!(is_felt(&pulse), both);
        assert!(felt);

        let busy = slow.beat_for(Duration::from_secs(10));
        let (felt, ()) = tokio::select! {
            felt = async { tokio::join!(is_felt(&pulse), quick.beat()) } => felt,
            () = busy => unreachable!("it never ends"),
        };
        assert!(felt, "one that is busy answers");

        let hangs = async {
            tokio::time::sleep(Duration::from_secs(11)).await;
            let mut answers = 0;
            while let (true, ()) = tokio::join!(is_felt(&pulse), quick.beat()) {
                answers += 1;
            }
            answers
        };
        let answers = tokio::select! {
            answers = hangs => answers,
            () = slow.beat_for(Duration::from_secs(10)) => unreachable!("it never ends"),
        };
        assert_eq!(answers, 1, "one that is busy for too long does not");

        drop(slow);
        let (felt, ()) = tokio::join!(is_felt(&pulse), quick.beat());
        assert!(felt, "one that is gone is not waited for");
    }
}

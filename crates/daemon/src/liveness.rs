//! Liveness of the fleets' loops. Each loop answers a probe where it waits for its next event. A separate
//! timer would continue beside a stuck loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::PoolName;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::Instant;

/// Probes all loops of a daemon.
#[derive(Debug, Clone, Default)]
pub(crate) struct Liveness(Arc<LivenessState>);

#[derive(Debug, Default)]
struct LivenessState {
    /// The number of the last probe.
    asked: watch::Sender<u64>,
    /// Wakes tasks that wait for answers.
    answered: watch::Sender<()>,
    /// The last probe that each loop answered.
    answers: Mutex<BTreeMap<PoolName, u64>>,
}

/// Answers for one loop until it is dropped, also by a panic.
pub(crate) struct Probe {
    fleet: PoolName,
    asked: watch::Receiver<u64>,
    liveness: Liveness,
}

impl Liveness {
    /// Waits until every loop has answered.
    pub(crate) async fn check(&self) {
        let mut answered = self.0.answered.subscribe();
        self.0.asked.send_modify(|question| *question += 1);
        let question = *self.0.asked.borrow();
        while self.answers().values().any(|last| *last < question) {
            // The sender is here, so the channel stays open.
            let _ = answered.changed().await;
        }
    }

    /// The probe of a new loop.
    pub(crate) fn probe(&self, fleet: &PoolName) -> Probe {
        let mut asked = self.0.asked.subscribe();
        let question = *asked.borrow_and_update();
        self.answers().insert(fleet.clone(), question);
        Probe { fleet: fleet.clone(), asked, liveness: self.clone() }
    }

    fn answers(&self) -> MutexGuard<'_, BTreeMap<PoolName, u64>> {
        self.0.answers.lock()
    }
}

impl Probe {
    /// Waits for the next probe, and answers it.
    pub(crate) async fn answer(&mut self) {
        // The sender is here, so the channel stays open.
        let _ = self.asked.changed().await;
        let question = *self.asked.borrow_and_update();
        self.liveness.answers().insert(self.fleet.clone(), question);
        self.liveness.0.answered.send_replace(());
    }

    /// Answers probes while another future runs, up to the limit. Never returns.
    pub(crate) async fn answer_for(&mut self, limit: Duration) {
        let start = Instant::now();
        while start.elapsed() < limit {
            self.answer().await;
        }
        std::future::pending::<()>().await;
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.liveness.answers().remove(&self.fleet);
        self.liveness.0.answered.send_replace(());
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
        let liveness = Liveness::default();
        let has_answered =
            async |liveness: &Liveness| timeout(Duration::from_secs(1), liveness.check()).await.is_ok();
        assert!(has_answered(&liveness).await, "there is no loop");

        let (mut quick, mut slow) = (liveness.probe(&pool("quick")), liveness.probe(&pool("slow")));
        let (answered, ()) = tokio::join!(has_answered(&liveness), quick.answer());
        assert!(!answered, "the slow one has not answered");

        let both = async { tokio::join!(quick.answer(), slow.answer()) };
        let (answered, _) = tokio::join!(has_answered(&liveness), both);
        assert!(answered);

        let busy = slow.answer_for(Duration::from_secs(10));
        let (answered, ()) = tokio::select! {
            answered = async { tokio::join!(has_answered(&liveness), quick.answer()) } => answered,
            () = busy => unreachable!("it never ends"),
        };
        assert!(answered, "one that is busy answers");

        let hangs = async {
            tokio::time::sleep(Duration::from_secs(11)).await;
            let mut answers = 0;
            while let (true, ()) = tokio::join!(has_answered(&liveness), quick.answer()) {
                answers += 1;
            }
            answers
        };
        let answers = tokio::select! {
            answers = hangs => answers,
            () = slow.answer_for(Duration::from_secs(10)) => unreachable!("it never ends"),
        };
        assert_eq!(answers, 1, "one that is busy for too long does not");

        drop(slow);
        let (answered, ()) = tokio::join!(has_answered(&liveness), quick.answer());
        assert!(answered, "one that is gone is not waited for");
    }
}

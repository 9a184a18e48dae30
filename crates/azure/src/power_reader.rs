//! Power states, which nobody waits for long.
//!
//! Azure reports them for a whole subscription, page after page, with the VMs of everybody in it. Ten thousand VMs are
//! two hundred requests one after the other. So each subscription has at most one such read under way, in the
//! background. A call waits for it a little, and then takes what the last one found.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::{CallError, PowerStates};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tokio::time::timeout;

type PowersRead = Arc<Result<PowerStates, CallError>>;

/// The reads of all subscriptions.
#[derive(Clone)]
pub(crate) struct PowerReaders {
    /// How long a call waits for a read.
    patience: Duration,
    all: Arc<Mutex<HashMap<String, PowerReader>>>,
}

#[derive(Default)]
struct PowerReader {
    under_way: Option<Shared<BoxFuture<'static, PowersRead>>>,
    last: Option<PowersRead>,
}

impl PowerReaders {
    pub(crate) fn new(patience: Duration) -> Self {
        PowerReaders { patience, all: Arc::default() }
    }

    /// The power states of a subscription: those that `read` finds, or the last ones if it takes too long. Empty, which
    /// means unknown, if there are none yet. A read that is under way is waited for, and `read` is dropped.
    pub(crate) async fn states(
        &self,
        subscription_id: &str,
        read: impl Future<Output = Result<PowerStates, CallError>> + Send + 'static,
    ) -> Result<PowerStates, CallError> {
        let under_way = self.join(subscription_id, read);
        let found = match timeout(self.patience, under_way).await {
            Ok(found) => Some(found),
            Err(_) => self.all.lock().get(subscription_id).and_then(|reader| reader.last.clone()),
        };
        found.map_or_else(|| Ok(PowerStates::default()), |found| (*found).clone())
    }

    fn join(
        &self,
        subscription_id: &str,
        read: impl Future<Output = Result<PowerStates, CallError>> + Send + 'static,
    ) -> Shared<BoxFuture<'static, PowersRead>> {
        let mut readers = self.all.lock();
        let reader = readers.entry(subscription_id.to_owned()).or_default();
        if let Some(under_way) = &reader.under_way {
            return under_way.clone();
        }
        let (all, subscription_id) = (Arc::clone(&self.all), subscription_id.to_owned());
        let under_way = async move {
            let found = Arc::new(read.await);
            let last = Some(Arc::clone(&found));
            all.lock().insert(subscription_id, PowerReader { under_way: None, last });
            found
        };
        let under_way = under_way.boxed().shared();
        reader.under_way = Some(under_way.clone());
        // Goes on when nobody waits for it any more.
        tokio::spawn(under_way.clone());
        under_way
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use azlin_fleet::model::{CallErrorKind, PowerState};
    use tokio::time::{Instant, sleep};

    const TWO_SECONDS: Duration = Duration::from_secs(2);

    fn found(state: PowerState) -> Result<PowerStates, CallError> {
        let mut states = PowerStates::default();
        states.insert("rg", "vm", state);
        Ok(states)
    }

    async fn after(seconds: u64, state: PowerState) -> Result<PowerStates, CallError> {
        sleep(Duration::from_secs(seconds)).await;
        found(state)
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_two_seconds_and_takes_what_was_known() {
        let (readers, began) = (PowerReaders::new(TWO_SECONDS), Instant::now());
        let at = || began.elapsed().as_secs();
        assert_eq!(readers.states("s", after(1, PowerState::Starting)).await, found(PowerState::Starting));
        assert_eq!(
            (readers.states("t", after(60, PowerState::Running)).await, at()),
            (Ok(PowerStates::default()), 3)
        );
        assert_eq!(readers.states("s", after(60, PowerState::Running)).await, found(PowerState::Starting));
        assert_eq!(readers.states("s", after(1, PowerState::Stopped)).await, found(PowerState::Starting));
        assert_eq!(at(), 7, "one read at a time");
        sleep(Duration::from_secs(60)).await;
        assert_eq!(readers.states("s", after(60, PowerState::Stopped)).await, found(PowerState::Running));
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_fails_late_is_told_by_the_next_call() {
        let readers = PowerReaders::new(TWO_SECONDS);
        let fails = async {
            sleep(Duration::from_secs(5)).await;
            Err(CallError::new(CallErrorKind::NotPermitted, "no"))
        };
        assert_eq!(readers.states("s", fails).await, Ok(PowerStates::default()));
        sleep(Duration::from_secs(5)).await;
        let told = readers.states("s", after(60, PowerState::Running)).await;
        assert_eq!(told.map_err(|error| error.kind), Err(CallErrorKind::NotPermitted));
    }
}

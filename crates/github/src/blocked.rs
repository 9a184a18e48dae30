//! Repositories that GitHub has blocked. Only a person can change that, so they are looked at rarely.

use std::collections::HashMap;
use std::time::Duration;

use azlin_fleet::model::CallError;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How long nothing is sent for a repository that is blocked.
const PAUSE: Duration = Duration::from_secs(15 * 60);

/// The repositories that are blocked, each with what GitHub said and when.
#[derive(Debug, Default)]
pub(crate) struct BlockedRepositories(Mutex<HashMap<String, (Instant, CallError)>>);

impl BlockedRepositories {
    /// What GitHub said of a repository that it has blocked not long ago.
    pub(crate) fn get(&self, repository: &str) -> Option<CallError> {
        let blocked = self.0.lock();
        let (at, error) = blocked.get(repository)?;
        (at.elapsed() < PAUSE).then(|| error.clone())
    }

    pub(crate) fn add(&self, repository: &str, error: CallError) {
        let mut blocked = self.0.lock();
        blocked.retain(|_, (at, _)| at.elapsed() < PAUSE);
        blocked.insert(repository.to_owned(), (Instant::now(), error));
    }
}

#[cfg(test)]
mod tests {
    use azlin_fleet::model::CallErrorKind;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_blocked_repository_is_looked_at_again_after_a_while() {
        let blocked = BlockedRepositories::default();
        let error = CallError::new(CallErrorKind::NotPermitted, "451");
        blocked.add("repos/o/r", error.clone());
        assert_eq!(blocked.get("repos/o/r"), Some(error));
        assert_eq!(blocked.get("repos/o/other"), None);
        tokio::time::advance(PAUSE).await;
        assert_eq!(blocked.get("repos/o/r"), None);
    }
}

//! GitHub's service of runner scale sets, as the fleet needs it.

use async_trait::async_trait;

use crate::model::{
    CallError, MessageId, RunnerInfo, ScaleSetConfig, ScaleSetId, ScaleSetInfo, ScaleSetMessage,
    ScaleSetSession, Scope, SessionError, SessionKey, SetDeletion,
};

/// GitHub's service of runner scale sets. Its requests do not count in GitHub's rate limit; signing in to it does.
#[async_trait]
pub trait ScaleSets: Send + Sync {
    /// All sets of a scope.
    async fn list(&self, scope: &Scope) -> Result<Vec<ScaleSetInfo>, CallError>;

    /// The set of that name in its runner group; `None` when there is none.
    async fn find(&self, config: &ScaleSetConfig) -> Result<Option<ScaleSetInfo>, CallError>;

    /// Makes a set. [`CallErrorKind::NameTaken`](crate::model::CallErrorKind::NameTaken) when its name is in use.
    async fn create(&self, config: &ScaleSetConfig) -> Result<ScaleSetInfo, CallError>;

    /// Gives a set other labels.
    async fn relabel(&self, id: ScaleSetId, config: &ScaleSetConfig) -> Result<ScaleSetInfo, CallError>;

    /// Deletes a set, unless one of its runners runs a job. Jobs that wait go back to GitHub's queue.
    async fn delete(&self, scope: &Scope, id: ScaleSetId) -> Result<SetDeletion, CallError>;

    /// Every runner of a scope, in a set or not, or an error: never a part. Labels may be missing.
    async fn runners(&self, scope: &Scope) -> Result<Vec<RunnerInfo>, CallError>;

    /// Opens the session of a set.
    async fn open(
        &self,
        scope: &Scope,
        set: ScaleSetId,
        owner: &str,
    ) -> Result<ScaleSetSession, SessionError>;

    /// Ends a session, also one that a daemon before has left open. A session that is over is no error.
    async fn close(&self, scope: &Scope, session: &SessionKey) -> Result<(), CallError>;

    /// Waits for the next message after this one, for about a minute; `None` when there is none. `capacity` is how many
    /// jobs the set may hold in all. A token that has ended is renewed in the session.
    async fn next(
        &self,
        session: &mut ScaleSetSession,
        after: Option<MessageId>,
        capacity: u32,
    ) -> Result<Option<ScaleSetMessage>, SessionError>;

    /// Deletes a message. One that is gone is no error.
    async fn acknowledge(
        &self,
        session: &mut ScaleSetSession,
        message: MessageId,
    ) -> Result<(), SessionError>;

    /// The jobs that are offered to a set and that nobody has acquired, by their numbers. A message that is lost takes its
    /// offers with it.
    async fn offered(&self, scope: &Scope, set: ScaleSetId) -> Result<Vec<u64>, CallError>;

    /// Acquires jobs that were offered. Returns those that the set has got.
    async fn acquire(&self, session: &mut ScaleSetSession, offers: &[u64]) -> Result<Vec<u64>, SessionError>;
}

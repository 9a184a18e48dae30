//! GitHub's service of runner scale sets: the port [`ScaleSets`] over HTTPS.
//!
//! GitHub documents none of it; the forms are those that its own Go client sends and that others have measured. What
//! always holds:
//! - The token of the REST API goes to the REST API alone. The service gets tokens of its own, to the address that GitHub
//!   named together with them.
//! - A request that may be sent twice is, within bounds. What creates is sent once, and its doubt is the caller's.
//! - A poll holds no place among other requests, and no lock: hundreds of sessions wait side by side.

mod refused;
mod runners;
mod service;
mod session;
mod sets;
mod sign_in;
mod wire;

use async_trait::async_trait;
use azlin_fleet::model::{
    CallError, MessageId, RunnerInfo, ScaleSetConfig, ScaleSetId, ScaleSetInfo, ScaleSetMessage,
    ScaleSetSession, Scope, SessionError, SessionKey, SetDeletion,
};
use azlin_fleet::ports::ScaleSets;

pub(crate) use service::ActionsService;

use crate::client::GitHubClient;

#[async_trait]
impl ScaleSets for GitHubClient {
    async fn list(&self, scope: &Scope) -> Result<Vec<ScaleSetInfo>, CallError> {
        self.sets(scope).await
    }

    async fn find(&self, config: &ScaleSetConfig) -> Result<Option<ScaleSetInfo>, CallError> {
        self.set_named(config).await
    }

    async fn create(&self, config: &ScaleSetConfig) -> Result<ScaleSetInfo, CallError> {
        self.create_set(config).await
    }

    async fn relabel(&self, id: ScaleSetId, config: &ScaleSetConfig) -> Result<ScaleSetInfo, CallError> {
        self.relabel_set(id, config).await
    }

    async fn delete(&self, scope: &Scope, id: ScaleSetId) -> Result<SetDeletion, CallError> {
        self.delete_set(scope, id).await
    }

    async fn runners(&self, scope: &Scope) -> Result<Vec<RunnerInfo>, CallError> {
        self.agents(scope).await
    }

    async fn open(
        &self,
        scope: &Scope,
        set: ScaleSetId,
        owner: &str,
    ) -> Result<ScaleSetSession, SessionError> {
        self.open_session(scope, set, owner).await
    }

    async fn close(&self, scope: &Scope, session: &SessionKey) -> Result<(), CallError> {
        self.close_session(scope, session).await
    }

    async fn next(
        &self,
        session: &mut ScaleSetSession,
        after: Option<MessageId>,
        capacity: u32,
    ) -> Result<Option<ScaleSetMessage>, SessionError> {
        self.next_message(session, after, capacity).await
    }

    async fn acknowledge(
        &self,
        session: &mut ScaleSetSession,
        message: MessageId,
    ) -> Result<(), SessionError> {
        self.delete_message(session, message).await
    }

    async fn offered(&self, scope: &Scope, set: ScaleSetId) -> Result<Vec<u64>, CallError> {
        self.offered_jobs(scope, set).await
    }

    async fn acquire(&self, session: &mut ScaleSetSession, offers: &[u64]) -> Result<Vec<u64>, SessionError> {
        self.acquire_jobs(session, offers).await
    }
}

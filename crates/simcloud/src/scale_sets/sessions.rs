//! The one session of a scale set. GitHub does not see whether its holder lives: a session without a poll lapses after a
//! minute or more.

use std::time::Duration;

use azlin_fleet::model::Scope;
use jiff::Timestamp;
use rand::RngExt;

use super::{ServiceRefusal, SetStatistics};
use crate::fault::random_duration;
use crate::scale_set_fault::ScaleSetFault;
use crate::world::World;

/// The session of a scale set.
#[derive(Debug, Clone)]
pub struct SimSetSession {
    /// Its id.
    pub id: String,
    /// Who opened it.
    pub owner: String,
    /// When its holder was last heard.
    pub heard_at: Timestamp,
    /// How long it lives without a word of its holder.
    pub(crate) lives: Duration,
}

impl SimSetSession {
    /// Whether it has not lapsed.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.heard_at + self.lives > now
    }
}

/// A session as its holder gets it.
#[derive(Debug, Clone)]
pub(crate) struct OpenSession {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) set: u64,
    pub(crate) token: String,
    pub(crate) has_url: bool,
    pub(crate) statistics: SetStatistics,
}

impl World {
    /// Opens the session of a set.
    ///
    /// # Errors
    /// If there is no such set, or it has a session.
    pub(crate) fn open_session(
        &mut self,
        scope: &Scope,
        set: u64,
        owner: &str,
    ) -> Result<OpenSession, ServiceRefusal> {
        if self.scale_set(scope, set)?.live_session(self.now()).is_some() {
            return Err(ServiceRefusal::SessionConflict);
        }
        let bits = self.rng.random::<u128>();
        let hex = format!("{bits:032x}");
        let id = [&hex[..8], &hex[8..12], "4000", &format!("8{}", &hex[17..20]), &hex[20..]].join("-");
        let lives = random_duration(self.settings.session_lapse.clone(), &mut self.rng);
        let session = SimSetSession { id: id.clone(), owner: owner.to_owned(), heard_at: self.now(), lives };
        if let Some(set) = self.scale_sets.sets.get_mut(&set) {
            set.session = Some(session);
        }
        self.settle_scale_sets();
        self.session_of(set, &id)
    }

    /// Renews the token of a session.
    ///
    /// # Errors
    /// If there is no such set, or the session is over.
    pub(crate) fn renew_session(
        &mut self,
        scope: &Scope,
        set: u64,
        session: &str,
    ) -> Result<OpenSession, ServiceRefusal> {
        let now = self.now();
        let live = self.scale_set(scope, set)?.live_session(now);
        if live.is_none_or(|live| live.id != session) {
            return Err(ServiceRefusal::SessionExpired);
        }
        self.heard(set);
        self.session_of(set, session)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// If there is no such set or session.
    pub(crate) fn close_session(
        &mut self,
        scope: &Scope,
        set: u64,
        session: &str,
    ) -> Result<(), ServiceRefusal> {
        self.scale_set(scope, set)?;
        let Some(set) = self.scale_sets.sets.get_mut(&set) else { return Err(ServiceRefusal::NoSet) };
        if set.session.as_ref().is_none_or(|open| open.id != session) {
            return Err(ServiceRefusal::SessionExpired);
        }
        set.session = None;
        set.has_message.notify_waiters();
        Ok(())
    }

    fn session_of(&mut self, set: u64, session: &str) -> Result<OpenSession, ServiceRefusal> {
        let token = self.queue_token(set, session);
        let has_url = !self.set_fault(ScaleSetFault::NoQueueUrl);
        let statistics = self.set_statistics(set);
        let owner = self.scale_sets.sets.get(&set).and_then(|set| set.session.as_ref());
        let owner = owner.map(|session| session.owner.clone()).ok_or(ServiceRefusal::NoSet)?;
        Ok(OpenSession { id: session.to_owned(), owner, set, token, has_url, statistics })
    }

    /// The holder of a session was heard.
    pub(crate) fn heard(&mut self, set: u64) {
        let now = self.now();
        if let Some(session) = self.scale_sets.sets.get_mut(&set).and_then(|set| set.session.as_mut()) {
            session.heard_at = now;
        }
    }
}

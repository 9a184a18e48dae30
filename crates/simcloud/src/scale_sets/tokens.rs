//! What clients sign in to the service with: a token that says itself when it ends.

use azlin_fleet::model::Scope;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::json;

use super::ServiceRefusal;
use crate::registration::TokenUse;
use crate::world::World;

/// A token of a client that has signed in.
#[derive(Debug, Clone)]
pub(crate) struct AdminToken {
    pub(crate) scope: Scope,
    pub(crate) ends: Timestamp,
}

/// A JSON web token with this end. Nobody verifies its signature.
fn jwt(number: u64, ends: Timestamp) -> String {
    let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({"alg": "RS256", "typ": "JWT"}));
    let claims = part(json!({"exp": ends.as_second(), "jti": number.to_string()}));
    format!("{head}.{claims}.{}", BASE64_URL_SAFE_NO_PAD.encode("simcloud"))
}

impl World {
    /// Signs a client in that has a registration token of this scope.
    ///
    /// # Errors
    /// If the registration token is not valid there.
    pub fn admin_token(&mut self, scope: &Scope, registration: &str) -> Result<String, ServiceRefusal> {
        if !self.token_is_good(registration, scope, TokenUse::Register) {
            return Err(ServiceRefusal::InvalidToken);
        }
        let (now, ends) = (self.now(), self.now() + self.settings.admin_token_life);
        let token = jwt(self.state.github.number(), ends);
        self.scale_sets.admins.retain(|_, token| token.ends > now);
        self.scale_sets.admins.insert(token.clone(), AdminToken { scope: scope.clone(), ends });
        Ok(token)
    }

    /// The scope that an admin token is for.
    ///
    /// # Errors
    /// If it is not valid, or has ended.
    pub fn admin_scope(&self, token: &str) -> Result<Scope, ServiceRefusal> {
        let known = self.scale_sets.admins.get(token).filter(|known| known.ends > self.now());
        known.map(|known| known.scope.clone()).ok_or(ServiceRefusal::InvalidToken)
    }

    /// A token for the messages of a set's session.
    pub(crate) fn queue_token(&mut self, set: u64, session: &str) -> String {
        let (now, ends) = (self.now(), self.now() + self.settings.queue_token_life);
        let token = jwt(self.state.github.number(), ends);
        let tokens = &mut self.scale_sets.queue_tokens;
        tokens.retain(|_, (_, _, ends)| *ends > now);
        tokens.insert(token.clone(), (set, session.to_owned(), ends));
        token
    }

    /// The set and the session that a token is for.
    ///
    /// # Errors
    /// If it is not valid, or has ended; or if the session is over.
    pub(crate) fn queue_of(&self, token: &str) -> Result<(u64, String), ServiceRefusal> {
        let known = self.scale_sets.queue_tokens.get(token).filter(|(_, _, ends)| *ends > self.now());
        let (set, session, _) = known.cloned().ok_or(ServiceRefusal::InvalidToken)?;
        let sets = &self.scale_sets.sets;
        let is_its = |it: &super::SimScaleSet| it.session.as_ref().is_some_and(|it| it.id == session);
        match sets.get(&set) {
            Some(of) if is_its(of) => Ok((set, session)),
            Some(_) => Err(ServiceRefusal::SessionExpired),
            None => Err(ServiceRefusal::NoSet),
        }
    }
}

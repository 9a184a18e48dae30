//! Tokens that expire: a warning for each credential, logged again only when its text changes.

use std::collections::BTreeMap;

use azlin_fleet::config::Fleet;
use azlin_fleet::expiry::warning;
use azlin_fleet::names::CredentialName;
use parking_lot::Mutex;
use tracing::warn;

use crate::outside::Outside;

/// The last warning of each credential.
#[derive(Default)]
pub(crate) struct TokenExpiry(Mutex<BTreeMap<Option<CredentialName>, String>>);

impl TokenExpiry {
    /// The warning about the expiry of the fleet's GitHub token, if any.
    pub(crate) fn of(&self, outside: &Outside, fleet: &Fleet) -> Option<String> {
        let ends = outside.github(fleet).token_ends()?;
        let name = fleet.credential.as_ref().map(CredentialName::as_str);
        let told = warning(ends, name, outside.now());
        let mut all = self.0.lock();
        match &told {
            None => drop(all.remove(&fleet.credential)),
            Some(reason) if all.get(&fleet.credential) != Some(reason) => {
                warn!(%reason, "{reason}");
                all.insert(fleet.credential.clone(), reason.clone());
            }
            Some(_) => {}
        }
        told
    }
}

//! Tokens that expire: one warning for each credential, logged again only when its text changes.

use std::collections::BTreeMap;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::CredentialName;
use azlin_fleet::report::warning;
use parking_lot::Mutex;
use tracing::warn;

use crate::context::DaemonContext;

/// The last warning of each credential.
#[derive(Default)]
pub(crate) struct TokenExpiry(Mutex<BTreeMap<Option<CredentialName>, String>>);

impl TokenExpiry {
    /// The warning about the expiry of the fleet's GitHub token, if any.
    pub(crate) fn of(&self, context: &DaemonContext, fleet: &Fleet) -> Option<String> {
        let ends = context.github(fleet).token_ends()?;
        let name = fleet.credential.as_ref().map(CredentialName::as_str);
        let told = warning(ends, name, context.now());
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

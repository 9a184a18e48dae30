//! The check of how many repositories a credential carries, and at which interval.

use std::collections::BTreeSet;

use super::Notes;
use super::facts::GitHubFacts;
use crate::config::Fleet;
use crate::model::{Carried, RepoSlug, Scope, in_words};

/// Fewer are nothing to speak of.
const MANY: u64 = 50;

/// Says how often each of many repositories is looked at, with so many requests in an hour.
pub(super) fn carried(notes: &mut Notes, fleets: &[Fleet], facts: &GitHubFacts, limit: u64) {
    let enabled = || fleets.iter().filter(|fleet| fleet.enabled);
    let own = enabled().filter_map(|fleet| match &fleet.scope {
        Scope::Repo(repo) => Some(repo),
        Scope::Org(_) | Scope::Enterprise(_) => None,
    });
    let followed = enabled().flat_map(|fleet| &fleet.repositories);
    let followed = followed.filter_map(|pattern| facts.followed.get(pattern)?.found.as_ref().ok()).flatten();
    let repositories: BTreeSet<&RepoSlug> = own.chain(followed).collect();
    let carried = Carried::new(repositories.len() as u64, facts.poll);
    if carried.repositories < MANY {
        return;
    }
    let first = carried.all_seen_within(limit);
    let said = format!(
        "{carried}; after a start each has been looked at within {}, at 6 requests each, of {limit} in an hour",
        in_words(first)
    );
    if carried.every <= facts.poll && first <= facts.poll * 5 {
        notes.ok("repositories", said);
    } else {
        let cure = "none is needed if that is often enough; a webhook tells of jobs at once, whatever the interval, and \
                    several credentials share the repositories ([github.NAME] in azlin.toml)";
        notes.warning("repositories", said, cure);
    }
}

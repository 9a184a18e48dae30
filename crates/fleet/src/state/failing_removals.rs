//! Removals that keep failing: runners, and what the orphan collector finds. One that fails is tried again, less and
//! less often, and always within minutes: what lifts a lock or grants a role says nothing to the daemon.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Failure, RunnerName, elapsed, in_words};

/// The pause after the first failure of a removal. It doubles with each failure.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest pause. What cannot be removed costs money, and a removal that works again is not kept waiting.
const LONGEST_WAIT: Duration = Duration::from_secs(2 * 60);

/// What could not be removed when it was last tried, by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FailingRemovals(BTreeMap<String, FailingRemoval>);

/// A removal that has failed each time so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingRemoval {
    /// When it failed first.
    pub since: Option<Timestamp>,
    /// When it failed last.
    pub last: Option<Timestamp>,
    /// How often it failed.
    pub count: u32,
    /// What the last try met.
    pub why: String,
    /// Whether a person must act.
    pub needs_person: bool,
}

impl FailingRemoval {
    fn wait(&self) -> Duration {
        (FIRST_WAIT * 2_u32.pow(self.count.saturating_sub(1).min(10))).min(LONGEST_WAIT)
    }

    /// When it is tried again.
    pub fn next_try(&self) -> Option<Timestamp> {
        self.last?.checked_add(self.wait()).ok()
    }
}

impl FailingRemovals {
    /// Whether nothing fails.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &FailingRemoval)> {
        self.0.iter().map(|(name, removal)| (name.as_str(), removal))
    }

    /// The failing removal of a runner.
    pub fn of(&self, runner: &RunnerName) -> Option<&FailingRemoval> {
        self.0.get(runner.as_str())
    }

    /// Whether the removal of a runner is not tried yet, since it failed a moment ago.
    pub fn is_held_back(&self, runner: &RunnerName, now: Timestamp) -> bool {
        let since = |removal: &FailingRemoval| Some(elapsed(removal.last?, now) < removal.wait());
        self.of(runner).and_then(since).unwrap_or(false)
    }

    /// Whether a failure has something to tell that is not known yet: it is the first one, or the first that needs a
    /// person.
    pub fn is_news(&self, failure: &Failure) -> bool {
        self.is_empty() || failure.is_loud() && !self.0.values().any(|removal| removal.needs_person)
    }

    /// Takes in that a removal failed.
    pub fn failed(&mut self, name: &str, failure: &Failure, now: Timestamp) {
        let removal = self.0.entry(name.to_owned()).or_default();
        removal.since.get_or_insert(now);
        removal.last = Some(now);
        removal.count = removal.count.saturating_add(1);
        removal.why.clone_from(&failure.why);
        removal.needs_person = failure.is_loud();
    }

    /// Takes in that a removal does not fail any more.
    pub(crate) fn ended(&mut self, runner: &RunnerName) {
        self.0.remove(runner.as_str());
    }

    /// Forgets those that are not there any more.
    pub(crate) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| is_there(name));
    }

    /// Takes in everything that failed in one search, by its name. What does not fail any more is forgotten.
    pub fn searched(&mut self, failed: &BTreeMap<String, Failure>, now: Timestamp) {
        self.keep(|name| failed.contains_key(name));
        failed.iter().for_each(|(name, failure)| self.failed(name, failure, now));
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, mut others: Self) -> Self {
        self.0.append(&mut others.0);
        self
    }

    /// Only those that last: a person must act, or the second try failed too.
    #[must_use]
    pub fn lasting(mut self) -> Self {
        self.0.retain(|_, removal| removal.needs_person || removal.count > 1);
        self
    }

    /// The trouble in one sentence, if there is any: the removal that most needs a person, and how many more there are.
    pub fn trouble(&self) -> Option<String> {
        let urgency = |removal: &FailingRemoval| (!removal.needs_person, removal.since);
        let (name, first) = self.iter().min_by_key(|(_, removal)| urgency(removal))?;
        let more = match self.0.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let person = if first.needs_person { "a person must act; " } else { "" };
        let again = in_words(LONGEST_WAIT);
        Some(format!(
            "{name}{more} cannot be removed: {}; {person}tried again every {again} at most",
            first.why
        ))
    }

    /// Every time that waiting is measured from.
    pub(crate) fn times(&mut self) -> impl Iterator<Item = &mut Option<Timestamp>> {
        self.0.values_mut().flat_map(|removal| [&mut removal.since, &mut removal.last])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;
    use crate::model::{Advice, CallError, CallErrorKind};

    const NOW: i64 = 1_000_000;

    fn name(number: u32) -> RunnerName {
        RunnerName::new(&"ci".parse().expect("a valid name"), at(NOW), number)
    }

    fn locked() -> Failure {
        CallError::new(CallErrorKind::NotPermitted, "409 ScopeLocked").advise(Advice::RemoveLock(None)).into()
    }

    #[test]
    fn the_wait_doubles_and_ends_within_minutes() {
        let (mut removals, mut now) = (FailingRemovals::default(), NOW);
        for wait in [30, 60, 120, 120, 120] {
            removals.failed(name(1).as_str(), &locked(), at(now));
            assert!(removals.is_held_back(&name(1), at(now + wait - 1)), "{wait}");
            assert!(!removals.is_held_back(&name(1), at(now + wait)), "{wait}");
            assert!(!removals.is_held_back(&name(2), at(now)), "another one is not held back");
            now += wait;
        }
        let removal = removals.of(&name(1)).expect("it failed");
        assert_eq!((removal.count, removal.since), (5, Some(at(NOW))));
        assert_eq!(removal.next_try(), Some(at(now)));
        removals.ended(&name(1));
        assert!(removals.is_empty());
    }

    #[test]
    fn it_is_news_once_and_again_when_a_person_is_needed() {
        let (mut removals, later) = (FailingRemovals::default(), Failure::later("503"));
        assert!(removals.is_news(&later) && removals.is_news(&locked()));
        removals.failed("a", &later, at(NOW));
        assert!(!removals.is_news(&later) && removals.is_news(&locked()));
        removals.failed("b", &locked(), at(NOW));
        assert!(!removals.is_news(&later) && !removals.is_news(&locked()));
    }

    #[test]
    fn what_needs_a_person_is_told_first() {
        let mut removals = FailingRemovals::default();
        assert_eq!(removals.trouble(), None);
        removals.failed("a", &Failure::later("503"), at(NOW));
        removals.failed("b", &locked(), at(NOW + 1));
        let told = removals.trouble().expect("there is trouble");
        assert_eq!(
            told,
            "b and 1 more cannot be removed: 409 ScopeLocked; remove the lock on the resource group, or it stays as it \
             is; a person must act; tried again every 2m at most"
        );
    }

    #[test]
    fn a_search_replaces_what_the_last_one_found() {
        let mut removals = FailingRemovals::default();
        let of =
            |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), Failure::later("503"))).collect();
        removals.searched(&of(&["a", "b"]), at(NOW));
        assert!(removals.clone().lasting().is_empty(), "one failure may be a moment's");
        removals.searched(&of(&["b"]), at(NOW + 900));
        let names: Vec<_> = removals.clone().lasting().iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["b"]);
        removals.searched(&of(&[]), at(NOW + 1800));
        assert!(removals.is_empty());
    }
}

//! The runners of a fleet that are remembered, each until nothing shows it any more.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::RunnerName;
use crate::seeded_bug;
use crate::state::RunnerState;

/// What was seen of each runner that still exists, or may.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KnownRunners(BTreeMap<RunnerName, RunnerState>);

impl KnownRunners {
    /// What is remembered of a runner.
    pub fn get(&self, name: &RunnerName) -> Option<&RunnerState> {
        self.0.get(name)
    }

    /// Whether a runner is remembered.
    pub fn contains(&self, name: &RunnerName) -> bool {
        self.0.contains_key(name)
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &RunnerName> {
        self.0.keys()
    }

    /// Each with what is remembered of it.
    pub fn iter(&self) -> impl Iterator<Item = (&RunnerName, &RunnerState)> {
        self.0.iter()
    }

    /// What is remembered of a runner, to be changed. One that was not known is from here on.
    pub(crate) fn entry(&mut self, name: &RunnerName) -> &mut RunnerState {
        self.0.entry(name.clone()).or_default()
    }

    /// Forgets a runner.
    pub(crate) fn forget(&mut self, name: &RunnerName) {
        self.0.remove(name);
    }

    /// Takes every start for answered.
    pub(crate) fn leave_starts(&mut self) {
        self.0.values_mut().for_each(|known| known.is_unanswered = false);
    }

    /// Takes in that a list of VMs was read; whether it has the VM of a runner.
    pub(crate) fn missed_vms(&mut self, has_vm: impl Fn(&RunnerName) -> bool) {
        self.0.iter_mut().filter(|(name, _)| !has_vm(name)).for_each(|(_, known)| known.missed_vm());
    }

    /// Forgets those that nothing shows, unless a list that lags may not show them yet.
    pub(crate) fn keep_shown(
        &mut self,
        is_shown: impl Fn(&RunnerName) -> bool,
        lag: Duration,
        now: Timestamp,
    ) {
        self.0.retain(|name, known| {
            let is_kept = known.is_recent(lag, now) || is_shown(name);
            seeded_bug!(NothingForgotten, is_kept, true)
        });
    }

    /// Whether lists show everything that this daemon asked for.
    pub(crate) fn are_settled(&self, lag: Duration, now: Timestamp) -> bool {
        !self.0.values().any(|known| known.is_recent(lag, now))
    }

    /// Every time that waiting is measured from.
    pub(crate) fn times(&mut self) -> impl Iterator<Item = &mut Option<Timestamp>> {
        self.0.values_mut().flat_map(RunnerState::times)
    }
}

impl FromIterator<(RunnerName, RunnerState)> for KnownRunners {
    fn from_iter<I: IntoIterator<Item = (RunnerName, RunnerState)>>(runners: I) -> Self {
        KnownRunners(runners.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    const NOW: i64 = 1_000_000;
    const LAG: Duration = Duration::from_secs(120);

    fn name(number: u32) -> RunnerName {
        RunnerName::new(&"ci".parse().expect("a valid name"), at(NOW), number)
    }

    fn asked(ago: i64) -> RunnerState {
        RunnerState { asked_for: Some(at(NOW - ago)), ..RunnerState::default() }
    }

    #[test]
    fn one_is_kept_while_a_list_may_not_show_it_yet() {
        let all: KnownRunners =
            [(name(1), asked(119)), (name(2), asked(120)), (name(3), asked(900))].into_iter().collect();
        assert!(!all.are_settled(LAG, at(NOW)));
        let mut kept = all;
        kept.keep_shown(|shown| *shown == name(3), LAG, at(NOW));
        let kept: Vec<RunnerName> = kept.names().cloned().collect();
        assert_eq!(kept.len(), 2);
        assert!(kept.contains(&name(1)) && kept.contains(&name(3)));
    }

    #[test]
    fn a_list_that_lacks_a_vm_is_counted_for_that_runner_only() {
        let seen = RunnerState { vm_seen: true, ..RunnerState::default() };
        let mut all: KnownRunners = [(name(1), seen.clone()), (name(2), seen)].into_iter().collect();
        all.missed_vms(|name_of_vm| *name_of_vm == name(2));
        let missed = |number| all.get(&name(number)).map(|known| known.vm_missed);
        assert_eq!((missed(1), missed(2)), (Some(1), Some(0)));
    }

    #[test]
    fn in_the_state_file_it_is_an_object_of_names() {
        let all: KnownRunners = [(name(1), asked(0))].into_iter().collect();
        let text = serde_json::to_string(&all).expect("it is written");
        assert!(text.starts_with(&format!("{{\"{}\":{{\"asked_for\":", name(1))), "{text}");
        assert_eq!(serde_json::from_str::<KnownRunners>(&text).expect("it is read"), all);
    }
}

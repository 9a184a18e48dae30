//! What would keep fleets from working, judged from facts alone: all of it at once, each with its cure.
//!
//! A *problem* keeps something from working; a *warning* will, or keeps a part; *unknown* is what could
//! not be looked at, and says nothing of how it is.

mod azure;
mod carried;
mod disks;
mod facts;
#[cfg(test)]
mod fixture;
mod fleet;
mod github;
pub mod permissions;
mod risks;
mod runner_group;
mod scale_set;
mod shared;
mod size_facts;
mod sizes;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Serialize;

pub use facts::{
    AzureFacts, Facts, Followed, GitHubFacts, GroupFacts, ImageKey, PlaceFacts, ScopeFacts,
    SecurityGroupFacts, SignInError, SubnetFacts, SubscriptionFacts, image_key, place_key,
};
pub use size_facts::refused_by_facts;

use crate::config::{Fleet, ForgottenFleet, GroupContent, forgotten};
use crate::model::{Advice, CallError, PoolName, Prices};

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// The files.
    Configuration,
    /// GitHub, for every fleet there.
    GitHub,
    /// Azure, for every fleet there.
    Azure,
    /// One fleet.
    Fleet(PoolName),
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// It will not last, or not reach.
    Warning,
    /// Something does not work.
    Problem,
    /// It could not be looked at.
    Unknown,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it belongs to.
    pub about: About,
    /// What was looked at.
    pub what: String,
    /// How it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it, where there is something to do.
    pub cure: Option<String>,
}

/// Findings about one thing, as they come.
struct Notes {
    about: About,
    list: Vec<Finding>,
}

impl Notes {
    fn new(about: About) -> Self {
        Notes { about, list: Vec::new() }
    }

    fn note(&mut self, state: State, what: &str, found: impl Into<String>, cure: Option<String>) {
        let (about, what) = (self.about.clone(), what.to_owned());
        self.list.push(Finding { about, what, state, found: found.into(), cure });
    }

    fn ok(&mut self, what: &str, found: impl Into<String>) {
        self.note(State::Ok, what, found, None);
    }

    fn warning(&mut self, what: &str, found: impl Into<String>, cure: impl Into<String>) {
        self.note(State::Warning, what, found, Some(cure.into()));
    }

    fn problem(&mut self, what: &str, found: impl Into<String>, cure: impl Into<String>) {
        self.note(State::Problem, what, found, Some(cure.into()));
    }

    fn unknown(&mut self, what: &str, found: impl Into<String>) {
        self.note(State::Unknown, what, found, None);
    }

    /// A call that failed.
    fn failed(&mut self, state: State, what: &str, error: &CallError) {
        let state = match error.advice {
            // What keeps this call from its answer keeps VMs from being made.
            Some(Advice::RegisterProvider(_)) => State::Problem,
            _ => state,
        };
        let cure = error.advice.as_ref().unwrap_or(&Advice::Wait).by_hand();
        self.note(state, what, error.facts(), Some(cure));
    }
}

/// Everything that the facts tell, in the order in which people read it.
pub fn check(fleets: &[Fleet], facts: &Facts, now: Timestamp) -> Vec<Finding> {
    let mut findings = configuration(fleets, facts, now);
    findings.extend(github::check(fleets, facts, now));
    findings.extend(azure::check(fleets, facts));
    for each in fleets {
        findings.extend(fleet::check(each, facts));
    }
    findings
}

/// The fleets whose file is gone while VMs of theirs are in a group that was looked at.
fn without_a_fleet(fleets: &[Fleet], facts: &Facts, now: Timestamp) -> Vec<ForgottenFleet> {
    let groups = facts.signed_in_azure().into_iter().flat_map(|azure| &azure.groups);
    let contents = groups
        .filter_map(|(group, found)| Some((group.clone(), GroupContent::of(found.vms.as_ref().ok()?, &[]))));
    forgotten(&contents.collect(), fleets, &facts.pools, &Prices::default(), &[], now)
}

fn configuration(fleets: &[Fleet], facts: &Facts, now: Timestamp) -> Vec<Finding> {
    let mut notes = Notes::new(About::Configuration);
    for (file, wrong) in &facts.bad_files {
        let cure = "fix it; a running daemon goes on with the last good file, and one that starts leaves the fleet alone";
        notes.problem(file, wrong.clone(), cure);
    }
    let names: Vec<&str> = fleets.iter().map(|fleet| fleet.name.as_str()).collect();
    match names.as_slice() {
        [] if facts.bad_files.is_empty() => {
            notes.warning("fleets", "there is none", "write fleets/<pool>.toml, one file for each fleet");
        }
        [] => {}
        names => notes.ok("fleets", names.join(", ")),
    }
    for gone in without_a_fleet(fleets, facts, now) {
        notes.problem(&format!("VMs of {}", gone.pool), gone.facts(), gone.cure());
    }
    risks::of_the_host(&mut notes, facts);
    notes.list
}

//! The checks of runner groups: whose jobs they give to the runners in them.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{GitHubFacts, ScopeFacts};
use super::github::named;
use super::{Notes, State};
use crate::config::Fleet;
use crate::model::{GroupLimit, RepoPattern, RepoSlug, RunRepository, RunnerGroup, Scope, first_few};

/// What the runner groups of a scope's enabled fleets permit, where it leaves out jobs that a fleet follows.
pub(super) fn limits(
    notes: &mut Notes,
    scope: &Scope,
    fleets: &[&Fleet],
    facts: &GitHubFacts,
    found: &ScopeFacts,
) {
    for (name, group) in &found.limits {
        let own: Vec<&Fleet> = fleets.iter().copied().filter(|fleet| fleet.runner_group == *name).collect();
        if own.is_empty() {
            continue;
        }
        let what = format!("{}: runner group {}", named(scope), name.as_deref().unwrap_or("default"));
        match group {
            Ok(Some(group)) => limit(notes, &what, group, &own, facts),
            // Whether a group of that name is there is a check of its own.
            Ok(None) => {}
            Err(_) if name.is_some() && matches!(found.groups, Some(Err(_))) => {}
            Err(error) => notes.failed(State::Unknown, &what, error),
        }
    }
}

fn limit(notes: &mut Notes, what: &str, group: &RunnerGroup, fleets: &[&Fleet], facts: &GitHubFacts) {
    let patterns = fleets.iter().flat_map(|fleet| &fleet.repositories);
    let found = patterns.filter_map(|pattern| facts.followed.get(pattern)?.found.as_ref().ok());
    let followed: BTreeSet<&RepoSlug> = found.flatten().collect();
    let public: BTreeSet<&RepoSlug> = facts.public.values().flatten().flatten().collect();
    let mut refused = BTreeMap::<GroupLimit, Vec<String>>::new();
    for repo in followed {
        let today = RunRepository { name: repo.clone(), is_public: public.contains(repo) };
        if let Some(refusal) = group.refuses_repository(repo, Some(&today)) {
            refused.entry(refusal.refused).or_default().push(repo.to_string());
        }
    }
    for (limit, repos) in refused {
        let repos = first_few(repos);
        let told = match limit {
            GroupLimit::PublicRepository => {
                format!("it does not serve public repositories: jobs of {repos} are not counted")
            }
            GroupLimit::OtherRepository => format!("it does not serve {repos}: their jobs are not counted"),
            GroupLimit::OtherWorkflow => format!("it does not serve the workflows of {repos}"),
        };
        notes.warning(what, told, limit.cure());
    }
    if let Some(workflows) = &group.workflows {
        let only = first_few(workflows.iter().map(ToString::to_string));
        let only =
            if only.is_empty() { "no workflow".to_owned() } else { format!("only the workflows {only}") };
        notes.ok(what, format!("it serves {only}: jobs of other workflows are not counted"));
    }
    if !group.allows_public {
        let owners = fleets.iter().flat_map(|fleet| &fleet.repositories).map(RepoPattern::owner);
        for owner in owners.collect::<BTreeSet<_>>() {
            if let Some(Err(error)) = facts.public.get(&owner) {
                notes.failed(State::Unknown, &format!("{what}: public repositories"), error);
            }
        }
    }
}

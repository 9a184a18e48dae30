//! What will change a decision, and when.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{FleetView, Link, LinkKind, first_tick_after};
use crate::config::Limits;
use crate::model::{
    Action, Phase, Rule, RunnerName, ScalingAction, ScalingCause, ScalingReason, counted, first_few, in_words,
};
use crate::plan::{self, Basis, NextLimits, next_limits, runners_for, timing};

/// A change that happens without a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NextChange {
    /// When the change happens.
    pub at: Timestamp,
    /// The change, in words.
    pub what: String,
}

/// The changes of a fleet's plan that happen without a person, the soonest first.
pub fn next_changes(view: &FleetView<'_>) -> Vec<NextChange> {
    let (fleet, plan, fleet_state) = (view.fleet, view.plan, view.fleet_state);
    let mut changes = Vec::new();
    let mut at = |at: Option<Timestamp>, what: String| {
        if let Some(at) = at.filter(|at| *at > view.now) {
            changes.push(NextChange { at, what });
        }
    };
    let waits_for_more = plan.decision.action == ScalingAction::Maintain
        && plan.decision.target_runner_count > plan.decision.current_runner_count;
    if waits_for_more && let Some(job) = plan.demand.oldest_pending() {
        let wait = in_words(fleet.scaling.max_queue_wait);
        at(starves_at(view), format!("{} has waited max_queue_wait ({wait})", job.job));
    }
    if plan.decision.rule() == Rule::Cooldown {
        let ends = if waits_for_more { cooldown_ends(view) } else { surplus_goes_at(view) };
        at(ends, format!("the cooldown of {} ends", in_words(fleet.scaling.cooldown)));
    }
    if plan.decision.rule() == Rule::KeptWarm {
        let kept = in_words(fleet.warm.keep_for);
        at(warm_until(view), format!("idle runners were kept for {kept} after the last job"));
    }
    if let Some(NextLimits { at: when, limits }) = next_limits(fleet, view.now) {
        let Limits { min_runners, max_runners, standby } = limits;
        let mut change =
            format!("its hours set min_runners to {min_runners} and max_runners to {max_runners}");
        if standby != fleet.warm.standby {
            change += &format!(", standby to {standby}");
        }
        at(Some(when), change);
    }
    let try_again = fleet_state.failures.wait_left(view.now).and_then(|left| after(view.now, left));
    at(try_again, "starts are tried again after those that failed".to_owned());
    for closed in &plan.closed {
        at(Some(closed.until), format!("{} is asked for again", closed.what()));
    }
    let removed: BTreeSet<&RunnerName> = plan
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Destroy(destroy) => Some(&destroy.runner),
            Action::Provision { .. }
            | Action::Install(_)
            | Action::Prepare { .. }
            | Action::Deallocate(_)
            | Action::ClearUserData(_) => None,
        })
        .collect();
    for runner in plan.runners.iter().filter(|runner| !removed.contains(&runner.runner_name)) {
        let name = &runner.runner_name;
        let offline = fleet_state.runners.get(name).and_then(|known| known.offline_since);
        match (&runner.status, offline) {
            (Phase::Provisioning { since }, _) => {
                at(after(*since, fleet.lifecycle.boot_timeout), format!("boot_timeout of {name} ends"));
            }
            (Phase::Registered { .. }, Some(since)) => {
                at(after(since, fleet.lifecycle.offline_timeout), format!("offline_timeout of {name} ends"));
            }
            (Phase::Registered { .. }, None) => {
                at(
                    after(runner.created_at, fleet.lifecycle.rotation_interval),
                    format!("{name} is due for rotation"),
                );
            }
            (Phase::Preparing { since }, _) => {
                let ends = format!("boot_timeout of {name} ends, which is prepared for standby");
                at(after(*since, fleet.lifecycle.boot_timeout), ends);
            }
            (Phase::Standby, _) => {
                let due = format!("{name} on standby is due for rotation");
                at(after(runner.created_at, fleet.lifecycle.rotation_interval), due);
            }
            (Phase::Active { .. } | Phase::Draining { .. } | Phase::Destroyed, _) => {}
        }
    }
    changes.sort_by(|one, other| (one.at, &one.what).cmp(&(other.at, &other.what)));
    changes
}

/// When the oldest pending job will have waited longer than `max_queue_wait`.
pub(super) fn starves_at(view: &FleetView<'_>) -> Option<Timestamp> {
    plan::starves_at(&view.fleet.scaling, view.plan.demand.oldest_pending()?)
}

/// When the cooldown ends. `None` means that no cooldown runs.
pub(super) fn cooldown_ends(view: &FleetView<'_>) -> Option<Timestamp> {
    plan::cooldown_ends(&view.fleet.scaling, timing(view.fleet, view.fleet_state, view.now))
}

/// When runners that are too many may go. `None` means that no cooldown runs.
pub(super) fn surplus_goes_at(view: &FleetView<'_>) -> Option<Timestamp> {
    plan::surplus_goes_at(&view.fleet.scaling, timing(view.fleet, view.fleet_state, view.now))
}

/// Until when idle runners stay after the fleet's last job, if they do.
pub(super) fn warm_until(view: &FleetView<'_>) -> Option<Timestamp> {
    plan::warm_until(view.fleet.warm, timing(view.fleet, view.fleet_state, view.now))
}

pub(super) fn after(at: Timestamp, duration: Duration) -> Option<Timestamp> {
    at.checked_add(duration).ok()
}

/// The number of runners that the plan starts, without replacements.
pub(super) fn starts(view: &FleetView<'_>) -> usize {
    let is_new = |action: &&Action| matches!(action, Action::Provision { replaces: None, .. });
    view.plan.actions.iter().filter(is_new).count()
}

/// How many jobs are covered by the runners that are available, starting, or about to be started by this
/// plan.
fn covered(view: &FleetView<'_>) -> usize {
    let decision = &view.plan.decision;
    let intended = match decision.action {
        ScalingAction::ScaleUp => decision.target_runner_count,
        ScalingAction::ScaleDown | ScalingAction::Maintain => 0,
    };
    decision.current_runner_count.max(intended) as usize
}

/// Judges whether a runner should be available for the job, which has `before` older jobs ahead of it.
pub(super) fn judge(view: &FleetView<'_>, before: usize) -> (Link, String) {
    let (fleet, decision) = (view.fleet, &view.plan.decision);
    if view.seen.entries.is_err() || view.seen.vms.is_err() {
        let link = Link::broken(LinkKind::Decision, decision.reason.to_string())
            .cure("fix what cannot be read; `azlin github-runner plan` shows when it can be read again");
        return (link, "nothing is started while the fleet cannot be seen whole".to_owned());
    }
    if before < decision.current_runner_count as usize {
        let available = counted(decision.current_runner_count, "runner");
        let what = format!("{available} can still take a job, and {} before it", are(before));
        return (Link::holds(LinkKind::Decision, what), String::new());
    }
    if before < covered(view) {
        let rule = decision.rule().as_str();
        return (
            Link::holds(LinkKind::Decision, format!("scale up, by the rule {rule}: {}", decision.reason)),
            String::new(),
        );
    }
    let scaling = &fleet.scaling;
    // Older jobs get the runners that come first.
    let is_next = decision.target_runner_count > decision.current_runner_count
        && before < decision.target_runner_count as usize;
    let need = runners_for(scaling, view.plan.demand.metrics.pending_jobs);
    match decision.rule() {
        Rule::Manual => {
            let count = scaling.manual_count.unwrap_or_default();
            let pool = &fleet.name;
            let (most, more) = (scaling.max_runners, count.saturating_add(1));
            let sets_more = if count < most {
                format!("`--count {more}` sets more")
            } else {
                format!(
                    "more than max_runners ({most}) need `azlin github-runner enable --pool {pool} --max-runners {more}` \
                     first"
                )
            };
            let cure = format!(
                "`azlin github-runner scale --pool {pool} --auto` follows the queue again; {sets_more}"
            );
            let link = Link::broken(LinkKind::Decision, decision.reason.to_string()).cure(cure);
            (link, format!("the count is set by hand to {count}"))
        }
        Rule::Threshold if is_next => {
            let sooner = format!(
                "a lower scale_up_threshold ({}) or max_queue_wait ({})",
                scaling.scale_up_threshold,
                in_words(scaling.max_queue_wait)
            );
            held_back(view, starves_at(view), "", &sooner)
        }
        Rule::Cooldown if is_next => {
            let soonest = [cooldown_ends(view), starves_at(view)].into_iter().flatten().min();
            let sooner = format!(
                "a shorter cooldown ({}) or max_queue_wait ({})",
                in_words(scaling.cooldown),
                in_words(scaling.max_queue_wait)
            );
            held_back(view, soonest, "the cooldown holds back; ", &sooner)
        }
        _ if need > decision.target_runner_count => maximum(view),
        _ => {
            let each = scaling.jobs_per_runner;
            let what = format!(
                "{}; {} before it, and a runner is counted for {}",
                decision.reason,
                are(before),
                counted(each, "job")
            );
            let cure = format!(
                "none is needed: the next runner is started once those that come are busy; jobs_per_runner = 1 in \
                 fleets/{}.toml starts one for each job",
                fleet.name
            );
            let verdict = format!("it shares a runner with others, since jobs_per_runner is {each}");
            (Link::waits(LinkKind::Decision, what).cure(cure), verdict)
        }
    }
}

/// The link for a runner that is needed and that a rule delays. After failed starts, the delay lasts at least
/// until the next try.
fn held_back(view: &FleetView<'_>, at: Option<Timestamp>, why: &str, sooner: &str) -> (Link, String) {
    let (failures, reason) = (&view.fleet_state.failures, &view.plan.decision.reason);
    let again = failures.wait_left(view.now).and_then(|left| after(view.now, left));
    let at = at.max(again).map_or_else(|| "at the next tick".to_owned(), |at| first_tick_after(at, view.now));
    if failures.count == 0 {
        let cure = format!("none is needed: one is started {at}; {sooner} starts it sooner");
        let link = Link::waits(LinkKind::Decision, reason.to_string()).cure(cure);
        return (link, format!("{why}a runner is started for it {at}"));
    }
    let said =
        if reason.has_failed_starts() { String::new() } else { format!("; the last said: {}", failures.why) };
    let what = format!("starts failed {} in a row{said}; {reason}", counted(failures.count, "time"));
    let cure = format!(
        "`azlin github-runner check --pool {}` looks for the cause; it is tried again {at}, and {sooner} tries it sooner",
        view.fleet.name
    );
    let link = Link::broken(LinkKind::Decision, what).cure(cure);
    (link, format!("no runner could be started for it; it is tried again {at}"))
}

/// The link for a maximum that leaves no room.
fn maximum(view: &FleetView<'_>) -> (Link, String) {
    let most = view.fleet.scaling.max_runners;
    let raise = format!("`azlin github-runner enable --pool {} --max-runners N`", view.fleet.name);
    let verdict = format!("max_runners is {most}, and allows no more runners");
    if most == 0 {
        let cure = format!("{raise} raises it");
        return (Link::broken(LinkKind::Decision, view.plan.decision.reason.to_string()).cure(cure), verdict);
    }
    let busy = view.plan.runners.iter().filter(|runner| runner.is_busy()).map(|runner| {
        match view.seen.working.get(runner.runner_name.as_str()) {
            Some(job) => format!("{} with {job}", runner.runner_name),
            None => runner.runner_name.to_string(),
        }
    });
    let busy = first_few(busy);
    let busy = if busy.is_empty() { String::new() } else { format!("; busy: {busy}") };
    let what = format!("{}{busy}", view.plan.decision.reason);
    if let Basis::Scaling(ScalingReason { cause: ScalingCause::CannotRemove { .. }, .. }) =
        &view.plan.decision.reason.basis
        && let Some(trouble) = view.fleet_state.removals.trouble()
    {
        let verdict = "VMs that cannot be removed take its room".to_owned();
        return (Link::broken(LinkKind::Decision, what).cure(trouble), verdict);
    }
    let cure = format!("{raise} raises it; or wait until a runner has done its job");
    (Link::waits(LinkKind::Decision, what).cure(cure), verdict)
}

/// "1 job is", "2 jobs are".
fn are(jobs: usize) -> String {
    match jobs {
        0 => "no job is".to_owned(),
        1 => "1 job is".to_owned(),
        more => format!("{more} jobs are"),
    }
}

//! A plan as text: the numbers behind the decision, then one line for each action; and as JSON.

use azlin_daemon::Planned;
use azlin_fleet::config::defaults_in_words;
use azlin_fleet::explain::next_changes;
use azlin_fleet::model::{Action, EphemeralRunner, PhaseKind, ScalingAction, elapsed, in_words};
use azlin_fleet::plan::{DecisionStatus, RollStatus, next_limits};
use serde_json::{Value, json};

use crate::terminal::{Terminal, Tone};
use crate::wrap::hanging;

/// The column where a line's text begins: after its name.
const TEXT: usize = 12;

pub(super) fn table(planned: &[Planned], terminal: Terminal) -> String {
    let mut text: String = planned.iter().map(|planned| of_fleet(planned, terminal)).collect();
    let count = |is_it: fn(&Action) -> bool| {
        planned.iter().flat_map(|planned| &planned.plan.actions).filter(|action| is_it(action)).count()
    };
    let starts = count(|action| matches!(action, Action::Provision { .. }));
    let removals = count(|action| matches!(action, Action::Destroy(_)));
    let prepared = count(|action| matches!(action, Action::Prepare { .. }));
    let prepared = if prepared > 0 { format!("{prepared} to prepare for standby, ") } else { String::new() };
    let installs = count(|action| matches!(action, Action::Install(_)));
    let installs = if installs > 0 { format!("{installs} to install, ") } else { String::new() };
    let is_unknown = |planned: &&Planned| !planned.seen.has_whole_lists();
    let unknown: Vec<&str> =
        planned.iter().filter(is_unknown).map(|planned| planned.fleet.name.as_str()).collect();
    let unknown =
        if unknown.is_empty() { String::new() } else { format!("; not known for {}", unknown.join(", ")) };
    text += &format!(
        "Plan: {starts} to start, {installs}{prepared}{removals} to remove{unknown}. Nothing was changed.\n"
    );
    text
}

fn of_fleet(planned: &Planned, terminal: Terminal) -> String {
    let Planned { fleet, plan, trouble, at: now, .. } = planned;
    let decision = &plan.decision;
    let (target, current) = (decision.target_runner_count, decision.current_runner_count);
    let is_known = planned.seen.has_whole_lists();
    let action = match decision.action {
        _ if !is_known => "maintain, since its runners are not known".to_owned(),
        ScalingAction::ScaleUp => format!("scale up from {current} to {target}"),
        ScalingAction::ScaleDown => format!("scale down from {current} to {target}"),
        ScalingAction::Maintain if target == current => format!("maintain {current}"),
        ScalingAction::Maintain => format!("maintain {current}, with a target of {target}"),
    };
    let mut text = hanging(terminal, &format!("{}: ", terminal.paint(Tone::Strong, &fleet.name)), 2, &action);
    let mut line = |name: &str, what: &str| {
        text += &hanging(terminal, &format!("  {name:<width$}", width = TEXT - 2), TEXT, what);
    };
    let oldest = plan.demand.oldest_pending().map_or_else(String::new, |queued| {
        let link = queued.job.link.as_ref().map_or(String::new(), |link| format!(" {link}"));
        format!("; {} has waited longest, {}{link}", queued.job, in_words(elapsed(queued.since, *now)))
    });
    let jobs = plan.demand.known_metrics().map_or_else(
        || "not known".to_owned(),
        |metrics| {
            let least = if plan.demand.missing.is_empty() { "" } else { "at least " };
            format!("{least}{}{oldest}", metrics.in_words())
        },
    );
    line("jobs", &jobs);
    let mut phases = Vec::new();
    for phase in PhaseKind::ALL {
        let number = plan.runners.iter().filter(|runner| runner.status.kind() == phase).count();
        if number > 0 {
            phases.push(format!("{number} {phase}"));
        }
    }
    let phases = if phases.is_empty() { String::new() } else { format!(" ({})", phases.join(", ")) };
    let runners = counts(planned).map_or_else(
        || "not known".to_owned(),
        |[available, busy, draining]| {
            format!("{available} available, {busy} busy, {draining} leaving{phases}")
        },
    );
    line("runners", &runners);
    line("because", &decision.reason.to_string());
    if let Some(roll) = &plan.roll {
        line("rolling", &RollStatus::from(roll).to_string());
    }
    if let Some(next) = next_limits(fleet, *now) {
        line("hours", &next.in_words(*now));
    }
    if let Some(next) = next_changes(&planned.view()).first() {
        line("next", &format!("in {}: {}", in_words(elapsed(*now, next.at)), next.what));
    }
    if let Some(told) = defaults_in_words(&fleet.from_defaults) {
        line("defaults", &told);
    }
    if let Some(trouble) = trouble {
        line("trouble", trouble);
    }
    text + &actions(planned, terminal) + "\n"
}

/// One line for each action; starts for the same reason are one.
fn actions(planned: &Planned, terminal: Terminal) -> String {
    let plan = &planned.plan;
    let mut text = String::new();
    let mut rest = plan.actions.as_slice();
    while let [first, ..] = rest {
        let is_start = matches!(first, Action::Provision { replaces: None, .. });
        let alike = rest.iter().take_while(|action| is_start && *action == first).count().max(1);
        rest = &rest[alike..];
        let (mark, tone, what) = match first {
            Action::Provision { standby: Some(standby), .. } => {
                ("+", Tone::Good, format!("start {} from standby", standby.runner))
            }
            Action::Prepare { offerings, .. } => {
                let place = offerings.first().map_or(String::new(), |place| format!(" ({place})"));
                ("+", Tone::Good, format!("make a VM for standby{place}"))
            }
            Action::Deallocate(standby) => {
                ("~", Tone::Warning, format!("deallocate {} once it is set up", standby.runner))
            }
            Action::ClearUserData(standby) => {
                ("~", Tone::Warning, format!("clear the user data of {}", standby.runner))
            }
            Action::Provision { offerings, .. } => {
                let what =
                    if alike == 1 { "start a runner".to_owned() } else { format!("start {alike} runners") };
                let place = offerings.first().map_or(String::new(), |place| format!(" ({place})"));
                ("+", Tone::Good, format!("{what}{place}"))
            }
            Action::Install(install) => ("~", Tone::Warning, format!("install {} over SSH", install.runner)),
            Action::Destroy(destroy) => ("-", Tone::Bad, format!("remove {}", destroy.runner)),
        };
        let reason = first.reason();
        // The decision's own reason stands above.
        let is_said = reason.scaling().is_some_and(|reason| plan.decision.reason.is_only(reason));
        let reason = if is_said { String::new() } else { format!(": {reason}") };
        text +=
            &hanging(terminal, &format!("  {} ", terminal.paint(tone, mark)), 4, &format!("{what}{reason}"));
    }
    text
}

/// Runners that can still take a job, that run one, and that are on their way out; `None` if they are not known. VMs for
/// standby are none of them.
fn counts(planned: &Planned) -> Option<[u32; 3]> {
    if !planned.seen.has_whole_lists() {
        return None;
    }
    let of = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let runners = &planned.plan.runners;
    let available = planned.plan.decision.current_runner_count;
    let busy = of(runners.iter().filter(|runner| runner.is_busy()).count());
    let is_for_standby =
        |runner: &&EphemeralRunner| matches!(runner.status.kind(), PhaseKind::Preparing | PhaseKind::Standby);
    let standby = of(runners.iter().filter(is_for_standby).count());
    Some([available, busy, of(runners.len()).saturating_sub(available + busy + standby)])
}

/// `docs/reference/schemas/plan.schema.json`.
pub(super) fn json(planned: &[Planned]) -> Value {
    let fleets = planned.iter().map(|planned| {
        let Planned { fleet, plan, trouble, .. } = planned;
        let actions = plan.actions.iter().map(|action| (action, action.reason().to_string()));
        let actions = actions.map(|(action, reason)| match action {
            Action::Provision { replaces, standby, offerings, .. } => {
                let place = offerings.first();
                json!({
                    "action": "provision", "replaces": replaces, "reason": reason,
                    "standby": standby.as_ref().map(|standby| &standby.runner),
                    "size": place.map(|place| &place.size), "zone": place.map(|place| &place.zone),
                    "location": place.map(|place| &place.location), "spot": place.map(|place| place.spot),
                })
            }
            Action::Install(install) => {
                json!({"action": "install", "runner": install.runner, "reason": reason})
            }
            Action::Prepare { offerings, .. } => {
                let place = offerings.first();
                json!({
                    "action": "prepare", "reason": reason,
                    "size": place.map(|place| &place.size), "zone": place.map(|place| &place.zone),
                    "location": place.map(|place| &place.location), "spot": place.map(|place| place.spot),
                })
            }
            Action::Deallocate(standby) => {
                json!({"action": "deallocate", "runner": standby.runner, "reason": reason})
            }
            Action::ClearUserData(standby) => {
                json!({"action": "clear_user_data", "runner": standby.runner, "reason": reason})
            }
            Action::Destroy(destroy) => {
                json!({"action": "destroy", "runner": destroy.runner, "reason": reason})
            }
        });
        let runners = plan.runners.iter().map(|runner| {
            json!({
                "runner_name": runner.runner_name, "runner_id": runner.runner_id, "created_at": runner.created_at,
                "status": runner.status.kind(),
            })
        });
        let counts = counts(planned);
        let [available, busy, draining] = [0, 1, 2].map(|which| counts.map(|counts: [u32; 3]| counts[which]));
        json!({
            "pool": fleet.name, "metrics": plan.demand.known_metrics(),
            "jobs_known": plan.demand.missing.is_empty(), "runners_known": planned.seen.has_whole_lists(), "oldest_pending": plan.demand.oldest_pending(), "queued": plan.demand.pending,
            "decision": DecisionStatus::from(&plan.decision), "trouble": trouble, "from_defaults": fleet.from_defaults,
            "next_limits": next_limits(&planned.fleet, planned.at),
            "rolling": plan.roll.as_ref().map(RollStatus::from),
            "next_changes": next_changes(&planned.view()),
            "available": available, "busy": busy, "draining": draining,
            "runners": planned.seen.has_whole_lists().then(|| runners.collect::<Value>()), "actions": actions.collect::<Value>(),
        })
    });
    json!({"version": 1, "fleets": fleets.collect::<Value>()})
}

#[cfg(test)]
mod tests;

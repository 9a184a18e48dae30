//! Why a runner still exists: its VM, its registration, its work, its purpose, and its end.

use super::{ExplainedItem, Explanation, FleetView, Link, LinkKind, decision, when};
use crate::model::{
    Action, DrainReason, EphemeralRunner, Phase, PowerState, ProvisioningState, Rule, RunnerStatus, ago,
    counted, in_words,
};
use crate::plan::{Rotation, runners_for};

/// Explains why a runner of the fleet still exists.
pub fn runner(runner: &EphemeralRunner, view: &FleetView<'_>) -> Explanation {
    let chain = RunnerChain { runner, view };
    let (need, end, verdict) = chain.kept();
    let about = ExplainedItem::Runner { pool: view.fleet.name.clone(), name: runner.runner_name.clone() };
    Explanation { about, verdict, links: vec![chain.vm(), chain.registration(), chain.work(), need, end] }
}

struct RunnerChain<'a> {
    runner: &'a EphemeralRunner,
    view: &'a FleetView<'a>,
}

impl RunnerChain<'_> {
    fn vm(&self) -> Link {
        let age = ago(self.runner.created_at, self.view.now);
        let Some(vm) = &self.runner.vm else {
            let what = format!("none is in {}; it was asked for {age} ago", self.view.fleet.vm.group);
            return Link::broken(LinkKind::Vm, what);
        };
        let power = match vm.power {
            PowerState::Starting | PowerState::Running => ", running",
            PowerState::Stopping
            | PowerState::Stopped
            | PowerState::Deallocating
            | PowerState::Deallocated => ", stopped",
            PowerState::Unknown => "",
        };
        let state = match vm.provisioning {
            ProvisioningState::Impaired => "made, though Azure calls it Failed".to_owned(),
            ProvisioningState::Withheld => {
                "stopped by Azure, since nobody pays for the subscription".to_owned()
            }
            state => format!("{state:?}"),
        };
        let what = format!("{} in {}, {state}{power}, {age} old", vm.size, vm.group);
        let is_well = match vm.provisioning {
            ProvisioningState::Succeeded | ProvisioningState::Impaired => !vm.has_powered_off(),
            ProvisioningState::Creating | ProvisioningState::Other => return Link::waits(LinkKind::Vm, what),
            ProvisioningState::Withheld | ProvisioningState::Failed | ProvisioningState::Deleting => false,
        };
        if is_well { Link::holds(LinkKind::Vm, what) } else { Link::broken(LinkKind::Vm, what) }
    }

    fn registration(&self) -> Link {
        let (view, name) = (self.view, &self.runner.runner_name);
        let entry = view.seen.entries.as_ref().ok().and_then(|entries| entries.get(name));
        let known = view.fleet_state.runners.get(name);
        let scope = &view.fleet.scope;
        match entry {
            Some(entry) if entry.status == RunnerStatus::Online => {
                let labels: Vec<String> = entry.labels.iter().map(|label| format!("`{label}`")).collect();
                let labels =
                    if labels.is_empty() { String::new() } else { format!(", labels {}", labels.join(", ")) };
                Link::holds(
                    LinkKind::Registration,
                    format!("runner {} at {scope}, online{labels}", entry.runner_id),
                )
            }
            Some(entry) => match known.and_then(|known| known.offline_since) {
                Some(since) => {
                    let what = format!(
                        "runner {} at {scope}, offline for {}",
                        entry.runner_id,
                        ago(since, view.now)
                    );
                    Link::broken(LinkKind::Registration, what)
                        .cure("its VM's network and the service of the runner on it")
                }
                None => Link::waits(
                    LinkKind::Registration,
                    format!("runner {} at {scope}, which has not been online yet", entry.runner_id),
                ),
            },
            None if known.is_some_and(|known| known.entry_seen || known.ended) => {
                Link::broken(LinkKind::Registration, format!("its entry is gone from {scope}"))
            }
            None => Link::waits(LinkKind::Registration, format!("it has no entry at {scope}")),
        }
    }

    fn work(&self) -> Link {
        let (view, runner) = (self.view, self.runner);
        let done = match (runner.jobs_completed, view.fleet.lifecycle.max_job_count) {
            (_, 1) => "it is for one job".to_owned(),
            (done, most) => format!("it has done {done} of at most {most} jobs"),
        };
        match (view.seen.working.get(runner.runner_name.as_str()), runner.is_busy()) {
            (Some(job), _) => Link::holds(LinkKind::Work, format!("runs {job}; {done}")),
            (None, true) => Link::holds(LinkKind::Work, format!("GitHub reports that it is busy; {done}")),
            (None, false) => {
                match view.fleet_state.runners.get(&runner.runner_name).and_then(|known| known.idle_since) {
                    Some(since) => Link::waits(
                        LinkKind::Work,
                        format!("idle, for at least {}; {done}", ago(since, view.now)),
                    ),
                    None => Link::waits(LinkKind::Work, format!("none; {done}")),
                }
            }
        }
    }

    /// Why the runner is kept, when it is removed, and both in one sentence.
    fn kept(&self) -> (Link, Link, String) {
        let (view, runner) = (self.view, self.runner);
        let name = &runner.runner_name;
        let removal = view.plan.actions.iter().find_map(|action| match action {
            Action::Destroy(destroy) if destroy.runner == *name => Some(&destroy.why),
            Action::Destroy(_)
            | Action::Provision { .. }
            | Action::Install(_)
            | Action::Prepare { .. }
            | Action::Deallocate(_)
            | Action::ClearUserData(_) => None,
        });
        if let Some(reason) = removal {
            let need = Link::broken(LinkKind::Need, "nothing");
            let end = Link::waits(LinkKind::End, format!("the next tick removes it: {reason}"))
                .cure("none is needed while the daemon runs: see `systemctl status azlin-github-runner`");
            return (need, end, format!("is removed by the next tick: {reason}"));
        }
        match &runner.status {
            Phase::Active { .. } => {
                let most = view.fleet.lifecycle.max_job_count;
                let after = if most == 1 {
                    "once its job is done".to_owned()
                } else {
                    format!("once it has had {most} jobs, or is idle and not needed")
                };
                let need = Link::holds(LinkKind::Need, "its job: a running job is never ended");
                (need, Link::waits(LinkKind::End, after.clone()), format!("runs a job, and goes {after}"))
            }
            Phase::Provisioning { since } => {
                let limit = view.fleet.lifecycle.boot_timeout;
                let at = decision::after(*since, limit).map_or_else(String::new, |at| when(at, view.now));
                let need =
                    Link::holds(LinkKind::Need, format!("jobs to come: {}", view.plan.decision.reason));
                let end = Link::waits(
                    LinkKind::End,
                    format!("replaced {at} unless it is online by then: boot_timeout is {}", in_words(limit)),
                );
                (need, end, format!("has been starting for {}", ago(*since, view.now)))
            }
            Phase::Draining { why: DrainReason::OutOfSight(why) } => {
                let end = Link::broken(LinkKind::End, "never by itself".to_owned()).cure(
                    "let its job end, then delete the VM by hand, or point the daemon at that GitHub again",
                );
                (
                    Link::broken(LinkKind::Need, why.to_string()),
                    end,
                    "is left alone: it belongs to another GitHub".to_owned(),
                )
            }
            Phase::Draining { why } => {
                let need = Link::broken(LinkKind::Need, format!("nothing: {why}"));
                let end = Link::waits(
                    LinkKind::End,
                    "once the lists have shown for long enough that GitHub does not know it".to_owned(),
                );
                (need, end, format!("is on its way out: {why}"))
            }
            Phase::Destroyed => {
                let need = Link::broken(LinkKind::Need, "nothing");
                let end =
                    Link::waits(LinkKind::End, "Azure is removing it, or has and its list lags".to_owned());
                (need, end, "is being removed".to_owned())
            }
            Phase::Registered { .. } => self.idle(),
            Phase::Preparing { since } => self.preparing(*since),
            Phase::Standby => self.on_standby(),
        }
    }

    fn preparing(&self, since: jiff::Timestamp) -> (Link, Link, String) {
        let standby = self.view.fleet.warm.standby;
        let need = Link::holds(LinkKind::Need, format!("jobs to come: standby is {standby}"));
        let limit = in_words(self.view.fleet.lifecycle.boot_timeout);
        let end = format!(
            "once it is set up it powers off and is deallocated; replaced unless it is by then: boot_timeout is {limit}"
        );
        let told = format!("has been prepared for standby for {}", ago(since, self.view.now));
        (need, Link::waits(LinkKind::End, end), told)
    }

    fn on_standby(&self) -> (Link, Link, String) {
        let fleet = self.view.fleet;
        let standby = fleet.warm.standby;
        let need = Link::holds(LinkKind::Need, format!("jobs to come: standby is {standby}"));
        let end = format!(
            "a start takes it, the oldest first; replaced when the fleet's file changes, or after rotation_interval ({})",
            in_words(fleet.lifecycle.rotation_interval)
        );
        let told = "is on standby: set up and deallocated, so it costs its disk alone".to_owned();
        (need, Link::waits(LinkKind::End, end), told)
    }

    fn idle(&self) -> (Link, Link, String) {
        let (view, runner) = (self.view, self.runner);
        let (fleet, name) = (view.fleet, &runner.runner_name);
        let known = view.fleet_state.runners.get(name);
        if runner.vm.is_none() {
            let end =
                Link::broken(LinkKind::End, "not while it is online without a VM that is seen".to_owned())
                    .cure("if its VM is elsewhere, delete it by hand once it runs no job");
            let need = Link::broken(
                LinkKind::Need,
                format!("it is online, and its VM is not in {}", fleet.vm.group),
            );
            return (need, end, "is left alone: it is online and its VM is not to be seen".to_owned());
        }
        if let Some(since) = known.and_then(|known| known.offline_since) {
            let limit = fleet.lifecycle.offline_timeout;
            let at = decision::after(since, limit).map_or_else(String::new, |at| when(at, view.now));
            let need = Link::waits(
                LinkKind::Need,
                format!("it may come back: offline_timeout is {}", in_words(limit)),
            );
            let end = Link::waits(LinkKind::End, format!("replaced {at} unless it is online again by then"));
            return (
                need,
                end,
                format!("is offline for {}, and replaced {at} unless it comes back", ago(since, view.now)),
            );
        }
        let rotation =
            Rotation::of(fleet, &view.plan.runners, &view.seen.in_flight, view.fleet_state, view.now);
        if let Some(new) = rotation.replaced_by(name) {
            let need = Link::holds(LinkKind::Need, format!("until {new}, which takes its place, is online"));
            return (
                need,
                Link::waits(LinkKind::End, format!("once {new} is online")),
                format!("is kept until {new} takes its place"),
            );
        }
        let (kept, verdict, changes) = self.reason_to_keep();
        let end = match rotation.why_due(name) {
            Some(why) => Link::waits(
                LinkKind::End,
                format!("it is due to be replaced, one after another, since {why}"),
            ),
            None => {
                let at = decision::after(runner.created_at, fleet.lifecycle.rotation_interval);
                let at = at.map_or_else(String::new, |at| when(at, view.now));
                let changes = changes.map_or_else(String::new, |changes| format!("{changes}; "));
                Link::waits(LinkKind::End, format!("{changes}after its job, or replaced by rotation {at}"))
            }
        };
        (Link::holds(LinkKind::Need, kept), end, verdict)
    }

    /// Why an idle runner is not surplus (in full and in short), and what would make it surplus.
    fn reason_to_keep(&self) -> (String, String, Option<String>) {
        let view = self.view;
        let (decision, scaling) = (&view.plan.decision, &view.fleet.scaling);
        let (target, current) = (decision.target_runner_count, decision.current_runner_count);
        let reason = &decision.reason;
        let is_surplus = |action: &&Action| matches!(action, Action::Destroy(destroy) if matches!(destroy.why, DrainReason::Surplus(_)));
        let going = view.plan.actions.iter().filter(is_surplus).count();
        if current.saturating_sub(target) as usize > going {
            let over = format!("one of {} over the target of {target}", counted(current - target, "runner"));
            return match decision.rule() {
                Rule::Cooldown => {
                    let at =
                        decision::surplus_goes_at(view).map_or_else(String::new, |at| when(at, view.now));
                    (
                        format!("{over}: {reason}"),
                        format!("is kept by the cooldown, which ends {at}"),
                        Some(format!("as surplus {at}")),
                    )
                }
                Rule::KeptWarm => {
                    let at = decision::warm_until(view).map_or_else(String::new, |at| when(at, view.now));
                    (
                        format!("{over}: {reason}"),
                        format!("is kept warm, which ends {at}"),
                        Some(format!("as surplus {at}")),
                    )
                }
                Rule::Threshold => {
                    let least = scaling.scale_down_threshold;
                    (
                        format!("{over}: {reason}"),
                        format!("is kept by scale_down_threshold ({least})"),
                        Some("as surplus once more than that are over the target".to_owned()),
                    )
                }
                Rule::PartlyKnown => (
                    format!("{over}: {reason}"),
                    "is kept, since the queue is only partly known".to_owned(),
                    Some("as surplus once the queue is read whole".to_owned()),
                ),
                _ => (
                    format!("{over}, but not the first to go: {reason}"),
                    "is over the target, and others go first".to_owned(),
                    None,
                ),
            };
        }
        let metrics = &view.plan.demand.metrics;
        let need = runners_for(scaling, metrics.pending_jobs);
        if let Some(count) = scaling.manual_count {
            return (
                format!("manual_count is {count}: {reason}"),
                format!("is kept by manual_count ({count})"),
                Some("as surplus when that is lowered".to_owned()),
            );
        }
        if need >= target && need > 0 {
            let jobs = counted(metrics.pending_jobs, "queued job");
            return (format!("{jobs}: {reason}"), format!("is kept for {jobs}"), None);
        }
        let least = scaling.min_runners;
        (
            format!("min_runners is {least}: {reason}"),
            format!("is kept by min_runners ({least})"),
            Some("as surplus when that is lowered".to_owned()),
        )
    }
}

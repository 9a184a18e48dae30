//! How many runners a fleet should have available: a pure function.
//!
//! `target = ceil(pending_jobs / jobs_per_runner)`, within minimum and maximum, held back by
//! thresholds and cooldown. Two rules override both: no job starves, and the minimum is kept available.

use std::cmp::Ordering;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::{ScalingConfig, WarmConfig};
use crate::model::ScalingAction;
use crate::model::{ScalingCause, ScalingReason, WaitingJob, elapsed};
use crate::observe::QueuedJob;
use crate::seeded_bug;

/// What a fleet has and what is demanded of it.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// Jobs that could start now.
    pub pending_jobs: u32,
    /// The pending job that has waited longest.
    pub oldest_pending: Option<&'a QueuedJob>,
    /// Runners that can still take a job: provisioning, or registered and idle.
    pub available: u32,
    /// Runners that run a job.
    pub busy: u32,
    /// Runners on their way out, whose VMs are still there.
    pub draining: u32,
    /// Of these, VMs whose removal fails.
    pub not_removable: u32,
    /// VMs that are set up for standby: they run.
    pub preparing: u32,
    /// Whether `pending_jobs` is only a lower bound.
    pub partly_known: bool,
}

/// When a scaling action may be taken.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The last scaling action.
    pub last_scaling: Option<Timestamp>,
    /// Whether the configuration has changed since, which ends the cooldown.
    pub config_changed: bool,
    /// Since when the fleet's hours have lowered its limits: what is idle then goes after a cooldown.
    pub lowered: Option<Timestamp>,
    /// When the fleet last had a job.
    pub last_job: Option<Timestamp>,
    /// The current time.
    pub now: Timestamp,
}

/// What the scaling rules say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaling {
    /// What is to change.
    pub action: ScalingAction,
    /// The target, and why.
    pub reason: ScalingReason,
}

/// Decides how many runners a fleet should have available.
pub fn scale(
    config: &ScalingConfig,
    warm: WarmConfig,
    enabled: bool,
    load: &Load<'_>,
    timing: Timing,
) -> Scaling {
    // Draining runners leave less room to add, but make no other runner go.
    let busy = seeded_bug!(BusyNotCounted, load.busy, 0);
    let keep = config.max_runners.saturating_sub(busy);
    let room = keep.saturating_sub(load.draining.saturating_add(load.preparing));
    let within = |wanted: u32| {
        if wanted > load.available {
            wanted.min(room).max(load.available.min(keep))
        } else {
            wanted.min(keep)
        }
    };
    let input = Input { config, warm, load, needed: runners_for(config, load.pending_jobs), timing };
    let exact = |target: u32, cause| {
        let action = match target.cmp(&load.available) {
            Ordering::Greater => ScalingAction::ScaleUp,
            Ordering::Less => ScalingAction::ScaleDown,
            Ordering::Equal => ScalingAction::Maintain,
        };
        input.decision(action, target, cause)
    };
    if !enabled {
        return exact(0, ScalingCause::Disabled);
    }
    if let Some(count) = config.manual_count {
        return exact(within(count.saturating_sub(load.busy)), ScalingCause::Manual { count });
    }
    let least = config.min_runners.min(room);
    let target = within(input.needed.max(config.min_runners));
    let (action, cause) = if target > load.available {
        input.up(target, least)
    } else if target < load.available {
        match input.down(target) {
            // More than the maximum are not kept, whatever else holds back.
            (ScalingAction::Maintain, _)
                if load.available > keep && lowering_left(config, timing).is_none() =>
            {
                return input.decision(ScalingAction::ScaleDown, keep, ScalingCause::OverMaximum);
            }
            decided => decided,
        }
    } else if input.needed > room && load.not_removable > 0 {
        (ScalingAction::Maintain, ScalingCause::CannotRemove { vms: load.not_removable })
    } else if input.needed > room {
        (ScalingAction::Maintain, ScalingCause::AtMaximum)
    } else {
        (ScalingAction::Maintain, ScalingCause::Enough)
    };
    input.decision(action, target, cause)
}

/// How many runners that number of jobs needs.
pub fn runners_for(config: &ScalingConfig, jobs: u32) -> u32 {
    jobs.div_ceil(config.jobs_per_runner.max(1))
}

/// When the job will have waited for too long.
pub fn starves_at(config: &ScalingConfig, oldest: &QueuedJob) -> Option<Timestamp> {
    oldest.since.checked_add(config.max_queue_wait).ok()
}

/// When the cooldown ends that holds back more runners, if it runs.
pub fn cooldown_ends(config: &ScalingConfig, timing: Timing) -> Option<Timestamp> {
    timing.now.checked_add(cooldown_left(config, timing)?).ok()
}

/// When runners that are too many may go: after the cooldown, and after the fleet's hours have lowered its limits for as
/// long.
pub fn surplus_goes_at(config: &ScalingConfig, timing: Timing) -> Option<Timestamp> {
    timing.now.checked_add(surplus_left(config, timing)?).ok()
}

/// What is left of the cooldown, if it runs.
fn cooldown_left(config: &ScalingConfig, timing: Timing) -> Option<Duration> {
    let left = left_of(config.cooldown, timing.last_scaling?, timing.now).filter(|_| !timing.config_changed);
    seeded_bug!(NoCooldown, left, None)
}

/// The same, as it holds back the removal of runners.
fn surplus_left(config: &ScalingConfig, timing: Timing) -> Option<Duration> {
    cooldown_left(config, timing).max(lowering_left(config, timing))
}

/// What is left of the cooldown that begins when the fleet's hours lower its limits.
fn lowering_left(config: &ScalingConfig, timing: Timing) -> Option<Duration> {
    left_of(config.cooldown, timing.lowered?, timing.now)
}

/// When runners need no longer stay warm, if they do.
pub fn warm_until(warm: WarmConfig, timing: Timing) -> Option<Timestamp> {
    timing.now.checked_add(warm_left(warm, timing)?).ok()
}

/// How long runners still stay warm after the fleet's last job.
fn warm_left(warm: WarmConfig, timing: Timing) -> Option<Duration> {
    left_of(warm.keep_for, timing.last_job?, timing.now)
}

/// What is left of a time that began then; `None` when it is over.
fn left_of(whole: Duration, since: Timestamp, now: Timestamp) -> Option<Duration> {
    whole.checked_sub(elapsed(since, now)).filter(|left| !left.is_zero())
}

/// Everything that a decision follows from.
struct Input<'a> {
    config: &'a ScalingConfig,
    warm: WarmConfig,
    load: &'a Load<'a>,
    /// Runners that the pending jobs need.
    needed: u32,
    timing: Timing,
}

impl Input<'_> {
    /// Decides where fewer runners are available than the target; at least `least` are to be kept.
    fn up(&self, target: u32, least: u32) -> (ScalingAction, ScalingCause) {
        let (config, load) = (self.config, self.load);
        let (threshold, max_queue_wait) = (config.scale_up_threshold, config.max_queue_wait);
        if let Some(oldest) = self.starving_job()
            && load.available < self.needed
        {
            (ScalingAction::ScaleUp, ScalingCause::JobStarves { oldest, max_queue_wait })
        } else if load.available < least {
            (ScalingAction::ScaleUp, ScalingCause::Minimum { min_runners: config.min_runners })
        } else if target <= load.available.saturating_add(threshold) {
            let oldest = load.oldest_pending.map(|oldest| self.waiting(oldest));
            (
                ScalingAction::Maintain,
                ScalingCause::ShortWithinThreshold { threshold, max_queue_wait, oldest },
            )
        } else if let Some(left) = cooldown_left(config, self.timing) {
            (ScalingAction::Maintain, ScalingCause::Cooldown { cooldown: config.cooldown, left })
        } else {
            (ScalingAction::ScaleUp, ScalingCause::Short { threshold })
        }
    }

    /// Decides where more runners are available than the target.
    fn down(&self, target: u32) -> (ScalingAction, ScalingCause) {
        let (config, load) = (self.config, self.load);
        let threshold = config.scale_down_threshold;
        if target.saturating_add(threshold) >= load.available {
            (ScalingAction::Maintain, ScalingCause::OverWithinThreshold { threshold })
        } else if load.partly_known {
            (ScalingAction::Maintain, ScalingCause::PartlyKnown)
        } else if let Some(left) = surplus_left(config, self.timing) {
            (ScalingAction::Maintain, ScalingCause::Cooldown { cooldown: config.cooldown, left })
        } else if let Some(left) = warm_left(self.warm, self.timing) {
            (ScalingAction::Maintain, ScalingCause::KeptWarm { keep_for: self.warm.keep_for, left })
        } else {
            (ScalingAction::ScaleDown, ScalingCause::Over)
        }
    }

    /// The oldest pending job, if it has waited for too long.
    fn starving_job(&self) -> Option<WaitingJob> {
        let oldest = self.load.oldest_pending?;
        // A job that may not wait at all starves as soon as it is there.
        let starves = self.config.max_queue_wait.is_zero()
            || starves_at(self.config, oldest).is_some_and(|at| self.timing.now > at);
        seeded_bug!(NoStarvationRule, starves, false).then(|| self.waiting(oldest))
    }

    fn waiting(&self, job: &QueuedJob) -> WaitingJob {
        let waited = elapsed(job.since, self.timing.now);
        WaitingJob { id: job.job.id, name: job.job.name.clone().unwrap_or_default(), waited }
    }

    fn decision(&self, action: ScalingAction, target: u32, cause: ScalingCause) -> Scaling {
        let load = self.load;
        let reason = ScalingReason {
            pending_jobs: load.pending_jobs,
            partly_known: load.partly_known,
            needed: self.needed,
            available: load.available,
            busy: load.busy,
            draining: load.draining,
            preparing: load.preparing,
            max_runners: self.config.max_runners,
            target,
            cause,
        };
        Scaling { action, reason }
    }
}

#[cfg(test)]
mod tests;

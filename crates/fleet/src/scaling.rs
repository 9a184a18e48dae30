//! How many runners a fleet should have available: a pure function.
//!
//! `target = ceil(pending_jobs / jobs_per_runner)`, within minimum and maximum, held back by
//! thresholds and cooldown. Two promises stand over thresholds and cooldown: no job starves, and
//! the minimum is kept available.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::ScalingConfig;
use crate::demand::OldestPending;
use crate::seeded_bug;

/// What is to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingAction {
    /// Add runners up to the target.
    ScaleUp,
    /// Remove available runners down to the target.
    ScaleDown,
    /// Nothing.
    Maintain,
}

impl ScalingAction {
    /// The word for it, as JSON has it.
    pub fn word(self) -> &'static str {
        match self {
            ScalingAction::ScaleUp => "scale_up",
            ScalingAction::ScaleDown => "scale_down",
            ScalingAction::Maintain => "maintain",
        }
    }
}

/// The rule that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The formula, past its threshold.
    Formula,
    /// A job waited too long.
    NoJobStarves,
    /// Fewer available than the minimum.
    Minimum,
    /// The count was set by hand.
    Manual,
    /// The fleet is not enabled.
    Disabled,
    /// What is there is what is needed.
    Enough,
    /// The difference is within the threshold.
    Threshold,
    /// Too soon after the last scaling action.
    Cooldown,
    /// More are needed than the maximum allows, or more are there.
    Maximum,
    /// What is needed is not fully known, so nothing is removed.
    PartlyKnown,
}

impl Rule {
    /// The word for it, as JSON has it.
    pub fn word(self) -> &'static str {
        match self {
            Rule::Formula => "formula",
            Rule::NoJobStarves => "no_job_starves",
            Rule::Minimum => "minimum",
            Rule::Manual => "manual",
            Rule::Disabled => "disabled",
            Rule::Enough => "enough",
            Rule::Threshold => "threshold",
            Rule::Cooldown => "cooldown",
            Rule::Maximum => "maximum",
            Rule::PartlyKnown => "partly_known",
        }
    }
}

/// How many runners there should be, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScalingDecision {
    /// What is to change.
    pub action: ScalingAction,
    /// The runners that should be available.
    pub target_runner_count: u32,
    /// The runners that are available.
    pub current_runner_count: u32,
    /// The rule that decided.
    pub rule: Rule,
    /// For people: the numbers, the rule, and what would change it.
    pub reason: String,
}

/// What a fleet has and what it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// Jobs that could start now.
    pub pending_jobs: u32,
    /// The one that has waited longest.
    pub oldest_pending: Option<&'a OldestPending>,
    /// Runners that can still take a job: provisioning, or registered and idle.
    pub available: u32,
    /// Runners that run a job.
    pub busy: u32,
    /// Runners on their way out, whose VMs are still there.
    pub draining: u32,
    /// Whether `pending_jobs` is only a lower bound.
    pub partly_known: bool,
}

/// When a scaling action may be taken.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The last scaling action.
    pub last_scaling: Option<Timestamp>,
    /// The configuration changed since, so the cooldown does not hold back.
    pub config_changed: bool,
    /// The time.
    pub now: Timestamp,
}

/// Decides how many runners a fleet should have available.
pub fn scale(config: &ScalingConfig, enabled: bool, load: &Load<'_>, timing: Timing) -> ScalingDecision {
    // What may be there to be kept, and to be added to: runners that are going make no other go.
    let busy = seeded_bug!(BusyNotCounted, load.busy, 0);
    let keep = config.max_runners.saturating_sub(busy);
    let room = keep.saturating_sub(load.draining);
    let within = |wanted: u32| {
        if wanted > load.available {
            wanted.min(room).max(load.available.min(keep))
        } else {
            wanted.min(keep)
        }
    };
    let need = runners_for(config, load.pending_jobs);
    let facts = Facts { config, load, need, timing };
    let exact = |target: u32, rule| {
        let action = match target.cmp(&load.available) {
            std::cmp::Ordering::Greater => ScalingAction::ScaleUp,
            std::cmp::Ordering::Less => ScalingAction::ScaleDown,
            std::cmp::Ordering::Equal => ScalingAction::Maintain,
        };
        facts.decision(action, target, rule)
    };
    if !enabled {
        return exact(0, Rule::Disabled);
    }
    if let Some(count) = config.manual_count {
        return exact(within(count.saturating_sub(load.busy)), Rule::Manual);
    }
    let least = config.min_runners.min(room);
    let target = within(need.max(config.min_runners));
    let (action, rule) = if target > load.available {
        up(&facts, target, least, timing)
    } else if target < load.available {
        match down(&facts, target, timing) {
            // More than the maximum are not kept, whatever holds back.
            (ScalingAction::Maintain, _) if load.available > keep => {
                return facts.decision(ScalingAction::ScaleDown, keep, Rule::Maximum);
            }
            decided => decided,
        }
    } else if need > room {
        (ScalingAction::Maintain, Rule::Maximum)
    } else {
        (ScalingAction::Maintain, Rule::Enough)
    };
    facts.decision(action, target, rule)
}

fn up(facts: &Facts<'_>, target: u32, least: u32, timing: Timing) -> (ScalingAction, Rule) {
    let (config, load) = (facts.config, facts.load);
    let starves_at = load.oldest_pending.and_then(|oldest| starves_at(config, oldest));
    let starves = starves_at.is_some_and(|at| timing.now > at);
    if seeded_bug!(NoStarvationRule, starves, false) && load.available < facts.need {
        (ScalingAction::ScaleUp, Rule::NoJobStarves)
    } else if load.available < least {
        (ScalingAction::ScaleUp, Rule::Minimum)
    } else if target <= load.available.saturating_add(config.scale_up_threshold) {
        (ScalingAction::Maintain, Rule::Threshold)
    } else if cooldown_left(config, timing).is_some() {
        (ScalingAction::Maintain, Rule::Cooldown)
    } else {
        (ScalingAction::ScaleUp, Rule::Formula)
    }
}

fn down(facts: &Facts<'_>, target: u32, timing: Timing) -> (ScalingAction, Rule) {
    let (config, load) = (facts.config, facts.load);
    if target.saturating_add(config.scale_down_threshold) >= load.available {
        (ScalingAction::Maintain, Rule::Threshold)
    } else if load.partly_known {
        (ScalingAction::Maintain, Rule::PartlyKnown)
    } else if cooldown_left(config, timing).is_some() {
        (ScalingAction::Maintain, Rule::Cooldown)
    } else {
        (ScalingAction::ScaleDown, Rule::Formula)
    }
}

/// The runners that so many jobs need.
pub fn runners_for(config: &ScalingConfig, jobs: u32) -> u32 {
    jobs.div_ceil(config.jobs_per_runner.max(1))
}

/// The moment past which a job has waited for too long.
pub fn starves_at(config: &ScalingConfig, oldest: &OldestPending) -> Option<Timestamp> {
    oldest.since.checked_add(config.max_queue_wait).ok()
}

/// When the cooldown ends, if it runs.
pub fn cooldown_ends(config: &ScalingConfig, timing: Timing) -> Option<Timestamp> {
    timing.now.checked_add(cooldown_left(config, timing)?).ok()
}

/// What is left of the cooldown, if it runs.
fn cooldown_left(config: &ScalingConfig, timing: Timing) -> Option<Duration> {
    let since = elapsed(timing.last_scaling?, timing.now);
    let holds = |left: &Duration| !left.is_zero() && !timing.config_changed;
    let left = config.cooldown.checked_sub(since).filter(holds);
    seeded_bug!(NoCooldown, left, None)
}

/// How long ago something was; nothing when it lies ahead, as after a clock was set back.
pub fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO)
}

/// The numbers behind a decision, and how they are told.
struct Facts<'a> {
    config: &'a ScalingConfig,
    load: &'a Load<'a>,
    need: u32,
    timing: Timing,
}

impl Facts<'_> {
    fn oldest_wait(&self) -> Option<Duration> {
        self.load.oldest_pending.map(|oldest| elapsed(oldest.since, self.timing.now))
    }

    fn decision(&self, action: ScalingAction, target: u32, rule: Rule) -> ScalingDecision {
        ScalingDecision {
            action,
            target_runner_count: target,
            current_runner_count: self.load.available,
            rule,
            reason: format!("{self}; {}", self.why(action, target, rule)),
        }
    }

    fn why(&self, action: ScalingAction, target: u32, rule: Rule) -> String {
        let config = self.config;
        let oldest = || match (self.load.oldest_pending, self.oldest_wait()) {
            (Some(job), Some(wait)) => format!("job {} ({}) has waited {}", job.id, job.name, in_words(wait)),
            _ => "no job waits".to_owned(),
        };
        match (rule, action) {
            (Rule::Formula, ScalingAction::ScaleDown) => {
                format!("{} more than the target of {target}: scaling down", self.load.available - target)
            }
            (Rule::Formula, _) => {
                format!(
                    "short of the target of {target} by more than {}: scaling up",
                    config.scale_up_threshold
                )
            }
            (Rule::NoJobStarves, _) => format!(
                "{}, longer than max_queue_wait ({}): scaling up to {target} past threshold and cooldown",
                oldest(),
                in_words(config.max_queue_wait)
            ),
            (Rule::Minimum, _) => format!("min_runners is {}: scaling up to {target}", config.min_runners),
            (Rule::Manual, _) => format!(
                "the count is set by hand to {} in all: {target} should be available; `scale --auto` ends it",
                config.manual_count.unwrap_or_default()
            ),
            (Rule::Disabled, _) => {
                "the fleet is not enabled: it is drained; `enabled = true` ends it".to_owned()
            }
            (Rule::Enough, _) => format!("the target of {target} is met"),
            (Rule::Threshold, _) if target > self.load.available => format!(
                "short of the target of {target} by no more than scale_up_threshold ({}): a runner is added once a job \
                 has waited {}; {}",
                config.scale_up_threshold,
                in_words(config.max_queue_wait),
                oldest()
            ),
            (Rule::Threshold, _) => format!(
                "over the target of {target} by no more than scale_down_threshold ({})",
                config.scale_down_threshold
            ),
            (Rule::Cooldown, _) => format!(
                "the target of {target} waits for the cooldown of {}, which ends in {}",
                in_words(config.cooldown),
                in_words(cooldown_left(config, self.timing).unwrap_or_default())
            ),
            (Rule::Maximum, ScalingAction::ScaleDown) => {
                format!("more than max_runners ({}): scaling down to {target}", config.max_runners)
            }
            (Rule::Maximum, _) => {
                format!(
                    "max_runners ({}) allows no more; raise it, or wait for busy runners",
                    config.max_runners
                )
            }
            (Rule::PartlyKnown, _) => "the queue is only partly known, so nothing is removed".to_owned(),
        }
    }
}

impl fmt::Display for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = self.load;
        let jobs = if load.pending_jobs == 1 { "job needs" } else { "jobs need" };
        let least = if load.partly_known { "at least " } else { "" };
        let runners = if self.need == 1 { "runner" } else { "runners" };
        write!(f, "{least}{} pending {jobs} {} {runners}", load.pending_jobs, self.need)?;
        let (available, busy, draining) = (load.available, load.busy, load.draining);
        write!(
            f,
            " ({available} available, {busy} busy, {draining} draining, at most {})",
            self.config.max_runners
        )
    }
}

/// A duration as people say it, to the second.
pub fn in_words(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

#[cfg(test)]
#[path = "scaling_tests.rs"]
mod tests;

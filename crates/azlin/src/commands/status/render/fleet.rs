//! The whole of one fleet.

use azlin_fleet::config::defaults_in_words;
use azlin_fleet::model::{PhaseKind, ScalingAction, Use, age, counted, dollars, elapsed, short};
use azlin_fleet::observe::QueuedJob;
use azlin_fleet::report::{Cost, FleetStatus, RecentStatus, RunnerRow};
use jiff::Timestamp;

use crate::terminal::{Terminal, Tone};
use crate::wrap::wrapped;

/// The column where a line's text begins.
const TEXT: usize = 12;
/// So many queued jobs are shown.
const FEW: usize = 5;

/// A fleet: trouble first, its runners last.
pub fn whole(fleet: &FleetStatus, is_live: bool, now: Timestamp, terminal: Terminal) -> String {
    let state = if fleet.enabled {
        let by_hand = fleet.manual_count.map_or(String::new(), |count| format!(", {count} by hand"));
        let standby =
            if fleet.standby > 0 { format!(", {} on standby", fleet.standby) } else { String::new() };
        format!("{} to {}{standby}{by_hand}", fleet.min_runners, counted(fleet.max_runners, "runner"))
    } else {
        terminal.paint(Tone::Warning, "not enabled")
    };
    let mut text = format!("{}  {}  {state}\n", terminal.paint(Tone::Strong, &fleet.pool), fleet.scope);
    for error in &fleet.errors {
        let since =
            if error.since < fleet.at { format!("for {}: ", age(error.since, now)) } else { String::new() };
        text +=
            &wrapped("  error     ", &terminal.paint(Tone::Bad, format!("{since}{}", error.what)), terminal);
    }
    let mut line = |name: &str, told: &str| text += &wrapped(&format!("  {name:<10}"), told, terminal);
    line("jobs", &jobs(fleet));
    text += &queued(fleet, now, terminal);
    let mut line = |name: &str, told: &str| text += &wrapped(&format!("  {name:<10}"), told, terminal);
    if is_live {
        line(
            "decision",
            &format!("{}, {} ago: {}", decision(fleet), age(fleet.at, now), fleet.decision.reason),
        );
    } else {
        line("would", &format!("{}: {}", decision(fleet), fleet.decision.reason));
    }
    if let Some(set) = &fleet.scale_set {
        line("scale set", &format!("{}: {}", set.name, set.in_words(now)));
    }
    if let Some(next) = &fleet.next_limits {
        line("hours", &next.in_words(now));
    }
    if let Some(rolling) = &fleet.rolling {
        line("rolling", &rolling.to_string());
    }
    if let Some(told) = defaults_in_words(&fleet.from_defaults) {
        line("defaults", &told);
    }
    let recent = fleet.recent.as_ref();
    if let Some(told) = recent.and_then(RecentStatus::waits_in_words) {
        line("waits", &told);
    }
    if let Some(told) = recent.and_then(RecentStatus::failures_in_words) {
        line("starts", &told);
    }
    if let Some(cost) = fleet.cost.as_ref().filter(|cost| cost.is_something()) {
        line("cost", &cost_in_words(cost, now));
    }
    if let Some(at) = fleet.last_scaling {
        line("scaled", &format!("{} ago", age(at, now)));
    }
    if let Some(next) = fleet.next_poll {
        let told = if next >= now {
            format!("in {}", short(elapsed(now, next)))
        } else {
            format!("was due {} ago", age(next, now))
        };
        line("next poll", &told);
    }
    line("runners", &if fleet.runners_known { phases(fleet) } else { "not known".to_owned() });
    text + &runners(fleet.known_runners(), now, terminal)
}

fn jobs(fleet: &FleetStatus) -> String {
    let Some(jobs) = &fleet.jobs else { return "not known".to_owned() };
    let least = if fleet.jobs_known { "" } else { "at least " };
    format!("{least}{}", jobs.in_words())
}

/// The jobs that have waited longest, each with its page.
fn queued(fleet: &FleetStatus, now: Timestamp, terminal: Terminal) -> String {
    // A daemon of before this version names the oldest alone.
    let oldest = fleet.oldest_pending.iter().filter(|_| fleet.queued.is_empty());
    let named: Vec<&QueuedJob> = fleet.queued.iter().chain(oldest).collect();
    let mut text = String::new();
    for queued in named.iter().take(FEW) {
        let link = queued.job.link.as_ref().map_or(String::new(), |link| format!(" {link}"));
        let told = format!("{} has waited {}{link}", queued.job, age(queued.since, now));
        text += &wrapped(&" ".repeat(TEXT), &told, terminal);
    }
    let all = fleet.jobs.map_or(0, |jobs| jobs.pending_jobs as usize);
    match all.saturating_sub(FEW) {
        more if more > 0 && named.len() > FEW => {
            text + &wrapped(&" ".repeat(TEXT), &format!("and {more} more, younger"), terminal)
        }
        _ => text,
    }
}

/// What a runner does, with the page of its job.
fn doing(runner: &RunnerRow) -> String {
    let link = runner.runs.as_ref().and_then(|job| job.link.as_ref());
    link.map_or_else(|| runner.doing.clone(), |link| format!("{} {link}", runner.doing))
}

fn phases(fleet: &FleetStatus) -> String {
    let counts = PhaseKind::ALL.map(|phase| (fleet.count(phase), phase));
    let told: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, phase)| format!("{count} {phase}"))
        .collect();
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

/// One line for each runner. The columns of names, phases and sizes are as wide as they need to be.
fn runners(runners: &[RunnerRow], now: Timestamp, terminal: Terminal) -> String {
    let mut runners: Vec<&RunnerRow> = runners.iter().collect();
    runners.sort_by_key(|runner| (runner.phase, runner.created_at));
    let size = |runner: &RunnerRow| runner.vm.as_ref().map_or("-".to_owned(), |vm| vm.size.clone());
    let widest = |title: &str, column: &dyn Fn(&RunnerRow) -> usize| {
        runners.iter().map(|runner| column(runner)).max().unwrap_or_default().max(title.len())
    };
    let name_width = widest("NAME", &|runner| runner.runner_name.as_str().len());
    let phase_width = widest("PHASE", &|runner| runner.phase.in_words().len());
    let size_width = widest("SIZE", &|runner| size(runner).len());
    let titles = format!(
        "    {:<name_width$}  {:<phase_width$}  {:>7}  {:<size_width$}  DOING",
        "NAME", "PHASE", "AGE", "SIZE"
    );
    // If the last column would be too narrow, its text goes below the runner.
    let is_narrow = terminal.width.is_some_and(|width| titles.len() + 20 > width);
    let mut text = String::new();
    if !runners.is_empty() && !is_narrow {
        text += &format!("{}\n", terminal.paint(Tone::Faint, titles));
    }
    for runner in runners {
        let tone = match runner.phase {
            PhaseKind::Active | PhaseKind::Registered => Tone::Good,
            PhaseKind::Provisioning | PhaseKind::Preparing => Tone::Warning,
            PhaseKind::Draining | PhaseKind::Destroyed | PhaseKind::Standby => Tone::Faint,
        };
        let phase = terminal.paint(tone, format!("{:<phase_width$}", runner.phase));
        let (name, created) = (runner.runner_name.as_str(), age(runner.created_at, now));
        if is_narrow {
            text += &format!("    {name:<name_width$}  {phase}  {created:>7}\n");
            let size = runner.vm.as_ref().map_or(String::new(), |vm| format!("{}, ", vm.size));
            text += &wrapped("      ", &format!("{size}{}", doing(runner)), terminal);
        } else {
            let head =
                format!("    {name:<name_width$}  {phase}  {created:>7}  {:<size_width$}  ", size(runner));
            text += &wrapped(&head, &doing(runner), terminal);
        }
    }
    text
}

fn decision(fleet: &FleetStatus) -> String {
    let decision = &fleet.decision;
    let counts = decision.current_runner_count.zip(decision.target_runner_count);
    match (decision.action, counts) {
        (ScalingAction::ScaleUp, Some((current, target))) => format!("scale up from {current} to {target}"),
        (ScalingAction::ScaleDown, Some((current, target))) => {
            format!("scale down from {current} to {target}")
        }
        (ScalingAction::Maintain, _) | (_, None) => "maintain".to_owned(),
    }
}

fn cost_in_words(cost: &Cost, now: Timestamp) -> String {
    let mut told = match cost.per_hour {
        Some(per_hour) => format!("{} an hour", dollars(per_hour)),
        None => "an hour's cost is not known".to_owned(),
    };
    if let Some(days) = cost.days_in_words(now) {
        told += &format!("; {days}");
    }
    if cost.total > 0.0 {
        told += &format!("; {} in {}", dollars(cost.total), short(cost.age(now)));
        if let Some(share) = cost.idle_share {
            told += &format!(", {:.0} % of it idle", share * 100.0);
        }
        let standby = cost.by_use[Use::Standby];
        if standby > 0.0 {
            told += &format!(", {} of it for disks of VMs on standby", dollars(standby));
        }
        if let Some(per_job) = cost.per_job {
            told += &format!(", {} for each of {}", dollars(per_job), counted(cost.jobs, "job"));
        }
    }
    if !cost.estimated.is_empty() {
        told += &format!("; estimated by East US's prices on demand: {}", cost.estimated.join(", "));
    }
    if !cost.unpriced.is_empty() {
        told += &format!("; without {}, whose price is not known", cost.unpriced.join(", "));
    }
    told
}

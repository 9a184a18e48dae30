//! `status` as people read it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use azlin_fleet::config::defaults_in_words;
use azlin_fleet::model::{Budgets, PhaseKind, PoolName, ScalingAction, age, dollars, elapsed, short};
use azlin_fleet::report::{Cost, FleetStatus, RunnerRow, Status};
use jiff::Timestamp;

use crate::terminal::{Terminal, Tone};
use crate::wrap::wrapped;

/// Everything. `waiting` are fleets that nobody has looked at yet.
pub fn status(
    status: &Status,
    waiting: &BTreeSet<PoolName>,
    config_dir: &Path,
    now: Timestamp,
    terminal: Terminal,
) -> String {
    let mut text = source(status, config_dir, now, terminal);
    for fleet in &status.fleets {
        text += "\n";
        text += &of_fleet(fleet, status.daemon.is_some(), now, terminal);
    }
    let is_bad = |pool: &PoolName| {
        let named = |file: &str| Path::new(file).file_stem().is_some_and(|stem| stem == pool.as_str());
        status.bad_files.iter().any(|bad| named(&bad.file))
    };
    for pool in waiting.iter().filter(|pool| !is_bad(pool)) {
        text += &format!("\n{}\n  waits for its first tick\n", terminal.paint(Tone::Strong, pool));
    }
    for error in &status.errors {
        let told = format!("error for {}: {}", age(error.since, now), error.what);
        text += &format!("\n{}", wrapped("", &terminal.paint(Tone::Bad, told), terminal));
    }
    for bad in &status.bad_files {
        let since =
            if status.daemon.is_some() { format!(" since {}", age(bad.since, now)) } else { String::new() };
        text += &format!("\n{}\n", terminal.paint(Tone::Bad, format!("{} is bad{since}", bad.file)));
        for line in bad.message.lines() {
            text += &wrapped("  ", line, terminal);
        }
    }
    text + &budgets(&status.budgets, now, terminal)
}

const LATE: &str = "no fleet has ticked for long after it was due: the daemon hangs, or the machine slept; \
    its journal tells";

/// Whether every fleet's next poll is a minute overdue.
fn is_late(status: &Status, now: Timestamp) -> bool {
    let latest = status.fleets.iter().filter_map(|fleet| fleet.next_poll).max();
    latest.is_some_and(|due| elapsed(due, now) > Duration::from_secs(60))
}

fn source(status: &Status, config_dir: &Path, now: Timestamp, terminal: Terminal) -> String {
    match &status.daemon {
        Some(daemon) => {
            let (pid, version) = (daemon.pid, &daemon.version);
            let told = format!(
                "daemon {version} runs, process {pid}, for {}; this is what it knew {} ago",
                age(daemon.started_at, now),
                age(status.at, now)
            );
            let late = wrapped("", &terminal.paint(Tone::Bad, LATE), terminal);
            wrapped("", &told, terminal) + if is_late(status, now) { &late } else { "" }
        }
        None => wrapped(
            "",
            &format!("no daemon runs for {}; GitHub and Azure were asked directly", config_dir.display()),
            terminal,
        ),
    }
}

fn of_fleet(fleet: &FleetStatus, is_live: bool, now: Timestamp, terminal: Terminal) -> String {
    let state = if fleet.enabled {
        let by_hand = fleet.manual_count.map_or(String::new(), |count| format!(", {count} by hand"));
        format!("{} to {} runners{by_hand}", fleet.min_runners, fleet.max_runners)
    } else {
        terminal.paint(Tone::Warning, "not enabled")
    };
    let mut text = format!("{}  {}  {state}\n", terminal.paint(Tone::Strong, &fleet.pool), fleet.scope);
    let mut line = |name: &str, told: &str| text += &wrapped(&format!("  {name:<10}"), told, terminal);
    line("jobs", &jobs(fleet, now));
    line("runners", &if fleet.runners_known { phases(fleet) } else { "not known".to_owned() });
    text += &runners(fleet.known_runners(), now, terminal);
    let mut line = |name: &str, told: &str| text += &wrapped(&format!("  {name:<10}"), told, terminal);
    if is_live {
        line(
            "decision",
            &format!("{}, {} ago: {}", decision(fleet), age(fleet.at, now), fleet.decision.reason),
        );
    } else {
        line("would", &format!("{}: {}", decision(fleet), fleet.decision.reason));
    }
    if let Some(told) = defaults_in_words(&fleet.from_defaults) {
        line("defaults", &told);
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
    for error in &fleet.errors {
        let since =
            if error.since < fleet.at { format!("for {}: ", age(error.since, now)) } else { String::new() };
        text +=
            &wrapped("  error     ", &terminal.paint(Tone::Bad, format!("{since}{}", error.what)), terminal);
    }
    text
}

fn jobs(fleet: &FleetStatus, now: Timestamp) -> String {
    let Some(jobs) = &fleet.jobs else { return "not known".to_owned() };
    let oldest = match &fleet.oldest_pending {
        Some(job) => format!("; job {} ({}) has waited {}", job.id, job.name, age(job.since, now)),
        None => String::new(),
    };
    let least = if fleet.jobs_known { "" } else { "at least " };
    format!(
        "{least}{} pending, {} queued, {} running{oldest}",
        jobs.pending_jobs, jobs.queued_jobs, jobs.in_progress_jobs
    )
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
    let phase_width = widest("PHASE", &|runner| runner.phase.as_str().len());
    let size_width = widest("SIZE", &|runner| size(runner).len());
    let titles = format!(
        "    {:<name_width$}  {:<phase_width$}  {:>6}  {:<size_width$}  DOING",
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
            PhaseKind::Provisioning => Tone::Warning,
            PhaseKind::Draining | PhaseKind::Destroyed => Tone::Faint,
        };
        let phase = terminal.paint(tone, format!("{:<phase_width$}", runner.phase));
        let (name, created) = (runner.runner_name.as_str(), age(runner.created_at, now));
        if is_narrow {
            text += &format!("    {name:<name_width$}  {phase}  {created:>6}\n");
            let size = runner.vm.as_ref().map_or(String::new(), |vm| format!("{}, ", vm.size));
            text += &wrapped("      ", &format!("{size}{}", runner.doing), terminal);
        } else {
            let head =
                format!("    {name:<name_width$}  {phase}  {created:>6}  {:<size_width$}  ", size(runner));
            text += &wrapped(&head, &runner.doing, terminal);
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
    if cost.total > 0.0 {
        told += &format!("; {} in {}", dollars(cost.total), short(cost.age(now)));
        if let Some(share) = cost.idle_share {
            told += &format!(", {:.0} % of it idle", share * 100.0);
        }
        if let Some(per_job) = cost.per_job {
            told += &format!(", {} for each of {} jobs", dollars(per_job), cost.jobs);
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

fn budgets(budgets: &Budgets, now: Timestamp, terminal: Terminal) -> String {
    let mut text = String::new();
    let named = budgets.credentials.iter().map(|(name, budget)| (format!(" ({name})"), *budget));
    for (name, github) in budgets.github.map(|budget| (String::new(), budget)).into_iter().chain(named) {
        let (left, limit) = (github.remaining, github.limit);
        let reset = if github.reset > now { short(elapsed(now, github.reset)) } else { "no time".to_owned() };
        text += &format!("  github    {left} of {limit} requests left for {reset}{name}\n");
    }
    let azure = &budgets.azure;
    let kinds = [
        ("reads", azure.reads),
        ("global reads", azure.global_reads),
        ("writes", azure.writes),
        ("deletes", azure.deletes),
    ];
    let told: Vec<String> =
        kinds.iter().filter_map(|(kind, left)| left.map(|left| format!("{left} {kind}"))).collect();
    if !told.is_empty() {
        text += &format!("  azure     {} left\n", told.join(", "));
    }
    if text.is_empty() { text } else { format!("\n{}\n{text}", terminal.paint(Tone::Strong, "budgets")) }
}

#[cfg(test)]
mod tests;

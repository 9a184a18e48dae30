//! `status` as people read it: one line for each fleet, or the whole of one.

mod fleet;
mod lines;

use std::collections::BTreeSet;
use std::path::Path;

use azlin_fleet::model::{Budgets, PoolName, age, elapsed, short};
use azlin_fleet::report::{LATE, Listed, Status};
use jiff::Timestamp;

use crate::terminal::{Terminal, Tone, cut};
use crate::wrap::wrapped;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusDetail {
    /// All of each fleet.
    Whole,
    /// A line for each fleet that is listed.
    Lines(Listed),
}

/// How many errors of the daemon, and how many bad files, are shown beside lines of fleets.
const FEW: usize = 4;

/// Everything, errors of the daemon and bad files first. `waiting` are fleets without a tick so far.
pub fn status(
    status: &Status,
    detail: StatusDetail,
    waiting: &BTreeSet<PoolName>,
    config_dir: &Path,
    now: Timestamp,
    terminal: Terminal,
) -> String {
    let mut text = source(status, config_dir, now, terminal);
    text += &errors(status, detail, now, terminal);
    text += &bad_files(status, detail, now, terminal);
    let is_bad = |pool: &PoolName| {
        let named = |file: &str| Path::new(file).file_stem().is_some_and(|stem| stem == pool.as_str());
        status.bad_files.iter().any(|bad| named(&bad.file))
    };
    let waiting: Vec<&PoolName> = waiting.iter().filter(|pool| !is_bad(pool)).collect();
    match detail {
        StatusDetail::Lines(listed) => {
            text += &lines::table(&status.fleets, listed, &waiting, now, terminal);
        }
        StatusDetail::Whole => {
            for fleet in &status.fleets {
                text += "\n";
                text += &fleet::whole(fleet, status.daemon.is_some(), now, terminal);
            }
            for pool in waiting {
                text += &format!("\n{}\n  waits for its first tick\n", terminal.paint(Tone::Strong, pool));
            }
        }
    }
    match detail {
        StatusDetail::Lines(Listed::Problems) => text,
        StatusDetail::Lines(_) | StatusDetail::Whole => text + &budgets(&status.budgets, now, terminal),
    }
}

/// Errors of the daemon itself.
fn errors(status: &Status, detail: StatusDetail, now: Timestamp, terminal: Terminal) -> String {
    let most = if detail == StatusDetail::Whole { status.errors.len() } else { FEW };
    let mut text = String::new();
    for error in status.errors.iter().take(most) {
        let told = format!("error for {}: {}", age(error.since, now), error.what);
        text += &format!("\n{}", wrapped("", &terminal.paint(Tone::Bad, told), terminal));
    }
    text + &others(status.errors.len(), most, "errors of the daemon")
}

/// Files that cannot be used: with all of their problems, or with the first line of each.
fn bad_files(status: &Status, detail: StatusDetail, now: Timestamp, terminal: Terminal) -> String {
    let most = if detail == StatusDetail::Whole { status.bad_files.len() } else { FEW };
    let is_short = detail != StatusDetail::Whole && !status.bad_files.is_empty();
    let mut text = if is_short { "\n".to_owned() } else { String::new() };
    for bad in status.bad_files.iter().take(most) {
        if detail != StatusDetail::Whole {
            text += &in_one_line(&terminal.paint(Tone::Bad, first_line(&bad.message)), terminal);
            continue;
        }
        let since =
            if status.daemon.is_some() { format!(" since {}", age(bad.since, now)) } else { String::new() };
        text += &format!("\n{}\n", terminal.paint(Tone::Bad, format!("{} is bad{since}", bad.file)));
        for line in bad.message.lines() {
            text += &wrapped("  ", line, terminal);
        }
    }
    text + &others(status.bad_files.len(), most, "bad files")
}

fn others(count: usize, shown: usize, what: &str) -> String {
    match count.saturating_sub(shown) {
        0 => String::new(),
        more => format!("and {more} more {what}: `--output json` has all\n"),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// A line, as wide as the terminal is.
fn in_one_line(text: &str, terminal: Terminal) -> String {
    let line = terminal.width.map_or_else(|| text.to_owned(), |width| cut(text, width));
    format!("{line}\n")
}

const HANGS: &str = "no fleet has ticked for long after it was due: the daemon hangs, or the machine slept; \
    its journal tells";

/// Whether every fleet's next poll is a minute overdue.
fn is_late(status: &Status, now: Timestamp) -> bool {
    let latest = status.fleets.iter().filter_map(|fleet| fleet.next_poll).max();
    latest.is_some_and(|due| elapsed(due, now) > LATE)
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
            let late = wrapped("", &terminal.paint(Tone::Bad, HANGS), terminal);
            wrapped("", &told, terminal) + if is_late(status, now) { &late } else { "" }
        }
        None => wrapped(
            "",
            &format!("no daemon runs for {}; GitHub and Azure were asked directly", config_dir.display()),
            terminal,
        ),
    }
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

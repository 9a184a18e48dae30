//! Many fleets: one line for each, those in trouble first.

use azlin_fleet::model::{PoolName, counted};
use azlin_fleet::report::{FleetLine, FleetStatus, LISTED, Listed, Overview, Standing};
use jiff::Timestamp;

use super::in_one_line;
use crate::terminal::{Terminal, Tone};

/// The fewest columns that the text of a line gets, beside the counts of jobs.
const LEAST: usize = 30;

/// The lines, below the sums of all fleets.
pub fn table(
    fleets: &[FleetStatus],
    listed: Listed,
    waiting: &[&PoolName],
    now: Timestamp,
    terminal: Terminal,
) -> String {
    let overview = Overview::of(fleets, listed, now);
    let mut text = "\n".to_owned() + &in_one_line(&sums(fleets, &overview, waiting.len()), terminal);
    if !overview.lines.is_empty() {
        text += "\n";
        text += &rows(&overview.lines, terminal);
    }
    // Where they fit: they are few, except just after the daemon's start.
    if listed == Listed::All || listed == Listed::Screen && overview.lines.len() + waiting.len() <= LISTED {
        for pool in waiting {
            text += &in_one_line(&format!("{pool}  waits for its first tick"), terminal);
        }
    }
    if overview.left_out > 0 && listed == Listed::Screen {
        let told = format!(
            "{} more in order: `status --all` lists them, `--pool POOL` shows one",
            overview.left_out
        );
        text += &in_one_line(&terminal.paint(Tone::Faint, told), terminal);
    }
    text
}

/// All fleets in numbers.
fn sums(fleets: &[FleetStatus], overview: &Overview, waiting: usize) -> String {
    let sum = |count: fn(&FleetStatus) -> Option<usize>, word: &str| {
        let known: Vec<usize> = fleets.iter().filter_map(count).collect();
        // Unknown is not zero.
        if known.is_empty() && !fleets.is_empty() {
            return format!("? {word}");
        }
        let is_whole = known.len() == fleets.len() && fleets.iter().all(|fleet| fleet.jobs_known);
        format!("{}{} {word}", if is_whole { "" } else { "at least " }, known.iter().sum::<usize>())
    };
    let pending = sum(|fleet| fleet.jobs.map(|jobs| jobs.pending_jobs as usize), "jobs queued");
    let running = sum(|fleet| fleet.jobs.map(|jobs| jobs.in_progress_jobs as usize), "in progress");
    let vms =
        |fleet: &FleetStatus| Some(fleet.runners.as_ref()?.iter().filter(|runner| !runner.is_gone()).count());
    let runners = sum(vms, "runners");
    let trouble = match overview.in_trouble {
        0 => "none in trouble".to_owned(),
        some => format!("{some} in trouble"),
    };
    let waiting = if waiting == 0 {
        String::new()
    } else {
        format!("; {} without a tick so far", counted(waiting, "fleet"))
    };
    format!("{}, {trouble}; {pending}, {running}, {runners}{waiting}", counted(fleets.len(), "fleet"))
}

fn rows(lines: &[FleetLine], terminal: Terminal) -> String {
    let name_width = lines.iter().map(|line| line.pool.as_str().len()).max().unwrap_or_default().max(5);
    let runners: Vec<String> = lines.iter().map(of_max).collect();
    let runners_width = runners.iter().map(String::len).max().unwrap_or_default().max(7);
    let wide = name_width + runners_width + 22;
    let has_jobs = terminal.width.is_none_or(|width| width >= wide + LEAST);
    let jobs = |waiting: &str, running: &str| {
        if has_jobs { format!("{waiting:>7}  {running:>7}  ") } else { String::new() }
    };
    let titles = format!(
        "{:<name_width$}  {}{:<runners_width$}  STATE",
        "FLEET",
        jobs("QUEUED", "RUNNING"),
        "RUNNERS"
    );
    let mut text = in_one_line(&terminal.paint(Tone::Faint, titles), terminal);
    for (line, runners) in lines.iter().zip(runners) {
        let number = |count: Option<u32>| count.map_or("?".to_owned(), |count| count.to_string());
        let jobs = jobs(&number(line.waiting), &number(line.running));
        let tone = match line.standing {
            Standing::Trouble => Some(Tone::Bad),
            Standing::Rolling => Some(Tone::Warning),
            Standing::Working => None,
            Standing::Quiet | Standing::NotEnabled => Some(Tone::Faint),
        };
        let what = tone.map_or_else(|| line.what.clone(), |tone| terminal.paint(tone, &line.what));
        let name = terminal.paint(Tone::Strong, format!("{:<name_width$}", line.pool.as_str()));
        text += &in_one_line(&format!("{name}  {jobs}{runners:<runners_width$}  {what}"), terminal);
    }
    text
}

fn of_max(line: &FleetLine) -> String {
    let there = line.runners.map_or("?".to_owned(), |count| count.to_string());
    format!("{there} of {}", line.max_runners)
}

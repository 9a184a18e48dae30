//! All fleets in one line, as `systemctl status` shows it.

use crate::model::{PhaseKind, counted};
use crate::report::{BadFileStatus, DaemonError, FleetStatus};

/// The line: runners, jobs and errors. It contains no time, so it stays the same while nothing changes. What is not
/// known is not counted as zero.
pub fn summary<'s>(
    fleets: impl IntoIterator<Item = &'s FleetStatus>,
    bad_files: &[BadFileStatus],
    errors: &[DaemonError],
) -> String {
    let fleets: Vec<&FleetStatus> = fleets.into_iter().collect();
    let runners = || fleets.iter().flat_map(|fleet| fleet.known_runners()).filter(|runner| !runner.is_gone());
    let counts = ["starting", "idle", "busy", "leaving"]
        .map(|word| (runners().filter(|runner| in_short(runner.phase) == word).count(), word));
    let told: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let mut line = match fleets.len() {
        0 => "no fleet".to_owned(),
        count => {
            let known = fleets.iter().map(|fleet| fleet.runners_known);
            format!("{}, {}", counted(count, "fleet"), known_count(known, runners().count(), "runner"))
        }
    };
    if !told.is_empty() {
        line += &format!(" ({})", told.join(", "));
    }
    if !fleets.is_empty() {
        let pending: usize =
            fleets.iter().filter_map(|fleet| fleet.jobs).map(|jobs| jobs.pending_jobs as usize).sum();
        let known = fleets.iter().map(|fleet| fleet.jobs_known);
        line += &format!(", {}", known_count(known, pending, "queued job"));
    }
    let troubles = fleets
        .iter()
        .flat_map(|fleet| fleet.errors.iter().map(|error| format!("{}: {}", fleet.pool, error.what)));
    let files = bad_files.iter().map(|bad| format!("{} cannot be used", bad.file));
    let mut wrong = files.chain(errors.iter().map(|error| error.what.clone())).chain(troubles);
    if let Some(first) = wrong.next() {
        line += &format!("; {first}");
        match wrong.count() {
            0 => {}
            more => line += &format!("; and {}", counted(more, "more trouble")),
        }
    }
    line
}

/// The sum over all fleets, of which some may not be known.
fn known_count(mut known: impl Iterator<Item = bool>, count: usize, noun: &str) -> String {
    match (known.all(|known| known), count) {
        (true, count) => counted(count, noun),
        (false, 0) => format!("{noun}s not known"),
        (false, count) => format!("at least {}", counted(count, noun)),
    }
}

/// What a runner does, in one word.
fn in_short(phase: PhaseKind) -> &'static str {
    match phase {
        PhaseKind::Provisioning => "starting",
        PhaseKind::Registered => "idle",
        PhaseKind::Active => "busy",
        PhaseKind::Draining | PhaseKind::Destroyed => "leaving",
        PhaseKind::Preparing => "preparing",
        PhaseKind::Standby => "on standby",
    }
}

#[cfg(test)]
mod tests;

//! All fleets in one line, as `systemctl status` shows it.

use crate::model::{PhaseKind, counted};
use crate::report::{BadFileStatus, FleetStatus};

/// The line: runners, jobs and errors. It contains no time, so it stays the same while nothing changes.
pub fn summary<'s>(fleets: impl IntoIterator<Item = &'s FleetStatus>, bad_files: &[BadFileStatus]) -> String {
    let fleets: Vec<&FleetStatus> = fleets.into_iter().collect();
    let runners = || fleets.iter().flat_map(|fleet| &fleet.runners).filter(|runner| !runner.is_gone());
    let counts = ["starting", "idle", "busy", "leaving"]
        .map(|word| (runners().filter(|runner| in_short(runner.phase) == word).count(), word));
    let told: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let pending: u64 = fleets.iter().map(|fleet| u64::from(fleet.jobs.pending_jobs)).sum();
    let mut line = match fleets.len() {
        0 => "no fleet".to_owned(),
        count => format!("{}, {}", counted(count, "fleet"), counted(runners().count(), "runner")),
    };
    if !told.is_empty() {
        line += &format!(" ({})", told.join(", "));
    }
    if !fleets.is_empty() {
        line += &format!(", {}", counted(pending, "pending job"));
    }
    let troubles = fleets
        .iter()
        .flat_map(|fleet| fleet.errors.iter().map(|error| format!("{}: {}", fleet.pool, error.what)));
    let files = bad_files.iter().map(|bad| format!("{} cannot be used", bad.file));
    let mut wrong = files.chain(troubles);
    if let Some(first) = wrong.next() {
        line += &format!("; {first}");
        match wrong.count() {
            0 => {}
            more => line += &format!("; and {}", counted(more, "more trouble")),
        }
    }
    line
}

/// What a runner does, in one word.
fn in_short(phase: PhaseKind) -> &'static str {
    match phase {
        PhaseKind::Provisioning => "starting",
        PhaseKind::Registered => "idle",
        PhaseKind::Active => "busy",
        PhaseKind::Draining | PhaseKind::Destroyed => "leaving",
    }
}

#[cfg(test)]
mod tests;

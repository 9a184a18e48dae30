//! Many fleets, one line for each: those in trouble first, and only as many as fit a screen.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{PhaseKind, PoolName, age, counted, elapsed};
use crate::report::FleetStatus;

/// How many fleets are listed in all, where those in trouble are fewer.
pub const LISTED: usize = 25;
/// How late a tick may be before its fleet counts as one in trouble.
pub const LATE: Duration = Duration::from_secs(60);

/// How a fleet stands. The first ones are listed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It has an error, or its tick is late.
    Trouble,
    /// Its runners are replaced.
    Rolling,
    /// It has jobs or runners.
    Working,
    /// It has neither.
    Quiet,
    /// It serves no jobs.
    NotEnabled,
}

/// A fleet in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetLine {
    /// The fleet.
    pub pool: PoolName,
    /// How it stands.
    pub standing: Standing,
    /// Jobs that wait for a runner. Absent if not known.
    pub waiting: Option<u32>,
    /// Jobs that run. Absent if not known.
    pub running: Option<u32>,
    /// Runners that exist, are starting or are leaving. Absent if not known.
    pub runners: Option<usize>,
    /// The most VMs that it may have.
    pub max_runners: u32,
    /// What there is to say: its first error, how far a roll is, the decision.
    pub what: String,
}

/// All fleets in lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The fleets that are listed.
    pub lines: Vec<FleetLine>,
    /// How many fleets are in trouble.
    pub in_trouble: usize,
    /// How many others are not listed.
    pub left_out: usize,
}

/// Which fleets are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Those in trouble, and others as far as they fit a screen.
    Screen,
    /// All.
    All,
    /// Those in trouble alone.
    Problems,
}

impl Overview {
    /// The lines of the fleets.
    pub fn of(fleets: &[FleetStatus], listed: Listed, now: Timestamp) -> Self {
        let mut lines: Vec<FleetLine> = fleets.iter().map(|fleet| FleetLine::of(fleet, now)).collect();
        lines.sort_by(|one, other| (one.standing, &one.pool).cmp(&(other.standing, &other.pool)));
        let in_trouble = lines.iter().filter(|line| line.standing == Standing::Trouble).count();
        let most = match listed {
            Listed::Screen => in_trouble.max(LISTED),
            Listed::All => lines.len(),
            Listed::Problems => in_trouble,
        };
        let left_out = lines.len().saturating_sub(most);
        lines.truncate(most);
        Overview { lines, in_trouble, left_out }
    }
}

impl FleetLine {
    fn of(fleet: &FleetStatus, now: Timestamp) -> Self {
        let runners = fleet.runners.as_ref().map(|all| all.iter().filter(|runner| !runner.is_gone()).count());
        let (waiting, running) = fleet.jobs.map(|jobs| (jobs.pending_jobs, jobs.in_progress_jobs)).unzip();
        let is_working = [waiting, running].iter().any(|count| count.is_none_or(|count| count > 0))
            || runners.is_none_or(|count| count > 0);
        let trouble = trouble(fleet, now);
        let (standing, what) = match (trouble, &fleet.rolling) {
            (Some(trouble), _) => (Standing::Trouble, trouble),
            (None, Some(rolling)) => (Standing::Rolling, format!("rolling: {rolling}")),
            (None, None) if !fleet.enabled && runners == Some(0) => {
                (Standing::NotEnabled, "not enabled".to_owned())
            }
            (None, None) if !fleet.enabled => {
                (Standing::NotEnabled, format!("not enabled: {}", doing(fleet)))
            }
            (None, None) if is_working => (Standing::Working, doing(fleet)),
            (None, None) => (Standing::Quiet, "in order".to_owned()),
        };
        let pool = fleet.pool.clone();
        FleetLine { pool, standing, waiting, running, runners, max_runners: fleet.max_runners, what }
    }
}

/// Why a fleet is in trouble, if it is: its first error with its age, and how many more there are.
fn trouble(fleet: &FleetStatus, now: Timestamp) -> Option<String> {
    let late = fleet.next_poll.filter(|due| elapsed(*due, now) > LATE);
    let late = late.map(|due| format!("its tick was due {} ago", age(due, now)));
    let unknown = (!fleet.jobs_known || !fleet.runners_known)
        .then(|| "its jobs, runners or VMs could not all be read".to_owned());
    let mut all = fleet.errors.iter().map(|error| format!("{}: {}", age(error.since, now), error.what));
    let first = all.next().or(unknown);
    match (late, first, all.count()) {
        (None, None, _) => None,
        (Some(late), first, _) => Some(first.map_or(late.clone(), |first| format!("{late}; {first}"))),
        (None, Some(first), 0) => Some(first),
        (None, Some(first), more) => Some(format!("({} more) {first}", counted(more, "error"))),
    }
}

/// What the runners of a fleet without trouble do.
fn doing(fleet: &FleetStatus) -> String {
    let words = [
        (PhaseKind::Active, "busy"),
        (PhaseKind::Registered, "idle"),
        (PhaseKind::Provisioning, "starting"),
        (PhaseKind::Draining, "leaving"),
        (PhaseKind::Preparing, "preparing"),
        (PhaseKind::Standby, "on standby"),
    ];
    let told: Vec<String> = words
        .iter()
        .map(|(phase, word)| (fleet.count(*phase), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if told.is_empty() { fleet.decision.reason.clone() } else { told.join(", ") }
}

#[cfg(test)]
mod tests;

//! The invariants of the product, each with a name, and how a violation is printed.

use std::fmt;
use std::time::Duration;

/// An invariant. docs/reliability.md explains each one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// No running job is killed: it would lose people's work, and their trust.
    NoJobKilled,
    /// Nothing that others made is touched, whatever it looks like.
    OthersUntouched,
    /// No fleet has more VMs than its maximum: it limits the bill.
    Maximum,
    /// No VM name is used twice: a name joins a VM to its runner.
    NamesOnce,
    /// Nothing useless stays: people do not look for what they do not know, and pay for it.
    NothingLeaks,
    /// No job waits for ever while its fleet could have more VMs.
    NoJobStarves,
    /// A fleet without jobs has exactly its minimum of runners.
    Rest,
    /// The formula waits for the cooldown: a fleet that scales with every job pays for boots.
    Cooldown,
    /// The status explains every action: people do not trust what they cannot explain.
    Said,
    /// No more provisioning operations run at once than are configured: Azure throttles beyond its limit.
    Provisioning,
    /// No request goes to GitHub beyond its rate limit: GitHub bans clients that do.
    Budget,
    /// A VM that could say whether a job runs is not deleted before it has: nobody else knows.
    VmAnswers,
    /// An entry that GitHub keeps as busy without a VM is removed once GitHub allows it.
    EntriesGo,
    /// A VM that works is not replaced without need: its successor may have no better luck.
    NoChurn,
    /// In calm, a fleet acts on an event within seconds: people wait for their jobs.
    Reacts,
    /// A world at rest stays at rest: otherwise the daemon pays and deletes for ever.
    Settles,
    /// No control and no format character is said or written: a name may hold what a terminal acts on.
    NothingRaw,
    /// What is remembered of a fleet is bounded by its runners: a daemon lives for years.
    StaysSmall,
    /// A flood of runs in one repository leaves the others their looks: tenants share a budget.
    FloodBounded,
    /// No VM becomes an ephemeral runner twice: what a job has left there is nothing for the next one.
    UsedOnce,
    /// In calm, the runners of a fleet's hours are there when they begin: people come to work then.
    ReadyInTime,
}

impl Invariant {
    /// All invariants, with their names.
    pub const ALL: [(Invariant, &'static str); 21] = [
        (Invariant::NoJobKilled, "no-job-killed"),
        (Invariant::OthersUntouched, "others-untouched"),
        (Invariant::Maximum, "maximum"),
        (Invariant::NamesOnce, "names-once"),
        (Invariant::NothingLeaks, "nothing-leaks"),
        (Invariant::NoJobStarves, "no-job-starves"),
        (Invariant::Rest, "rest"),
        (Invariant::Cooldown, "cooldown"),
        (Invariant::Said, "said"),
        (Invariant::Provisioning, "provisioning"),
        (Invariant::Budget, "budget"),
        (Invariant::VmAnswers, "vm-answers"),
        (Invariant::EntriesGo, "entries-go"),
        (Invariant::NoChurn, "no-churn"),
        (Invariant::Reacts, "reacts"),
        (Invariant::Settles, "settles"),
        (Invariant::NothingRaw, "nothing-raw"),
        (Invariant::StaysSmall, "stays-small"),
        (Invariant::FloodBounded, "flood-bounded"),
        (Invariant::UsedOnce, "used-once"),
        (Invariant::ReadyInTime, "ready-in-time"),
    ];

    /// The name that docs/reliability.md uses.
    pub fn name(self) -> &'static str {
        Invariant::ALL.iter().find(|(invariant, _)| *invariant == self).map_or("", |(_, name)| name)
    }
}

/// An invariant that was violated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When it happened, from the start of the scenario.
    pub at: Duration,
    /// Which invariant.
    pub invariant: Invariant,
    /// What happened, in a sentence.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", SinceStart(self.at), self.invariant.name(), self.what)
    }
}

/// A time from the start of the scenario, printed as days, hours, minutes, seconds.
#[derive(Debug, Clone, Copy)]
pub struct SinceStart(pub Duration);

impl fmt::Display for SinceStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        write!(f, "{days}d {hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, self.0.subsec_millis())
    }
}

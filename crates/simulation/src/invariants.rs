//! What the product promises, each by a name, and how its breach is said.

use std::fmt;
use std::time::Duration;

/// A promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// Somebody's work is lost otherwise, and nobody trusts the fleet again.
    NoJobKilled,
    /// What others made may be dear to them, whatever it looks like.
    OthersUntouched,
    /// It is the limit of the bill.
    Maximum,
    /// A name joins a VM to its runner: one that was used twice joins the wrong ones.
    NamesOnce,
    /// Nobody looks for what nobody knows of, and it is paid for.
    NothingLeaks,
    /// Somebody waits for it.
    NoJobStarves,
    /// The minimum is a promise both ways: that they are there, and that no more are.
    Rest,
    /// A fleet that goes up and down with every job pays for boots.
    Cooldown,
    /// What cannot be explained cannot be trusted.
    Said,
    /// Azure throttles who asks for too much at once.
    Provisioning,
    /// GitHub bans who goes on asking.
    Budget,
    /// A plan that does not settle goes on paying and removing for ever.
    Settles,
}

impl Invariant {
    /// All of them, with their names.
    pub const ALL: [(Invariant, &'static str); 12] = [
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
        (Invariant::Settles, "settles"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Invariant::ALL.iter().find(|(invariant, _)| *invariant == self).map_or("", |(_, name)| name)
    }
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When, from the start.
    pub at: Duration,
    /// Which one.
    pub invariant: Invariant,
    /// What happened, in a sentence.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", SinceStart(self.at), self.invariant.name(), self.what)
    }
}

/// A time from the start, as days, hours, minutes and seconds.
#[derive(Debug, Clone, Copy)]
pub struct SinceStart(pub Duration);

impl fmt::Display for SinceStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        write!(f, "{days}d {hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, self.0.subsec_millis())
    }
}

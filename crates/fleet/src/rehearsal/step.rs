//! The steps of a rehearsal, and how each one ended.

use std::fmt;
use std::time::Duration;

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RehearsalStep {
    /// The entry is made at GitHub, and the VM is requested.
    Create,
    /// The VM boots, and the runner comes online.
    Online,
    /// Azure and GitHub are asked how they show what was made.
    Look,
    /// The VM is asked to drain, as before each removal.
    Drain,
    /// The entry and the VM are removed.
    Remove,
    /// Nothing is left.
    Verify,
}

impl RehearsalStep {
    /// The name of the step.
    pub fn as_str(self) -> &'static str {
        match self {
            RehearsalStep::Create => "create",
            RehearsalStep::Online => "online",
            RehearsalStep::Look => "look",
            RehearsalStep::Drain => "drain",
            RehearsalStep::Remove => "remove",
            RehearsalStep::Verify => "nothing left",
        }
    }
}

impl fmt::Display for RehearsalStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEnd {
    /// As it should.
    Done,
    /// It did not do what it should.
    Failed,
    /// A signal ended it.
    Interrupted,
}

/// A step that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// The step.
    pub step: RehearsalStep,
    /// How it ended.
    pub end: StepEnd,
    /// What it came to, for people.
    pub told: String,
    /// How long it took.
    pub took: Duration,
}

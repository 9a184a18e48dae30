//! The primary limits: GitHub counts each resource by itself (`x-ratelimit-resource`), and only its answers say what a
//! request was counted in.
//!
//! So the limits are kept by resource, and each family of requests stands where its last answer was counted. GitHub
//! has counted registrations in `core` and in `actions_runner_registration`; both work.

use std::collections::HashMap;
use std::time::Duration;

use azlin_fleet::model::Budget;
use tokio::time::Instant;

use crate::rate::CORE;

/// Requests that GitHub counts alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Polls, which come again anyway.
    Looks,
    /// What makes a runner: registration tokens and JIT configurations.
    Registrations,
    /// Everything else.
    Others,
}

/// The primary limit of one resource.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Primary {
    /// Unknown since the window began.
    Unknown,
    /// The server has none, as a GitHub Enterprise Server may.
    None,
    /// As the last answer stated it, and when its window ends.
    Told { budget: Budget, ends: Instant },
}

/// All primary limits of a credential, and the requests in flight.
#[derive(Debug)]
pub(super) struct PrimaryLimits {
    of_resource: HashMap<String, Primary>,
    families: [FamilyState; 3],
}

#[derive(Debug)]
struct FamilyState {
    /// What its last answer was counted in.
    resource: String,
    under_way: u64,
}

impl Default for PrimaryLimits {
    fn default() -> Self {
        let family = |resource: &str| FamilyState { resource: resource.to_owned(), under_way: 0 };
        // The first answer corrects the guess about registrations.
        let families = [family(CORE), family("actions_runner_registration"), family(CORE)];
        PrimaryLimits { of_resource: HashMap::new(), families }
    }
}

impl PrimaryLimits {
    /// The limit that such a request is counted in.
    pub(super) fn of(&self, family: Family) -> Primary {
        self.at(&self.families[family as usize].resource)
    }

    fn at(&self, resource: &str) -> Primary {
        self.of_resource.get(resource).copied().unwrap_or(Primary::Unknown)
    }

    pub(super) fn set(&mut self, family: Family, primary: Primary) {
        self.of_resource.insert(self.families[family as usize].resource.clone(), primary);
    }

    /// The limit that GitHub's answers are shown by.
    pub(super) fn core(&self) -> Primary {
        self.at(CORE)
    }

    /// How many requests in flight are counted in the same resource.
    pub(super) fn under_way(&self, family: Family) -> u64 {
        let resource = &self.families[family as usize].resource;
        let alike = self.families.iter().filter(|state| state.resource == *resource);
        alike.map(|state| state.under_way).sum()
    }

    pub(super) fn begin(&mut self, family: Family) {
        self.families[family as usize].under_way += 1;
    }

    pub(super) fn end(&mut self, family: Family) {
        self.families[family as usize].under_way -= 1;
    }

    /// An answer states no limit.
    pub(super) fn told_none(&mut self, family: Family) {
        if self.of(family) == Primary::Unknown {
            self.set(family, Primary::None);
        }
    }

    /// An answer states the limit of a resource, whose window ends in `left`.
    pub(super) fn told(&mut self, family: Family, resource: &str, budget: Budget, left: Duration) {
        resource.clone_into(&mut self.families[family as usize].resource);
        let told = match self.at(resource) {
            // Answers overtake each other. Within a window the rest only shrinks.
            Primary::Told { budget: before, ends }
                if before.reset == budget.reset && before.limit == budget.limit =>
            {
                let remaining = budget.remaining.min(before.remaining);
                Primary::Told { budget: Budget { remaining, ..budget }, ends }
            }
            _ => Primary::Told { budget, ends: Instant::now() + left },
        };
        self.set(family, told);
    }
}

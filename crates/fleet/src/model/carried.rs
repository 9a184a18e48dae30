//! How many repositories one credential carries, and at which interval. The arithmetic, which `check` prints:
//!
//! - A look at an idle repository takes four requests: three lists of runs, and one of runners. Most are answered with 304,
//!   which costs nothing of the hour's limit, but GitHub allows 900 requests in a minute all the same, and a tenth of that
//!   is left for what is urgent. So a credential looks at 202 repositories in a minute.
//! - The first look takes six requests, and each counts. When half of the hour's limit is used up by them, the others are
//!   spread over the rest of the hour.

use std::time::Duration;

use crate::model::in_words;

/// How many requests in a minute are for looks.
const A_MINUTE: u64 = 810;
/// What a look at an idle repository takes.
const LOOK: u64 = 4;
const MINUTE: Duration = Duration::from_secs(60);

/// The repositories of one credential, and how often each is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// How many there are.
    pub repositories: u64,
    /// The time between two looks at one of them.
    pub every: Duration,
}

impl Carried {
    /// What the first look at a repository takes.
    pub const FIRST_LOOK: u64 = 6;

    /// So many repositories, which are polled at this interval if GitHub's limit for a minute allows it, and else at the
    /// first multiple of it that does.
    pub fn new(repositories: u64, poll: Duration) -> Self {
        let needs = MINUTE.mul_f64((repositories * LOOK) as f64 / A_MINUTE as f64);
        let polls = (needs.as_secs_f64() / poll.as_secs_f64()).ceil().max(1.0);
        Carried { repositories, every: poll.mul_f64(polls) }
    }

    /// The least time between two first looks, by the limit for a minute.
    pub fn first_look_pause() -> Duration {
        MINUTE.mul_f64(Self::FIRST_LOOK as f64 / A_MINUTE as f64)
    }

    /// In how long each of them has been looked at for the first time, with so many requests in an hour.
    pub fn all_seen_within(&self, limit: u64) -> Duration {
        let needs = self.repositories * Self::FIRST_LOOK;
        // Nine tenths of the limit are for looks, and half of these at once.
        let half = limit * 9 / 20;
        let at_once = needs.min(half);
        let quick = MINUTE.mul_f64(at_once as f64 / A_MINUTE as f64);
        let hours = (needs - at_once) as f64 / (half as f64).max(1.0);
        quick + Duration::from_secs(3600).mul_f64(hours)
    }
}

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Carried { repositories, every } = self;
        write!(
            f,
            "with one credential, {repositories} repositories at {LOOK} requests a look, of {A_MINUTE} in a minute: each is \
             looked at every {}",
            in_words(*every)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_looks_at_202_repositories_in_a_minute() {
        for (repositories, poll, every, said) in [
            (1, 60, 60, "1m"),
            (202, 60, 60, "1m"),
            (203, 60, 120, "2m"),
            (1_000, 60, 300, "5m"),
            (1_000, 600, 600, "10m"),
            (10_000, 60, 3_000, "50m"),
        ] {
            let carried = Carried::new(repositories, Duration::from_secs(poll));
            assert_eq!(carried.every.as_secs(), every, "{repositories} every {poll} s");
            assert!(carried.to_string().ends_with(&format!("every {said}")), "{carried}");
        }
    }

    #[test]
    fn the_first_looks_end_within_a_time_that_is_known_before() {
        for (repositories, limit, minutes) in
            [(100, 5_000, 0), (416, 5_000, 9), (1_000, 5_000, 102), (1_000, 15_000, 7)]
        {
            let within = Carried::new(repositories, MINUTE).all_seen_within(limit);
            assert_eq!(within.as_secs() / 60, minutes, "{repositories} of {limit}");
        }
    }
}

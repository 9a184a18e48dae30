//! GitHub's secondary limits, where there is a primary one: points in a minute for a credential, and registrations in five
//! minutes for a repository, an organisation or an enterprise (Docs: Rate limits for the REST API; Actions limits).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use crate::world::World;

/// Points in any minute: a read is one, a write five.
const POINTS: (u32, Duration) = (900, Duration::from_secs(60));
/// Registrations in any five minutes.
const REGISTRATIONS: (u32, Duration) = (1500, Duration::from_secs(300));

/// What was done lately, by what it counts for.
#[derive(Debug, Default)]
pub(crate) struct SecondaryLimits {
    done: BTreeMap<String, VecDeque<(Timestamp, u32)>>,
}

impl SecondaryLimits {
    /// Counts this much for `whom`, if no more than `most` were done in the last `span`; else, how long the oldest of
    /// them still counts.
    fn count(
        &mut self,
        whom: &str,
        amount: u32,
        (most, span): (u32, Duration),
        now: Timestamp,
    ) -> Result<(), Duration> {
        let done = self.done.entry(whom.to_owned()).or_default();
        while done.pop_front_if(|(at, _)| *at + span <= now).is_some() {}
        let sum: u32 = done.iter().map(|(_, amount)| amount).sum();
        let oldest = done.front().map(|(at, _)| *at).filter(|_| sum + amount > most);
        if let Some(oldest) = oldest {
            return Err(Duration::try_from(oldest + span - now).unwrap_or(span));
        }
        done.push_back((now, amount));
        Ok(())
    }
}

impl World {
    /// Counts a request of this credential. The error is how long it has to wait, by the secondary limits.
    pub(crate) fn count_for_secondary_limits(
        &mut self,
        token: &str,
        method: &str,
        path: &str,
    ) -> Result<(), Duration> {
        if self.settings.rate_limit == 0 {
            return Ok(());
        }
        let now = self.now();
        let points = if method == "GET" { 1 } else { 5 };
        let mut counted = self.secondary.count(&format!("token {token}"), points, POINTS, now);
        let registers = path.ends_with("/generate-jitconfig") || path.ends_with("/registration-token");
        if let Some((scope, _)) = path.split_once("/actions/").filter(|_| counted.is_ok() && registers) {
            counted = self.secondary.count(scope, 1, REGISTRATIONS, now);
        }
        self.statistics.requests_beyond_secondary_limits += u64::from(counted.is_err());
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_let_through_than_github_allows_in_any_span() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).expect("in range");
        let mut limits = SecondaryLimits::default();
        let limit = (10, Duration::from_secs(60));
        for (second, amount, refused_for) in [
            (0, 6, None),
            (30, 4, None),
            (30, 1, Some(30)),
            (59, 1, Some(1)),
            (60, 6, None),
            (61, 1, Some(29)),
        ] {
            let counted = limits.count("a", amount, limit, at(second));
            let expected = refused_for.map_or(Ok(()), |wait| Err(Duration::from_secs(wait)));
            assert_eq!(counted, expected, "{amount} at {second}");
        }
        assert_eq!(limits.count("b", 10, limit, at(61)), Ok(()), "each by itself");
    }
}

//! What GitHub does to half of all scenarios: it errs about who is busy, loses entries and keeps others, gives jobs
//! to the wrong runners, and is hidden behind a proxy with pages of its own.

use std::time::Duration;

use azlin_simcloud::fault::{Fault, FaultKind, Side};
use azlin_simcloud::workload::{Arrival, HeldBy, JobCount, Span};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::scenario::{OWNER, ScenarioPart};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What GitHub does in the scenario of a seed, which has this length; often nothing. It has a random source of its
/// own, so that everything else in the scenario stays as it is.
pub fn github_weather(seed: u64, length: Duration) -> Vec<ScenarioPart> {
    let mut weather = Weather { rng: StdRng::seed_from_u64(!seed), length: length.as_secs().max(1) };
    if !weather.rng.random_bool(0.5) {
        return Vec::new();
    }
    let days = weather.length.div_ceil(DAY);
    let mut parts = Vec::new();
    for _ in 0..weather.rng.random_range(1..=5 * days) {
        let from = weather.moment();
        let until = (from + weather.rng.random_range(5 * MINUTE..HOUR)).min(weather.length);
        let span = Duration::from_secs(from)..Duration::from_secs(until);
        parts.extend(weather.faults(&span).into_iter().map(ScenarioPart::Fault));
    }
    for _ in 0..weather.rng.random_range(0..=2 * days) {
        parts.push(ScenarioPart::Jobs(weather.jobs()));
    }
    parts
}

struct Weather {
    rng: StdRng,
    /// The length of the scenario, in seconds.
    length: u64,
}

impl Weather {
    /// A random time from the start, not within the last 20 minutes.
    fn moment(&mut self) -> u64 {
        self.rng.random_range(0..self.length.saturating_sub(20 * MINUTE).max(1))
    }

    fn faults(&mut self, span: &std::ops::Range<Duration>) -> Vec<Fault> {
        let seconds = |from, to| Span { from: Duration::from_secs(from), to: Duration::from_secs(to) };
        let fault = |what| Fault {
            what,
            side: None,
            method: None,
            path: None,
            from: span.start,
            until: Some(span.end),
            probability: 1.0,
            times: None,
        };
        // Most errors last; some come and go from look to look.
        let lasting = if self.rng.random_bool(0.6) { 1.0 } else { self.rng.random_range(0.5..0.98) };
        let rare = self.rng.random_range(0.1..0.6);
        let some = |what, probability| vec![Fault { probability, ..fault(what) }];
        match self.rng.random_range(0..14) {
            0 | 1 => some(FaultKind::ListIdle, lasting),
            2 | 3 => {
                vec![
                    Fault { probability: lasting, ..fault(FaultKind::ListIdle) },
                    fault(FaultKind::DeleteIdle),
                ]
            }
            4 => some(FaultKind::DeleteIdle, 1.0),
            5 | 6 => some(FaultKind::EntryVanishes, rare),
            7 => some(FaultKind::EntryStays(seconds(10 * MINUTE, 3 * HOUR)), rare),
            8 => some(FaultKind::JobsUnnamed, lasting),
            9 => {
                let late = Fault { probability: rare, ..fault(FaultKind::ShownQueued(seconds(1, MINUTE))) };
                let behind = Fault {
                    side: Some(Side::Github),
                    path: Some("/actions/runs".to_owned()),
                    probability: rare,
                    ..fault(FaultKind::Stale(seconds(5, MINUTE)))
                };
                vec![late, behind]
            }
            10 => some(FaultKind::OfflineAssignment, rare),
            11 => some(FaultKind::DoubleAssignment, rare),
            12 => some(FaultKind::GuestDeaf, rare),
            _ => {
                let pages = [FaultKind::BlockPage, FaultKind::LoginRedirect, FaultKind::HtmlNotFound];
                let method =
                    [None, None, Some("GET"), Some("DELETE"), Some("POST")][self.rng.random_range(0..5)];
                vec![Fault {
                    side: Some(Side::Github),
                    method: method.map(str::to_owned),
                    probability: rare,
                    ..fault(pages[self.rng.random_range(0..3)].clone())
                }]
            }
        }
    }

    /// Jobs that are held back in every way, or that no fleet here has to serve: they go by their group alone.
    fn jobs(&mut self) -> Arrival {
        let held_by = [HeldBy::Environment, HeldBy::Concurrency, HeldBy::Github][self.rng.random_range(0..3)];
        let minutes = |from, to| Span {
            from: Duration::from_secs(from * MINUTE),
            to: Duration::from_secs(to * MINUTE),
        };
        let is_of_group = self.rng.random_bool(0.5);
        Arrival {
            at: Duration::from_secs(self.moment()),
            every: None,
            until: None,
            repo: format!("{OWNER}/r"),
            jobs: JobCount::Between(1, 2),
            labels: if is_of_group {
                Vec::new()
            } else {
                vec!["self-hosted".to_owned(), "docker".to_owned()]
            },
            group: is_of_group
                .then(|| if self.rng.random_bool(0.5) { "larger" } else { "Default" }.to_owned()),
            duration: minutes(1, 10),
            script: None,
            held: (!is_of_group).then(|| minutes(1, 30)),
            held_by,
            then: 0,
            hosted: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_all_scenarios_have_some_of_it_and_all_of_it_comes() {
        let day = Duration::from_secs(DAY);
        let all: Vec<Vec<ScenarioPart>> = (0..1000).map(|seed| github_weather(seed, day)).collect();
        let with = all.iter().filter(|parts| !parts.is_empty()).count();
        assert!((450..550).contains(&with), "{with}");
        let text = format!("{all:?}");
        for what in [
            "ListIdle",
            "DeleteIdle",
            "EntryVanishes",
            "EntryStays",
            "JobsUnnamed",
            "ShownQueued",
            "Stale",
            "OfflineAssignment",
            "DoubleAssignment",
            "GuestDeaf",
            "BlockPage",
            "LoginRedirect",
            "HtmlNotFound",
            "held_by: Concurrency",
            "held_by: Github",
            "labels: []",
        ] {
            assert!(text.matches(what).count() > 20, "{what}");
        }
        for fault in all.iter().flatten() {
            let ScenarioPart::Fault(fault) = fault else { continue };
            let until = fault.until.expect("an end");
            assert!(until <= day && until - fault.from <= Duration::from_secs(HOUR), "{fault:?}");
        }
    }
}

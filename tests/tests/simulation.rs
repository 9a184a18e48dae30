//! Years of weather in seconds: the real loop against the simulated clouds, in virtual time. Many more
//! seeds by command: `cargo xtask simulate --help`.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use azlin_fleet::planted::Bug;
use azlin_tests::simulation::{Outcome, Trace, hunt, play, scenario};

/// A day of each, in which every promise is kept.
#[test]
fn a_day_of_these_seeds_breaks_no_promise() {
    for seed in 0..20 {
        let Outcome { breach, .. } = play(&scenario(seed, 1.0), &Trace::default(), None);
        let again = format!("cargo xtask simulate --from {seed} --seeds 1 --minimise");
        assert_eq!(breach, None, "again: {again}");
    }
}

/// Each bug breaks a promise within a thousand seeds of half a day.
#[test]
fn every_planted_bug_is_found() {
    let (even, odd): (Vec<_>, Vec<_>) = Bug::ALL.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    let look = |bugs: Vec<(usize, &Bug)>| {
        for (_, bug) in bugs {
            assert!(
                hunt(*bug, 1000, 0.5).is_some(),
                "{bug}: cargo xtask simulate --planted {bug} --seeds 1000"
            );
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| look(even));
        look(odd);
    });
}

/// Everything that happens, and everything that the daemon says of it.
fn trace(seed: u64, days: f64) -> (Vec<String>, Outcome) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&lines);
    let trace = Trace::read_by(move |line| written.lock().unwrap().push(line.to_owned()));
    let outcome = play(&scenario(seed, days), &trace, Some(tracing::Level::DEBUG));
    let lines = std::mem::take(&mut *lines.lock().unwrap());
    (lines, outcome)
}

#[test]
fn two_runs_of_a_seed_have_the_same_trace_to_the_letter() {
    let mut digests = std::collections::BTreeSet::new();
    for seed in 0..6 {
        let ((once, outcome), (again, other)) = (trace(seed, 0.5), trace(seed, 0.5));
        let differs = once.iter().zip(&again).position(|(one, other)| one != other);
        assert_eq!(differs.map(|line| (&once[line], &again[line])), None, "seed {seed}, line {differs:?}");
        assert_eq!(once.len(), again.len(), "seed {seed}");
        assert_eq!(outcome, other, "seed {seed}");
        digests.insert(outcome.digest);
    }
    assert_eq!(digests.len(), 6, "each seed has a trace of its own");
}

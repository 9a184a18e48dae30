//! What the simulation itself promises: that it sees, that a seed is one trace, and that what is written of it
//! is so.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use azlin_fleet::planted::Bug;
use azlin_simulation::{Outcome, Promise, Trace, hunt, play, scenario};

/// Each bug breaks a promise within a thousand seeds of half a day.
#[test]
fn every_planted_bug_is_found() {
    let (even, odd): (Vec<_>, Vec<_>) = Bug::ALL.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    // Where those were found last that take long to be found.
    let hint = |bug: &Bug| match bug {
        Bug::BusyIgnored => 81,
        Bug::VmBeforeEntry => 39,
        Bug::UnknownIsFailed => 19,
        Bug::LocalTime => 4,
        _ => 0,
    };
    let look = |bugs: Vec<(usize, &Bug)>| {
        for (_, bug) in bugs {
            let hint = hint(bug);
            let found = hunt(*bug, hint..hint + 1, 0.5).or_else(|| hunt(*bug, 0..1000, 0.5));
            assert!(found.is_some(), "{bug}: cargo xtask simulate --planted {bug} --days 0.5 --seeds 1000");
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| look(even));
        look(odd);
    });
}

/// Found in seed 442: each job that came or went slowed the polls and sped them up again, and each time
/// that was told.
#[test]
fn that_polling_slows_is_told_once_an_hour() {
    let is_short = |seed: &u64| scenario(*seed, 0.5).rate_limit < 5000;
    let mut told = 0;
    for seed in (0..200).filter(is_short).take(8) {
        let (lines, outcome) = trace(seed, 0.5);
        let slows = lines.iter().filter(|line| line.contains("polling slows")).count() as u64;
        let lives = lines.iter().filter(|line| line.ends_with("a daemon begins")).count() as u64;
        let hours = outcome.length.as_secs().div_ceil(3600);
        assert!(slows <= hours + lives, "seed {seed}: {slows} times in {hours} h and {lives} lives");
        told += slows;
    }
    assert!(told > 0, "it does slow");
}

#[test]
fn the_documentation_names_every_promise_and_every_planted_bug() {
    let text = include_str!("../../../docs/reliability.md");
    for (_, name) in Promise::ALL {
        assert!(text.contains(&format!("\n| `{name}` |")), "{name}");
    }
    for bug in Bug::ALL {
        assert!(text.contains(&format!("\n| `{bug}` |")), "{bug}");
    }
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

//! Tests of the simulator itself: it finds bugs, a seed always has the same trace, and the documentation is
//! complete.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use azlin_fleet::seeded_bugs::Bug;
use azlin_simulation::{Invariant, RunResult, Trace, find_bug, generate, run};
use parking_lot::Mutex;

/// Each bug violates an invariant within a thousand seeds of half a day.
#[test]
fn every_seeded_bug_is_found() {
    let (even, odd): (Vec<_>, Vec<_>) = Bug::ALL.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    // The seeds that found the slow ones last time.
    let job_event = |bug: &Bug| match bug {
        Bug::EntriesStay | Bug::NoLimit => 3,
        Bug::AnySuccess => 30,
        Bug::BusyIgnored => 22,
        Bug::UnknownIsFailed => 19,
        Bug::LocalTime | Bug::FailedIsReplaced => 4,
        Bug::RawText => 7,
        Bug::HoursLate => 20,
        Bug::EveryRunRead => 160,
        Bug::NoStarvationRule | Bug::FirstPage | Bug::HoursIgnored | Bug::RunLevel => 1,
        Bug::MessagesSummed | Bug::DeletedFirst | Bug::LapseIsCancelled => 9,
        Bug::EventsWait => 13,
        Bug::CursorKept => 58,
        _ => 0,
    };
    let look = |bugs: Vec<(usize, &Bug)>| {
        for (_, bug) in bugs {
            let job_event = job_event(bug);
            let found =
                find_bug(*bug, job_event..job_event + 1, 0.5).or_else(|| find_bug(*bug, 0..1000, 0.5));
            assert!(found.is_some(), "{bug}: cargo xtask simulate --planted {bug} --days 0.5 --seeds 1000");
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| look(even));
        look(odd);
    });
}

/// Found in seed 442: polls slowed down and sped up with each job, and the journal reported it each time.
#[test]
fn slower_polling_is_reported_once_an_hour() {
    let is_short = |seed: &u64| generate(*seed, 0.5).rate_limit < 5000;
    let mut reported = 0;
    for seed in (0..200).filter(is_short).take(8) {
        let (lines, result) = trace(seed, 0.5);
        let slows = lines.iter().filter(|line| line.contains("polling slows")).count() as u64;
        let lives = lines.iter().filter(|line| line.ends_with("a daemon begins")).count() as u64;
        let hours = result.length.as_secs().div_ceil(3600);
        assert!(slows <= hours + lives, "seed {seed}: {slows} times in {hours} h and {lives} lives");
        reported += slows;
    }
    assert!(reported > 0, "it does slow");
}

#[test]
fn the_documentation_names_every_invariant_and_every_seeded_bug() {
    let text = include_str!("../../../docs/reliability.md");
    for (_, name) in Invariant::ALL {
        assert!(text.contains(&format!("\n| `{name}` |")), "{name}");
    }
    for bug in Bug::ALL {
        assert!(text.contains(&format!("\n| `{bug}` |")), "{bug}");
    }
}

/// The lines of a trace with the daemon's whole journal.
fn trace(seed: u64, days: f64) -> (Vec<String>, RunResult) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&lines);
    let trace = Trace::read_by(move |line| written.lock().push(line.to_owned()));
    let result = run(&generate(seed, days), &trace, Some(tracing::Level::DEBUG));
    let lines = std::mem::take(&mut *lines.lock());
    (lines, result)
}

#[test]
fn two_runs_of_a_seed_have_the_same_trace_to_the_letter() {
    let mut digests = std::collections::BTreeSet::new();
    for seed in 0..6 {
        let ((once, result), (again, other)) = (trace(seed, 0.5), trace(seed, 0.5));
        let differs = once.iter().zip(&again).position(|(one, other)| one != other);
        assert_eq!(differs.map(|line| (&once[line], &again[line])), None, "seed {seed}, line {differs:?}");
        assert_eq!(once.len(), again.len(), "seed {seed}");
        assert_eq!(result, other, "seed {seed}");
        digests.insert(result.digest);
    }
    assert_eq!(digests.len(), 6, "each seed has a trace of its own");
}

//! Measures the simulation itself: seeds a bug, and counts the seeds that it takes to find it.

use std::ops::Range;

use azlin_fleet::seeded_bugs::{Bug, seed};

use super::generate::generate;
use super::invariants::Violation;
use super::run::run;
use super::trace::Trace;

/// The first of these seeds in which the bug violates an invariant, with the violation. The bug is in force
/// in this thread meanwhile.
pub fn find_bug(bug: Bug, mut seeds: Range<u64>, days: f64) -> Option<(u64, Violation)> {
    seed(Some(bug));
    let found = seeds.find_map(|number| {
        let result = run(&generate(number, days), &Trace::default(), None);
        result.violation.map(|violation| (number, violation))
    });
    seed(None);
    found
}

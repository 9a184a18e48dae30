//! Does it see? Plants a bug, and looks how many seeds it takes to find it.

use std::ops::Range;

use azlin_fleet::seeded_bugs::{Bug, seed};

use super::generate::generate;
use super::invariants::Violation;
use super::run::run;
use super::trace::Trace;

/// The first of these seeds in which a bug breaks a promise, and which. The bug is planted in this thread
/// for as long.
pub fn find_bug(bug: Bug, mut seeds: Range<u64>, days: f64) -> Option<(u64, Violation)> {
    seed(Some(bug));
    let found = seeds.find_map(|number| {
        let result = run(&generate(number, days), &Trace::default(), None);
        result.violation.map(|violation| (number, violation))
    });
    seed(None);
    found
}

//! Lists of runners that are shorter than their total. Usually an entry came or went; a total that is off by the same
//! number in look after look is GitHub's mistake, and a fleet that waited for it to be right would stand still.

use std::collections::HashMap;

use azlin_fleet::model::Scope;
use parking_lot::Mutex;

/// So many looks in a row with the same difference are believed.
const LOOKS: u32 = 3;
/// The entries of a page. If the last page is full, a further one may be missing.
const PAGE: u64 = 100;

/// The difference between total and list of each scope, in the last looks.
#[derive(Debug, Default)]
pub(crate) struct RunnerCounts(Mutex<HashMap<Scope, Difference>>);

#[derive(Debug, Clone, Copy)]
struct Difference {
    by: u64,
    looks: u32,
}

impl RunnerCounts {
    /// Takes in a list that was read whole, as far as its pages show. Returns whether it can be used.
    pub(crate) fn look(&self, scope: &Scope, listed: u64, total: u64) -> bool {
        let mut known = self.0.lock();
        let by = total.saturating_sub(listed);
        if by == 0 {
            known.remove(scope);
            return true;
        }
        if may_lack_a_page(listed) {
            known.remove(scope);
            return false;
        }
        let last = known.get(scope).filter(|last| last.by == by).map_or(0, |last| last.looks);
        known.insert(scope.clone(), Difference { by, looks: last.saturating_add(1) });
        last + 1 >= LOOKS
    }

    /// How many runners GitHub counts beyond those that it lists, if that is believed.
    pub(crate) fn believed(&self, scope: &Scope) -> Option<u64> {
        self.0.lock().get(scope).filter(|last| last.looks >= LOOKS).map(|last| last.by)
    }
}

fn may_lack_a_page(listed: u64) -> bool {
    listed > 0 && listed.is_multiple_of(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_difference_in_three_looks_is_believed() {
        let (counts, scope) = (RunnerCounts::default(), "org:o".parse::<Scope>().expect("valid"));
        for (situation, listed, total, is_usable, believed) in [
            ("whole", 5, 5, true, None),
            ("one more is counted", 5, 6, false, None),
            ("again", 4, 5, false, None),
            ("a third time", 0, 1, true, Some(1)),
            ("and on", 7, 8, true, Some(1)),
            ("another difference", 7, 9, false, None),
            ("again", 7, 9, false, None),
            ("the first difference", 7, 8, false, None),
            ("again", 7, 8, false, None),
            ("whole in between", 7, 7, true, None),
            ("from the beginning", 7, 8, false, None),
            ("again", 7, 8, false, None),
            ("a page may be missing", 100, 101, false, None),
            ("from the beginning", 99, 100, false, None),
            ("again", 99, 100, false, None),
            ("a third time", 99, 100, true, Some(1)),
            ("fewer are counted", 99, 98, true, None),
        ] {
            assert_eq!(counts.look(&scope, listed, total), is_usable, "{situation}");
            assert_eq!(counts.believed(&scope), believed, "{situation}");
        }
        let other = "org:p".parse().expect("valid");
        assert_eq!(
            (counts.look(&other, 1, 2), counts.believed(&other)),
            (false, None),
            "each scope has its own"
        );
    }
}

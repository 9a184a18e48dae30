//! Which lists of runs a poll of a repository's queue reads.
//!
//! Runs whose jobs can start are `queued` or `in_progress`: these two lists are read in each poll. The others
//! (held, or about to be queued) are read in turn, one in each poll, so that an idle repository costs three
//! requests. A list that had runs when it was last read is read in each poll, and the first poll reads all.

/// The lists that are read in turn.
pub(crate) const HELD: [&str; 3] = ["waiting", "pending", "requested"];

/// What is known of the held runs of one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Watched {
    turn: usize,
    /// The runs when each list of [`HELD`] was last read; `None` where it was never read.
    seen: [Option<Vec<u64>>; HELD.len()],
}

impl Watched {
    /// The lists that this poll reads, as indices into [`HELD`].
    pub(crate) fn next_look(&mut self) -> Vec<usize> {
        let turn = self.turn;
        self.turn = (turn + 1) % HELD.len();
        (0..HELD.len())
            .filter(|list| *list == turn || self.seen[*list].as_ref().is_none_or(|runs| !runs.is_empty()))
            .collect()
    }

    /// Records the runs of a list.
    pub(crate) fn saw(&mut self, list: usize, runs: Vec<u64>) {
        self.seen[list] = Some(runs);
    }

    /// The runs that the lists had when they were last read.
    pub(crate) fn runs(&self) -> impl Iterator<Item = u64> {
        self.seen.iter().flatten().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(watched: &mut Watched, found: &[(usize, &[u64])]) -> Vec<usize> {
        let asked = watched.next_look();
        for (list, runs) in found {
            watched.saw(*list, runs.to_vec());
        }
        asked
    }

    #[test]
    fn all_at_first_then_one_by_one() {
        let mut watched = Watched::default();
        assert_eq!(look(&mut watched, &[(0, &[]), (1, &[]), (2, &[])]), [0, 1, 2]);
        assert_eq!(look(&mut watched, &[]), [1]);
        assert_eq!(look(&mut watched, &[]), [2]);
        assert_eq!(look(&mut watched, &[]), [0]);
    }

    #[test]
    fn a_list_with_runs_is_asked_for_each_time_and_remembered() {
        let mut watched = Watched::default();
        look(&mut watched, &[(0, &[7, 8]), (1, &[]), (2, &[])]);
        assert_eq!(look(&mut watched, &[(0, &[8])]), [0, 1]);
        assert_eq!(watched.runs().collect::<Vec<_>>(), [8]);
        assert_eq!(look(&mut watched, &[(0, &[])]), [0, 2]);
        assert_eq!(look(&mut watched, &[]), [0]);
        assert_eq!(look(&mut watched, &[]), [1]);
    }

    #[test]
    fn a_list_that_never_could_be_read_is_asked_for_each_time() {
        let mut watched = Watched::default();
        look(&mut watched, &[(0, &[]), (2, &[])]);
        assert_eq!(look(&mut watched, &[]), [1]);
        assert_eq!(look(&mut watched, &[]), [1, 2]);
    }
}

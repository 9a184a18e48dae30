//! Seeded bugs: mistakes that a test turns on, to see whether the simulation finds them. Systems of this kind
//! have had each of them.
//!
//! Production code names a seeded bug in [`seeded_bug!`](crate::seeded_bug) only, beside the right rule. Invariants:
//! - Without debug assertions [`Bug`] does not exist, and the macro is the right rule alone: a release cannot name
//!   a bug outside the macro, since it would not compile.
//! - With them a bug is in force in the thread that seeded it, and in no other.

#[cfg(debug_assertions)]
pub use seeds::{Bug, is_seeded, seed};

/// `seeded_bug!(NAME, right, wrong)` is `right`. In a build with debug assertions it is `wrong` in a thread that
/// has seeded that [`Bug`](crate::seeded_bugs::Bug). Only the one that applies is evaluated.
///
/// cargo-mutants changes nothing inside a macro, so `right` is a name or a value: compute it before.
#[cfg(debug_assertions)]
#[macro_export]
macro_rules! seeded_bug {
    ($bug:ident, $right:expr, $wrong:expr $(,)?) => {
        if $crate::seeded_bugs::is_seeded($crate::seeded_bugs::Bug::$bug) { $wrong } else { $right }
    };
}

/// `seeded_bug!(NAME, right, wrong)` is `right`: this build has no seeded bugs.
#[cfg(not(debug_assertions))]
#[macro_export]
macro_rules! seeded_bug {
    ($bug:ident, $right:expr, $wrong:expr $(,)?) => {
        $right
    };
}

#[cfg(debug_assertions)]
mod seeds {
    use std::cell::Cell;
    use std::fmt;

    /// A bug that can be seeded. Its name is the one that `cargo xtask simulate --planted` takes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Bug {
        /// A scaling action does not wait for the cooldown.
        NoCooldown,
        /// Only thresholds decide, so a few jobs wait for ever.
        NoStarvationRule,
        /// Busy runners do not count towards the maximum.
        BusyNotCounted,
        /// What a list does not show does not exist, however recently it was requested.
        ListsAreTrue,
        /// Runner entries whose VM is gone are kept.
        EntriesStay,
        /// A name that looks like one of ours is taken for one of ours.
        NamesAlike,
        /// A runner that a list calls idle is removed without a word of its VM.
        ListBusyBelieved,
        /// GitHub's 204 to a `DELETE` is taken for proof that no job runs.
        DeleteBelieved,
        /// A runner whose entry is gone is taken to have ended.
        GoneIsDone,
        /// Any answer about a VM is taken for one: what shows no running VM is taken for a VM that has stopped.
        AnySuccess,
        /// A VM that says that a job runs is taken to have drained.
        BusyIgnored,
        /// A request with an unknown outcome counts as failed, and is made again.
        UnknownIsFailed,
        /// A VM is tagged with local time.
        LocalTime,
        /// What was fetched once is never fetched again.
        CacheForever,
        /// The number of provisioning operations at the same time is not limited.
        NoLimit,
        /// Only the first page of VMs is read.
        FirstPage,
        /// A run in progress is taken to have no waiting job.
        RunLevel,
        /// A VM that Azure calls failed is replaced, though it runs and its runner is online.
        FailedIsReplaced,
        /// A VM that is set up for standby takes no room of the maximum, though it runs.
        PreparingNotCounted,
        /// A fleet looks after an event only when its queue is polled.
        EventsWait,
        /// A name from outside is shown as it came.
        RawText,
        /// What is remembered of a runner stays when the runner is gone.
        NothingForgotten,
        /// Each look reads the jobs of every active run.
        EveryRunRead,
        /// The hours of a fleet are read, and change nothing.
        HoursIgnored,
        /// What the hours of a fleet raise is asked for when they begin, and not a boot earlier.
        HoursLate,
        /// What the messages of a scale set report is summed, and the level that GitHub states is not used.
        MessagesSummed,
        /// The messages of a scale set that was made anew are read from where those of the old one ended.
        CursorKept,
        /// A message is deleted before the jobs that it offers are acquired, and offers that are lost so are not asked for.
        DeletedFirst,
        /// A job whose assignment has lapsed is taken for one that a person has cancelled.
        LapseIsCancelled,
    }

    impl Bug {
        /// All bugs.
        pub const ALL: [Bug; 29] = [
            Bug::NoCooldown,
            Bug::NoStarvationRule,
            Bug::BusyNotCounted,
            Bug::ListsAreTrue,
            Bug::EntriesStay,
            Bug::NamesAlike,
            Bug::ListBusyBelieved,
            Bug::DeleteBelieved,
            Bug::GoneIsDone,
            Bug::AnySuccess,
            Bug::BusyIgnored,
            Bug::UnknownIsFailed,
            Bug::LocalTime,
            Bug::CacheForever,
            Bug::NoLimit,
            Bug::FirstPage,
            Bug::RunLevel,
            Bug::FailedIsReplaced,
            Bug::PreparingNotCounted,
            Bug::EventsWait,
            Bug::RawText,
            Bug::NothingForgotten,
            Bug::EveryRunRead,
            Bug::HoursIgnored,
            Bug::HoursLate,
            Bug::MessagesSummed,
            Bug::CursorKept,
            Bug::DeletedFirst,
            Bug::LapseIsCancelled,
        ];
    }

    impl fmt::Display for Bug {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{self:?}")
        }
    }

    thread_local! {
        static SEEDED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Puts a bug in force in this thread, in place of the last one; `None` ends it.
    pub fn seed(bug: Option<Bug>) {
        SEEDED.set(bug);
    }

    /// Whether a bug is in force in this thread.
    pub fn is_seeded(bug: Bug) -> bool {
        SEEDED.get() == Some(bug)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(debug_assertions)]
    use super::{Bug, seed};

    #[cfg(debug_assertions)]
    #[expect(clippy::disallowed_methods, reason = "the test needs a second thread; the core has none")]
    #[test]
    fn a_bug_is_in_force_in_the_thread_that_seeded_it_alone() {
        let rules = || (seeded_bug!(NoLimit, "right", "wrong"), seeded_bug!(LocalTime, "right", "wrong"));
        assert_eq!(rules(), ("right", "right"), "no bug is seeded");
        seed(Some(Bug::NoLimit));
        assert_eq!(rules(), ("wrong", "right"));
        assert_eq!(std::thread::spawn(rules).join().expect("no panic"), ("right", "right"));
        seed(None);
        assert_eq!(rules(), ("right", "right"));
    }

    /// Neither the bug nor the wrong rule exists here, and still it compiles.
    #[cfg(not(debug_assertions))]
    #[test]
    fn a_release_has_the_right_rule_alone() {
        assert_eq!(seeded_bug!(NoSuchBug, "right", no_such_rule()), "right");
    }

    /// Holds the same in every build: all that knows of a bug stands below a line that leaves it out of a release.
    #[test]
    fn nothing_that_knows_of_a_bug_is_compiled_into_a_release() {
        let text = include_str!("seeded_bugs.rs");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for needs in ["pub use seeds::", "mod seeds {"] {
            assert!(code.contains(&format!("#[cfg(debug_assertions)]\n{needs}")), "{needs}");
        }
        let (_, release) = code.split_once("#[cfg(not(debug_assertions))]").expect("a macro for releases");
        let (release, _) = release.split_once("#[cfg(debug_assertions)]").expect("what a release has not");
        assert_eq!(release.matches("$wrong").count(), 1, "it is taken, and not used:\n{release}");
        assert!(!release.contains("seeded_bugs::"), "{release}");
    }
}

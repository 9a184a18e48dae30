//! Bugs that tests plant, to see whether the simulation finds them. Each is one that a system of this kind
//! has had. Only a build with debug assertions has them, and only where a test asks for one.

use std::fmt;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A scaling action does not wait for the cooldown.
    NoCooldown,
    /// Only thresholds decide, so that a few jobs wait for ever.
    NoStarvationRule,
    /// Busy runners do not count towards the maximum.
    BusyNotCounted,
    /// What a list does not show is not there, however lately it was asked for.
    ListsAreTrue,
    /// Entries whose VM is gone are kept.
    EntriesStay,
    /// A name that looks alike is taken for one of ours.
    NamesAlike,
    /// GitHub's word that a runner is busy is not heard.
    BusyIgnored,
    /// The VM goes before GitHub was asked.
    VmBeforeEntry,
    /// A request whose outcome is not known is taken for failed, and made again.
    UnknownIsFailed,
    /// A VM is tagged with local time.
    LocalTime,
    /// What was fetched once is never fetched again.
    CacheForever,
    /// Provisioning operations are not limited.
    NoLimit,
    /// Only the first page of VMs is read.
    FirstPage,
    /// A run that is in progress is taken to have no job that waits.
    RunLevel,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 14] = [
        Bug::NoCooldown,
        Bug::NoStarvationRule,
        Bug::BusyNotCounted,
        Bug::ListsAreTrue,
        Bug::EntriesStay,
        Bug::NamesAlike,
        Bug::BusyIgnored,
        Bug::VmBeforeEntry,
        Bug::UnknownIsFailed,
        Bug::LocalTime,
        Bug::CacheForever,
        Bug::NoLimit,
        Bug::FirstPage,
        Bug::RunLevel,
    ];
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[cfg(debug_assertions)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in this thread, or takes it out again.
#[cfg(debug_assertions)]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether a bug is planted in this thread.
#[cfg(debug_assertions)]
pub fn has(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// No bug is planted in a release.
#[cfg(not(debug_assertions))]
pub const fn has(_: Bug) -> bool {
    false
}

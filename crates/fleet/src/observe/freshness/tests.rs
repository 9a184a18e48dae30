//! What a poll and a trigger read anew, and what serves again.

use super::*;
use crate::fixture::{self, at};

const INTERVAL: Duration = Duration::from_secs(60);
const NOW: Duration = Duration::from_secs(1_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn repo(name: &str) -> RepoSlug {
    name.parse().expect("a good name")
}

/// Triggers that came so many seconds ago.
fn triggers(repos: &[(&str, u64)], lists: Option<u64>) -> ReadScope {
    let at = |ago: u64| NOW - seconds(ago);
    let repos = repos.iter().map(|(name, ago)| (repo(name), at(*ago))).collect();
    ReadScope { repos, lists: lists.map(at), ..ReadScope::default() }
}

fn freshness(poll: Option<Poll>, triggered: &ReadScope) -> Freshness<'_> {
    let lists = Some(LastLists { age: seconds(30), show_changes: true });
    Freshness { poll, interval: INTERVAL, slowed_to: None, triggered, lists, shared_out: None, now: NOW }
}

/// How many seconds old the named queue, another queue and the lists may be.
fn allowed(freshness: &Freshness<'_>) -> [Option<u64>; 3] {
    let ages = freshness.max_ages();
    [ages.queue(&repo("o/r")), ages.queue(&repo("o/other")), ages.lists]
        .map(|age| age.map(|age| age.as_secs()))
}

#[test]
fn a_poll_allows_a_tenth_of_its_interval_and_less_for_what_a_trigger_named_since() {
    for (repos, lists, expected) in [
        (&[][..], None, [Some(6), Some(6), Some(6)]),
        (&[("o/r", 2)][..], None, [Some(2), Some(6), Some(6)]),
        (&[("o/r", 9)][..], None, [Some(6), Some(6), Some(6)]),
        (&[("o/r", 2)][..], Some(3), [Some(2), Some(6), Some(3)]),
        (&[][..], Some(30), [Some(6), Some(6), Some(6)]),
    ] {
        for poll in [Poll::Queue, Poll::Health] {
            let triggered = triggers(repos, lists);
            let freshness = freshness(Some(poll), &triggered);
            assert_eq!(allowed(&freshness), expected, "{repos:?} {lists:?}");
            assert_eq!(freshness.max_ages().power, poll == Poll::Health);
        }
    }
}

#[test]
fn after_a_trigger_only_what_it_names_is_read_while_the_lists_serve() {
    for (repos, expected) in [(&[("o/r", 0)][..], Some(0)), (&[("o/r", 9)][..], Some(9)), (&[][..], None)] {
        let triggered = triggers(repos, None);
        let freshness = freshness(None, &triggered);
        assert_eq!(allowed(&freshness), [expected, None, None], "{repos:?}");
        assert!(!freshness.max_ages().power);
    }
}

#[test]
fn where_the_lists_are_read_after_a_trigger_other_queues_serve_that_the_last_poll_read() {
    let named = triggers(&[("o/r", 1)], None);
    for (situation, lists) in [
        ("one of them is missing", None),
        ("they are too old", Some(LastLists { age: seconds(121), show_changes: true })),
        ("they may not show a change", Some(LastLists { age: seconds(0), show_changes: false })),
    ] {
        let freshness = Freshness { lists, ..freshness(None, &named) };
        assert_eq!(allowed(&freshness), [Some(1), Some(60), Some(6)], "{situation}");
    }
    let ended = triggers(&[("o/r", 1)], Some(1));
    assert_eq!(allowed(&freshness(None, &ended)), [Some(1), Some(60), Some(1)], "a job has ended");
}

#[test]
fn while_polls_are_slowed_a_queue_serves_until_the_next_one() {
    let named = ReadScope::default();
    let other = |poll, slowed_to: Option<u64>| {
        let freshness = Freshness { slowed_to: slowed_to.map(seconds), ..freshness(poll, &named) };
        freshness.max_ages().queue(&repo("o/other"))
    };
    let old = Freshness { lists: None, ..freshness(None, &named) };
    assert_eq!(old.max_ages().queue(&repo("o/other")), Some(seconds(60)), "at the configured pace");
    let slowed = Freshness { slowed_to: Some(seconds(180)), ..old };
    assert_eq!(slowed.max_ages().queue(&repo("o/other")), Some(seconds(180)), "a wake or an event");
    assert_eq!(other(Some(Poll::Queue), Some(180)), Some(seconds(6)), "a poll reads it");
}

#[test]
fn a_trigger_that_names_a_run_has_the_jobs_of_that_run_read_and_the_rest_of_the_queue_serves() {
    let runs = BTreeMap::from([(RunId(7), NOW - seconds(2)), (RunId(8), NOW)]);
    let named = ReadScope { runs: [(repo("o/r"), runs)].into(), ..ReadScope::default() };
    for (poll, queue) in [(None, None), (Some(Poll::Queue), Some(seconds(6)))] {
        let freshness = freshness(poll, &named);
        let ages = freshness.max_ages();
        let of = |name: &str| ages.runs(&repo(name)).collect::<Vec<_>>();
        assert_eq!(of("o/r"), [(RunId(7), seconds(2)), (RunId(8), seconds(0))], "{poll:?}");
        assert_eq!(of("o/other"), [], "{poll:?}");
        assert_eq!(ages.queue(&repo("o/r")), queue, "{poll:?}");
        assert!(freshness.asks_for(&repo("o/r")));
    }
}

#[test]
fn a_queue_that_was_shared_out_among_other_fleets_is_read_again() {
    let named = triggers(&[("o/r", 4)], None);
    for (poll, since, expected) in [
        (None, 2, [Some(2), Some(2), None]),
        (None, 50, [Some(4), Some(50), None]),
        (Some(Poll::Queue), 2, [Some(2), Some(2), Some(6)]),
        (Some(Poll::Queue), 50, [Some(4), Some(6), Some(6)]),
    ] {
        let freshness = Freshness { shared_out: Some(seconds(since)), ..freshness(poll, &named) };
        assert_eq!(allowed(&freshness), expected, "{poll:?} {since}");
    }
    let alone = MaxAges::of_poll(Poll::Queue, INTERVAL, Some(seconds(3)));
    assert_eq!((alone.queue(&repo("o/r")), alone.lists), (Some(seconds(3)), Some(seconds(6))));
}

#[test]
fn a_queue_is_asked_for_by_a_poll_or_by_its_name() {
    let triggered = triggers(&[("o/r", 1)], Some(1));
    let asks = |poll| ["o/r", "o/other"].map(|name| freshness(poll, &triggered).asks_for(&repo(name)));
    assert_eq!(asks(None), [true, false], "though both are read");
    assert_eq!(asks(Some(Poll::Queue)), [true, true]);
}

#[test]
fn lists_serve_until_they_are_old_or_something_was_done_that_they_may_not_show() {
    let fleet = fixture::fleet("ci", "");
    let serve = |age: i64, changes: &[i64]| {
        let changes = changes.iter().map(|ago| at(-ago));
        LastLists::new(at(-age), changes, &fleet, at(0)).serve()
    };
    assert_eq!([0, 119, 120, 121].map(|age| serve(age, &[])), [true, true, true, false]);
    // Done this long before the lists were read, or after.
    for (before, expected) in [(-20, false), (0, false), (119, false), (120, true), (9_999, true)] {
        assert_eq!(serve(30, &[99_999, 30 + before]), expected, "{before} s before");
    }
}

use super::*;
use crate::fixture::at;

const POLL: Duration = Duration::from_secs(60);

/// An hour in which each poll costs `a_poll`, and each minute `a_minute` on top. Returns the longest interval, the last
/// one, and what was left.
fn an_hour(limit: u64, a_poll: u64, a_minute: u64) -> (Duration, Duration, i64) {
    let mut pacer = PollPacer::default();
    let (mut left, mut next, mut longest, mut last) = (limit as i64, 0, POLL, POLL);
    for second in (0..3600).step_by(60) {
        left -= a_minute as i64;
        if second < next {
            continue;
        }
        let budget = Budget { limit, remaining: left.max(0).unsigned_abs(), reset: at(3600) };
        last = pacer.look(Some(budget), 0, POLL, at(second)).map_or(POLL, |slowed| slowed.every);
        longest = longest.max(last);
        next = second + last.as_secs() as i64;
        left -= a_poll as i64;
    }
    (longest, last, left)
}

#[test]
fn the_budget_lasts_for_an_hour_and_polls_are_as_frequent_as_it_allows() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    for (a_poll, a_minute, most) in [
        // An idle fleet costs nothing; 83 a minute are 5,000 an hour.
        (0, 0, minutes(1)),
        (70, 0, minutes(1)),
        (100, 0, minutes(2)),
        (200, 0, minutes(4)),
        (300, 0, minutes(6)),
        (100, 40, minutes(5)),
        (300, 40, minutes(17)),
    ] {
        let (longest, _, left) = an_hour(5000, a_poll, a_minute);
        assert!(left > 0, "{a_poll} a poll and {a_minute} a minute leave {left}");
        assert!(longest <= most, "{a_poll} a poll and {a_minute} a minute: {longest:?}");
    }
}

#[test]
fn a_burst_at_the_start_is_no_rate_and_a_new_window_is_a_new_start() {
    let mut pacer = PollPacer::default();
    let budget = |remaining, reset| Some(Budget { limit: 5000, remaining, reset: at(reset) });
    // The first poll finds nothing in the cache.
    assert_eq!(pacer.look(budget(4900, 3600), 0, POLL, at(0)), None);
    for minute in 1..10 {
        assert_eq!(pacer.look(budget(4400, 3600), 0, POLL, at(60 * minute)), None, "minute {minute}");
    }
    let mut slowed = None;
    for minute in 10..14 {
        slowed = pacer.look(budget(4400 - (minute as u64 - 9) * 800, 3600), 0, POLL, at(60 * minute));
    }
    let slowed = slowed.expect("it would not last");
    assert!(slowed.every >= POLL * 4, "{slowed:?}");
    let said = slowed.to_string();
    assert!(said.contains("1200 of 5000") && said.contains("every "), "{said}");
    // The next window begins at the same pace, which then eases.
    let mut last = None;
    for minute in 60..90 {
        last = pacer.look(budget(5000, 7200), 0, POLL, at(60 * minute));
    }
    assert_eq!(last, None);
    assert_eq!(pacer.look(None, 0, POLL, at(0)), None, "a server without limits");
}

#[test]
fn one_expensive_poll_is_no_rate() {
    let mut pacer = PollPacer::default();
    for (minute, used) in [(0, 0), (1, 0), (2, 150), (3, 150), (4, 150)] {
        let budget = Budget { limit: 5000, remaining: 5000 - used, reset: at(3600) };
        assert_eq!(pacer.look(Some(budget), 0, POLL, at(60 * minute)), None, "minute {minute}");
    }
}

#[test]
fn a_window_that_others_used_up_makes_the_next_one_no_slower() {
    let mut pacer = PollPacer::default();
    let (mut next, mut last) = (0, None);
    let mut polls = Vec::new();
    for minute in 0..120 {
        let (window, spent) =
            (minute / 60, if (5..60).contains(&minute) { 5000 } else { 20 * (minute % 60) });
        let budget = Budget { limit: 5000, remaining: 5000 - spent, reset: at(3600 * (1 + window as i64)) };
        last = pacer.look(Some(budget), 0, POLL, at(60 * minute as i64));
        if minute >= next {
            polls.push(minute);
            next = minute + last.as_ref().map_or(1, |slowed| slowed.every.as_secs() / 60);
        }
    }
    assert_eq!(last, None);
    let in_the_next = polls.iter().filter(|minute| **minute >= 60).count();
    assert!(in_the_next > 50, "of {polls:?}");
}

#[test]
fn a_burst_of_requests_that_do_not_recur_makes_polls_no_rarer() {
    for (once, is_slowed) in [(0, true), (300, false)] {
        let mut pacer = PollPacer::default();
        let slowed = (0..10).any(|minute| {
            let burst = if minute >= 5 { 300 } else { 0 };
            let budget = Budget { limit: 5000, remaining: 4900 - 20 * minute - burst, reset: at(3600) };
            let once = if minute >= 5 { once } else { 0 };
            pacer.look(Some(budget), once, POLL, at(60 * minute as i64)).is_some()
        });
        assert_eq!(slowed, is_slowed, "{once}");
    }
}

/// How much rarer the flood of one repository makes the polls of all fleets on its credential, at most. It is written down in
/// docs/reliability.md.
const FLOOD_FACTOR: u64 = 5;

/// How many runs of a flood are read: so many at once, and then in each minute.
#[derive(Clone, Copy)]
struct FloodReads {
    at_once: u64,
    a_minute: u64,
}

/// The longest interval between two polls of an hour in which those of the other fleets cost `a_poll`, and in which one
/// repository has more new runs than are read, from a minute on. Ten old ones are read in each look, too.
fn flooded(a_poll: u64, flood: Option<(i64, FloodReads)>) -> Duration {
    let mut pacer = PollPacer::default();
    let (mut used, mut once, mut next, mut longest) = (0, 0, 0, POLL);
    let mut last = None;
    for minute in 0..60 {
        if minute < next {
            continue;
        }
        let budget = Budget { limit: 5000, remaining: 5000_u64.saturating_sub(used), reset: at(3600) };
        let every = pacer.look(Some(budget), once, POLL, at(60 * minute)).map_or(POLL, |slowed| slowed.every);
        longest = longest.max(every);
        next = minute + every.as_secs() as i64 / 60;
        used += a_poll;
        if let Some((from, reads)) = flood.filter(|(from, _)| *from <= minute) {
            let since = minute - last.unwrap_or(from);
            let new = if last.is_none() { reads.at_once } else { reads.a_minute * since.unsigned_abs() };
            let new = new.min(reads.at_once);
            // What is above 20 in one look counts as a burst, and a look costs four lists.
            (used, once, last) = (used + new + 14, once + new.saturating_sub(20), Some(minute));
        }
    }
    longest
}

/// What one repository may cost is bounded (`run_reads.rs`: 300 at once, one in two seconds), and so is what
/// that does to others.
#[test]
fn a_flood_in_one_repository_slows_others_by_no_more_than_the_factor_that_is_written_down() {
    let page = include_str!("../../../../../docs/reliability.md");
    assert!(page.contains(&format!("at most {FLOOD_FACTOR} times as long")), "it is written down");
    let worst = |reads: FloodReads| {
        let of = |a_poll: u64| {
            let calm = flooded(a_poll, None).as_secs();
            let ratios =
                (0..58).map(move |from| flooded(a_poll, Some((from, reads))).as_secs().div_ceil(calm));
            ratios.max().unwrap_or_default()
        };
        [0, 10, 30, 50, 60, 70, 80, 100, 200, 300].into_iter().map(of).max().unwrap_or_default()
    };
    let bounded = worst(FloodReads { at_once: 300, a_minute: 30 });
    assert!(bounded <= FLOOD_FACTOR, "{bounded} times");
    let unbounded = worst(FloodReads { at_once: 900, a_minute: 900 });
    assert!(unbounded > FLOOD_FACTOR, "reads without a bound are seen: {unbounded} times");
}

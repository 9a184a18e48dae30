//! Which limits hold when.

use super::*;
use crate::fixture::fleet_with;

const OFFICE: &str = "[[hours]]\ndays = ['mon-fri']\nfrom = '08:00'\nto = '18:00'\ntime_zone = 'Europe/Berlin'\n\
                      min_runners = 3\nmax_runners = 20\n";
const LUNCH: &str = "[[hours]]\ndays = ['mon-fri']\nfrom = '12:00'\nto = '13:00'\ntime_zone = 'Europe/Berlin'\n\
                     min_runners = 1\n";
const BOOT: Duration = Duration::from_secs(120);

/// A fleet with a minimum of 0 and a maximum of 10 otherwise.
fn fleet(hours: &str) -> Fleet {
    fleet_with("ci", "", hours)
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn limits(min_runners: u32, max_runners: u32) -> Limits {
    Limits { min_runners, max_runners, standby: 0 }
}

#[test]
fn the_last_entry_that_matches_holds_and_what_it_raises_holds_a_boot_earlier() {
    let fleet = fleet(&format!("{OFFICE}{LUNCH}"));
    for (situation, now, holds, next) in [
        ("Sunday", "2026-11-29T12:00:00Z", limits(0, 10), "2026-11-30T07:00:00Z"),
        ("three minutes before", "2026-11-30T06:57:00Z", limits(0, 10), "2026-11-30T07:00:00Z"),
        ("a boot before", "2026-11-30T06:58:00Z", limits(3, 20), "2026-11-30T07:00:00Z"),
        ("in it", "2026-11-30T07:00:00Z", limits(3, 20), "2026-11-30T11:00:00Z"),
        ("what is lowered is not early", "2026-11-30T10:59:00Z", limits(3, 20), "2026-11-30T11:00:00Z"),
        ("lunch", "2026-11-30T11:00:00Z", limits(1, 10), "2026-11-30T12:00:00Z"),
        ("the end of lunch is early", "2026-11-30T11:58:30Z", limits(3, 20), "2026-11-30T12:00:00Z"),
        ("the last moment", "2026-11-30T16:59:59Z", limits(3, 20), "2026-11-30T17:00:00Z"),
        ("after it", "2026-11-30T17:00:00Z", limits(0, 10), "2026-12-01T07:00:00Z"),
        ("Friday's end", "2026-12-04T17:00:00Z", limits(0, 10), "2026-12-07T07:00:00Z"),
    ] {
        let found = InForce::of(&fleet, BOOT, at(now));
        assert_eq!(found.limits, holds, "{situation}");
        assert_eq!(found.next.expect("a change").at, at(next), "{situation}");
    }
}

#[test]
fn it_says_since_when_limits_are_lower_and_when_it_changes_next() {
    let fleet = fleet(OFFICE);
    let lowered = |now: &str| InForce::of(&fleet, BOOT, at(now)).lowered.map(|at| at.to_string());
    assert_eq!(lowered("2026-11-30T18:00:00Z").as_deref(), Some("2026-11-30T17:00:00Z"));
    assert_eq!(lowered("2026-11-30T08:00:00Z"), None, "they were raised");
    assert_eq!(lowered("2026-12-06T08:00:00Z").as_deref(), Some("2026-12-04T17:00:00Z"), "on Friday");
    let wakes = |now: &str| {
        let now = at(now);
        InForce::of(&fleet, BOOT, now).changes_at(BOOT, now).map(|at| at.to_string())
    };
    assert_eq!(wakes("2026-11-30T06:00:00Z").as_deref(), Some("2026-11-30T06:58:00Z"));
    assert_eq!(wakes("2026-11-30T06:58:00Z").as_deref(), Some("2026-11-30T07:00:00Z"));
}

#[test]
fn on_two_days_of_daylight_saving_time_each_hour_is_that_of_the_clock() {
    let fleet =
        fleet("[[hours]]\nfrom = '01:00'\nto = '04:00'\ntime_zone = 'Europe/Berlin'\nmin_runners = 3\n");
    let min = |now: &str| InForce::of(&fleet, Duration::ZERO, at(now)).limits.min_runners;
    // From 01:00 to 04:00 are two hours in March, and four in October.
    for (now, expected) in [
        ("2026-03-28T23:59:59Z", 0),
        ("2026-03-29T00:00:00Z", 3),
        ("2026-03-29T01:59:59Z", 3),
        ("2026-03-29T02:00:00Z", 0),
        ("2026-10-24T22:59:59Z", 0),
        ("2026-10-24T23:00:00Z", 3),
        ("2026-10-25T02:59:59Z", 3),
        ("2026-10-25T03:00:00Z", 0),
    ] {
        assert_eq!(min(now), expected, "{now}");
    }
}

#[test]
fn a_fleet_without_hours_has_its_own_limits_and_no_change_to_come() {
    let fleet = fleet("");
    let found = InForce::of(&fleet, BOOT, at("2026-11-30T07:00:00Z"));
    assert_eq!(found, InForce { limits: limits(0, 10), lowered: None, next: None });
    assert!(matches!(at_hours(&fleet, BOOT, at("2026-11-30T07:00:00Z")), Cow::Borrowed(_)));
}

#[test]
fn a_count_that_a_person_set_stays_within_the_maximum() {
    let office = OFFICE.replace("min_runners = 3\n", "");
    let fleet = fleet(&format!("max_runners = 30\nmanual_count = 25\n{office}"));
    let count = |now: &str| at_hours(&fleet, BOOT, at(now)).scaling.manual_count;
    assert_eq!((count("2026-11-30T08:00:00Z"), count("2026-11-30T20:00:00Z")), (Some(20), Some(25)));
}

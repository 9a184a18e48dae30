//! Percentiles, spans and bounds.

use super::*;
use crate::fixture::at;

fn recent(waits: &[(i64, u64)]) -> Recent {
    let mut recent = Recent::default();
    for (when, waited) in waits {
        recent.begun(Duration::from_secs(*waited), at(*when));
    }
    recent
}

#[test]
fn percentiles_are_waits_that_there_were() {
    for (situation, waits, expected) in [
        ("none", vec![], None),
        ("one", vec![7], Some((1, 7, 7, 7))),
        ("two", vec![9, 3], Some((2, 3, 9, 9))),
        ("twenty", (1..=20).collect(), Some((20, 10, 19, 20))),
        ("a hundred", (1..=100).rev().collect(), Some((100, 50, 95, 100))),
    ] {
        let found = Waits::of(waits);
        let found = found.map(|waits| (waits.jobs, waits.median_s, waits.p95_s, waits.max_s));
        assert_eq!(found, expected, "{situation}");
    }
}

#[test]
fn an_hour_and_a_day_are_counted_apart_and_what_is_older_is_forgotten() {
    let recent = recent(&[(0, 300), (80_000, 60), (86_000, 5), (87_000, 11)]);
    let status = recent.status(at(87_000));
    assert_eq!(status.hour.map(|waits| (waits.jobs, waits.max_s)), Some((2, 11)));
    assert_eq!(status.day.map(|waits| (waits.jobs, waits.max_s)), Some((3, 60)), "the first is older");
    assert_eq!(
        status.waits_in_words().as_deref(),
        Some(
            "median 5s, p95 11s, max 11s of 2 jobs in the last hour; median 11s, p95 1m, max 1m of 3 jobs in the last \
             day"
        )
    );
    assert_eq!(recent.status(at(86_400 + 87_000)), RecentStatus::default(), "nothing is no zero");
    assert_eq!(RecentStatus::default().waits_in_words(), None);
}

#[test]
fn failed_starts_are_counted_by_reason() {
    let mut recent = Recent::default();
    for (when, why) in [
        (0, FailedStart::Refused),
        (90_000, FailedStart::NeverOnline),
        (90_010, FailedStart::NoCapacity),
        (90_020, FailedStart::NeverOnline),
    ] {
        recent.start_failed(why, at(when));
    }
    let status = recent.status(at(90_030));
    assert_eq!(
        status.failures_in_words().as_deref(),
        Some("3 starts failed in the last day: 1 without capacity or quota at Azure, 2 never came online")
    );
    assert_eq!(RecentStatus::default().failures_in_words(), None);
    let json = serde_json::to_value(&status).expect("it is written");
    assert_eq!(json["failed_starts"], serde_json::json!({"no_capacity": 1, "never_online": 2}));
}

#[test]
fn it_has_bounds_and_the_newest_stay() {
    let many: Vec<(i64, u64)> = (0..3_000).map(|second: i64| (second, second.unsigned_abs())).collect();
    let recent = recent(&many);
    let day = recent.status(at(3_000)).day.expect("jobs began");
    assert_eq!((day.jobs, day.max_s), (2_000, 2_999));
    let text = serde_json::to_string(&recent).expect("it is written");
    assert!(text.len() < 100_000, "{}", text.len());
    assert_eq!(serde_json::from_str::<Recent>(&text).expect("it is read"), recent);
}

#[test]
fn a_clock_that_was_set_back_loses_nothing() {
    let mut recent = recent(&[(5_000, 3)]);
    recent.begun(Duration::from_secs(4), at(100));
    assert_eq!(recent.status(at(200)).hour.map(|waits| waits.jobs), Some(2));
}

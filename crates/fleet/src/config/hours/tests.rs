//! What hours a file describes, and what is wrong with them.

use jiff::civil::date;

use super::*;
use crate::config::Fleet;

const SUBNET: &str =
    "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s";

/// A fleet with one entry of `[[hours]]`.
fn read(entry: &str) -> Result<Hours, String> {
    let text = format!(
        "repo = 'o/r'\n[scaling]\nmin_runners = 1\nmax_runners = 10\n[[hours]]\n{entry}\n[vm]\nsubscription_id = '00000000-0000-0000-0000-000000000000'\n\
         resource_group = 'rg'\nlocation = 'westeurope'\nsizes = ['Standard_D4s_v5']\nimage = 'a:b:c:d'\nsubnet_id = '{SUBNET}'\n"
    );
    let fleet = Fleet::parse("ci.toml", "ci".parse().expect("a name"), &text);
    fleet.map(|mut fleet| fleet.hours.remove(0)).map_err(|problems| problems.to_string())
}

fn berlin(rest: &str) -> Hours {
    read(&format!("time_zone = 'Europe/Berlin'\nmin_runners = 3\n{rest}")).expect("valid")
}

fn shown(span: Option<(Timestamp, Timestamp)>) -> String {
    span.map_or("none".to_owned(), |(from, to)| format!("{from} {to}"))
}

#[test]
fn hours_begin_and_end_by_the_clock_of_their_place() {
    let office = "days = ['mon-fri']\nfrom = '08:00'\nto = '18:00'";
    let night = "from = '22:00'\nto = '06:00'";
    for (situation, entry, day, expected) in [
        ("a Monday in winter", office, date(2026, 11, 30), "2026-11-30T07:00:00Z 2026-11-30T17:00:00Z"),
        ("a Monday in summer", office, date(2026, 6, 1), "2026-06-01T06:00:00Z 2026-06-01T16:00:00Z"),
        ("a Sunday", office, date(2026, 11, 29), "none"),
        ("over midnight", night, date(2026, 11, 30), "2026-11-30T21:00:00Z 2026-12-01T05:00:00Z"),
        ("into summer time", night, date(2026, 3, 28), "2026-03-28T21:00:00Z 2026-03-29T04:00:00Z"),
        ("out of summer time", night, date(2026, 10, 24), "2026-10-24T20:00:00Z 2026-10-25T05:00:00Z"),
        (
            "an hour that the day lacks is the next one",
            "from = '02:30'\nto = '05:00'",
            date(2026, 3, 29),
            "2026-03-29T01:30:00Z 2026-03-29T03:00:00Z",
        ),
        (
            "of an hour that the day has twice, the first",
            "from = '02:30'\nto = '05:00'",
            date(2026, 10, 25),
            "2026-10-25T00:30:00Z 2026-10-25T04:00:00Z",
        ),
        (
            "to the end of the day",
            "from = '18:00'\nto = '24:00'",
            date(2026, 11, 30),
            "2026-11-30T17:00:00Z 2026-11-30T23:00:00Z",
        ),
        (
            "a whole day",
            "from = '00:00'\nto = '00:00'",
            date(2026, 11, 30),
            "2026-11-29T23:00:00Z 2026-11-30T23:00:00Z",
        ),
    ] {
        assert_eq!(shown(berlin(entry).on(day)), expected, "{situation}");
    }
}

#[test]
fn days_are_names_and_ranges() {
    use Weekday::{Friday, Monday, Saturday, Sunday, Tuesday};
    for (days, expected) in [
        ("['mon', 'TUE']", vec![Monday, Tuesday]),
        ("['fri-mon']", vec![Friday, Saturday, Sunday, Monday]),
        ("['sat-sun']", vec![Saturday, Sunday]),
        ("['sun']", vec![Sunday]),
    ] {
        let hours = berlin(&format!("days = {days}\nfrom = '08:00'\nto = '18:00'"));
        assert_eq!(hours.days, expected, "{days}");
    }
    assert_eq!(berlin("from = '08:00'\nto = '18:00'").days.len(), 7, "all, where none is named");
}

#[test]
fn what_hours_do_not_name_is_the_fleets_own() {
    let limits = |min_runners, max_runners| Limits { min_runners, max_runners, standby: 0 };
    let of = |rest: &str| read(&format!("from = '08:00'\nto = '18:00'\ntime_zone = 'UTC'\n{rest}"));
    assert_eq!(of("min_runners = 3").expect("valid").limits, limits(3, 10));
    assert_eq!(of("max_runners = 20").expect("valid").limits, limits(1, 20));
    assert_eq!(of("min_runners = 0\nmax_runners = 0").expect("valid").limits, limits(0, 0));
}

#[test]
fn what_is_wrong_with_hours_is_said_with_what_is_allowed() {
    let valid = "from = '08:00'\nto = '18:00'\ntime_zone = 'UTC'\nmin_runners = 3";
    for (entry, expected) in [
        (valid.replace("'UTC'", "'Berlin'"), "the name of a time zone in quotes, such as \"UTC\""),
        (valid.replace("'08:00'", "'8:00'"), "a time of day in quotes, such as \"08:00\""),
        (valid.replace("'08:00'", "'24:00'"), "a time of day in quotes"),
        (valid.replace("'18:00'", "'18:60'"), "a time of day in quotes"),
        (valid.replace("'08:00'", "08:00:00"), "found the date 08:00:00"),
        (format!("days = ['weekdays']\n{valid}"), "such as \"mon\", \"mon-fri\" or \"sat-sun\""),
        (valid.replace("min_runners = 3", ""), "these hours change nothing"),
        (valid.replace('3', "11"), "in these hours min_runners is 11, more than max_runners, which is 10"),
        (valid.replace("to = '18:00'\n", ""), "add in [[hours]]: to = \"18:00\""),
        (format!("{valid}\nminimum = 3"), "there is no such key in [hours]"),
        (format!("{valid}\nstandby = -1"), "hours.standby: found the number -1"),
    ] {
        let said = read(&entry).expect_err("a problem");
        assert!(said.contains(expected), "{entry}\n{said}");
    }
}

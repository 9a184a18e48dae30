//! Durations and moments as people read them.

use std::time::Duration;

use jiff::Timestamp;

/// How long ago something was. Zero if it is in the future, as after the clock was set back.
pub fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO)
}

/// The start of 2008, the year in which GitHub was founded: nothing at GitHub is older.
const FOUNDED: i64 = 1_199_145_600;
/// How far another machine's clock may be ahead of ours.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5 * 60);

/// A time that GitHub gave, if it can be right: not before GitHub was founded, and not ahead of now.
pub fn believable(at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let is_right = at.as_second() >= FOUNDED && elapsed(now, at) <= CLOCKS_DIFFER;
    is_right.then(|| at.min(now))
}

/// A duration to the second, in all of its units: `1h 5m 3s`.
pub fn in_words(duration: Duration) -> String {
    in_units(duration, usize::MAX)
}

/// The largest units of a duration that are not zero, from the first one on: the one spelling of durations.
fn in_units(duration: Duration, most: usize) -> String {
    let seconds = duration.as_secs();
    let units =
        [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let largest = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let told = units[largest..].iter().take(most).filter(|(count, _)| *count > 0);
    let told: Vec<String> = told.map(|(count, unit)| format!("{count}{unit}")).collect();
    if told.is_empty() { "0s".to_owned() } else { told.join(" ") }
}

/// How long ago something was, to the second.
pub fn ago(since: Timestamp, now: Timestamp) -> String {
    in_words(elapsed(since, now))
}

/// A duration in whole minutes, hours or days, rounded down: `3 days`.
pub fn rounded(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    let (count, unit) = match minutes {
        0..120 => (minutes, "minute"),
        120..2880 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    crate::model::counted(count, unit)
}

/// A duration in its largest one or two units, for a table: `45s`, `12m 5s`, `3h 20m`, `2d 4h`.
pub fn short(duration: Duration) -> String {
    in_units(duration, 2)
}

/// How long ago something was, for a table.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    short(elapsed(since, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_spelling() {
        for (seconds, expected, exact) in [
            (0, "0s", "0s"),
            (59, "59s", "59s"),
            (60, "1m", "1m"),
            (119, "1m 59s", "1m 59s"),
            (599, "9m 59s", "9m 59s"),
            (3600, "1h", "1h"),
            (3605, "1h", "1h 5s"),
            (7199, "1h 59m", "1h 59m 59s"),
            (12_000, "3h 20m", "3h 20m"),
            (86_399, "23h 59m", "23h 59m 59s"),
            (86_400, "1d", "1d"),
            (100_000, "1d 3h", "1d 3h 46m 40s"),
            (40 * 86_400, "40d", "40d"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), exact);
            // What is printed may be written into a file.
            assert_eq!(humantime::parse_duration(exact), Ok(Duration::from_secs(seconds)));
            assert_eq!(short(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn what_is_left_is_told_in_one_unit() {
        for (minutes, words) in [
            (0, "0 minutes"),
            (1, "1 minute"),
            (119, "119 minutes"),
            (120, "2 hours"),
            (2879, "47 hours"),
            (2880, "2 days"),
            (1440 * 30, "30 days"),
        ] {
            assert_eq!(rounded(Duration::from_secs(minutes * 60 + 59)), words);
        }
    }

    #[test]
    fn times_that_cannot_be_right() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().expect("a time");
        for (text, expected) in [
            ("2026-11-28T11:59:59Z", Some("2026-11-28T11:59:59Z")),
            ("2008-01-01T00:00:00Z", Some("2008-01-01T00:00:00Z")),
            ("2026-11-28T12:05:00Z", Some("2026-11-28T12:00:00Z")),
            ("2026-11-28T12:05:01Z", None),
            ("2007-12-31T23:59:59Z", None),
            ("0001-01-01T00:00:00Z", None),
            ("1970-01-01T00:00:00Z", None),
        ] {
            let found = believable(text.parse().expect("a time"), now).map(|at| at.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_lies_ahead_is_not_long_ago() {
        let (earlier, later) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + Duration::from_secs(3903));
        assert_eq!(elapsed(later, earlier), Duration::ZERO);
        assert_eq!(ago(earlier, later), "1h 5m 3s");
        assert_eq!(age(earlier, later), "1h 5m");
    }
}

//! Times and counts as people say them, short enough for a table.

use std::time::Duration;

use azlin_fleet::scaling::elapsed;
use jiff::Timestamp;

/// How long ago something was, in its largest unit or two: `45s`, `12m`, `3h20m`, `2d4h`.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    short(elapsed(since, now))
}

/// A duration in its largest unit or two.
pub fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: u64, unit: &str, rest: u64, small: &str| {
        if rest == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{rest}{small}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..7200 => format!("{minutes}m"),
        7200..86_400 => two(hours, "h", minutes % 60, "m"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// The nearest of these names to one that is not among them, if any is near.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &&str| strsim::damerau_levenshtein(name, wanted) <= (wanted.len() / 3).max(2);
    names.into_iter().filter(near).min_by_key(|name| strsim::damerau_levenshtein(name, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_a_table() {
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (599, "9m59s"),
            (600, "10m"),
            (7199, "119m"),
            (7200, "2h"),
            (12_000, "3h20m"),
            (86_399, "23h59m"),
            (86_400, "1d"),
            (100_000, "1d3h"),
        ] {
            assert_eq!(short(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn a_slip_has_a_nearest_name() {
        let names = ["ci-workers", "gpu", "release"];
        assert_eq!(nearest("ci-worker", names), Some("ci-workers"));
        assert_eq!(nearest("gpus", names), Some("gpu"));
        assert_eq!(nearest("something-else", names), None);
    }
}

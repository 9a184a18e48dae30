//! Times and counts in words, short enough for a table.

use std::time::Duration;

use azlin_fleet::explain::nearest;
use azlin_fleet::names::PoolName;
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

/// Says that there is no such pool, and which existing pool may be meant.
pub fn no_such_pool<'n>(pool: &PoolName, names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let near = nearest(pool.as_str(), names.iter().copied());
    let told = match (near.as_slice(), names.len()) {
        ([], 0) => "there is none yet: azlin github-runner enable makes one".to_owned(),
        ([], 1..=20) => format!("there are: {}", names.join(", ")),
        ([], many) => format!("there are {many} others: azlin github-runner status shows them"),
        (near, _) => format!("did you mean {}?", near.join(", or ")),
    };
    format!("there is no pool {pool}; {told}")
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
    fn which_pool_may_be_meant() {
        let names = ["builds", "ci-workers", "ci-gpu"];
        for (asked, names, expected) in [
            ("CI-worker", &names[..], "did you mean ci-workers?"),
            ("zzz", &names, "there are: builds, ci-workers, ci-gpu"),
            ("zzz", &[], "there is none yet: azlin github-runner enable makes one"),
        ] {
            let told = no_such_pool(&asked.parse().expect("a name"), names.iter().copied());
            assert_eq!(told, format!("there is no pool {asked}; {expected}"));
        }
    }
}

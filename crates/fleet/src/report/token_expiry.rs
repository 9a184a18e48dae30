//! The warning about a token that expires soon.

use std::time::Duration;

use jiff::Timestamp;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long before the expiry the warning begins.
const AHEAD: Duration = Duration::from_secs(14 * 24 * 3600);

/// The warning about a token that expires, with the name of its credential; `None` while the expiry is far
/// off. The text changes once a day, and once an hour on the last day.
pub fn warning(ends: Timestamp, credential: Option<&str>, now: Timestamp) -> Option<String> {
    let left = Duration::try_from(ends.duration_since(now)).unwrap_or_default();
    if left > AHEAD {
        return None;
    }
    let whose = credential.map_or(String::new(), |name| format!(" of [github.credentials.{name}]"));
    let when = match (left.as_secs() / DAY.as_secs(), left.as_secs() / HOUR.as_secs()) {
        _ if left.is_zero() => {
            return Some(format!("the token for GitHub{whose} has ended: give it a new one"));
        }
        (0, 0) => "in less than an hour".to_owned(),
        (0, 1) => "in an hour".to_owned(),
        (0, hours) => format!("in {hours} hours"),
        (1, _) => "in a day".to_owned(),
        (days, _) => format!("in {days} days"),
    };
    Some(format!("the token for GitHub{whose} ends {when}, at {ends}: give it a new one before"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    #[test]
    fn it_is_told_two_weeks_ahead_each_day_and_on_the_last_day_each_hour() {
        const DAY: i64 = 86_400;
        let told = |left: i64| warning(at(30 * DAY), None, at(30 * DAY - left));
        assert_eq!(told(14 * DAY + 1), None);
        for (left, says) in [
            (14 * DAY, "in 14 days"),
            (13 * DAY - 1, "in 12 days"),
            (DAY, "in a day"),
            (DAY - 1, "in 23 hours"),
            (3601, "in an hour"),
            (60, "in less than an hour"),
            (0, "has ended"),
            (-9 * DAY, "has ended"),
        ] {
            let told = told(left).unwrap_or_default();
            assert!(told.contains(says), "{left}: {told}");
        }
        let named = warning(at(0), Some("partner"), at(-60)).unwrap_or_default();
        assert!(named.contains("of [github.credentials.partner] ends"), "{named}");
    }
}

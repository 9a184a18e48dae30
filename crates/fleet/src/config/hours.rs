//! `[[hours]]`: other limits at some hours of the week, in the time of a place.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use toml::de::DeValue;

use super::bootstrap::Method;
use super::fleet::MANY;
use super::reader::{Table, number};
use super::warm::{Limits, standby};

/// Which days, in the order of a week.
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// Some hours of the week, and the limits that hold in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// The days on which they begin.
    pub days: Vec<Weekday>,
    /// When they begin.
    pub from: Time,
    /// When they end: on the next day, if this is no later than `from`.
    pub to: Time,
    /// Where.
    pub time_zone: TimeZone,
    /// What holds then. What the entry does not name is the fleet's own.
    pub limits: Limits,
}

impl Hours {
    /// When the hours that begin on this day begin and end; `None` where none do. An hour that a day of daylight saving
    /// time lacks is the one after it.
    pub fn on(&self, date: Date) -> Option<(Timestamp, Timestamp)> {
        if !self.days.contains(&date.weekday()) {
            return None;
        }
        let until = if self.to > self.from { date } else { date.tomorrow().ok()? };
        let moment = |date: Date, time: Time| self.time_zone.to_timestamp(date.to_datetime(time)).ok();
        moment(date, self.from).zip(moment(until, self.to)).filter(|(from, to)| from < to)
    }

    /// The day that this moment falls on, where the hours hold.
    pub fn date(&self, at: Timestamp) -> Date {
        self.time_zone.to_datetime(at).date()
    }
}

/// The entries of `[[hours]]`, for a fleet with these limits otherwise.
/// The places of their keys `standby` are added to `spans`.
pub(super) fn hours(
    top: &mut Table<'_, '_>,
    own: Limits,
    method: Method,
    spans: &mut Vec<Range<usize>>,
) -> Vec<Hours> {
    top.tables("hours").into_iter().filter_map(|table| one(table, own, method, spans)).collect()
}

fn one(
    mut table: Table<'_, '_>,
    own: Limits,
    method: Method,
    spans: &mut Vec<Range<usize>>,
) -> Option<Hours> {
    let before = table.count();
    let span = table.span();
    let days = table.list("days", days).map(|(days, _)| days.into_iter().flatten().collect::<Vec<_>>());
    let from = table.required("from", "\"08:00\"", time);
    let to = table.required("to", "\"18:00\"", end);
    let time_zone = table.required("time_zone", "\"Europe/Berlin\", or \"UTC\"", time_zone);
    let min = table.optional("min_runners", number(0..=MANY));
    let max = table.optional("max_runners", number(0..=MANY));
    let standby = standby(&mut table, method, spans);
    let limits = Limits {
        min_runners: min.unwrap_or(own.min_runners),
        max_runners: max.unwrap_or(own.max_runners),
        standby: standby.unwrap_or(own.standby),
    };
    if table.count() == before {
        if min.is_none() && max.is_none() && standby.is_none() {
            let help = "add min_runners, max_runners or standby: what holds in these hours".to_owned();
            table.conflict(span, "min_runners", "these hours change nothing".to_owned(), Some(help));
        } else if limits.min_runners > limits.max_runners {
            let Limits { min_runners, max_runners, .. } = limits;
            let message = format!(
                "in these hours min_runners is {min_runners}, more than max_runners, which is {max_runners}"
            );
            let help = "give both: what the hours do not name is that of [scaling]".to_owned();
            table.conflict(span, "min_runners", message, Some(help));
        }
    }
    table.finish();
    let days = days.unwrap_or_else(|| DAYS.map(|(_, day)| day).to_vec());
    Some(Hours { days, from: from?, to: to?, time_zone: time_zone?, limits })
}

/// `"mon"`, or `"mon-fri"`.
fn days(value: &DeValue<'_>) -> Result<Vec<Weekday>, String> {
    let place = |name: &str| DAYS.iter().position(|(day, _)| name.trim().eq_ignore_ascii_case(day));
    let read = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (place(first)?, place(last)?);
        // A range may go over Sunday.
        let count = (last + DAYS.len() - first) % DAYS.len() + 1;
        Some((first..first + count).map(|day| DAYS[day % DAYS.len()].1).collect())
    };
    let allowed = "a day or days in quotes, such as \"mon\", \"mon-fri\" or \"sat-sun\"";
    value.as_str().and_then(read).ok_or_else(|| allowed.to_owned())
}

fn time(value: &DeValue<'_>) -> Result<Time, String> {
    let read = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        let is_number = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(hours) || !is_number(minutes) {
            return None;
        }
        Time::new(hours.parse().ok()?, minutes.parse().ok()?, 0, 0).ok()
    };
    value.as_str().and_then(read).ok_or_else(|| "a time of day in quotes, such as \"08:00\"".to_owned())
}

/// The end of the day is the beginning of the next one.
fn end(value: &DeValue<'_>) -> Result<Time, String> {
    if value.as_str() == Some("24:00") { Ok(Time::midnight()) } else { time(value) }
}

fn time_zone(value: &DeValue<'_>) -> Result<TimeZone, String> {
    let allowed = "the name of a time zone in quotes, such as \"UTC\" or \"Europe/Berlin\"";
    let zone = value.as_str().and_then(|name| TimeZone::get(name).ok());
    zone.ok_or_else(|| allowed.to_owned())
}

#[cfg(test)]
mod tests;

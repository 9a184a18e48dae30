//! Which limits of a fleet hold now by its `[[hours]]`, and which come next: a pure function of file and time.

use std::borrow::Cow;
use std::time::Duration;

use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::config::{Fleet, Hours, Limits};
use crate::model::{elapsed, in_words};
use crate::seeded_bug;

/// So many days before and after now show every change that matters: a week, and hours that go over midnight.
const DAYS: i64 = 8;

/// The limits that hold, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The limits. What a later change raises holds a boot earlier, so that the runners are ready when it comes.
    pub limits: Limits,
    /// Since when fewer runners may be there than before, if the last change lowered a limit.
    pub lowered: Option<Timestamp>,
    /// The next change of the limits.
    pub next: Option<NextLimits>,
}

/// A change of the limits to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextLimits {
    /// When.
    pub at: Timestamp,
    /// What holds from then on.
    #[serde(flatten)]
    pub limits: Limits,
}

impl NextLimits {
    /// What holds then, and how soon that is.
    pub fn in_words(&self, now: Timestamp) -> String {
        let wait = in_words(elapsed(now, self.at));
        format!("{} in {wait}, at {}", self.limits, self.at.strftime("%a %H:%M UTC"))
    }
}

impl InForce {
    /// What holds of this fleet's file at this time, where a runner takes `lead` from its request until it is online.
    pub fn of(fleet: &Fleet, lead: Duration, now: Timestamp) -> InForce {
        let spans = Spans::around(&fleet.hours, now);
        let limits_at = |at: Timestamp| spans.at(at).unwrap_or(fleet.own_limits);
        let borders = spans.borders();
        let here = limits_at(now);
        // Between two borders nothing changes, so the limits before one are those of the border before it.
        let mut before = borders.iter().zip(borders.iter().skip(1)).filter(|(_, border)| **border <= now);
        let last = before.rfind(|(earlier, border)| limits_at(**earlier) != limits_at(**border));
        let lowered = last.filter(|(earlier, border)| {
            let (was, is) = (limits_at(**earlier), limits_at(**border));
            is.min_runners < was.min_runners || is.max_runners < was.max_runners
        });
        let mut coming = borders.iter().filter(|border| **border > now);
        let next = coming.clone().find(|border| limits_at(**border) != here);
        let lead = seeded_bug!(HoursLate, lead, Duration::ZERO);
        let soon = now.checked_add(lead).unwrap_or(now);
        let raised = coming.by_ref().take_while(|border| **border <= soon).map(|border| limits_at(*border));
        InForce {
            limits: raised.fold(here, Limits::highest),
            lowered: lowered.map(|(_, border)| *border),
            next: next.map(|border| NextLimits { at: *border, limits: limits_at(*border) }),
        }
    }

    /// When this changes by itself: at the next change, or as much earlier as it begins to hold.
    pub fn changes_at(&self, lead: Duration, now: Timestamp) -> Option<Timestamp> {
        let at = self.next.as_ref()?.at;
        let early = at.checked_sub(lead).ok().filter(|early| *early > now);
        Some(early.unwrap_or(at))
    }
}

/// The next change of a fleet's limits by its hours.
pub fn next_limits(fleet: &Fleet, now: Timestamp) -> Option<NextLimits> {
    if fleet.hours.is_empty() { None } else { InForce::of(fleet, Duration::ZERO, now).next }
}

/// The fleet with the limits that hold at this time.
pub fn at_hours(fleet: &Fleet, lead: Duration, now: Timestamp) -> Cow<'_, Fleet> {
    let is_plain = fleet.hours.is_empty();
    if seeded_bug!(HoursIgnored, is_plain, true) {
        return Cow::Borrowed(fleet);
    }
    let Limits { min_runners, max_runners, standby } = InForce::of(fleet, lead, now).limits;
    let mut fleet = fleet.clone();
    fleet.warm.standby = standby;
    (fleet.scaling.min_runners, fleet.scaling.max_runners) = (min_runners, max_runners);
    fleet.scaling.manual_count = fleet.scaling.manual_count.map(|count| count.min(max_runners));
    Cow::Owned(fleet)
}

/// The spans of time around now in which each entry holds.
struct Spans<'h>(Vec<(&'h Hours, Vec<(Timestamp, Timestamp)>)>);

impl<'h> Spans<'h> {
    fn around(hours: &'h [Hours], now: Timestamp) -> Self {
        let of = |hours: &'h Hours| {
            let today = hours.date(now);
            let days = (-DAYS..=DAYS).filter_map(|days| today.checked_add(days.days()).ok());
            (hours, days.filter_map(|day| hours.on(day)).collect())
        };
        Spans(hours.iter().map(of).collect())
    }

    /// The limits of the last entry that holds at this time.
    fn at(&self, at: Timestamp) -> Option<Limits> {
        let holds = |spans: &[(Timestamp, Timestamp)]| spans.iter().any(|(from, to)| *from <= at && at < *to);
        self.0.iter().rev().find(|(_, spans)| holds(spans)).map(|(hours, _)| hours.limits)
    }

    /// Every time at which an entry begins or ends to hold, in order.
    fn borders(&self) -> Vec<Timestamp> {
        let mut borders: Vec<Timestamp> =
            self.0.iter().flat_map(|(_, spans)| spans).flat_map(|(from, to)| [*from, *to]).collect();
        borders.sort_unstable();
        borders.dedup();
        borders
    }
}

#[cfg(test)]
mod tests;

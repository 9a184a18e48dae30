//! How a fault is written in a workload file: a word, or a word with what it needs to know.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};

use super::What;
use crate::workload::Span;

const ALONE: &[(&str, What)] = &[
    ("reset", What::Reset),
    ("truncated", What::Truncated),
    ("lost_answer", What::LostAnswer),
    ("no_capacity", What::NoCapacity(None)),
    ("create_fails", What::CreateFails(None)),
    ("never_boots", What::NeverBoots),
    ("never_registers", What::NeverRegisters),
    ("dies_in_job", What::DiesInJob),
    ("eviction", What::Eviction),
    ("wrong_checksum", What::WrongChecksum),
    ("registration_refused", What::RegistrationRefused),
    ("step_fails", What::StepFails(None)),
    ("connection_lost", What::ConnectionLost(None)),
    ("budget_gone", What::BudgetGone),
    ("leaves_behind", What::LeavesBehind),
    ("cancelled", What::Cancelled),
    ("twice", What::Twice),
];
const WITH_MORE: &[&str] =
    &["latency", "status", "no_capacity", "create_fails", "stale", "patchy", "step_fails", "connection_lost"];

/// `502`, or `[429, 3]` with `retry-after` in seconds.
#[derive(Deserialize)]
#[serde(untagged, expecting = "wanted a status, as in 502, or a status and retry-after, as in [429, 3]")]
enum Status {
    Alone(u16),
    RetryAfter(u16, u64),
}

impl<'de> Deserialize<'de> for What {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = What;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alone: Vec<&str> = ALONE.iter().map(|(word, _)| *word).collect();
        write!(f, "one of {}, or a table with one of {}", alone.join(", "), WITH_MORE.join(", "))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<What, E> {
        let known = ALONE.iter().find(|(known, _)| *known == word).map(|(_, what)| what.clone());
        known.ok_or_else(|| E::invalid_value(Unexpected::Str(word), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<What, A::Error> {
        let Some(word) = map.next_key::<String>()? else { return Err(A::Error::invalid_length(0, &self)) };
        let what = match word.as_str() {
            "latency" => What::Latency(map.next_value::<Span>()?),
            "stale" => What::Stale(map.next_value::<Span>()?),
            "patchy" => What::Patchy(map.next_value::<Span>()?),
            "no_capacity" => What::NoCapacity(Some(map.next_value()?)),
            "create_fails" => What::CreateFails(Some(map.next_value()?)),
            "step_fails" => What::StepFails(Some(map.next_value()?)),
            "connection_lost" => What::ConnectionLost(Some(map.next_value()?)),
            "status" => match map.next_value()? {
                Status::Alone(status) => What::Status(status, None),
                Status::RetryAfter(status, seconds) => What::Status(status, Some(seconds)),
            },
            _ => return Err(A::Error::unknown_field(&word, WITH_MORE)),
        };
        match map.next_key::<String>()? {
            None => Ok(what),
            Some(_) => Err(A::Error::custom("a fault is one thing: write another [[faults]]")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Workload;

    fn read(what: &str) -> Result<What, String> {
        let text = format!("[[faults]]\nwhat = {what}\n");
        Workload::parse(&text).map(|workload| workload.faults[0].what.clone())
    }

    #[test]
    fn what_can_be_written() {
        let span = |from, to| Span { from: Duration::from_secs(from), to: Duration::from_secs(to) };
        for (text, expected) in [
            ("'reset'", What::Reset),
            ("'no_capacity'", What::NoCapacity(None)),
            ("{ no_capacity = 'Standard_D4s_v5' }", What::NoCapacity(Some("Standard_D4s_v5".to_owned()))),
            (
                "{ create_fails = 'AllocationFailed spot' }",
                What::CreateFails(Some("AllocationFailed spot".to_owned())),
            ),
            ("{ step_fails = 'fetch' }", What::StepFails(Some("fetch".to_owned()))),
            ("{ connection_lost = 'start' }", What::ConnectionLost(Some("start".to_owned()))),
            ("{ status = 502 }", What::Status(502, None)),
            ("{ status = [429, 3] }", What::Status(429, Some(3))),
            ("{ latency = '2s' }", What::Latency(span(2, 2))),
            ("{ stale = ['1s', '1m'] }", What::Stale(span(1, 60))),
            ("{ patchy = '1m' }", What::Patchy(span(60, 60))),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        for (word, what) in ALONE {
            assert_eq!(read(&format!("'{word}'")).as_ref(), Ok(what));
        }
    }

    #[test]
    fn what_cannot_is_told_with_what_can() {
        for (text, says) in [
            ("'rest'", "one of reset, truncated"),
            ("{ latencey = '2s' }", "expected one of `latency`"),
            ("{ status = '502' }", "[429, 3]"),
            ("{ latency = 'soon' }", "expected number"),
            ("{ status = 502, latency = '1s' }", "write another [[faults]]"),
            ("7", "one of reset"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(says) && error.contains("line 2"), "{text}: {error}");
        }
    }
}

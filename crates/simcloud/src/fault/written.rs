//! How a workload file writes a fault: a word, or a table with a word and its details.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};

use super::{CodedRefusal, FaultKind};
use crate::workload::Span;

const ALONE: &[(&str, FaultKind)] = &[
    ("reset", FaultKind::Reset),
    ("truncated", FaultKind::Truncated),
    ("lost_answer", FaultKind::LostAnswer),
    ("no_capacity", FaultKind::NoCapacity(None)),
    ("create_fails", FaultKind::CreateFails(None)),
    ("never_boots", FaultKind::NeverBoots),
    ("never_registers", FaultKind::NeverRegisters),
    ("dies_in_job", FaultKind::DiesInJob),
    ("eviction", FaultKind::Eviction),
    ("wrong_checksum", FaultKind::WrongChecksum),
    ("registration_refused", FaultKind::RegistrationRefused),
    ("step_fails", FaultKind::StepFails(None)),
    ("connection_lost", FaultKind::ConnectionLost(None)),
    ("budget_gone", FaultKind::BudgetGone),
    ("leaves_behind", FaultKind::LeavesBehind),
    ("cancelled", FaultKind::Cancelled),
    ("twice", FaultKind::Twice),
    ("list_idle", FaultKind::ListIdle),
    ("delete_idle", FaultKind::DeleteIdle),
    ("entry_vanishes", FaultKind::EntryVanishes),
    ("jobs_unnamed", FaultKind::JobsUnnamed),
    ("offline_assignment", FaultKind::OfflineAssignment),
    ("double_assignment", FaultKind::DoubleAssignment),
    ("block_page", FaultKind::BlockPage),
    ("login_redirect", FaultKind::LoginRedirect),
    ("html_not_found", FaultKind::HtmlNotFound),
    ("guest_deaf", FaultKind::GuestDeaf),
    ("fails_running", FaultKind::FailsRunning(None)),
    ("tags_stripped", FaultKind::TagsStripped(None)),
    ("locked", FaultKind::Locked),
    ("subscription_disabled", FaultKind::SubscriptionDisabled),
    ("tokens_revoked", FaultKind::TokensRevoked),
    ("nic_reserved", FaultKind::NicReserved),
    ("list_breaks", FaultKind::ListBreaks),
    ("odd_text", FaultKind::OddText),
];
const WITH_MORE: &[&str] = &[
    "latency",
    "status",
    "refused",
    "no_capacity",
    "create_fails",
    "stale",
    "patchy",
    "step_fails",
    "connection_lost",
    "entry_stays",
    "shown_queued",
    "fails_running",
    "tags_stripped",
    "spot_price",
    "scale_set",
];

/// `502`, or `[429, 3]` with `retry-after` in seconds.
#[derive(Deserialize)]
#[serde(untagged, expecting = "wanted a status, as in 502, or a status and retry-after, as in [429, 3]")]
enum WrittenStatus {
    Alone(u16),
    RetryAfter(u16, u64),
}

/// `[409, "SkuNotAvailable", "text"]`, or with words that limit it to some VMs.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "wanted a status, a code, a message and perhaps words, as in [409, \"SkuNotAvailable\", \"text\", \"spot\"]"
)]
enum WrittenRefusal {
    Any(u16, String, String),
    Of(u16, String, String, String),
}

impl WrittenRefusal {
    fn kind(self) -> FaultKind {
        let (status, code, message, only) = match self {
            WrittenRefusal::Any(status, code, message) => (status, code, message, None),
            WrittenRefusal::Of(status, code, message, only) => (status, code, message, Some(only)),
        };
        FaultKind::Refused(CodedRefusal { status, code, message }, only)
    }
}

impl<'de> Deserialize<'de> for FaultKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FaultKindVisitor)
    }
}

struct FaultKindVisitor;

impl<'de> Visitor<'de> for FaultKindVisitor {
    type Value = FaultKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alone: Vec<&str> = ALONE.iter().map(|(word, _)| *word).collect();
        write!(f, "one of {}, or a table with one of {}", alone.join(", "), WITH_MORE.join(", "))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<FaultKind, E> {
        let known = ALONE.iter().find(|(known, _)| *known == word).map(|(_, what)| what.clone());
        known.ok_or_else(|| E::invalid_value(Unexpected::Str(word), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FaultKind, A::Error> {
        let Some(word) = map.next_key::<String>()? else { return Err(A::Error::invalid_length(0, &self)) };
        let what = match word.as_str() {
            "latency" => FaultKind::Latency(map.next_value::<Span>()?),
            "stale" => FaultKind::Stale(map.next_value::<Span>()?),
            "patchy" => FaultKind::Patchy(map.next_value::<Span>()?),
            "entry_stays" => FaultKind::EntryStays(map.next_value::<Span>()?),
            "shown_queued" => FaultKind::ShownQueued(map.next_value::<Span>()?),
            "no_capacity" => FaultKind::NoCapacity(Some(map.next_value()?)),
            "create_fails" => FaultKind::CreateFails(Some(map.next_value()?)),
            "fails_running" => FaultKind::FailsRunning(Some(map.next_value()?)),
            "tags_stripped" => FaultKind::TagsStripped(Some(map.next_value()?)),
            "spot_price" => FaultKind::SpotPrice(map.next_value()?),
            "step_fails" => FaultKind::StepFails(Some(map.next_value()?)),
            "connection_lost" => FaultKind::ConnectionLost(Some(map.next_value()?)),
            "scale_set" => FaultKind::ScaleSet(map.next_value()?),
            "refused" => map.next_value::<WrittenRefusal>()?.kind(),
            "status" => match map.next_value()? {
                WrittenStatus::Alone(status) => FaultKind::Status(status, None),
                WrittenStatus::RetryAfter(status, seconds) => FaultKind::Status(status, Some(seconds)),
            },
            _ => return Err(A::Error::unknown_field(&word, WITH_MORE)),
        };
        match map.next_key::<String>()? {
            None => Ok(what),
            Some(_) => Err(A::Error::custom("a fault has one kind: write another [[faults]]")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Workload;

    fn read(what: &str) -> Result<FaultKind, String> {
        let text = format!("[[faults]]\nwhat = {what}\n");
        Workload::parse(&text).map(|workload| workload.faults[0].what.clone())
    }

    #[test]
    fn what_can_be_written() {
        let span = |from, to| Span { from: Duration::from_secs(from), to: Duration::from_secs(to) };
        let (code, message) = ("ScopeLocked".to_owned(), "locked".to_owned());
        let refusal = CodedRefusal { status: 409, code, message };
        for (text, expected) in [
            ("'reset'", FaultKind::Reset),
            ("'no_capacity'", FaultKind::NoCapacity(None)),
            (
                "{ no_capacity = 'Standard_D4s_v5' }",
                FaultKind::NoCapacity(Some("Standard_D4s_v5".to_owned())),
            ),
            (
                "{ create_fails = 'AllocationFailed spot' }",
                FaultKind::CreateFails(Some("AllocationFailed spot".to_owned())),
            ),
            ("{ step_fails = 'fetch' }", FaultKind::StepFails(Some("fetch".to_owned()))),
            ("{ connection_lost = 'start' }", FaultKind::ConnectionLost(Some("start".to_owned()))),
            ("{ status = 502 }", FaultKind::Status(502, None)),
            ("{ status = [429, 3] }", FaultKind::Status(429, Some(3))),
            ("{ refused = [409, 'ScopeLocked', 'locked'] }", FaultKind::Refused(refusal.clone(), None)),
            (
                "{ refused = [409, 'ScopeLocked', 'locked', 'spot'] }",
                FaultKind::Refused(refusal.clone(), Some("spot".to_owned())),
            ),
            ("{ latency = '2s' }", FaultKind::Latency(span(2, 2))),
            ("{ stale = ['1s', '1m'] }", FaultKind::Stale(span(1, 60))),
            ("{ patchy = '1m' }", FaultKind::Patchy(span(60, 60))),
            ("{ entry_stays = '1h' }", FaultKind::EntryStays(span(3600, 3600))),
            ("{ shown_queued = ['1s', '1m'] }", FaultKind::ShownQueued(span(1, 60))),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        for (word, what) in ALONE {
            assert_eq!(read(&format!("'{word}'")).as_ref(), Ok(what));
        }
    }

    #[test]
    fn the_page_for_users_has_every_fault() {
        let page = include_str!("../../../../docs/reference/simcloud.md");
        for word in ALONE.iter().map(|(word, _)| word).chain(WITH_MORE) {
            let is_there =
                page.contains(&format!("`\"{word}\"`")) || page.contains(&format!("`{{ {word} = "));
            assert!(is_there, "{word}");
        }
    }

    #[test]
    fn a_mistake_is_reported_with_what_can_be_written() {
        for (text, says) in [
            ("'rest'", "one of reset, truncated"),
            ("{ latencey = '2s' }", "expected one of `latency`"),
            ("{ status = '502' }", "[429, 3]"),
            ("{ refused = [409, 'ScopeLocked'] }", "a status, a code, a message"),
            ("{ latency = 'soon' }", "expected number"),
            ("{ status = 502, latency = '1s' }", "write another [[faults]]"),
            ("7", "one of reset"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(says) && error.contains("line 2"), "{text}: {error}");
        }
    }
}

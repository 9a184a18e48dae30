//! Webhooks as GitHub reports them, and which of their deliveries have never arrived.

use std::collections::BTreeMap;

use azlin_fleet::model::ForeignText;
use jiff::Timestamp;
use serde::Serialize;
use url::Url;

/// The event that the daemon listens to.
pub(crate) const EVENT: &str = "workflow_job";

/// A webhook of a repository or an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredWebhook {
    /// GitHub's number.
    pub id: u64,
    /// Where deliveries go.
    pub url: ForeignText,
    /// The events that it receives.
    pub events: Vec<ForeignText>,
    /// Whether GitHub delivers to it.
    pub is_active: bool,
}

/// One attempt to deliver an event to a webhook, and its result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeliveryAttempt {
    /// GitHub's number.
    pub id: u64,
    /// The same for all attempts to deliver one event.
    pub guid: ForeignText,
    /// When it was delivered.
    pub at: Timestamp,
    /// `workflow_job` or `ping`.
    pub event: ForeignText,
    /// What happened to the job.
    pub action: Option<ForeignText>,
    /// The HTTP status of the answer.
    pub code: u16,
    /// GitHub's words for it.
    pub status: ForeignText,
    /// Whether it repeats an earlier attempt.
    pub is_redelivery: bool,
    /// How long it took, in seconds.
    pub took_s: f64,
}

impl RegisteredWebhook {
    /// Whether its deliveries go to this address.
    pub fn leads_to(&self, address: &Url) -> bool {
        Url::parse(&self.url).is_ok_and(|url| url == *address)
    }

    /// Whether it receives the event that the daemon listens to, and no other.
    pub fn is_as_wanted(&self) -> bool {
        self.is_active && self.events == [EVENT]
    }
}

impl DeliveryAttempt {
    /// Whether the delivery arrived.
    pub fn has_arrived(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

/// The last attempt of each event that has never arrived, oldest first. GitHub does not try again by itself.
pub fn never_arrived(attempts: &[DeliveryAttempt]) -> Vec<&DeliveryAttempt> {
    let mut by_event = BTreeMap::<&str, Vec<&DeliveryAttempt>>::new();
    for attempt in attempts {
        by_event.entry(&attempt.guid).or_default().push(attempt);
    }
    let failed = by_event.into_values().filter(|all| !all.iter().any(|attempt| attempt.has_arrived()));
    let mut last: Vec<&DeliveryAttempt> =
        failed.filter_map(|all| all.into_iter().max_by_key(|one| (one.at, one.id))).collect();
    last.sort_by_key(|attempt| (attempt.at, attempt.id));
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn attempt(id: u64, guid: &str, second: i64, code: u16) -> DeliveryAttempt {
        DeliveryAttempt {
            id,
            guid: guid.into(),
            at: at(second),
            event: EVENT.into(),
            action: Some("queued".into()),
            code,
            status: ForeignText::default(),
            is_redelivery: false,
            took_s: 0.1,
        }
    }

    #[test]
    fn what_has_arrived_once_is_not_delivered_again() {
        let attempts = [
            attempt(7, "d", 70, 401),
            attempt(6, "a", 60, 202),
            attempt(5, "b", 50, 504),
            attempt(4, "b", 40, 502),
            attempt(3, "c", 30, 502),
            attempt(2, "a", 20, 502),
            attempt(1, "e", 10, 200),
        ];
        let ids: Vec<u64> = never_arrived(&attempts).iter().map(|attempt| attempt.id).collect();
        assert_eq!(ids, [3, 5, 7], "c, the last of b, and d");
        assert!(never_arrived(&attempts[1..2]).is_empty());
    }

    #[test]
    fn a_webhook_is_known_by_where_it_leads() {
        let hook = |url: &str, events: &[&str], is_active| RegisteredWebhook {
            id: 1,
            url: url.into(),
            events: events.iter().map(|event| (*event).into()).collect(),
            is_active,
        };
        let address: Url = "https://ci.example.com/webhook".parse().expect("a URL");
        for (url, is_it) in [
            ("https://ci.example.com/webhook", true),
            ("https://CI.example.com:443/webhook", true),
            ("https://ci.example.com/webhook/", false),
            ("http://ci.example.com/webhook", false),
            ("nonsense", false),
        ] {
            assert_eq!(hook(url, &[EVENT], true).leads_to(&address), is_it, "{url}");
        }
        assert!(hook("x", &[EVENT], true).is_as_wanted());
        assert!(!hook("x", &[EVENT], false).is_as_wanted());
        assert!(!hook("x", &["push", EVENT], true).is_as_wanted());
        assert!(!hook("x", &["push"], true).is_as_wanted());
    }
}

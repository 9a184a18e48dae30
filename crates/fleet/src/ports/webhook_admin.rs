//! GitHub's webhooks, as GitHub tells of them, and what is to be done about deliveries that failed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use url::Url;

/// What the daemon is told of.
pub const EVENT: &str = "workflow_job";

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// GitHub's number.
    pub id: u64,
    /// Where deliveries go.
    pub url: String,
    /// What it is told of.
    pub events: Vec<String>,
    /// Whether it is told of anything.
    pub is_active: bool,
}

/// A delivery to a webhook, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// GitHub's number.
    pub id: u64,
    /// One for all deliveries of the same event.
    pub guid: String,
    /// When.
    pub at: Timestamp,
    /// `workflow_job` or `ping`.
    pub event: String,
    /// What has happened to the job.
    pub action: Option<String>,
    /// The status of the answer.
    pub code: u16,
    /// GitHub's words for it.
    pub status: String,
    /// Whether it was delivered before.
    pub is_redelivery: bool,
    /// How long it took, in seconds.
    pub took_s: f64,
}

impl Webhook {
    /// Whether its deliveries go there.
    pub fn leads_to(&self, address: &Url) -> bool {
        Url::parse(&self.url).is_ok_and(|url| url == *address)
    }

    /// Whether it is told of what the daemon wants to know, and of nothing else.
    pub fn is_as_wanted(&self) -> bool {
        self.is_active && self.events == [EVENT]
    }
}

impl Attempt {
    /// Whether it has arrived.
    pub fn has_arrived(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

/// Of each event that has never arrived, the last attempt, the oldest first: GitHub does not try again by itself.
pub fn never_arrived(attempts: &[Attempt]) -> Vec<&Attempt> {
    let mut by_event = BTreeMap::<&str, Vec<&Attempt>>::new();
    for attempt in attempts {
        by_event.entry(&attempt.guid).or_default().push(attempt);
    }
    let failed = by_event.into_values().filter(|all| !all.iter().any(|attempt| attempt.has_arrived()));
    let mut last: Vec<&Attempt> =
        failed.filter_map(|all| all.into_iter().max_by_key(|one| (one.at, one.id))).collect();
    last.sort_by_key(|attempt| (attempt.at, attempt.id));
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    fn attempt(id: u64, guid: &str, second: i64, code: u16) -> Attempt {
        Attempt {
            id,
            guid: guid.to_owned(),
            at: at(second),
            event: EVENT.to_owned(),
            action: Some("queued".to_owned()),
            code,
            status: String::new(),
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
        let hook = |url: &str, events: &[&str], is_active| Webhook {
            id: 1,
            url: url.to_owned(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
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

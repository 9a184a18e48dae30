//! Reports on webhooks, for people and for programs.

use azlin_fleet::model::{age, counted};
use azlin_github::DeliveryAttempt;
use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use super::site::WebhookReport;
use crate::terminal::{Terminal, Tone};
use crate::wrap::wrapped;

/// Deliveries that are shown of each webhook.
const SHOWN: usize = 10;

pub(super) fn table(reports: &[WebhookReport], url: &Url, terminal: Terminal) -> String {
    let now = Timestamp::now();
    reports.iter().map(|one| of_one(one, url, now, terminal)).collect::<Vec<_>>().join("\n")
}

fn of_one(report: &WebhookReport, url: &Url, now: Timestamp, terminal: Terminal) -> String {
    let mut text = format!("{}\n", terminal.paint(Tone::Strong, &report.scope));
    let mut line = |tone: Tone, words: &str| text += &wrapped("  ", &terminal.paint(tone, words), terminal);
    match (&report.webhook, report.did) {
        (Some(webhook), Some(did)) => line(Tone::Good, &format!("webhook {} {did}: {url}", webhook.id)),
        (Some(webhook), None) => {
            line(Tone::Good, &format!("webhook {} leads to {url}", webhook.id));
            if !webhook.is_as_wanted() {
                let events = webhook.events.join(", ");
                let state =
                    if webhook.is_active { "is told of" } else { "is switched off, and would be told of" };
                line(Tone::Bad, &format!("it {state} {events}; `webhook install` fixes it"));
            }
        }
        (None, _) if report.error.is_none() => {
            line(Tone::Warning, &format!("no webhook leads to {url}; `webhook install` makes it"));
        }
        (None, _) => {}
    }
    match &report.ping {
        Some(ping) if ping.has_arrived() => {
            line(Tone::Good, &format!("GitHub's try has arrived: {}", ping.code));
        }
        Some(ping) => line(
            Tone::Bad,
            &format!("GitHub's try was answered {} ({}): {}", ping.code, ping.status, cure(ping.code)),
        ),
        None if report.did.is_some_and(|did| did != "removed") && report.error.is_none() => {
            line(
                Tone::Bad,
                "GitHub has not shown in time what came of its try; `webhook status` shows it once it has",
            );
        }
        None => {}
    }
    for attempt in report.attempts.iter().take(SHOWN) {
        line(if attempt.has_arrived() { Tone::Faint } else { Tone::Bad }, &delivery(attempt, now));
    }
    if !report.attempts.is_empty() {
        let count = report.attempts.len();
        line(
            Tone::Faint,
            &format!(
                "{} in the last three days; of their events {} never arrived",
                counted(count, "delivery"),
                report.lost
            ),
        );
    }
    if report.redelivered > 0 {
        line(Tone::Good, &format!("GitHub delivers {} of them again", report.redelivered));
    } else if let Some(last) =
        report.attempts.iter().find(|_| report.lost > 0).filter(|last| !last.has_arrived())
    {
        line(Tone::Bad, &format!("{}; then: `webhook status --redeliver`", cure(last.code)));
    } else if report.lost > 0 {
        line(
            Tone::Warning,
            "`webhook status --redeliver` has them delivered again; polls have found those jobs by now",
        );
    }
    if let Some(error) = &report.error {
        line(Tone::Bad, error);
    }
    text
}

fn delivery(attempt: &DeliveryAttempt, now: Timestamp) -> String {
    let action = attempt.action.as_ref().map_or(String::new(), |action| format!(" {action}"));
    let again = if attempt.is_redelivery { ", again" } else { "" };
    format!(
        "{} ago: {}{action}{again}: {} ({}) after {:.2} s",
        age(attempt.at, now),
        attempt.event,
        attempt.code,
        attempt.status,
        attempt.took_s
    )
}

/// What to do about a delivery that failed.
fn cure(code: u16) -> &'static str {
    match code {
        401 => {
            "the daemon does not know the secret that it is signed with: restart the daemon after webhook-secret has changed"
        }
        404 => {
            "the daemon has no webhook-secret, or the address does not end in /webhook as the daemon's does"
        }
        421 => {
            "whatever is in front of the daemon leads elsewhere: it must pass /webhook on to [http] listen or webhook_listen"
        }
        500..=599 => {
            "GitHub does not reach the daemon: look at the name, the firewall, the proxy in front and its certificate"
        }
        _ => "something else than the daemon has answered: look at the address, and at the proxy in front",
    }
}

pub(super) fn json(reports: &[WebhookReport], url: &Url) -> Value {
    let places: Vec<Value> = reports
        .iter()
        .map(|one| {
            let webhook = one.webhook.as_ref().map(|webhook| {
                json!({ "id": webhook.id, "events": webhook.events, "active": webhook.is_active })
            });
            json!({
                "scope": one.scope.to_string(), "webhook": webhook, "did": one.did, "ping": one.ping,
                "attempts": one.attempts, "never_arrived": one.lost, "redelivered": one.redelivered, "error": one.error,
            })
        })
        .collect();
    json!({ "version": 1, "url": url, "places": places })
}

#[cfg(test)]
mod tests;

use azlin_github::RegisteredWebhook;

use super::*;

const WIDE: Terminal = Terminal { width: Some(110), colour: false };

fn now() -> Timestamp {
    "2026-11-27T10:00:00Z".parse().expect("a time")
}

fn attempt(id: u64, event: &str, at: &str, code: u16, status: &str) -> DeliveryAttempt {
    DeliveryAttempt {
        id,
        guid: format!("guid-{id}").into(),
        at: at.parse().expect("a time"),
        event: event.into(),
        action: (event != "ping").then(|| "queued".into()),
        code,
        status: status.into(),
        is_redelivery: id == 2,
        took_s: 0.123,
    }
}

fn report(did: Option<&'static str>) -> WebhookReport {
    WebhookReport {
        scope: "repo:o/r".parse().expect("a scope"),
        webhook: Some(RegisteredWebhook {
            id: 7,
            url: "https://ci.example.com/webhook".into(),
            events: vec!["workflow_job".into()],
            is_active: true,
        }),
        did,
        ping: None,
        attempts: Vec::new(),
        lost: 0,
        redelivered: 0,
        error: None,
    }
}

#[test]
fn what_is_told_of_each_place() {
    let url: Url = "https://ci.example.com/webhook".parse().expect("a URL");
    let (at, ping) = ("2026-11-27T09:58:00Z", |code, status| {
        Some(attempt(1, "ping", "2026-11-27T10:00:00Z", code, status))
    });
    let attempts = || {
        vec![
            attempt(3, "workflow_job", at, 502, "failed to connect to host"),
            attempt(2, "workflow_job", at, 202, "OK"),
        ]
    };
    let mut off = report(None);
    if let Some(webhook) = &mut off.webhook {
        (webhook.is_active, webhook.events) = (false, vec!["push".into()]);
    }
    let cases = [
        WebhookReport { ping: ping(200, "OK"), ..report(Some("made")) },
        WebhookReport { ping: ping(401, "Invalid HTTP Response"), ..report(Some("mended")) },
        report(Some("made")),
        report(Some("removed")),
        WebhookReport { webhook: None, ..report(None) },
        WebhookReport { attempts: attempts(), lost: 1, ..report(None) },
        WebhookReport { attempts: attempts(), lost: 1, redelivered: 1, ..report(None) },
        off,
        WebhookReport {
            webhook: None,
            error: Some("403: the token may not do this".to_owned()),
            ..report(None)
        },
    ];
    let text: Vec<String> = cases
        .iter()
        .map(|one| format!("bad: {}\n{}", one.is_bad(), of_one(one, &url, now(), WIDE)))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

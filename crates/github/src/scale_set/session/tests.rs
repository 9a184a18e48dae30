//! Messages in the forms that GitHub sends them, and addresses with what they have already.

use reqwest::header::HeaderMap;

use super::*;

fn reply(body: &str) -> HttpReply {
    HttpReply { status: StatusCode::OK, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
}

fn site() -> Url {
    Url::parse("https://github.com").expect("a URL")
}

fn base(kind: &str, more: &Value) -> Value {
    let mut entry = json!({
        "messageType": kind, "runnerRequestId": 0, "repositoryName": "widgets", "ownerName": "acme",
        "jobId": "0e1d9c5e-8a34-5b7f-9d0a-2f6c51b7a001", "jobDisplayName": "build (1)",
        "jobWorkflowRef": "acme/widgets/.github/workflows/ci.yml@refs/heads/main", "workflowRunId": 31_337_001,
        "requestLabels": ["lin-x64-4"], "queueTime": "2026-09-01T08:10:00Z",
        "runnerAssignTime": "0001-01-01T00:00:00Z", "finishTime": "0001-01-01T00:00:00Z",
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        entry[key] = value.clone();
    }
    entry
}

fn read_news(entries: &[Value]) -> ScaleSetMessage {
    let body = Value::from(entries.to_vec()).to_string();
    let text = json!({
        "messageId": 100_000_007, "messageType": "RunnerScaleSetJobMessages", "body": body,
        "statistics": {"totalAssignedJobs": 2, "totalRunningJobs": 1, "totalIdleRunners": -1},
    });
    message("GET", &reply(&text.to_string()), Some(&site())).expect("a message")
}

#[test]
fn an_assigned_job_as_github_reports_it() {
    let found = read_news(&[base("JobAssigned", &json!({}))]);
    let level = found.level.expect("a level");
    assert_eq!((found.id.0, level.assigned, level.running, level.idle), (100_000_007, 2, 1, 0));
    let news = &found.news[0];
    assert_eq!((news.kind.clone(), news.run), (JobNewsKind::Assigned, RunId(31_337_001)));
    assert_eq!((news.repo.to_string().as_str(), news.workflow.as_str()), ("acme/widgets", "ci.yml"));
    let page = "https://github.com/acme/widgets/actions/runs/31337001";
    assert_eq!(news.link.as_ref().map(WebLink::as_str), Some(page));
    assert_eq!(news.queued_at, Some("2026-09-01T08:10:00Z".parse().expect("a time")));
}

#[test]
fn each_kind_of_news() {
    let runner = || SetRunner { id: RunnerId(41), name: "r-7f3a".into() };
    let ended = |more: &Value| base("JobCompleted", more);
    for (situation, entry, expected) in [
        (
            "started",
            base("JobStarted", &json!({"runnerId": 41, "runnerName": "r-7f3a"})),
            Some(JobNewsKind::Started(runner())),
        ),
        ("started by nobody", base("JobStarted", &json!({"runnerId": 0, "runnerName": ""})), None),
        (
            "ended",
            ended(&json!({"result": "succeeded", "runnerId": 41, "runnerName": "r-7f3a"})),
            Some(JobNewsKind::Completed { result: "succeeded".into(), runner: Some(runner()) }),
        ),
        (
            "lapsed",
            ended(&json!({"result": "canceled", "runnerId": 0, "runnerName": ""})),
            Some(JobNewsKind::Completed { result: "canceled".into(), runner: None }),
        ),
        (
            "offered by an Enterprise Server",
            base("JobAvailable", &json!({"runnerRequestId": 811, "jobId": 811})),
            Some(JobNewsKind::Offered(811)),
        ),
        ("an offer without a number", base("JobAvailable", &json!({})), None),
        ("a kind of tomorrow", base("JobPaused", &json!({})), None),
        ("no id", base("JobAssigned", &json!({"jobId": ""})), None),
        ("no object", json!(7), None),
    ] {
        let found = read_news(&[entry]);
        assert_eq!(found.news.first().map(|news| news.kind.clone()), expected, "{situation}");
        assert_eq!(found.unread, u32::from(expected.is_none()), "{situation}");
    }
}

#[test]
fn odd_messages() {
    let typed = r#""messageId":9,"messageType":"RunnerScaleSetJobMessages""#;
    for (situation, text, expected) in [
        ("statistics only", format!(r#"{{{typed},"body":""}}"#), Ok((0, 0))),
        ("no body", format!("{{{typed}}}"), Ok((0, 0))),
        ("another type", r#"{"messageId":9,"messageType":"Other","body":"x"}"#.to_owned(), Ok((0, 0))),
        ("a cut body", format!(r#"{{{typed},"body":"[{{"}}"#), Ok((0, 1))),
        ("nothing at all", String::new(), Err(())),
        ("cut off", r#"{"messageId":9,"#.to_owned(), Err(())),
    ] {
        let found = message("GET", &reply(&text), None).map_err(|error| {
            assert_eq!(error.kind, CallErrorKind::Unavailable, "{situation}: {error}");
        });
        let found = found.map(|message| (message.news.len(), message.unread));
        assert_eq!(found, expected, "{situation}");
    }
}

#[test]
fn names_of_jobs_are_fit_to_be_shown() {
    let odd = json!({"jobDisplayName": "a\u{1b}[2J\nb", "jobWorkflowRef": "o/r/\u{202e}x@y"});
    let news = read_news(&[base("JobAssigned", &odd)]).news;
    assert_eq!((news[0].name.as_str(), news[0].workflow.as_str()), ("a\u{fffd}[2J\u{fffd}b", "\u{fffd}x"));
    let nowhere = read_news(&[base("JobAssigned", &json!({"repositoryName": "../x"}))]);
    assert_eq!((nowhere.news.len(), nowhere.unread), (0, 1), "no such name exists");
}

#[test]
fn the_address_of_the_queue_keeps_its_query() {
    let text = "https://h/t/_apis/runtime/runnerscalesets/37/messages?sessionId=5b0c";
    let old = Url::parse(text).expect("a URL");
    assert_eq!(cursor(&old, None).as_str(), old.as_str());
    assert_eq!(cursor(&old, Some(MessageId(7))).query(), Some("sessionId=5b0c&lastMessageId=7"));
    let message = below(&old, "7");
    let path = "/t/_apis/runtime/runnerscalesets/37/messages/7";
    assert_eq!((message.path(), message.query()), (path, Some("sessionId=5b0c")));
}

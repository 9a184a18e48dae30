//! Webhooks: GitHub's API for them, and their deliveries.

use std::sync::Arc;
use std::time::Duration;

use crate::fixture::TestCloud;
use azlin_fleet::model::JobChange;
use azlin_simcloud::github::{Conclusion, JobState};
use azlin_simcloud::openapi::Spec;
use azlin_simcloud::webhooks::payload;
use parking_lot::Mutex;
use reqwest::Method;
use ring::hmac;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that takes deliveries and answers with a status. It keeps heads and bodies.
struct Taker {
    url: String,
    taken: Arc<Mutex<Vec<(String, String)>>>,
}

impl Taker {
    async fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        let taken = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut text = String::new();
                let mut piece = [0; 4096];
                let is_whole = |text: &str| {
                    let (head, body) = text.split_once("\r\n\r\n")?;
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
                    (body.len() >= length.parse().ok()?).then(|| (head.to_owned(), body.to_owned()))
                };
                let whole = loop {
                    let count = stream.read(&mut piece).await.unwrap();
                    text += std::str::from_utf8(&piece[..count]).unwrap();
                    if let Some(whole) = is_whole(&text) {
                        break whole;
                    }
                };
                all.lock().push(whole);
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Taker { url, taken }
    }

    /// Waits for this many deliveries.
    async fn takes(&self, count: usize) -> Vec<(String, String)> {
        for _ in 0..2400 {
            tokio::time::sleep(Duration::from_millis(25)).await;
            let taken = self.taken.lock().clone();
            if taken.len() >= count {
                return taken;
            }
        }
        panic!("{:?}", self.taken.lock());
    }
}

fn hook(url: &str) -> Value {
    let config =
        json!({"url": url, "content_type": "json", "secret": "0123456789abcdef", "insecure_ssl": "0"});
    json!({"name": "web", "active": true, "events": ["workflow_job"], "config": config})
}

fn field<'t>(head: &'t str, name: &str) -> Option<&'t str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

async fn attempts(cloud: &TestCloud, below: &str, count: usize) -> Vec<Value> {
    for _ in 0..2400 {
        let page = cloud.get(below).await;
        if page.body.as_array().unwrap().len() >= count {
            return page.body.as_array().unwrap().clone();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{below} never shows {count}");
}

#[tokio::test]
async fn they_are_made_changed_tried_and_removed_as_github_describes_it() {
    let cloud = TestCloud::of("", "").await;
    cloud.served.record();
    let taker = Taker::answering(202).await;
    for scope in ["/repos/o/r", "/orgs/o"] {
        let made = cloud.post(&format!("{scope}/hooks"), Some(hook(&taker.url))).await;
        assert_eq!((made.status, &made.body["config"]["secret"]), (201, &"********".into()));
        let again = cloud.post(&format!("{scope}/hooks"), Some(hook(&taker.url))).await;
        assert_eq!(again.status, 422, "it is there");
        let one = format!("{scope}/hooks/{}", made.body["id"]);
        assert_eq!(cloud.get(&format!("{scope}/hooks")).await.body.as_array().unwrap().len(), 1);
        assert_eq!(cloud.get(&one).await.body["events"], json!(["workflow_job"]));
        let changed = cloud.github(Method::PATCH, &one, Some(json!({"active": false}))).await;
        assert_eq!((changed.status, &changed.body["active"]), (200, &false.into()));
        assert_eq!(cloud.post(&format!("{one}/pings"), None).await.status, 204);
        let deliveries = format!("{one}/deliveries");
        let shown = attempts(&cloud, &deliveries, 2).await;
        assert!(shown.iter().all(|one| one["event"] == "ping" && one["status_code"] == 202), "{shown:?}");
        let again = format!("{deliveries}/{}/attempts", shown[0]["id"]);
        assert_eq!(cloud.post(&again, None).await.status, 202);
        let shown = attempts(&cloud, &deliveries, 3).await;
        assert_eq!((&shown[0]["redelivery"], &shown[0]["guid"]), (&true.into(), &shown[1]["guid"]));
        let page = cloud.get(&format!("{deliveries}?per_page=2")).await;
        let next = page.next().expect("there is a third");
        let (_, next) = next.split_once("/hooks/").unwrap();
        assert_eq!(cloud.get(&format!("{scope}/hooks/{next}")).await.body.as_array().unwrap().len(), 1);
        assert_eq!(cloud.github(Method::DELETE, &one, None).await.status, 204);
        assert_eq!(cloud.get(&one).await.status, 404);
    }
    assert_eq!(cloud.post("/repos/o/r/hooks", Some(json!({"name": "web"}))).await.status, 422);
    let spec = Spec::load();
    let faults: Vec<String> =
        cloud.served.recorded().iter().flat_map(|exchange| spec.check(exchange)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn what_happens_to_a_job_is_delivered_signed_to_whom_it_concerns() {
    let cloud = TestCloud::of("", "").await;
    let (ours, orgs, others) =
        (Taker::answering(202).await, Taker::answering(500).await, Taker::answering(200).await);
    cloud.served.world().state.github.add_repo("x/y");
    cloud.post("/repos/o/r/hooks", Some(hook(&ours.url))).await;
    let org = cloud.post("/orgs/o/hooks", Some(hook(&orgs.url))).await.body["id"].clone();
    cloud.post("/repos/x/y/hooks", Some(hook(&others.url))).await;
    let job = (vec!["self-hosted".to_owned()], Duration::from_secs(60));
    cloud.served.world().submit("o/r", vec![job], Vec::new());

    let taken = ours.takes(2).await;
    let events: Vec<Option<&str>> = taken.iter().map(|(head, _)| field(head, "x-github-event")).collect();
    assert!(events.contains(&Some("ping")) && events.contains(&Some("workflow_job")), "{events:?}");
    for (head, body) in &taken {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef"), body.as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(field(head, "x-hub-signature-256"), Some(format!("sha256={hex}").as_str()));
    }
    orgs.takes(2).await;
    let shown = attempts(&cloud, &format!("/orgs/o/hooks/{org}/deliveries"), 2).await;
    assert!(shown.iter().all(|one| one["status_code"] == 500), "{shown:?}");
    assert_eq!(others.takes(1).await.len(), 1, "its ping alone");
}

/// Every payload is one that GitHub's own schema allows.
#[tokio::test]
async fn payloads_are_as_github_sends_them() {
    let schema: Value = serde_json::from_str(include_str!("../../specs/workflow-job.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let cloud = TestCloud::of("", "").await;
    let job = (vec!["self-hosted".to_owned(), "linux".to_owned()], Duration::from_secs(60));
    let id = cloud.served.world().submit("o/r", vec![job], Vec::new())[0];
    let check = |change: JobChange| {
        let world = cloud.served.world();
        let body = payload(&world.state.github, id, change, world.now()).unwrap();
        let wrong: Vec<String> =
            validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{change:?}:\n{}", wrong.join("\n"));
        body
    };
    assert_eq!(check(JobChange::Queued)["workflow_job"]["labels"], json!(["self-hosted", "linux"]));
    let become_so = |state: JobState| {
        let mut world = cloud.served.world();
        let job = world.state.github.jobs.get_mut(&id).unwrap();
        job.runner = Some((7, "ci-1".to_owned()));
        job.state = state;
    };
    become_so(JobState::InProgress);
    assert_eq!(check(JobChange::Started)["action"], "in_progress");
    become_so(JobState::Completed(Conclusion::Success));
    assert_eq!(check(JobChange::Ended)["action"], "completed");
    assert_eq!(check(JobChange::Ended)["repository"]["full_name"], "o/r");
}

//! The service of runner scale sets over HTTP: the whole life of a job, and the form of what is refused.

use std::time::Duration;

use crate::fixture::{ReadResponse, TestCloud, VMS, vm_body};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

/// A client that has signed in to the service.
struct ServiceCaller<'c> {
    cloud: &'c TestCloud,
    url: String,
    token: String,
}

impl ServiceCaller<'_> {
    async fn of(cloud: &TestCloud) -> ServiceCaller<'_> {
        let registration = cloud.post("/orgs/o/actions/runners/registration-token", None).await.body;
        let address = format!("http://{}/actions/runner-registration", cloud.served.github);
        let auth = format!("RemoteAuth {}", registration["token"].as_str().expect("a token"));
        let body = json!({"url": format!("http://{}/o", cloud.served.github), "runner_event": "register"});
        let found = cloud.call(Method::POST, &address, &[("authorization", &auth)], Some(body)).await;
        let found = found.expect("an answer").body;
        let text = |key: &str| found[key].as_str().expect("text").to_owned();
        ServiceCaller { cloud, url: text("url"), token: text("token") }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> ReadResponse {
        let url = format!("{}/_apis/{path}", self.url);
        let auth = format!("Bearer {}", self.token);
        self.cloud.call(method, &url, &[("authorization", &auth)], body).await.expect("an answer")
    }
}

async fn poll(cloud: &TestCloud, session: &Value, after: u64) -> ReadResponse {
    let url = session["messageQueueUrl"].as_str().expect("a URL");
    let auth = format!("Bearer {}", session["messageQueueAccessToken"].as_str().expect("a token"));
    let headers = [("authorization", auth.as_str()), ("x-scalesetmaxcapacity", "10")];
    cloud.call(Method::GET, &format!("{url}?lastMessageId={after}"), &headers, None).await.expect("an answer")
}

#[tokio::test]
async fn a_jobs_whole_life() {
    let cloud = TestCloud::of("poll_hold = '10ms'", "").await;
    let service = ServiceCaller::of(&cloud).await;
    let claims = service.token.split('.').nth(1).expect("claims");
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert!(claims["exp"].as_i64().is_some(), "{claims}");
    let asked = json!({
        "name": "lin", "runnerGroupId": 1, "RunnerSetting": {"disableUpdate": true},
        "labels": [{"type": "System", "name": "docker"}, {"type": "System", "name": "self-hosted"}],
    });
    let sets = "runtime/runnerscalesets";
    let made = service.call(Method::POST, sets, Some(asked.clone())).await;
    assert_eq!((made.status, &made.body["labels"][0]), (200, &json!({"type": "system", "name": "docker"})));
    let taken = service.call(Method::POST, sets, Some(asked)).await;
    assert_eq!(taken.status, 400);
    assert!(taken.body["typeName"].as_str().unwrap().contains(".RunnerScaleSetExistsException,"));
    let named = service.call(Method::GET, &format!("{sets}?runnerGroupId=1&name=lin"), None).await;
    assert_eq!((&named.body["count"], &named.body["value"][0]["id"]), (&json!(1), &made.body["id"]));
    let set = format!("{sets}/{}", made.body["id"]);
    let owner = || Some(json!({"ownerName": "host"}));
    let session = service.call(Method::POST, &format!("{set}/sessions"), owner()).await;
    assert_eq!(session.status, 200);
    assert_eq!(service.call(Method::POST, &format!("{set}/sessions"), owner()).await.status, 409);
    assert_eq!(poll(&cloud, &session.body, 0).await.status, 202, "held, and there is none");

    cloud.submit(1);
    let assigned = poll(&cloud, &session.body, 0).await;
    let jobs: Value = serde_json::from_str(assigned.body["body"].as_str().unwrap()).unwrap();
    assert_eq!((&jobs[0]["messageType"], &jobs[0]["runnerRequestId"]), (&json!("JobAssigned"), &json!(0)));
    assert_eq!(assigned.body["statistics"]["totalAssignedJobs"], 1);
    let acquire = format!("{set}/acquirejobs");
    let url = format!("{}/_apis/{acquire}", service.url);
    let auth = format!("Bearer {}", session.body["messageQueueAccessToken"].as_str().unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let refused = client.post(&url).header("authorization", &auth).body("[0]").send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), refused.text().await.unwrap().as_str()),
        (404, "404 page not found")
    );

    let runner = || Some(json!({"name": "lin-1", "workFolder": "_work"}));
    let jit = service.call(Method::POST, &format!("{set}/generatejitconfig"), runner()).await;
    assert_eq!(jit.status, 200, "{jit:?}");
    assert_eq!(service.call(Method::POST, &format!("{set}/generatejitconfig"), runner()).await.status, 409);
    let blob = jit.body["encodedJITConfig"].as_str().unwrap();
    cloud.azure(Method::PUT, &format!("{VMS}/lin-1"), &[], Some(vm_body("lin-1", blob))).await;
    cloud.pass(40);
    let agent = format!("distributedtask/pools/0/agents/{}", jit.body["runner"]["id"]);
    assert_eq!(service.call(Method::GET, &agent, None).await.body["busy"], true);
    assert_eq!(service.call(Method::DELETE, &agent, None).await.status, 400);
    let started = poll(&cloud, &session.body, 1).await.body;
    assert!(started["body"].as_str().unwrap().contains("\"runnerName\":\"lin-1\""), "{started}");
    cloud.pass(200);
    assert_eq!(service.call(Method::DELETE, &agent, None).await.status, 204);
    let queue = session.body["messageQueueUrl"].as_str().unwrap();
    let gone = cloud.call(Method::DELETE, &format!("{queue}/1"), &[("authorization", &auth)], None).await;
    assert_eq!(gone.unwrap().status, 204);
    assert_eq!(poll(&cloud, &session.body, 0).await.body["messageId"], 2);
    assert_eq!(service.call(Method::DELETE, &set, None).await.status, 204);
    assert_eq!(service.call(Method::GET, &set, None).await.status, 404);
}

#[tokio::test]
async fn a_poll_ends_with_the_news_and_its_requests_do_not_count() {
    let cloud = TestCloud::of("poll_hold = '20s'", "").await;
    let service = ServiceCaller::of(&cloud).await;
    let left = || cloud.served.world().budget().map(|budget| budget.remaining);
    let before = left();
    let asked = json!({"name": "docker", "labels": [{"name": "docker"}, {"name": "self-hosted"}]});
    let made = service.call(Method::POST, "runtime/runnerscalesets", Some(asked)).await.body;
    let sessions = format!("runtime/runnerscalesets/{}/sessions", made["id"]);
    let session = service.call(Method::POST, &sessions, Some(json!({"ownerName": "host"}))).await.body;
    let began = std::time::Instant::now();
    let news = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cloud.submit(1);
    };
    let (polled, ()) = futures::join!(poll(&cloud, &session, 0), news);
    assert_eq!((polled.status, &polled.body["messageId"]), (200, &json!(1)));
    assert!(began.elapsed() < Duration::from_secs(10), "it was told at once");
    assert_eq!(left(), before);
}

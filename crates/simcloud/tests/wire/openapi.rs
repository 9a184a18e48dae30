//! Every response of the simulated GitHub is one that GitHub's own description allows.

use std::collections::BTreeSet;

use crate::fixture::{TestCloud, jit};
use azlin_simcloud::openapi::Spec;
use reqwest::Method;

const SCOPES: [&str; 3] = ["/repos/o/r", "/orgs/o", "/enterprises/e"];

/// Checks all recorded exchanges. Returns each (method, path, status), with ids as `{}`.
fn checked(cloud: &TestCloud) -> BTreeSet<(String, String, u16)> {
    let spec = Spec::load();
    let exchanges = cloud.served.recorded();
    let faults: Vec<String> = exchanges.iter().flat_map(|exchange| spec.check(exchange)).collect();
    assert!(faults.is_empty(), "{} exchanges:\n{}", exchanges.len(), faults.join("\n"));
    let plain = |path: &str| {
        let segments = path.split('/');
        let named = segments.map(|word| if word.parse::<u64>().is_ok() { "{}" } else { word });
        named.collect::<Vec<_>>().join("/")
    };
    exchanges
        .iter()
        .map(|exchange| (exchange.method.clone(), plain(&exchange.path), exchange.status))
        .collect()
}

async fn recorded(settings: &str, more: &str) -> TestCloud {
    let cloud = TestCloud::of(settings, more).await;
    cloud.served.record();
    cloud
}

#[tokio::test]
async fn runners_of_every_scope() {
    let cloud = recorded("", "").await;
    for scope in SCOPES {
        let runners = format!("{scope}/actions/runners");
        assert_eq!(cloud.get(&runners).await.body["total_count"], 0);
        let id = cloud.post(&format!("{runners}/generate-jitconfig"), Some(jit("ci-1"))).await.body["runner"]
            ["id"]
            .clone();
        assert_eq!(cloud.post(&format!("{runners}/generate-jitconfig"), Some(jit("CI-1"))).await.status, 409);
        assert_eq!(
            cloud.post(&format!("{runners}/generate-jitconfig"), Some(jit(&"x".repeat(65)))).await.status,
            422
        );
        assert_eq!(cloud.get(&runners).await.body["runners"][0]["id"], id);
        assert_eq!(cloud.get(&format!("{runners}/{id}")).await.body["status"], "offline");
        assert_eq!(cloud.get(&format!("{runners}?name=ci-1")).await.body["total_count"], 1);
        assert_eq!(cloud.get(&format!("{runners}?name=ci-2")).await.body["total_count"], 0);
        for expected in [204, 404] {
            assert_eq!(cloud.delete(&format!("{runners}/{id}")).await.status, expected);
        }
        assert_eq!(cloud.get(&format!("{runners}/{id}")).await.status, 404);
        assert_eq!(cloud.get(&format!("{runners}/downloads")).await.body[0]["os"], "linux");
        for kind in ["registration-token", "remove-token"] {
            assert_eq!(cloud.post(&format!("{runners}/{kind}"), None).await.status, 201);
        }
        for number in 0..205 {
            // GitHub takes 180 of them in a minute.
            if number % 100 == 0 {
                cloud.pass(61);
            }
            cloud.post(&format!("{runners}/generate-jitconfig"), Some(jit(&format!("many-{number}")))).await;
        }
        let (mut pages, mut names) = (0, BTreeSet::new());
        let mut next = Some(format!("{runners}?per_page=100"));
        while let Some(target) = next {
            let page = cloud.get(&target).await;
            assert_eq!(page.body["total_count"], 205);
            names.extend(
                page.body["runners"].as_array().unwrap().iter().map(|runner| runner["name"].to_string()),
            );
            (pages, next) = (pages + 1, page.next());
        }
        assert_eq!((pages, names.len()), (3, 205));
    }
    assert_eq!(cloud.get("/orgs/o/actions/runner-groups?per_page=1").await.body["total_count"], 2);
    assert_eq!(checked(&cloud).len(), 3 * 11 + 1, "every route of a scope with each of its statuses");
}

#[tokio::test]
async fn a_busy_runner_and_its_job() {
    let cloud = recorded("", "").await;
    for (at, scope) in SCOPES.into_iter().enumerate() {
        let id = cloud.vm(scope, &format!("vm-{at}")).await;
        cloud.submit(1);
        cloud.pass(60);
        let runner = cloud.get(&format!("{scope}/actions/runners/{id}")).await;
        assert_eq!(
            (runner.body["status"].as_str(), runner.body["busy"].as_bool()),
            (Some("online"), Some(true))
        );
        assert_eq!(cloud.delete(&format!("{scope}/actions/runners/{id}")).await.status, 422);
    }
    let run = cloud.get("/repos/o/r/actions/runs?status=in_progress&per_page=1").await;
    assert_eq!(run.body["total_count"], 2, "the first job is done");
    let id = &run.body["workflow_runs"][0]["id"];
    let jobs = cloud.get(&format!("/repos/o/r/actions/runs/{id}/jobs?filter=latest")).await;
    assert_eq!(jobs.body["jobs"][0]["runner_name"], "vm-2");
    cloud.pass(100);
    let run = cloud.get(&format!("/repos/o/r/actions/runs/{id}")).await;
    assert_eq!(
        (run.body["status"].as_str(), run.body["conclusion"].as_str()),
        (Some("completed"), Some("success"))
    );
    let jobs = cloud.get(&format!("/repos/o/r/actions/runs/{id}/jobs")).await;
    assert_eq!(jobs.body["jobs"][0]["conclusion"], "success");
    checked(&cloud);
}

#[tokio::test]
async fn runs_and_jobs_of_every_status_and_of_many_pages() {
    let held = "[[arrivals]]\nrepo = 'o/r'\nlabels = ['docker']\nduration = '1m'\nheld = '1h'\n\
        [[arrivals]]\nrepo = 'o/r'\nlabels = ['docker']\nduration = '1m'\njobs = 101\nat = '1m'\n";
    let cloud = recorded("queue_limit = '30m'", held).await;
    let total = async |status: &str| {
        cloud.get(&format!("/repos/o/r/actions/runs?status={status}")).await.body["total_count"].clone()
    };
    assert_eq!((total("waiting").await, total("queued").await), (1.into(), 0.into()));
    cloud.pass(60);
    for (status, expected) in [
        ("waiting", 1),
        ("queued", 1),
        ("in_progress", 0),
        ("completed", 0),
        ("pending", 0),
        ("requested", 0),
    ] {
        assert_eq!(total(status).await, expected, "{status}");
    }
    let queued =
        cloud.get("/repos/o/r/actions/runs?status=queued").await.body["workflow_runs"][0]["id"].clone();
    let jobs = format!("/repos/o/r/actions/runs/{queued}/jobs");
    let first = cloud.get(&format!("{jobs}?filter=latest&per_page=100")).await;
    let second = cloud.get(&first.next().unwrap()).await;
    assert_eq!((second.body["jobs"].as_array().unwrap().len(), second.next()), (1, None));
    cloud.pass(31 * 60);
    for (status, expected) in
        [("completed", 1), ("cancelled", 1), ("success", 0), ("queued", 0), ("waiting", 1)]
    {
        assert_eq!(total(status).await, expected, "{status}");
    }
    assert_eq!(cloud.get("/repos/o/r/actions/runs").await.body["total_count"], 2);
    for path in ["/repos/o/r/actions/runs/1", "/repos/o/r/actions/runs/1/jobs"] {
        assert_eq!(cloud.get(path).await.status, 404);
    }
    checked(&cloud);
}

#[tokio::test]
async fn a_filtered_list_ends_at_a_thousand_and_has_the_total() {
    let cloud = recorded("", "").await;
    for _ in 0..1050 {
        cloud.submit(1);
    }
    for (target, expected) in [
        ("/repos/o/r/actions/runs?status=queued&per_page=100", 1000),
        ("/repos/o/r/actions/runs?per_page=100", 1050),
    ] {
        let (mut seen, mut next) = (0, Some(target.to_owned()));
        while let Some(target) = next {
            let page = cloud.get(&target).await;
            assert_eq!(page.body["total_count"], 1050);
            seen += page.body["workflow_runs"].as_array().unwrap().len();
            next = page.next();
        }
        assert_eq!(seen, expected, "{target}");
    }
    checked(&cloud);
}

#[tokio::test]
async fn what_every_route_answers() {
    let faults = "[[faults]]\nwhat = { status = 502 }\nmethod = 'GET'\nfrom = '10s'\nuntil = '20s'\n\
        [[faults]]\nwhat = { status = [429, 3] }\nmethod = 'GET'\nfrom = '20s'\nuntil = '30s'\n";
    let cloud = recorded("rate_limit = 12", faults).await;
    let runners = "/repos/o/r/actions/runners";
    let first = cloud.get(runners).await;
    let etag = first.header("etag").unwrap();
    let bearer = format!("Bearer {}", cloud.token);
    let url = format!("http://{}{runners}", cloud.served.github);
    let again = cloud
        .call(Method::GET, &url, &[("authorization", &bearer), ("if-none-match", etag)], None)
        .await
        .unwrap();
    assert_eq!((again.status, again.body), (304, serde_json::Value::Null));
    assert_eq!(again.headers["x-ratelimit-used"], first.headers["x-ratelimit-used"], "a 304 is free");
    for headers in [&[][..], &[("authorization", "Bearer ghp_no")]] {
        assert_eq!(cloud.call(Method::GET, &url, headers, None).await.unwrap().status, 401);
    }
    cloud.post(&format!("{runners}/generate-jitconfig"), Some(jit("ci-1"))).await;
    let changed = cloud
        .call(Method::GET, &url, &[("authorization", &bearer), ("if-none-match", etag)], None)
        .await
        .unwrap();
    assert_eq!(changed.status, 200);
    for nowhere in ["/repos/o/other/actions/runners", "/orgs/nobody/actions/runners"] {
        assert_eq!(cloud.get(nowhere).await.status, 404);
    }
    assert_eq!(cloud.get("/repos/o/r").await.body["full_name"], "o/r");
    cloud.pass(10);
    assert_eq!(cloud.get(runners).await.status, 502);
    cloud.pass(10);
    let limited = cloud.get(runners).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("3")));
    cloud.pass(10);
    let mut last = cloud.get(runners).await;
    while last.status == 200 {
        last = cloud.get(runners).await;
    }
    assert_eq!((last.status, last.header("x-ratelimit-remaining")), (403, Some("0")));
    let free = cloud.get("/rate_limit").await;
    assert_eq!((free.status, free.body["rate"]["remaining"].as_u64()), (200, Some(0)));
    assert_eq!(last.header("x-ratelimit-reset").unwrap(), free.body["rate"]["reset"].to_string());
    cloud.pass(3600);
    assert_eq!(cloud.get(runners).await.status, 200, "an hour later there are others");
    let statuses: BTreeSet<u16> = checked(&cloud).into_iter().map(|(_, _, status)| status).collect();
    assert_eq!(statuses, BTreeSet::from([200, 201, 304, 401, 403, 404, 429, 502]));
}

#[tokio::test]
async fn the_checker_sees_what_a_face_could_get_wrong() {
    let cloud = recorded("", "").await;
    cloud.post("/repos/o/r/actions/runners/generate-jitconfig", Some(jit("ci-1"))).await;
    cloud.get("/repos/o/r/actions/runners?page=1").await;
    let spec = Spec::load();
    let right = cloud.served.recorded().pop().unwrap();
    assert_eq!(spec.check(&right), Vec::<String>::new());
    let text = String::from_utf8(right.response.clone()).unwrap();
    let wrong = azlin_simcloud::Exchange {
        response: text.replace("\"busy\":false", "\"busy\":0").into(),
        ..right.clone()
    };
    assert!(spec.check(&wrong)[0].contains("answer/runners/0/busy"), "{:?}", spec.check(&wrong));
    let wrong = azlin_simcloud::Exchange { query: "pages=1".to_owned(), ..right.clone() };
    assert!(spec.check(&wrong)[0].contains("pages is not documented"), "{:?}", spec.check(&wrong));
    let wrong = azlin_simcloud::Exchange { status: 206, ..right };
    assert!(spec.check(&wrong)[0].contains("status is not documented"), "{:?}", spec.check(&wrong));
}

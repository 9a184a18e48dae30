//! What goes over the wire, and the result of answers that are late, cut short, too large or redirected.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use azlin_http::{ApiClient, HttpReply, HttpRequest, HttpSettings, HttpTransport, NoReply, TrafficCounts};
use azlin_simcloud::scripted::{Reply, ScriptedServer};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use url::Url;

fn settings() -> HttpSettings {
    HttpSettings::new(Duration::from_secs(10), 1024)
}

fn ok(body: &str) -> Reply {
    Reply::Answer(200, Vec::new(), body.to_owned())
}

async fn get(settings: HttpSettings, url: &Url) -> Result<HttpReply, NoReply> {
    HttpTransport::new(settings).send(HttpRequest::new(Method::GET, url)).await
}

#[tokio::test]
async fn a_request_carries_its_headers_its_token_and_its_body() {
    let server = ScriptedServer::start(|_, _| ok("done")).await;
    let headers = HeaderMap::from_iter([("x-all".parse().expect("a name"), HeaderValue::from_static("1"))]);
    let transport =
        HttpTransport::new(HttpSettings { user_agent: Some("azlin-test"), headers, ..settings() });
    let url = server.url.join("/a?b=c").expect("a URL");
    let request =
        HttpRequest { bearer: Some("token"), body: Some("{}".into()), ..HttpRequest::new(Method::PUT, &url) };
    let reply = transport.send(request).await.expect("an answer");
    assert_eq!((reply.status.as_u16(), reply.body.as_slice()), (200, b"done".as_slice()));
    let sent = &server.requests()[0];
    assert_eq!((sent.method.as_str(), sent.target.as_str(), sent.body.as_str()), ("PUT", "/a?b=c", "{}"));
    for (name, value) in [("x-all", "1"), ("user-agent", "azlin-test"), ("authorization", "Bearer token")] {
        assert_eq!(sent.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_whole_is_lost() {
    for (situation, reply, why) in [
        ("the connection ends", Reply::HangUp, "connection closed"),
        ("half an answer", Reply::Half, "end of file"),
        ("no answer", Reply::Silence, "no answer in time"),
    ] {
        let server = ScriptedServer::start(move |_, _| reply.clone()).await;
        let settings = HttpSettings::new(Duration::from_millis(300), 1024);
        let lost = get(settings, &server.url).await.expect_err(situation);
        assert!(matches!(lost, NoReply::Lost(_)) && lost.was_sent(), "{situation}: {lost:?}");
        assert!(lost.why().contains(why), "{situation}: {lost:?}");
        assert!(!lost.why().contains("127.0.0.1"), "the URL is not repeated: {lost:?}");
    }
}

#[tokio::test]
async fn an_answer_beyond_its_bound_is_cut() {
    let server = ScriptedServer::start(move |_, _| ok(&"x".repeat(1025))).await;
    let cut = get(HttpSettings::new(Duration::from_secs(5), 1024), &server.url).await.expect_err("too large");
    assert!(matches!(&cut, NoReply::Cut(why) if why == "the body has more than 1024 bytes"), "{cut:?}");
    assert!(cut.was_sent());
}

#[tokio::test]
async fn what_was_not_sent_says_so() {
    let closed = Url::parse("http://127.0.0.1:1").expect("a URL");
    let refused = get(settings(), &closed).await.expect_err("nothing listens there");
    assert!(matches!(&refused, NoReply::NotSent(why) if why.contains("Connection refused")), "{refused:?}");
    let abroad = Url::parse("http://192.0.2.1/").expect("a URL");
    let refused = get(settings(), &abroad).await.expect_err("plain HTTP");
    assert!(matches!(&refused, NoReply::NoClient(why) if why.contains("plain HTTP")), "{refused:?}");
}

#[tokio::test]
async fn a_long_poll_has_a_time_limit_of_its_own() {
    let server = ScriptedServer::start(|_, _| Reply::Silence).await;
    let transport = HttpTransport::new(settings());
    let limit = Some(Duration::from_millis(100));
    let request = HttpRequest { time_limit: limit, ..HttpRequest::new(Method::GET, &server.url) };
    let lost = transport.send(request).await.expect_err("silence");
    assert_eq!(lost, NoReply::Lost("no answer in time".to_owned()));
}

#[tokio::test]
async fn a_redirect_is_the_answer_and_nothing_is_sent_to_where_it_leads() {
    let server = ScriptedServer::start(|request, _| match request.path() {
        "/old" => Reply::Answer(307, vec![("location", "/new".into())], String::new()),
        _ => ok("new"),
    })
    .await;
    let url = server.url.join("/old").expect("a URL");
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let request = HttpRequest { bearer: Some("token"), ..HttpRequest::new(method, &url) };
        let reply = HttpTransport::new(settings()).send(request).await.expect("an answer");
        assert_eq!(reply.status.as_u16(), 307);
    }
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn requests_and_answers_are_counted_and_wait_for_each_other() {
    let server = ScriptedServer::start(|_, before| match before {
        0 => ok("12345"),
        1 => Reply::Answer(304, Vec::new(), String::new()),
        _ => Reply::HangUp,
    })
    .await;
    let transport = Arc::new(HttpTransport::new(settings()));
    let client = ApiClient::new("Test", transport, 1, Duration::from_millis(1));
    for came in [true, true, false] {
        let reply = client.send(HttpRequest::new(Method::GET, &server.url)).await;
        assert_eq!(reply.is_ok(), came, "{reply:?}");
    }
    let expected = TrafficCounts { requests: 3, not_modified: 1, bytes_received: 5 };
    assert_eq!(client.traffic.counts(), expected);

    let silent = ScriptedServer::start(|_, _| Reply::Silence).await;
    let first = client.send(HttpRequest::new(Method::GET, &silent.url));
    let both = async { tokio::join!(first, client.send(HttpRequest::new(Method::GET, &server.url))) };
    let waited = tokio::time::timeout(Duration::from_millis(300), both).await;
    assert!(waited.is_err() && server.requests().len() == 3, "the second waits for the first");
}

//! Sends requests to webhooks as GitHub does: once, in any order, with a timeout of ten seconds.

use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use crate::webhooks::WebhookRequest;

/// How long a webhook may take to answer (GitHub Docs: Best practices for using webhooks).
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a request. Returns how long it took, and the status of the answer with GitHub's text for it.
pub(crate) async fn deliver(webhook: &WebhookRequest) -> (Duration, u16, &'static str) {
    let began = Instant::now();
    let (code, status) = match timeout(PATIENCE, post(webhook)).await {
        Ok(Ok(code)) if (200..300).contains(&code) => (code, "OK"),
        Ok(Ok(code)) => (code, "Invalid HTTP Response"),
        Ok(Err(_)) => (502, "failed to connect to host"),
        Err(_) => (504, "timed out"),
    };
    (began.elapsed(), code, status)
}

type DeliveryError = Box<dyn std::error::Error + Send + Sync>;

async fn post(webhook: &WebhookRequest) -> Result<u16, DeliveryError> {
    let url = Url::parse(&webhook.url)?;
    let host = url
        .host_str()
        .filter(|_| url.scheme() == "http")
        .ok_or("the webhook must have a plain HTTP address")?;
    let address = (host.trim_matches(['[', ']']), url.port_or_known_default().unwrap_or(80));
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::post(url.path())
        .header("host", format!("{host}:{}", address.1))
        .header("user-agent", "GitHub-Hookshot/5ca1ab1e")
        .header("accept", "*/*")
        .header("content-type", "application/json")
        .header("x-github-delivery", &webhook.guid)
        .header("x-github-event", &webhook.event)
        .header("x-github-hook-id", webhook.hook);
    if let Some(signature) = &webhook.signature {
        request = request.header("x-hub-signature-256", signature);
    }
    let answer = sender.send_request(request.body(Full::new(Bytes::from(webhook.body.clone())))?).await?;
    connection.abort();
    Ok(answer.status().as_u16())
}

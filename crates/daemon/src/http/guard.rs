//! What holds for every answer to operators: it is given only under a name of this daemon, and a foreign page
//! cannot use it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};

use super::host::is_ours;

const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The default policy of an answer: a browser loads nothing for it.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

pub(super) fn guarded(router: Router, hosts: Vec<String>) -> Router {
    let hosts = Arc::new(hosts);
    router.layer(from_fn(move |request: Request, next: Next| {
        let hosts = Arc::clone(&hosts);
        async move {
            let mut response = if is_asked_for(&request, &hosts) {
                next.run(request).await
            } else {
                refusal().into_response()
            };
            harden(&mut response);
            response
        }
    }))
}

/// A client that names no host is not a browser.
fn is_asked_for(request: &Request, hosts: &[String]) -> bool {
    let host = request.headers().get(header::HOST).map(HeaderValue::to_str);
    host.is_none_or(|host| host.is_ok_and(|host| is_ours(host, hosts)))
}

fn refusal() -> (StatusCode, &'static str) {
    let text = "this daemon is not known under that name: ask for it by an address, or name the host in azlin.toml, \
                [http] hosts\n";
    (StatusCode::MISDIRECTED_REQUEST, text)
}

fn harden(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NOTHING));
}

//! One connection, from its first byte to its end: one request, within limits of time and memory.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::MOST_HEAD;
use super::doors::{ConnectionEnd, Visit};

/// How long a client may take to send the head of its request.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may last.
const LONGEST: Duration = Duration::from_secs(20);

/// Answers the request of a connection, and counts how the connection ended.
pub(super) async fn attend<F>(stream: TcpStream, visit: &Visit, answer: impl Fn(Request) -> F)
where
    F: Future<Output = Response>,
{
    let answered = Mutex::new(None);
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let answer = answer(request.map(axum::body::Body::new));
        async {
            let answer = answer.await;
            *answered.lock() = Some(answer.status());
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        // A new request is answered with the fleets that exist then.
        .keep_alive(false)
        .header_read_timeout(HEAD)
        .max_buf_size(MOST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        biased;
        () = visit.must_leave() => None,
        ended = timeout(LONGEST, connection) => Some(ended.map(Result::err)),
    };
    visit.ends(match ended {
        None => ConnectionEnd::Evicted,
        Some(Err(_)) => ConnectionEnd::Cut,
        Some(Ok(Some(error))) if error.is_timeout() => ConnectionEnd::Cut,
        Some(Ok(Some(error))) if error.is_parse() => ConnectionEnd::Unreadable,
        Some(Ok(Some(_))) => ConnectionEnd::Left,
        Some(Ok(None)) => answered.lock().map_or(ConnectionEnd::Left, of_status),
    });
}

fn of_status(status: StatusCode) -> ConnectionEnd {
    match status {
        StatusCode::UNAUTHORIZED => ConnectionEnd::Unsigned,
        StatusCode::PAYLOAD_TOO_LARGE => ConnectionEnd::TooLarge,
        StatusCode::BAD_REQUEST => ConnectionEnd::Unreadable,
        StatusCode::REQUEST_TIMEOUT => ConnectionEnd::Cut,
        _ => ConnectionEnd::Answered,
    }
}

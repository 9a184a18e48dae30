//! A server on loopback that answers each request as a test says, byte for byte, and records it. For what no
//! model of a service does, such as half an answer, and for tests of what a client sends.
//!
//! # Panics
//! Everything here panics on unexpected input, since that is an error of the test.

#![expect(clippy::expect_used, reason = "it serves tests, which fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// A request that was read whole.
#[derive(Debug, Clone)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// Headers, with their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Request {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The path without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A query parameter, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let url = Url::parse("http://h").expect("a URL").join(&self.target).expect("a target");
        url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// It sends a whole answer: status, further headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// It closes the connection without an answer.
    HangUp,
    /// It sends half of an answer.
    Half,
    /// It sends that answer after a while.
    Late(Duration, Box<Reply>),
    /// It sends nothing, and keeps the connection open.
    Silence,
}

/// A whole answer with a JSON body.
#[expect(clippy::needless_pass_by_value, reason = "callers make the value in place")]
pub fn json(status: u16, body: serde_json::Value) -> Reply {
    Reply::Answer(status, Vec::new(), body.to_string())
}

/// A server that answers until the runtime ends.
pub struct ScriptedServer {
    /// The server's address.
    pub url: Url,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl ScriptedServer {
    /// Starts a server. `answer` gets each request, and the number of requests before it.
    pub async fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (seen, answer) = (requests.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (seen.clone(), answer.clone());
                tokio::spawn(async move {
                    let Some((request, stream)) = read(stream).await else { return };
                    let before = {
                        let mut seen = seen.lock();
                        seen.push(request.clone());
                        seen.len() - 1
                    };
                    write(stream, answer(&request, before)).await;
                });
            }
        });
        ScriptedServer { url: Url::parse(&format!("http://{address}")).expect("a URL"), requests }
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().clone()
    }
}

async fn read(mut stream: TcpStream) -> Option<(Request, TcpStream)> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().expect("a length"));
    while bytes.len() < head + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&bytes[head + 4..head + 4 + length]).into_owned();
    Some((Request { method, target, headers, body }, stream))
}

async fn write(mut stream: TcpStream, reply: Reply) {
    let text = match reply {
        Reply::Answer(status, headers, body) => {
            let headers: String =
                headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = body.len();
            format!(
                "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
            )
        }
        Reply::Half => "HTTP/1.1 200 OK\r\ncontent-length: 4096\r\n\r\n{\"total_count\": 1,".to_owned(),
        Reply::HangUp => return,
        Reply::Late(wait, reply) => {
            tokio::time::sleep(wait).await;
            return Box::pin(write(stream, *reply)).await;
        }
        Reply::Silence => return std::future::pending().await,
    };
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

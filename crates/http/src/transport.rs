//! One request and its answer, within bounds.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Once, OnceLock};
use std::time::Duration;

use azlin_fleet::model::CallOutcome;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Method, StatusCode, redirect};
use url::Url;

use crate::given_back::Credentials;
use crate::local::is_local;
use crate::retry::FailedTry;

/// How requests are sent.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// `User-Agent`, where one is sent.
    pub user_agent: Option<&'static str>,
    /// Headers of every request.
    pub headers: HeaderMap,
    /// The time limit of one try of a request.
    pub request_timeout: Duration,
    /// Certificates that are trusted beside the system's, as PEM.
    pub certificates: Option<String>,
    /// The largest body that is read, in bytes.
    pub largest_body: usize,
    /// The most bytes of bodies that are being read at the same time, all together.
    pub largest_together: usize,
}

/// So many of the largest bodies may be under way at once.
const LARGEST_AT_ONCE: usize = 16;

impl HttpSettings {
    /// Settings with these bounds and nothing else.
    pub fn new(request_timeout: Duration, largest_body: usize) -> Self {
        HttpSettings {
            user_agent: None,
            headers: HeaderMap::new(),
            request_timeout,
            certificates: None,
            largest_body,
            largest_together: largest_body.saturating_mul(LARGEST_AT_ONCE),
        }
    }
}

/// A request.
pub struct HttpRequest<'r> {
    /// Its method.
    pub method: Method,
    /// Where it goes.
    pub url: &'r Url,
    /// Headers of this request.
    pub headers: HeaderMap,
    /// The token of its `Authorization: Bearer` header.
    pub bearer: Option<&'r str>,
    /// Its body.
    pub body: Option<Bytes>,
    /// Its own time limit, as for a long poll; the transport's where absent.
    pub time_limit: Option<Duration>,
}

impl<'r> HttpRequest<'r> {
    /// A request without headers, token and body.
    pub fn new(method: Method, url: &'r Url) -> Self {
        HttpRequest { method, url, headers: HeaderMap::new(), bearer: None, body: None, time_limit: None }
    }
}

/// A whole answer, whatever its status. Its body may hold a token, so it is not printed.
pub struct HttpReply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Vec<u8>,
}

impl fmt::Debug for HttpReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HttpReply { status, body, .. } = self;
        f.debug_struct("HttpReply")
            .field("status", status)
            .field("bytes", &body.len())
            .finish_non_exhaustive()
    }
}

/// Why no whole answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoReply {
    /// No client could be made, or the URL is not allowed: nothing was sent.
    NoClient(String),
    /// There was no connection: nothing was sent.
    NotSent(String),
    /// The request was sent, and the answer was lost.
    Lost(String),
    /// The request was sent, and the answer was larger than it may be.
    Cut(String),
}

impl NoReply {
    /// Whether the other side may have seen the request.
    pub fn was_sent(&self) -> bool {
        matches!(self, NoReply::Lost(_) | NoReply::Cut(_))
    }

    /// The reason, in words.
    pub fn why(&self) -> &str {
        let (NoReply::NoClient(why) | NoReply::NotSent(why) | NoReply::Lost(why) | NoReply::Cut(why)) = self;
        why
    }

    /// How the request ended, for the counts.
    pub fn outcome(&self) -> CallOutcome {
        if matches!(self, NoReply::Cut(_)) { CallOutcome::Cut } else { CallOutcome::NoAnswer }
    }

    /// The failure in the terms of the retry rule.
    pub fn failed_try(&self) -> FailedTry {
        if self.was_sent() { FailedTry::Lost } else { FailedTry::NotSent }
    }
}

/// Two HTTP clients: one for the network, and one for this machine.
///
/// Each is made at its first use. Reading the system's certificates takes about 40 ms, which must not delay a
/// start. A machine that only talks to itself may have no certificates.
#[derive(Debug)]
pub struct HttpTransport {
    settings: HttpSettings,
    local: OnceLock<reqwest::Client>,
    network: OnceLock<reqwest::Client>,
    /// The bytes of bodies that are being read.
    under_way: AtomicUsize,
    credentials: Credentials,
}

/// The part of a body that was read, counted until the body is whole or given up.
struct PartialBody<'t> {
    bytes: Vec<u8>,
    under_way: &'t AtomicUsize,
}

impl Drop for PartialBody<'_> {
    fn drop(&mut self) {
        self.under_way.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl HttpTransport {
    /// A transport. Nothing is sent yet.
    pub fn new(settings: HttpSettings) -> Self {
        static RING: Once = Once::new();
        // An error means that the process already has a provider, which works too.
        RING.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        HttpTransport {
            settings,
            local: OnceLock::new(),
            network: OnceLock::new(),
            under_way: AtomicUsize::new(0),
            credentials: Credentials::default(),
        }
    }

    /// The time limit of one try of a request.
    pub fn request_timeout(&self) -> Duration {
        self.settings.request_timeout
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When no whole answer came. The error names the host alone of the URL, and no secret.
    pub async fn send(&self, request: HttpRequest<'_>) -> Result<HttpReply, NoReply> {
        let HttpRequest { method, url, headers, bearer, body, time_limit } = request;
        let mut builder = self.client(url)?.request(method, url.clone()).headers(headers);
        if let Some(token) = bearer {
            builder = builder.bearer_auth(token);
        }
        if let Some(body) = body {
            builder = builder.body(body);
        }
        if let Some(limit) = time_limit {
            builder = builder.timeout(limit);
        }
        let mut response = builder.send().await.map_err(|error| {
            // The host is from the configuration, and says which key is wrong.
            if error.is_connect() {
                NoReply::NotSent(format!("{}: {}", place(url), cause(error)))
            } else {
                NoReply::Lost(cause(error))
            }
        })?;
        let body = self.body(&mut response).await?;
        let (status, mut headers) = (response.status(), response.headers().clone());
        let body = match bearer {
            Some(token) => self.credentials.take_out(token, &mut headers, body),
            None => body,
        };
        Ok(HttpReply { status, headers, body })
    }

    async fn body(&self, response: &mut reqwest::Response) -> Result<Vec<u8>, NoReply> {
        let HttpSettings { largest_body, largest_together, .. } = self.settings;
        let mut body = PartialBody { bytes: Vec::new(), under_way: &self.under_way };
        while let Some(chunk) = response.chunk().await.map_err(|error| NoReply::Lost(cause(error)))? {
            if body.bytes.len() + chunk.len() > largest_body {
                return Err(NoReply::Cut(format!("the body has more than {largest_body} bytes")));
            }
            let others = self.under_way.fetch_add(chunk.len(), Ordering::Relaxed);
            body.bytes.extend_from_slice(&chunk);
            if others + chunk.len() > largest_together {
                let why =
                    format!("the bodies of all answers under way have more than {largest_together} bytes");
                return Err(NoReply::Cut(why));
            }
        }
        let bytes = std::mem::take(&mut body.bytes);
        self.under_way.fetch_sub(bytes.len(), Ordering::Relaxed);
        Ok(bytes)
    }

    fn client(&self, url: &Url) -> Result<&reqwest::Client, NoReply> {
        if url.scheme() == "https" {
            made_once(&self.network, || self.with_certificates(self.builder().https_only(true))?.build())
        } else if is_local(url) {
            // No proxy, and none of the system's certificates: reading them takes time, and a small container
            // may lack them.
            made_once(&self.local, || self.builder().no_proxy().tls_certs_only([]).build())
        } else {
            let host = url.origin().ascii_serialization();
            Err(NoReply::NoClient(format!("{host} is to be reached by plain HTTP, which is not allowed")))
        }
    }

    fn with_certificates(&self, builder: reqwest::ClientBuilder) -> reqwest::Result<reqwest::ClientBuilder> {
        Ok(match &self.settings.certificates {
            Some(more) => builder.tls_certs_merge(Certificate::from_pem_bundle(more.as_bytes())?),
            None => builder,
        })
    }

    fn builder(&self) -> reqwest::ClientBuilder {
        let HttpSettings { user_agent, headers, request_timeout, .. } = &self.settings;
        let builder = reqwest::Client::builder()
            .default_headers(headers.clone())
            .timeout(*request_timeout)
            .connect_timeout((*request_timeout).min(Duration::from_secs(10)))
            // Only an adapter knows whether a request may be sent again, and where its token may go.
            .redirect(redirect::Policy::none());
        match user_agent {
            Some(user_agent) => builder.user_agent(*user_agent),
            None => builder,
        }
    }
}

/// The existing client, or a new one. After a failure the next call tries again: missing certificates may be
/// there by then.
fn made_once(
    client: &OnceLock<reqwest::Client>,
    make: impl FnOnce() -> reqwest::Result<reqwest::Client>,
) -> Result<&reqwest::Client, NoReply> {
    if let Some(client) = client.get() {
        return Ok(client);
    }
    let made = make().map_err(|error| NoReply::NoClient(format!("no HTTPS client: {}", cause(error))))?;
    Ok(client.get_or_init(|| made))
}

/// Host and port of a URL, without what may be secret in it.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The innermost cause of an error of reqwest, as "connection refused" rather than "error sending request".
/// It does not name the URL, which may hold a secret.
fn cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let error = error.without_url();
    let mut deepest: &dyn Error = &error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

//! The HTTP clients under both azure_cores.

use std::sync::{Once, OnceLock};
use std::time::Duration;

use reqwest::{Certificate, redirect};
use url::Url;

use crate::url_rule;

/// The largest body that is read. A page of VMs has about a megabyte.
pub(crate) const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// One client for the web and one for this machine: the metadata service and a simulator are never
/// reached through a proxy, and plain HTTP never leaves the machine.
///
/// Each is made at its first use: reading the system's certificates takes a while (40 ms), which a
/// start need not wait for, and a machine that only talks to itself may have none.
#[derive(Debug)]
pub(crate) struct Https {
    request_timeout: Duration,
    /// What is trusted beside the system's certificates.
    certificates: Option<String>,
    local: OnceLock<reqwest::Client>,
    web: OnceLock<reqwest::Client>,
}

impl Https {
    pub(crate) fn new(request_timeout: Duration, certificates: Option<String>) -> Self {
        static RING: Once = Once::new();
        // An error says that the process has a provider already, which will do as well.
        RING.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        Https { request_timeout, certificates, local: OnceLock::new(), web: OnceLock::new() }
    }

    /// The client for a URL, or why there is none.
    pub(crate) fn client(&self, url: &Url) -> Result<&reqwest::Client, String> {
        let builder = || builder(self.request_timeout);
        if url.scheme() == "https" {
            kept(&self.web, || self.trusting(builder().https_only(true))?.build())
        } else if url_rule::is_local(url) {
            kept(&self.local, || builder().no_proxy().tls_certs_only([]).build())
        } else {
            let host = url.origin().ascii_serialization();
            Err(format!("{host} is to be reached by plain HTTP, which is not allowed"))
        }
    }

    fn trusting(&self, builder: reqwest::ClientBuilder) -> reqwest::Result<reqwest::ClientBuilder> {
        Ok(match &self.certificates {
            Some(more) => builder.tls_certs_merge(Certificate::from_pem_bundle(more.as_bytes())?),
            None => builder,
        })
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }
}

/// The client that was made, or a new one: what could not be made is tried again, since the
/// certificates that it lacked may be there the next time.
fn kept(
    place: &OnceLock<reqwest::Client>,
    make: impl FnOnce() -> reqwest::Result<reqwest::Client>,
) -> Result<&reqwest::Client, String> {
    if let Some(client) = place.get() {
        return Ok(client);
    }
    let client = make().map_err(|error| format!("no HTTPS client: {}", cause(error)))?;
    Ok(place.get_or_init(|| client))
}

fn builder(request_timeout: Duration) -> reqwest::ClientBuilder {
    // Neither the resource manager nor Entra ID redirects.
    reqwest::Client::builder()
        .timeout(request_timeout)
        .connect_timeout(request_timeout.min(Duration::from_secs(10)))
        .redirect(redirect::Policy::none())
}

/// The whole body of an answer, within bounds.
pub(crate) async fn body(response: &mut reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(cause)? {
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(format!("the body has more than {LARGEST_BODY} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The cause at the bottom of an error of reqwest: "connection refused" and not "error sending
/// request", and without the URL, which messages name already.
pub(crate) fn cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let error = error.without_url();
    let mut deepest: &dyn std::error::Error = &error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

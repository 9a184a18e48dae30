//! azure_identity's requests, sent through our HTTP transport.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azlin_http::{HttpRequest, HttpTransport, NoReply};
use azure_core_1::error::{Error, ErrorKind};
use azure_core_1::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core_1::http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Host, Url};

use crate::answer::begins_as_json;

const IDENTITY_HEADER: &str = "x-identity-header";

/// Where a VM of Azure finds its metadata service, and with it the tokens of its identity.
const METADATA_SERVICE: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// How long the way to the metadata service may take. It never leaves the host; elsewhere nobody answers, and a connection
/// would be tried for long.
const METADATA_PATIENCE: Duration = Duration::from_secs(1);

/// The endpoint for managed identities, and the header that proves that the request comes from this machine.
#[derive(Clone)]
pub(crate) struct IdentityEndpoint {
    pub(crate) url: Url,
    pub(crate) header: SecretString,
}

/// azure_identity takes `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` from the process alone. In App Service and
/// in a VM its request has the same query; only the endpoint and the header differ. So its request is
/// redirected to the endpoint that is given here.
pub(crate) struct IdentityHttp {
    pub(crate) transport: Arc<HttpTransport>,
    pub(crate) endpoint: Option<IdentityEndpoint>,
}

impl fmt::Debug for IdentityHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.endpoint.as_ref().map(|endpoint| endpoint.url.as_str());
        f.debug_struct("IdentityHttp").field("endpoint", &endpoint).finish_non_exhaustive()
    }
}

/// Finds out soon whether anything listens there.
async fn reach(address: SocketAddr) -> azure_core_1::Result<()> {
    let why = match timeout(METADATA_PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", METADATA_PATIENCE.as_secs()),
    };
    let what =
        format!("this machine has no metadata service of Azure at {address} ({why}): it is no VM of Azure");
    Err(Error::with_message(ErrorKind::Connection, what))
}

#[async_trait]
impl HttpClient for IdentityHttp {
    async fn execute_request(&self, request: &Request) -> azure_core_1::Result<AsyncRawResponse> {
        let mut url = request.url().clone();
        if let Some(endpoint) = &self.endpoint {
            let query = url.query().map(str::to_owned);
            url = endpoint.url.clone();
            url.set_query(query.as_deref());
        }
        if url.host() == Some(Host::Ipv4(METADATA_SERVICE)) {
            reach(SocketAddr::from((METADATA_SERVICE, url.port_or_known_default().unwrap_or(80)))).await?;
        }
        let method = Method::from_bytes(request.method().as_ref().as_bytes())
            .map_err(|error| Error::new(ErrorKind::DataConversion, error))?;
        let mut sent = HttpRequest::new(method, &url);
        let is_header_of_process = |name: &str| self.endpoint.is_some() && name == IDENTITY_HEADER;
        for (name, value) in request.headers().iter().filter(|(name, _)| !is_header_of_process(name.as_str()))
        {
            sent.headers.insert(header_name(name.as_str())?, header_value(value.as_str())?);
        }
        if let Some(endpoint) = &self.endpoint {
            let mut value = header_value(endpoint.header.expose_secret())?;
            value.set_sensitive(true);
            sent.headers.insert(header_name(IDENTITY_HEADER)?, value);
        }
        if let Body::Bytes(bytes) = request.body() {
            sent.body = Some(bytes.clone());
        }
        let reply = self.transport.send(sent).await.map_err(|lost| {
            let kind = match lost {
                NoReply::NoClient(_) => ErrorKind::Other,
                NoReply::NotSent(_) => ErrorKind::Connection,
                NoReply::Lost(_) | NoReply::Cut(_) => ErrorKind::Io,
            };
            Error::with_message(kind, lost.why().to_owned())
        })?;
        // azure_identity would take a page of a portal for a refusal, which only a person can end.
        if reply.status.is_success() && !begins_as_json(&reply) {
            return Err(Error::with_message(ErrorKind::Io, "the answer holds no token".to_owned()));
        }
        let mut headers = Headers::new();
        for (name, value) in &reply.headers {
            if let Ok(value) = value.to_str() {
                headers
                    .insert(HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value.to_owned()));
            }
        }
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(reply.status.as_u16()), headers, reply.body))
    }
}

fn header_name(name: &str) -> azure_core_1::Result<reqwest::header::HeaderName> {
    name.parse()
        .map_err(|error: reqwest::header::InvalidHeaderName| Error::new(ErrorKind::DataConversion, error))
}

fn header_value(value: &str) -> azure_core_1::Result<reqwest::header::HeaderValue> {
    value
        .parse()
        .map_err(|error: reqwest::header::InvalidHeaderValue| Error::new(ErrorKind::DataConversion, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_without_metadata_service_is_seen_at_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has one");
        assert!(reach(address).await.is_ok());
        drop(listener);
        let error = reach(address).await.expect_err("nothing listens").to_string();
        assert!(error.contains("it is no VM of Azure"), "{error}");
    }
}

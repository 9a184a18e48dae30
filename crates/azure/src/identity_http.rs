//! azure_identity's requests, over our HTTP client.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core_1::error::{Error, ErrorKind};
use azure_core_1::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core_1::http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::https::{self, Https};

const IDENTITY_HEADER: &str = "x-identity-header";

/// Where managed identities are to be had, and the header that shows we are on the machine.
#[derive(Clone)]
pub(crate) struct IdentityEndpoint {
    pub(crate) url: Url,
    pub(crate) header: SecretString,
}

/// azure_identity reads `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` from the process and takes no other
/// value. Requests for a managed identity have one form in App Service and in a VM: the query is the
/// same, the endpoint and the header differ. So what it sends is turned to the endpoint that was
/// handed in.
pub(crate) struct IdentityHttp {
    pub(crate) https: Arc<Https>,
    pub(crate) endpoint: Option<IdentityEndpoint>,
}

impl fmt::Debug for IdentityHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.endpoint.as_ref().map(|endpoint| endpoint.url.as_str());
        f.debug_struct("IdentityHttp").field("endpoint", &endpoint).finish_non_exhaustive()
    }
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
        let client = self.https.client(&url).map_err(|why| Error::with_message(ErrorKind::Other, why))?;
        let method = Method::from_bytes(request.method().as_ref().as_bytes())
            .map_err(|error| Error::new(ErrorKind::DataConversion, error))?;
        let mut sent = client.request(method, url);
        let is_header_of_process = |name: &str| self.endpoint.is_some() && name == IDENTITY_HEADER;
        for (name, value) in request.headers().iter().filter(|(name, _)| !is_header_of_process(name.as_str()))
        {
            sent = sent.header(name.as_str(), value.as_str());
        }
        if let Some(endpoint) = &self.endpoint {
            sent = sent.header(IDENTITY_HEADER, endpoint.header.expose_secret());
        }
        if let Body::Bytes(bytes) = request.body() {
            sent = sent.body(bytes.clone());
        }
        let mut response = sent.send().await.map_err(|error| {
            let kind = if error.is_connect() { ErrorKind::Connection } else { ErrorKind::Io };
            Error::with_message(kind, https::cause(error))
        })?;
        let body = https::body(&mut response).await.map_err(|why| Error::with_message(ErrorKind::Io, why))?;
        let mut headers = Headers::new();
        for (name, value) in response.headers() {
            if let Ok(value) = value.to_str() {
                headers
                    .insert(HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value.to_owned()));
            }
        }
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(response.status().as_u16()), headers, body))
    }
}

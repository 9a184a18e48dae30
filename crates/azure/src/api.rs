//! The generated client, and what it is given in place of a transport and a credential.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::auth::{AccessToken, Secret, TokenCredential};
use azure_core::error::{Error, ErrorKind};
use azure_core::headers::{HeaderName, HeaderValue, Headers};
use azure_core::{Body, HttpClient, Request, Response, RetryOptions, StatusCode, TransportOptions};
/// The API version that everything here is written for.
pub(crate) use azure_mgmt_compute::package_2024_07_01 as compute;
use bytes::Bytes;
use futures::stream;
use reqwest::Method;
use reqwest::header::HeaderMap;

use crate::arm::{Arm, ArmCall};
use crate::error::ArmError;

/// The version that a sealed body is written for: the first in which a NIC and an address that are made with a
/// VM take tags.
const SEALED_API: &str = "2025-04-01";

/// What the generated client must not see of a request's body: see [`crate`].
pub(crate) struct Sealed {
    /// The whole body, which takes the place of the generated client's.
    pub(crate) body: Bytes,
    /// Texts in it that belong into no message.
    pub(crate) secrets: Vec<String>,
}

/// A client for one call.
pub(crate) fn client(arm: &Arc<Arm>, sealed: Option<Sealed>) -> Result<compute::Client, ArmError> {
    compute::Client::builder(Arc::new(StandIn))
        .endpoint(arm.root().clone())
        // Ours to make: the policy of azure_core repeats a PUT without knowing what 412 then means.
        .retry(RetryOptions::none())
        .transport(TransportOptions::new(Arc::new(Transport { arm: arm.clone(), sealed })))
        .build()
        .map_err(arm_error)
}

/// What the transport said, out of the generated client's error.
pub(crate) fn arm_error(error: Error) -> ArmError {
    error.into_downcast::<ArmError>().unwrap_or_else(|error| {
        let why = match error.kind() {
            ErrorKind::DataConversion => format!("the answer is not what Azure documents: {error}"),
            _ => error.to_string(),
        };
        ArmError::unreadable(why)
    })
}

/// A credential without a token: the transport has it.
#[derive(Debug)]
struct StandIn;

#[async_trait]
impl TokenCredential for StandIn {
    async fn get_token(&self, _scopes: &[&str]) -> azure_core::Result<AccessToken> {
        let never = azure_core::date::parse_rfc3339("9999-01-01T00:00:00Z")?;
        Ok(AccessToken::new(Secret::new("set-by-the-transport"), never))
    }

    async fn clear_cache(&self) -> azure_core::Result<()> {
        Ok(())
    }
}

struct Transport {
    arm: Arc<Arm>,
    sealed: Option<Sealed>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transport")
    }
}

#[async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<Response> {
        let call = self.call(request)?;
        let answer = self.arm.send(&call).await.map_err(|error| Error::new(ErrorKind::Other, error))?;
        let status = StatusCode::try_from(answer.status.as_u16())
            .map_err(|_| Error::message(ErrorKind::DataConversion, format!("status {}", answer.status)))?;
        let mut headers = Headers::new();
        for (name, value) in &answer.headers {
            if let Ok(value) = value.to_str() {
                headers
                    .insert(HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value.to_owned()));
            }
        }
        let body = Bytes::from(answer.body);
        Ok(Response::new(status, headers, Box::pin(stream::once(async { Ok(body) }))))
    }
}

impl Transport {
    fn call(&self, request: &Request) -> azure_core::Result<ArmCall> {
        let unfit = |why: &dyn std::fmt::Display| Error::message(ErrorKind::DataConversion, why.to_string());
        let mut headers = HeaderMap::new();
        for (name, value) in request.headers().iter().filter(|(name, _)| name.as_str() != "authorization") {
            headers.insert(
                reqwest::header::HeaderName::try_from(name.as_str()).map_err(|error| unfit(&error))?,
                reqwest::header::HeaderValue::try_from(value.as_str()).map_err(|error| unfit(&error))?,
            );
        }
        let (body, secrets) = match (&self.sealed, request.body()) {
            (Some(sealed), _) => (sealed.body.clone(), sealed.secrets.clone()),
            (None, Body::Bytes(bytes)) => (bytes.clone(), Vec::new()),
            (None, Body::SeekableStream(_)) => return Err(unfit(&"a stream is not sent")),
        };
        let mut url = request.url().clone();
        if self.sealed.is_some() {
            let kept = request.url().query_pairs().filter(|(name, _)| name != "api-version");
            url.query_pairs_mut().clear().extend_pairs(kept).append_pair("api-version", SEALED_API);
        }
        Ok(ArmCall {
            method: Method::from_bytes(request.method().as_ref().as_bytes())
                .map_err(|error| unfit(&error))?,
            url,
            headers,
            body,
            secrets,
        })
    }
}

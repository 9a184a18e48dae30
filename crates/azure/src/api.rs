//! The boundary around the generated client: no other file names `azure_mgmt_compute` or its `azure_core`
//! (docs/decisions/0010-the-generated-client-is-fenced.md).
//!
//! The generated client makes paths, queries and models. Its transport is [`GeneratedTransport`], which
//! passes every request to [`Arm`]. Its credential is [`StandIn`], which has no token.

use std::sync::Arc;

use async_trait::async_trait;
use azlin_fleet::model::ResourceGroup;
use azure_core::auth::{AccessToken, Secret, TokenCredential};
use azure_core::error::{Error, ErrorKind};
use azure_core::headers::{HeaderName, HeaderValue, Headers};
use azure_core::{Body, HttpClient, Request, Response, RetryOptions, StatusCode, TransportOptions};
use azure_mgmt_compute::package_2024_07_01 as compute;
/// The generated structs, of the API version that everything here is written for.
pub(crate) use azure_mgmt_compute::package_2024_07_01::models;
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use futures::stream;
use reqwest::Method;
use reqwest::header::HeaderMap;
use url::Url;

use self::models::{VirtualMachine, VirtualMachineProperties, VirtualMachineUpdate};
use crate::arm::{Arm, ArmCall};
use crate::error::ArmError;
use crate::vm_json;

/// Where the operation of a creation is (Learn: Track asynchronous Azure operations).
const OPERATION: HeaderName = HeaderName::from_static("azure-asyncoperation");

/// The body of a request, hidden from the generated client: see [`crate`].
pub(crate) struct Sealed {
    /// The API version that the body is written for.
    pub(crate) api_version: &'static str,
    /// The whole body, which replaces the generated client's.
    pub(crate) body: Bytes,
    /// Texts in the body that no message may show.
    pub(crate) secrets: Vec<String>,
}

/// Changes of VMs, through the generated client. `vm_reads` reads them.
pub(crate) struct VmApi(Arc<Arm>);

impl VmApi {
    pub(crate) fn new(arm: &Arc<Arm>) -> Self {
        VmApi(Arc::clone(arm))
    }

    /// A client for one call.
    fn client(&self, sealed: Option<Sealed>) -> Result<compute::virtual_machines::Client, ArmError> {
        let transport = GeneratedTransport { arm: Arc::clone(&self.0), sealed };
        compute::Client::builder(Arc::new(StandIn))
            .endpoint(self.0.root().clone())
            // Retries are ours: the policy of azure_core repeats a PUT, and does not know what 412 means
            // then.
            .retry(RetryOptions::none())
            .transport(TransportOptions::new(Arc::new(transport)))
            .build()
            .map(|client| client.virtual_machines_client())
            .map_err(arm_error)
    }

    /// Requests a VM. Its name must be free. Returns the address of the operation that makes it, if Azure names one.
    pub(crate) async fn create(
        &self,
        group: &ResourceGroup,
        name: &str,
        model: VirtualMachine,
        sealed: Sealed,
    ) -> Result<Option<Url>, ArmError> {
        // Not `.await` on the builder: that sends the PUT again at each check of its progress.
        let answer = self
            .client(Some(sealed))?
            .create_or_update(&group.name, name, model, &group.subscription_id)
            .if_none_match("*")
            .send()
            .await
            .map_err(arm_error)?;
        let headers = answer.as_raw_response().headers();
        let operation = headers.get_optional_str(&OPERATION).and_then(|url| url.parse().ok());
        // Only an answer that shows a VM says that there is one.
        let body = answer.into_raw_response().into_body().collect().await.map_err(arm_error)?;
        vm_json::one(&body).map(|_| operation)
    }

    /// Sets the text that a VM's metadata service shows it. Nothing else of the VM changes.
    pub(crate) async fn set_user_data(
        &self,
        group: &ResourceGroup,
        name: &str,
        text: &str,
    ) -> Result<(), ArmError> {
        let user_data = Some(BASE64_STANDARD.encode(text));
        let properties = Some(VirtualMachineProperties { user_data, ..VirtualMachineProperties::default() });
        let update = VirtualMachineUpdate { properties, ..VirtualMachineUpdate::default() };
        let client = self.client(None)?;
        let sent = client.update(&group.name, name, update, &group.subscription_id).send().await;
        sent.map(drop).map_err(arm_error)
    }

    /// Changes a VM as the body says.
    pub(crate) async fn update(
        &self,
        group: &ResourceGroup,
        name: &str,
        sealed: Sealed,
    ) -> Result<(), ArmError> {
        let client = self.client(Some(sealed))?;
        let update = VirtualMachineUpdate::default();
        let sent = client.update(&group.name, name, update, &group.subscription_id).send().await;
        sent.map(drop).map_err(arm_error)
    }

    /// Requests the start of a VM.
    pub(crate) async fn start(&self, group: &ResourceGroup, name: &str) -> Result<(), ArmError> {
        let client = self.client(None)?;
        client.start(&group.name, name, &group.subscription_id).send().await.map(drop).map_err(arm_error)
    }

    /// Requests the deallocation of a VM.
    pub(crate) async fn deallocate(&self, group: &ResourceGroup, name: &str) -> Result<(), ArmError> {
        let client = self.client(None)?;
        client.deallocate(&group.name, name, &group.subscription_id).send().await.map(drop).map_err(arm_error)
    }

    /// Requests the deletion of a VM. It is forced, which is faster: the content of the VM is not needed.
    pub(crate) async fn delete(&self, group: &ResourceGroup, name: &str) -> Result<(), ArmError> {
        self.client(None)?
            .delete(&group.name, name, &group.subscription_id)
            .force_deletion(true)
            .send()
            .await
            .map(drop)
            .map_err(arm_error)
    }

    /// The location of a VM's serial console log; `None` where Azure keeps none.
    pub(crate) async fn console_link(
        &self,
        group: &ResourceGroup,
        name: &str,
    ) -> Result<Option<String>, ArmError> {
        let client = self.client(None)?;
        let found = client.retrieve_boot_diagnostics_data(&group.name, name, &group.subscription_id).await;
        Ok(found.map_err(arm_error)?.serial_console_log_blob_uri)
    }
}

/// The transport's error, extracted from the generated client's error.
fn arm_error(error: Error) -> ArmError {
    error.into_downcast::<ArmError>().unwrap_or_else(|error| {
        let why = match error.kind() {
            ErrorKind::DataConversion => format!("the answer is not what Azure documents: {error}"),
            _ => error.to_string(),
        };
        ArmError::unreadable(why)
    })
}

/// A credential without a token. The transport holds the token.
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

struct GeneratedTransport {
    arm: Arc<Arm>,
    sealed: Option<Sealed>,
}

impl std::fmt::Debug for GeneratedTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GeneratedTransport")
    }
}

#[async_trait]
impl HttpClient for GeneratedTransport {
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

impl GeneratedTransport {
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
        if let Some(sealed) = &self.sealed {
            let kept = request.url().query_pairs().filter(|(name, _)| name != "api-version");
            url.query_pairs_mut().clear().extend_pairs(kept).append_pair("api-version", sealed.api_version);
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

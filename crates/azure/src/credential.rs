//! Chooses Azure's credential by what the environment holds.

use std::fmt;
use std::sync::Arc;

use azlin_http::HttpTransport;
use azure_core_1::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core_1::credentials::{Secret, TokenCredential};
use azure_core_1::http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use secrecy::ExposeSecret;
use url::Url;

use crate::child::Children;
use crate::environment::AzureEnvironment;
use crate::identity_http::{IdentityEndpoint, IdentityHttp};
use crate::url_rule;

/// A kind of credential. Where the environment names none, the first that it holds is used, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// An application with a secret.
    ClientSecret,
    /// An application with a token of Kubernetes or of another issuer.
    WorkloadIdentity,
    /// The managed identity of App Service, or of another service with the same protocol.
    AppServiceIdentity,
    /// The user who is logged in with `az login`.
    AzureCli,
    /// The managed identity of the VM that the daemon runs on.
    VirtualMachineIdentity,
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CredentialKind::ClientSecret => "client secret",
            CredentialKind::WorkloadIdentity => "workload identity",
            CredentialKind::AppServiceIdentity => "managed identity (IDENTITY_ENDPOINT)",
            CredentialKind::AzureCli => "Azure CLI",
            CredentialKind::VirtualMachineIdentity => "managed identity (VM)",
        })
    }
}

impl CredentialKind {
    /// What a person can do when this credential is refused.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            CredentialKind::ClientSecret => {
                "check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, and that the secret has not expired"
            }
            CredentialKind::WorkloadIdentity => {
                "check AZURE_TENANT_ID, AZURE_CLIENT_ID and the federated credential of the application"
            }
            CredentialKind::AppServiceIdentity => {
                "check IDENTITY_ENDPOINT and IDENTITY_HEADER, and AZURE_CLIENT_ID for a user-assigned identity"
            }
            CredentialKind::AzureCli => "run `az login` as the user that the daemon runs as",
            CredentialKind::VirtualMachineIdentity => {
                "give this VM a managed identity, set AZURE_CLIENT_ID for a user-assigned one, or set \
                 AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
            }
        }
    }
}

/// Why the environment gives no credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialError(pub(crate) String);

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no Azure credential: {}", self.0)
    }
}

impl std::error::Error for CredentialError {}

/// Chooses the kind. An incomplete credential is an error and does not fall through to the next kind: a
/// daemon under the wrong identity is worse than one that does not start.
pub(crate) fn choose(environment: &AzureEnvironment) -> Result<CredentialKind, CredentialError> {
    if let Some(name) = &environment.token_credentials {
        return named(name, environment);
    }
    if environment.client_secret.is_some() {
        return Ok(CredentialKind::ClientSecret);
    }
    if environment.federated_token_file.is_some() {
        return Ok(CredentialKind::WorkloadIdentity);
    }
    refuse_half(environment)?;
    if environment.identity_endpoint.is_some() {
        return Ok(CredentialKind::AppServiceIdentity);
    }
    if environment.azure_cli_profile {
        return Ok(CredentialKind::AzureCli);
    }
    refuse_cloud_shell(environment)?;
    Ok(CredentialKind::VirtualMachineIdentity)
}

/// Refuses what is a part of a credential, or could be a part of several: who is meant is not known.
fn refuse_half(environment: &AzureEnvironment) -> Result<(), CredentialError> {
    let has = Option::is_some;
    let (tenant, client) = (has(&environment.tenant_id), has(&environment.client_id));
    let refuse = |why: &str| Err(CredentialError(why.to_owned()));
    if has(&environment.client_certificate_path) {
        return refuse(
            "AZURE_CLIENT_CERTIFICATE_PATH is set, and azlin does not sign in with certificates; set AZURE_CLIENT_SECRET or \
             AZURE_FEDERATED_TOKEN_FILE instead, or use a managed identity and unset it",
        );
    }
    if tenant && client {
        return refuse(
            "AZURE_TENANT_ID and AZURE_CLIENT_ID are set, and neither AZURE_CLIENT_SECRET nor AZURE_FEDERATED_TOKEN_FILE is; \
             set one of them, or unset AZURE_TENANT_ID for a managed identity",
        );
    }
    if tenant {
        return refuse(
            "AZURE_TENANT_ID is set, and AZURE_CLIENT_ID is not; set it with AZURE_CLIENT_SECRET or \
             AZURE_FEDERATED_TOKEN_FILE, or unset AZURE_TENANT_ID",
        );
    }
    if environment.identity_endpoint.is_none() && environment.identity_header.is_some() {
        return refuse("IDENTITY_HEADER is set, and IDENTITY_ENDPOINT is not; set both or none");
    }
    if client && environment.azure_cli_profile && environment.identity_endpoint.is_none() {
        return refuse(
            "AZURE_CLIENT_ID is set, and a user is logged in with the Azure CLI; unset AZURE_CLIENT_ID to be that user, or set \
             AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential for the managed identity",
        );
    }
    Ok(())
}

/// azure_identity takes `MSI_ENDPOINT` for Cloud Shell, and then makes no identity of a VM.
fn refuse_cloud_shell(environment: &AzureEnvironment) -> Result<(), CredentialError> {
    match environment.msi_endpoint {
        None => Ok(()),
        Some(_) => Err(CredentialError(
            "MSI_ENDPOINT is set, the managed identity of Cloud Shell, which azlin does not support; log in with \
             `az login`, or unset MSI_ENDPOINT to use the managed identity of a VM"
                .to_owned(),
        )),
    }
}

/// `AZURE_TOKEN_CREDENTIALS`, with the names of Azure's own libraries.
fn named(name: &str, environment: &AzureEnvironment) -> Result<CredentialKind, CredentialError> {
    let managed = if environment.identity_endpoint.is_some() {
        CredentialKind::AppServiceIdentity
    } else {
        CredentialKind::VirtualMachineIdentity
    };
    match name.trim().to_ascii_lowercase().as_str() {
        "environmentcredential" => {
            let half = if environment.client_secret.is_none() { refuse_half(environment) } else { Ok(()) };
            half.map(|()| CredentialKind::ClientSecret)
        }
        "workloadidentitycredential" => Ok(CredentialKind::WorkloadIdentity),
        "managedidentitycredential" if managed == CredentialKind::VirtualMachineIdentity => {
            refuse_cloud_shell(environment).map(|()| managed)
        }
        "managedidentitycredential" => Ok(managed),
        "azureclicredential" | "dev" => Ok(CredentialKind::AzureCli),
        "prod" => choose(&AzureEnvironment {
            token_credentials: None,
            azure_cli_profile: false,
            ..environment.clone()
        }),
        _ => Err(CredentialError(format!(
            "AZURE_TOKEN_CREDENTIALS is {name:?}; allowed: EnvironmentCredential, WorkloadIdentityCredential, \
             ManagedIdentityCredential, AzureCliCredential, dev, prod"
        ))),
    }
}

/// Makes the credential. No token is requested yet.
pub(crate) fn make(
    kind: CredentialKind,
    environment: &AzureEnvironment,
    resource_manager: &Url,
    transport: &Arc<HttpTransport>,
) -> Result<Arc<dyn TokenCredential>, CredentialError> {
    let need = |value: &Option<String>, name: &str| {
        value.clone().ok_or_else(|| CredentialError(format!("a {kind} needs {name}, which is not set")))
    };
    let tenant = || need(&environment.tenant_id, "AZURE_TENANT_ID");
    let client = || need(&environment.client_id, "AZURE_CLIENT_ID");
    let endpoint =
        (kind == CredentialKind::AppServiceIdentity).then(|| identity_endpoint(environment)).transpose()?;
    let client_options =
        options(environment, resource_manager, IdentityHttp { transport: transport.clone(), endpoint });
    let made: azure_core_1::Result<Arc<dyn TokenCredential>> = match kind {
        CredentialKind::ClientSecret => {
            let secret = environment.client_secret.as_ref().ok_or_else(|| {
                CredentialError(format!("a {kind} needs AZURE_CLIENT_SECRET, which is not set"))
            })?;
            let secret = Secret::new(secret.expose_secret().to_owned());
            let options = ClientSecretCredentialOptions { client_options };
            ClientSecretCredential::new(&tenant()?, client()?, secret, Some(options)).map(|made| made as _)
        }
        CredentialKind::WorkloadIdentity => {
            let options = WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options },
                client_id: Some(client()?),
                tenant_id: Some(tenant()?),
                token_file_path: environment.federated_token_file.clone(),
            };
            WorkloadIdentityCredential::new(Some(options)).map(|made| made as _)
        }
        CredentialKind::AppServiceIdentity | CredentialKind::VirtualMachineIdentity => {
            let user_assigned_id = environment.client_id.clone().map(UserAssignedId::ClientId);
            let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
            ManagedIdentityCredential::new(Some(options)).map(|made| made as _)
        }
        CredentialKind::AzureCli => {
            let options =
                AzureCliCredentialOptions { executor: Some(Arc::new(Children)), ..Default::default() };
            AzureCliCredential::new(Some(options)).map(|made| made as _)
        }
    };
    made.map_err(|error| CredentialError(format!("{kind}: {error}; {}", kind.advice())))
}

fn identity_endpoint(environment: &AzureEnvironment) -> Result<IdentityEndpoint, CredentialError> {
    let found = environment.identity_endpoint.as_deref().unwrap_or_default();
    let refuse = |why: &str| CredentialError(format!("IDENTITY_ENDPOINT is {found:?}; {why}"));
    let url = Url::parse(found).map_err(|error| refuse(&format!("it is no URL: {error}")))?;
    url_rule::check_identity_endpoint(&url).map_err(refuse)?;
    let header = environment.identity_header.clone().ok_or_else(|| {
        refuse(
            "IDENTITY_HEADER is not set; the managed identity of Azure Arc, which has none, is not supported",
        )
    })?;
    Ok(IdentityEndpoint { url, header })
}

fn options(environment: &AzureEnvironment, resource_manager: &Url, http: IdentityHttp) -> ClientOptions {
    ClientOptions {
        transport: Some(Transport::new(Arc::new(http))),
        retry: RetryOptions::exponential(ExponentialRetryOptions { max_retries: 2, ..Default::default() }),
        // Always given: without it azure_identity reads the process's environment.
        cloud: Some(Arc::new(cloud(environment.authority_host.as_deref(), resource_manager))),
        ..Default::default()
    }
}

/// The cloud whose Entra ID issues tokens: the configured one, or that of the resource manager.
fn cloud(authority_host: Option<&str>, resource_manager: &Url) -> CloudConfiguration {
    if let Some(authority_host) = authority_host {
        let mut custom = CustomConfiguration::default();
        custom.authority_host = authority_host.to_owned();
        return custom.into();
    }
    match resource_manager.host_str() {
        Some(host) if host.ends_with(".usgovcloudapi.net") => CloudConfiguration::AzureGovernment,
        Some(host) if host.ends_with(".chinacloudapi.cn") => CloudConfiguration::AzureChina,
        _ => CloudConfiguration::AzurePublic,
    }
}

/// The scope of a token. A simulator on this machine accepts a token of the public cloud.
pub(crate) fn scope(resource_manager: &Url) -> String {
    if azlin_http::is_loopback(resource_manager) {
        return "https://management.azure.com/.default".to_owned();
    }
    format!("{}/.default", resource_manager.origin().ascii_serialization())
}

#[cfg(test)]
mod tests;

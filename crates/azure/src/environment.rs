//! What the environment says about credentials, as values, so that tests do not change the process.

use std::path::PathBuf;

use secrecy::SecretString;

/// The variables that Azure's own tools read, and whether a user is logged in with the Azure CLI.
#[derive(Debug, Clone, Default)]
pub struct AzureEnvironment {
    /// `AZURE_TENANT_ID`.
    pub tenant_id: Option<String>,
    /// `AZURE_CLIENT_ID`: an application, or a user-assigned managed identity.
    pub client_id: Option<String>,
    /// `AZURE_CLIENT_SECRET`.
    pub client_secret: Option<SecretString>,
    /// `AZURE_FEDERATED_TOKEN_FILE`: workload identity.
    pub federated_token_file: Option<PathBuf>,
    /// `AZURE_CLIENT_CERTIFICATE_PATH`, which is refused: azlin does not sign in with certificates.
    pub client_certificate_path: Option<String>,
    /// `AZURE_AUTHORITY_HOST`: where Entra ID is in a sovereign cloud.
    pub authority_host: Option<String>,
    /// `IDENTITY_ENDPOINT`: the managed identity of App Service and what speaks like it.
    pub identity_endpoint: Option<String>,
    /// `IDENTITY_HEADER`, which belongs to it.
    pub identity_header: Option<SecretString>,
    /// `MSI_ENDPOINT`: the managed identity of Cloud Shell, whose protocol is another one.
    pub msi_endpoint: Option<String>,
    /// `AZURE_TOKEN_CREDENTIALS`: which credential to use, by name.
    pub token_credentials: Option<String>,
    /// Whether the Azure CLI has a profile here: `azureProfile.json` in `AZURE_CONFIG_DIR` or
    /// `~/.azure`.
    pub azure_cli_profile: bool,
}

impl AzureEnvironment {
    /// Reads it from variables that are found in this way. An empty one counts as none.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let var = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let cli_folder = var("AZURE_CONFIG_DIR")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(var("HOME")?).join(".azure")));
        AzureEnvironment {
            tenant_id: var("AZURE_TENANT_ID"),
            client_id: var("AZURE_CLIENT_ID"),
            client_secret: var("AZURE_CLIENT_SECRET").map(SecretString::from),
            federated_token_file: var("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
            client_certificate_path: var("AZURE_CLIENT_CERTIFICATE_PATH"),
            authority_host: var("AZURE_AUTHORITY_HOST"),
            identity_endpoint: var("IDENTITY_ENDPOINT"),
            identity_header: var("IDENTITY_HEADER").map(SecretString::from),
            msi_endpoint: var("MSI_ENDPOINT"),
            token_credentials: var("AZURE_TOKEN_CREDENTIALS"),
            azure_cli_profile: cli_folder.is_some_and(|folder| folder.join("azureProfile.json").exists()),
        }
    }
}

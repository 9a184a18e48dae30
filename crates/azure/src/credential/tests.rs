use super::*;
use azlin_http::HttpSettings;
use std::time::Duration;

fn environment(set: &[&str]) -> AzureEnvironment {
    let text = |name: &str| set.contains(&name).then(|| "x".to_owned());
    AzureEnvironment {
        tenant_id: text("tenant"),
        client_id: text("client"),
        client_secret: text("secret").map(Into::into),
        federated_token_file: text("file").map(Into::into),
        client_certificate_path: text("certificate"),
        msi_endpoint: text("msi"),
        authority_host: None,
        identity_endpoint: text("endpoint").map(|_| "http://127.0.0.1:9/msi".to_owned()),
        identity_header: text("header").map(Into::into),
        token_credentials: None,
        azure_cli_profile: set.contains(&"cli"),
    }
}

#[test]
fn the_first_kind_that_the_environment_holds() {
    use CredentialKind::*;
    for (set, expected) in [
        (&["tenant", "client", "secret", "file", "endpoint", "header", "cli"][..], ClientSecret),
        (&["tenant", "client", "secret", "certificate"], ClientSecret),
        (&["tenant", "client", "file", "endpoint", "header", "cli"], WorkloadIdentity),
        (&["client", "endpoint", "header", "cli"], AppServiceIdentity),
        (&["cli"], AzureCli),
        (&["cli", "msi"], AzureCli),
        (&["client"], VirtualMachineIdentity),
        (&[], VirtualMachineIdentity),
    ] {
        assert_eq!(choose(&environment(set)), Ok(expected), "{set:?}");
    }
}

#[test]
fn a_name_overrules_what_is_found() {
    use CredentialKind::*;
    let all = environment(&["tenant", "client", "secret", "file", "cli"]);
    for (name, expected) in [
        ("EnvironmentCredential", Some(ClientSecret)),
        ("workloadidentitycredential", Some(WorkloadIdentity)),
        ("ManagedIdentityCredential", Some(VirtualMachineIdentity)),
        ("AzureCliCredential", Some(AzureCli)),
        ("dev", Some(AzureCli)),
        ("prod", Some(ClientSecret)),
        ("VisualStudioCredential", None),
    ] {
        let named = AzureEnvironment { token_credentials: Some(name.to_owned()), ..all.clone() };
        assert_eq!(choose(&named).ok(), expected, "{name}");
    }
    let cli = AzureEnvironment { token_credentials: Some("prod".to_owned()), ..environment(&["cli"]) };
    assert_eq!(choose(&cli), Ok(VirtualMachineIdentity), "what is for development is not for production");
}

#[test]
fn half_a_credential_names_what_is_missing() {
    let root = Url::parse("https://management.azure.com").expect("a URL");
    let transport = Arc::new(HttpTransport::new(HttpSettings::new(Duration::from_secs(1), 1024)));
    for (set, missing) in [
        (&["client", "secret"][..], "AZURE_TENANT_ID"),
        (&["tenant", "secret"], "AZURE_CLIENT_ID"),
        (&["tenant", "file"], "AZURE_CLIENT_ID"),
        (&["endpoint"], "IDENTITY_HEADER"),
    ] {
        let environment = environment(set);
        let kind = choose(&environment).expect("a kind");
        let error = make(kind, &environment, &root, &transport).map(drop).expect_err("half a credential");
        assert!(error.to_string().contains(missing), "{set:?}: {error}");
    }
}

#[test]
fn what_may_be_half_of_a_credential_is_never_another_one() {
    let named =
        |name: &str, set| AzureEnvironment { token_credentials: Some(name.to_owned()), ..environment(set) };
    for (environment, parts) in [
        (
            environment(&["tenant", "client"]),
            &["AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "unset"][..],
        ),
        (environment(&["tenant", "client", "cli"]), &["AZURE_CLIENT_SECRET"]),
        (environment(&["tenant", "client", "endpoint", "header"]), &["AZURE_CLIENT_SECRET"]),
        (environment(&["tenant"]), &["AZURE_CLIENT_ID", "unset AZURE_TENANT_ID"]),
        (environment(&["tenant", "cli"]), &["AZURE_CLIENT_ID"]),
        (
            environment(&["tenant", "client", "certificate"]),
            &["AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_SECRET"],
        ),
        (environment(&["certificate", "cli"]), &["AZURE_CLIENT_CERTIFICATE_PATH"]),
        (environment(&["client", "cli"]), &["AZURE_CLIENT_ID", "AZURE_TOKEN_CREDENTIALS"]),
        (environment(&["header"]), &["IDENTITY_HEADER", "IDENTITY_ENDPOINT"]),
        (environment(&["msi"]), &["MSI_ENDPOINT", "az login"]),
        (environment(&["msi", "client"]), &["MSI_ENDPOINT"]),
        (
            named("EnvironmentCredential", &["tenant", "client", "certificate"]),
            &["AZURE_CLIENT_CERTIFICATE_PATH"],
        ),
        (named("prod", &["tenant", "client"]), &["AZURE_CLIENT_SECRET"]),
        (named("ManagedIdentityCredential", &["msi"]), &["MSI_ENDPOINT"]),
    ] {
        let error = choose(&environment).expect_err("half a credential").to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{environment:?}: {error}");
    }
    for (name, expected) in [
        ("AzureCliCredential", CredentialKind::AzureCli),
        ("ManagedIdentityCredential", CredentialKind::VirtualMachineIdentity),
    ] {
        let environment = named(name, &["tenant", "client", "cli"]);
        assert_eq!(choose(&environment), Ok(expected), "a name says which");
    }
}

#[test]
fn clouds_and_scopes() {
    for (root, scope_of, of_cloud) in [
        (
            "https://management.azure.com/",
            "https://management.azure.com/.default",
            CloudConfiguration::AzurePublic,
        ),
        (
            "https://management.usgovcloudapi.net",
            "https://management.usgovcloudapi.net/.default",
            CloudConfiguration::AzureGovernment,
        ),
        (
            "https://management.chinacloudapi.cn",
            "https://management.chinacloudapi.cn/.default",
            CloudConfiguration::AzureChina,
        ),
        ("http://127.0.0.1:8080", "https://management.azure.com/.default", CloudConfiguration::AzurePublic),
    ] {
        let root = Url::parse(root).expect("a URL");
        assert_eq!(scope(&root), scope_of);
        assert_eq!(cloud(None, &root), of_cloud, "{root}");
        assert!(matches!(cloud(Some("https://login.example"), &root), CloudConfiguration::Custom(_)));
    }
}

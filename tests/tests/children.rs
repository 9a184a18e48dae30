//! Children of azlin get no secret by their environment.

use std::os::unix::fs::PermissionsExt;

use azlin_simcloud::Workload;
use azlin_tests::binary::{Cloud, VM};
use azlin_tests::sources::sources;

/// The one place that starts processes.
const PLACE: &str = "crates/azure/src/child.rs";

/// simcloud's machines are for tests alone, and it knows no real secret.
#[test]
fn one_place_starts_processes() {
    let is_product = |path: &str| path.starts_with("crates/") && !path.starts_with("crates/simcloud/");
    let starts = |line: &str| line.contains("Command::new(") || line.contains("new_executor()");
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| source.is_production() && is_product(&source.path)) {
        let code = source.text.split("\nmod tests {").next().unwrap_or_default();
        // clap's commands are no processes.
        let is_clap = code.contains("use clap::Command;");
        if code.lines().any(starts) && !is_clap {
            found.push(source.path.clone());
        }
    }
    assert_eq!(found, [PLACE]);
}

/// An `az` that writes its environment to a file, and gives a token that nothing takes.
#[test]
fn az_gets_what_it_signs_in_with_and_no_secret() {
    let cloud = Cloud::new(&Workload::parse("repositories = ['o/r']").unwrap());
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n{VM}"));
    let folder = tempfile::tempdir().unwrap();
    let (az, told) = (folder.path().join("az"), folder.path().join("told"));
    let answer = r#"{"accessToken": "none", "expires_on": 4102444800, "tokenType": "Bearer"}"#;
    std::fs::write(&az, format!("#!/bin/sh\nenv >{}\necho '{answer}'\n", told.display())).unwrap();
    std::fs::set_permissions(&az, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
    let mut command = cloud.command(&["check"]);
    let secrets = ["AZURE_CLIENT_SECRET", "AZLIN_WEBHOOK_SECRET", "GITHUB_TOKEN_PARTNER"];
    for name in secrets {
        command.env(name, format!("secret-of-{name}"));
    }
    command.env("PATH", path).env("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential");
    let output = command.env("AZURE_CONFIG_DIR", folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let told = std::fs::read_to_string(&told).unwrap_or_else(|error| panic!("{error}: {said}"));
    let token = cloud.served.world().settings.token.clone();
    assert!(!told.contains(&token) && !told.contains("secret-of-"), "{told}");
    assert!(told.contains("AZURE_CONFIG_DIR=") && told.contains("PATH="), "{told}");
}

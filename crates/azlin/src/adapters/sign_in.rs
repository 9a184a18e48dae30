//! Credentials for GitHub: a credential of systemd's comes before a variable or a file. A named credential has its
//! name in theirs: `github-token-NAME`, `GITHUB_TOKEN_NAME`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use azlin_daemon::bounded_file::read_text;
use azlin_fleet::check::SignInError;
use azlin_fleet::config::AppConfig;
use azlin_fleet::model::CredentialName;
use azlin_github::{App, AppKeyError, Token, TokenError};
use secrecy::SecretString;

use super::{ProcessEnvironment, credential};

/// The longest file that may be a key.
const MOST_BYTES: u64 = 64 * 1024;

/// The token of a credential.
pub(super) fn token(name: Option<&CredentialName>, environment: &ProcessEnvironment) -> Result<Token> {
    let (file, variable) = (named("github-token", name), variable("GITHUB_TOKEN", name));
    let given = credential(environment.credentials.as_deref(), &file)?;
    let origin = match (&given, &environment.credentials) {
        (Some(_), Some(folder)) => origin(folder, &file),
        _ => format!("the variable {variable}"),
    };
    let token = given.or_else(|| (environment.variable)(&variable)).ok_or_else(|| {
        SignInError::new("there is no token for GitHub").advise(format!(
            "set {variable}, give the service the systemd credential {file}, or name a GitHub App in azlin.toml \
             ([github] app_id); a token needs Actions: read and Administration: write on the repository, or \
             Self-hosted runners: write on the organisation"
        ))
    })?;
    let token = Token::new(&token).map_err(|error| {
        SignInError::new(format!("the token for GitHub in {origin} cannot be used: {}", error.why()))
            .advise(TokenError::ADVICE)
    })?;
    let token = token.from_origin(&origin);
    if let Some(note) = token.note() {
        tracing::warn!(reason = %note, "the token for GitHub looks unusual: {note}");
    }
    Ok(token)
}

/// Where a credential came from, for people. systemd gives the service copies, in a directory that goes with it.
fn origin(folder: &Path, file: &str) -> String {
    if folder.starts_with("/run/credentials") {
        return format!("systemd's credential {file} (/etc/azlin/credentials/{file} in the package's unit)");
    }
    folder.join(file).display().to_string()
}

/// The app of a credential, with its private key.
pub(super) fn app(
    app: &AppConfig,
    name: Option<&CredentialName>,
    environment: &ProcessEnvironment,
) -> Result<App> {
    let file = named("github-app-key", name);
    let key = match (credential(environment.credentials.as_deref(), &file)?, &app.private_key) {
        (Some(key), _) => key,
        (None, Some(path)) => key_file(path)?,
        (None, None) => {
            let says = format!("there is no private key for the GitHub App {}", app.id);
            bail!(SignInError::new(says).advise(format!(
                "give the service the systemd credential {file}, or name the file with app_private_key in azlin.toml"
            )))
        }
    };
    if (environment.variable)(&variable("GITHUB_TOKEN", name)).is_some() {
        let variable = variable("GITHUB_TOKEN", name);
        tracing::debug!("signs in as the GitHub App {}; {variable} is not used", app.id);
    }
    let app = App::new(&app.id, app.installation_id, &key);
    Ok(app.map_err(|error| SignInError::new(error.why()).advise(AppKeyError::ADVICE))?)
}

/// A private key from a file that other users cannot read.
fn key_file(path: &Path) -> Result<SecretString> {
    let shown = path.display();
    let metadata = std::fs::metadata(path)
        .with_context(|| format!("the GitHub App's private key {shown} cannot be read (app_private_key)"))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        let says = format!("the GitHub App's private key {shown} may be read by others (mode {mode:04o})");
        bail!(SignInError::new(says).advise(format!("chmod 600 {shown}")));
    }
    if metadata.len() > MOST_BYTES {
        bail!("{shown} is no private key: it has more than {MOST_BYTES} bytes");
    }
    let text = read_text(path)
        .with_context(|| format!("the GitHub App's private key {shown} cannot be read (app_private_key)"))?;
    Ok(SecretString::from(text))
}

fn named(what: &str, name: Option<&CredentialName>) -> String {
    name.map_or(what.to_owned(), |name| format!("{what}-{name}"))
}

fn variable(what: &str, name: Option<&CredentialName>) -> String {
    let of =
        |name: &CredentialName| format!("{what}_{}", name.as_str().to_ascii_uppercase().replace('-', "_"));
    name.map_or(what.to_owned(), of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use azlin_simcloud::{APP_ID, APP_PRIVATE_KEY};
    use secrecy::ExposeSecret;

    fn environment(folder: &Path) -> ProcessEnvironment {
        ProcessEnvironment {
            variable: Box::new(|name| Some(SecretString::from(format!("ghp_{name}")))),
            azure: azlin_azure::AzureEnvironment::default(),
            credentials: Some(folder.to_owned()),
        }
    }

    fn config(private_key: Option<&Path>) -> AppConfig {
        AppConfig {
            id: APP_ID.to_owned(),
            installation_id: 815,
            private_key: private_key.map(Path::to_owned),
        }
    }

    #[test]
    fn each_credential_has_its_own_token_and_key() {
        let name: CredentialName = "my-partner".parse().expect("valid");
        assert_eq!(variable("GITHUB_TOKEN", Some(&name)), "GITHUB_TOKEN_MY_PARTNER");
        assert_eq!(named("github-app-key", Some(&name)), "github-app-key-my-partner");
        let folder = tempfile::tempdir().expect("a folder");
        let environment = environment(folder.path());
        // Without a credential the variable serves.
        token(Some(&name), &environment).expect("it is there");
        std::fs::write(folder.path().join("github-token-my-partner"), "<no token>").expect("written");
        token(Some(&name), &environment).expect_err("the credential goes before the variable");
        token(None, &environment).expect("that of another is untouched");
    }

    #[test]
    fn a_token_that_cannot_be_used_is_told_with_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let environment = environment(folder.path());
        std::fs::write(folder.path().join("github-token"), "<no token>").expect("written");
        let path = folder.path().join("github-token").display().to_string();
        let told = format!("{:#}", token(None, &environment).expect_err("a placeholder"));
        assert!(told.contains(&format!("the token for GitHub in {path} cannot be used")), "{told}");
        assert_eq!(
            origin(Path::new("/run/credentials/azlin-github-runner.service"), "github-token"),
            "systemd's credential github-token (/etc/azlin/credentials/github-token in the package's unit)"
        );
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_and_the_credential_goes_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let (environment, path) = (environment(folder.path()), folder.path().join("app.pem"));
        let said = |key: Option<&Path>| {
            app(&config(key), None, &environment).map(drop).map_err(|error| format!("{error:#}"))
        };
        assert!(said(None).expect_err("there is none").contains("app_private_key in azlin.toml"));
        assert!(said(Some(&path)).expect_err("there is no file").contains("cannot be read"));
        std::fs::write(&path, APP_PRIVATE_KEY).expect("written");
        let mode =
            |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        mode(0o644);
        assert!(said(Some(&path)).expect_err("others can").contains("chmod 600"));
        mode(0o600);
        assert_eq!(said(Some(&path)), Ok(()));
        std::fs::write(folder.path().join("github-app-key"), "no key").expect("written");
        assert!(said(Some(&path)).expect_err("it goes first").contains("not in PEM"));
        assert!(
            !APP_PRIVATE_KEY.is_empty() && key_file(&path).expect("read").expose_secret() == APP_PRIVATE_KEY
        );
    }
}

//! Child processes: `az` is the only one that azlin starts. No child gets a secret by its environment.
//!
//! Rust cannot take a variable out of the own environment safely, so each child is started without. `tests/tests/children.rs`
//! finds a place that starts one in another way.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Command, Output};

use async_trait::async_trait;
use azure_identity::Executor;

/// Parts of the names of variables that may hold a secret, as `GITHUB_TOKEN`, `AZURE_CLIENT_SECRET`, `IDENTITY_HEADER` and
/// `CREDENTIALS_DIRECTORY` do.
const SECRET: [&str; 8] =
    ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "PRIVATE_KEY", "ACCESS_KEY", "IDENTITY_HEADER"];
/// What configures `az`, and holds no secret whatever its name is. `az` signs in with its own profile, which it finds by
/// `AZURE_CONFIG_DIR` or `HOME`; it needs no other `AZURE_` variable.
const OF_AZ: [&str; 2] = ["AZURE_CONFIG_DIR", "AZURE_CORE_"];
/// What a service manager gives to one process, which is not the child.
const OF_SYSTEMD: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// Starts children with the environment that they may have.
#[derive(Debug)]
pub(crate) struct Children;

#[async_trait]
impl Executor for Children {
    async fn run(&self, program: &OsStr, arguments: &[&OsStr]) -> io::Result<Output> {
        let mut command = command(program, std::env::vars_os());
        command.args(arguments);
        tokio::task::spawn_blocking(move || command.output()).await.map_err(io::Error::other)?
    }
}

/// A command with what of these variables a child may have.
fn command(program: &OsStr, variables: impl Iterator<Item = (OsString, OsString)>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(variables.filter(|(name, _)| may_have(name)));
    command
}

fn may_have(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    let is_of_az = OF_AZ.iter().any(|start| name.starts_with(start));
    let is_secret = SECRET.iter().any(|part| name.contains(part));
    (is_of_az || !is_secret) && !OF_SYSTEMD.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_prints_its_environment_prints_no_secret() {
        let variables = [
            ("GITHUB_TOKEN", false),
            ("GITHUB_TOKEN_MY_PARTNER", false),
            ("AZLIN_WEBHOOK_SECRET", false),
            ("AZURE_CLIENT_SECRET", false),
            ("AZURE_CLIENT_CERTIFICATE_PASSWORD", false),
            ("AZURE_FEDERATED_TOKEN_FILE", false),
            ("IDENTITY_HEADER", false),
            ("MSI_SECRET", false),
            ("CREDENTIALS_DIRECTORY", false),
            ("Gh_Token", false),
            ("NOTIFY_SOCKET", false),
            ("LISTEN_FDS", false),
            ("PATH", true),
            ("HOME", true),
            ("LC_ALL", true),
            ("HTTPS_PROXY", true),
            ("REQUESTS_CA_BUNDLE", true),
            ("AZURE_CONFIG_DIR", true),
            ("AZURE_CORE_ENCRYPT_TOKEN_CACHE", true),
        ];
        let given = variables.map(|(name, _)| (name.into(), format!("value of {name}").into()));
        let output = command(OsStr::new("/usr/bin/env"), given.into_iter()).output().expect("env is there");
        let printed = String::from_utf8(output.stdout).expect("text");
        for (name, is_there) in variables {
            let line = format!("{name}=value of {name}");
            assert_eq!(printed.lines().any(|found| found == line), is_there, "{name}: {printed}");
        }
    }

    #[tokio::test]
    async fn a_child_has_its_arguments_and_tells_its_end() {
        let arguments = ["-c", "echo \"$0\"; exit 3", "said"].map(OsStr::new);
        let output = Children.run(OsStr::new("/bin/sh"), &arguments).await.expect("sh is there");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(3), b"said\n".as_slice()));
    }
}

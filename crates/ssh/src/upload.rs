//! Uploads files to the machine: complete, or absent under their name.

use std::time::Duration;

use azlin_fleet::model::{SshError, SshErrorKind, quoted};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::connection::SshConnection;
use crate::exec::{CommandEnd, SshCommand};
use crate::output::CommandOutput;

/// A file to upload.
#[derive(Debug, Clone)]
pub struct RemoteFile<'a> {
    /// Its absolute path. Missing folders are created.
    pub path: &'a str,
    /// Its mode, as `0o755`. Its owner is root.
    pub mode: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Its time limit.
    pub limit: Duration,
}

impl SshConnection {
    /// Uploads a file, and replaces an existing one. The bytes go to a temporary file beside it, whose size
    /// is checked before the rename: the machine cannot distinguish the end of the bytes from the end of the
    /// connection.
    ///
    /// # Errors
    /// [`SshErrorKind::StepFailed`] with the machine's output; otherwise as [`SshConnection::exec`].
    pub async fn upload(
        &self,
        file: &RemoteFile<'_>,
        content: impl AsyncRead + Unpin + Send,
    ) -> Result<(), SshError> {
        let name = format!("upload of {}", file.path);
        let line = script(file);
        let command = SshCommand { name: &name, line: &line, limit: file.limit };
        let mut output = CommandOutput::new(None);
        let ended = self
            .exec(&command, content.take(file.size), |stream, chunk| output.push(stream, chunk, |_| {}))
            .await?;
        output.finish(|_, _| {});
        match ended {
            CommandEnd::Code(0) => Ok(()),
            ended => Err(self.failed(&name, &ended, &output)),
        }
    }

    pub(crate) fn failed(&self, what: &str, ended: &CommandEnd, output: &CommandOutput) -> SshError {
        use crate::exec::{NO_ROOT, NO_ROOT_CODE};
        let (vm, user, tail) = (&self.vm, &self.user, output.tail());
        let message = match ended {
            CommandEnd::Code(NO_ROOT_CODE) if output.last_line() == NO_ROOT => {
                let said = tail.trim_end_matches(NO_ROOT).trim_end_matches("; ");
                format!("{what} on {vm}: user {user} may not become root without a password: {said}")
            }
            CommandEnd::Code(code) => format!("{what} on {vm} ended with {code}: {tail}"),
            CommandEnd::Signal(signal) => format!("{what} on {vm} was ended by signal {signal}: {tail}"),
        };
        let message = if tail.is_empty() { format!("{message}it printed nothing") } else { message };
        SshError::new(SshErrorKind::StepFailed, message)
    }
}

fn script(file: &RemoteFile<'_>) -> String {
    let (path, size, mode) = (quoted(file.path), file.size, file.mode & 0o7777);
    format!(
        "set -eu; umask 022; path={path}; mkdir -p \"$(dirname \"$path\")\"; \
         part=$(mktemp \"$path.XXXXXX\"); trap 'rm -f \"$part\"' EXIT; trap 'exit 1' HUP INT TERM PIPE; \
         cat >\"$part\"; found=$(wc -c <\"$part\"); \
         [ \"$found\" -eq {size} ] || {{ echo \"$found bytes of {size} have come\" >&2; exit 1; }}; \
         chown 0:0 \"$part\"; chmod {mode:04o} \"$part\"; mv -f \"$part\" \"$path\""
    )
}

//! One command on the machine: its input, its output, and how it ended.

use std::time::Duration;

use azlin_fleet::model::{SshError, SshErrorKind, quoted};
use bytes::BytesMut;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

use crate::connection::{FAREWELL, SshConnection};

/// How much of a command's input is read at once: one packet of OpenSSH. With more, reading and sending
/// alternate instead of running side by side, as the benchmark shows.
const CHUNK: usize = 32 * 1024;
/// How long output may stay silent after a command has ended. A process that the command left behind may keep
/// the output open.
const AFTER_END: Duration = Duration::from_secs(5);

/// A command to run as root.
#[derive(Debug, Clone)]
pub struct SshCommand<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// The line for a POSIX shell. Other users of the machine can see it.
    pub line: &'a str,
    /// Its time limit.
    pub limit: Duration,
}

/// One of a command's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandEnd {
    /// With this exit status.
    Code(u32),
    /// By this signal, as `KILL`.
    Signal(String),
}

impl SshConnection {
    /// Runs a command as root. It reads `input` and then the end of the file; `output` gets its output in
    /// chunks.
    ///
    /// # Errors
    /// [`SshErrorKind::Lost`] when the connection ended or the limit was reached, or `input` could not be
    /// read; [`SshErrorKind::StepFailed`] when the server runs no commands. How the command itself ended
    /// is no error here.
    pub async fn exec(
        &self,
        command: &SshCommand<'_>,
        input: impl AsyncRead + Unpin + Send,
        mut output: impl FnMut(Stream, &[u8]) + Send,
    ) -> Result<CommandEnd, SshError> {
        let end = Instant::now() + command.limit;
        let opening = tokio::time::timeout_at(end, self.handle.channel_open_session()).await;
        let channel =
            opening.map_err(|_| self.too_long(command))?.map_err(|error| self.lost(command, &error))?;
        let (mut reader, writer) = channel.split();
        let result = self.converse(command, end, (&mut reader, &writer), input, &mut output).await;
        if result.is_err() {
            // A command that still runs loses its standard streams.
            let _ = tokio::time::timeout(FAREWELL, writer.close()).await;
        }
        result
    }

    async fn converse(
        &self,
        command: &SshCommand<'_>,
        mut end: Instant,
        (reader, writer): (&mut ChannelReadHalf, &ChannelWriteHalf<Msg>),
        input: impl AsyncRead + Unpin + Send,
        output: &mut (impl FnMut(Stream, &[u8]) + Send),
    ) -> Result<CommandEnd, SshError> {
        let line = as_root(command.line);
        writer.exec(true, line).await.map_err(|error| self.lost(command, &error))?;
        let mut feeding = std::pin::pin!(feed(writer, input));
        let mut fed = false;
        let mut ended = None;
        loop {
            let message = tokio::select! {
                result = &mut feeding, if !fed => {
                    fed = true;
                    // The reading side shows that the connection is gone, with the reason.
                    if let Err(Fed::Unreadable(error)) = result {
                        return Err(self.unreadable(command, &error));
                    }
                    continue;
                }
                message = reader.wait() => message,
                () = tokio::time::sleep_until(end) => {
                    return ended.ok_or_else(|| self.too_long(command));
                }
            };
            match message {
                Some(ChannelMsg::Data { data }) => output(Stream::Stdout, &data),
                Some(ChannelMsg::ExtendedData { data, .. }) => output(Stream::Stderr, &data),
                Some(ChannelMsg::ExitStatus { exit_status }) => ended = Some(CommandEnd::Code(exit_status)),
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    ended = Some(CommandEnd::Signal(signal_named(&signal_name)));
                }
                Some(ChannelMsg::Failure) => return Err(self.runs_nothing(command)),
                Some(ChannelMsg::Close) | None => {
                    return ended.ok_or_else(|| self.lost(command, &russh::Error::Disconnect));
                }
                Some(_) => continue,
            }
            if ended.is_some() {
                end = Instant::now() + AFTER_END;
            }
        }
    }

    fn too_long(&self, command: &SshCommand<'_>) -> SshError {
        let limit = command.limit.as_secs_f32();
        SshError::new(
            SshErrorKind::Lost,
            format!("{} on {} did not end within {limit} s", command.name, self.vm),
        )
    }

    fn lost(&self, command: &SshCommand<'_>, error: &russh::Error) -> SshError {
        let (name, vm) = (command.name, &self.vm);
        let message = match (error, self.why_ended()) {
            (russh::Error::ChannelOpenFailure(why), None) => {
                format!("{name} on {vm}: the SSH server opens no session on this connection: {why:?}")
            }
            (error, None) => format!("{name} on {vm}: the connection ended before it did: {error}"),
            (_, Some(why)) => format!("{name} on {vm}: the connection ended before it did: {why}"),
        };
        SshError::new(SshErrorKind::Lost, message)
    }

    fn unreadable(&self, command: &SshCommand<'_>, error: &std::io::Error) -> SshError {
        SshError::new(
            SshErrorKind::Lost,
            format!("{} on {}: what it is to read cannot be read here: {error}", command.name, self.vm),
        )
    }

    fn runs_nothing(&self, command: &SshCommand<'_>) -> SshError {
        let message = format!("{} on {}: the SSH server runs no commands", command.name, self.vm);
        SshError::new(SshErrorKind::StepFailed, message)
    }
}

/// Why the input could not be sent completely.
enum Fed {
    Unreadable(std::io::Error),
    ConnectionGone,
}

async fn feed(writer: &ChannelWriteHalf<Msg>, mut input: impl AsyncRead + Unpin) -> Result<(), Fed> {
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        while chunk.len() < CHUNK && input.read_buf(&mut chunk).await.map_err(Fed::Unreadable)? > 0 {}
        if chunk.is_empty() {
            break;
        }
        writer.data_bytes(chunk.freeze()).await.map_err(|_| Fed::ConnectionGone)?;
    }
    writer.eof().await.map_err(|_| Fed::ConnectionGone)
}

/// Printed when `sudo` does not give root.
pub(crate) const NO_ROOT: &str = "azlin: not root";
/// The exit status for that case.
pub(crate) const NO_ROOT_CODE: u32 = 126;

/// The line that makes any login shell run `line` in a POSIX shell as root.
fn as_root(line: &str) -> String {
    let script = format!(
        "if [ \"$(id -u)\" = 0 ]; then exec /bin/sh -c \"$1\"; fi; \
         sudo -n true </dev/null || {{ echo \"{NO_ROOT}\" >&2; exit {NO_ROOT_CODE}; }}; \
         exec sudo -n /bin/sh -c \"$1\""
    );
    format!("exec /bin/sh -c {} azlin {}", quoted(&script), quoted(line))
}

fn signal_named(signal: &russh::Sig) -> String {
    match signal {
        russh::Sig::Custom(name) => crate::output::quoted_from_afar(name),
        known => format!("{known:?}"),
    }
}

#[cfg(test)]
mod tests;

//! A logged-in connection to a machine.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azlin_fleet::model::{SshError, Step};
use azlin_fleet::ports::Session;
use russh::Disconnect;
use russh::client::Handle;
use secrecy::ExposeSecret;
use tracing::debug;

use crate::exec::{CommandEnd, SshCommand, Stream};
use crate::login::{Goodbye, Guard};
use crate::output::CommandOutput;

/// The time limit for the disconnect message.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// A logged-in connection to a machine. It ends when this is dropped.
pub struct SshConnection {
    pub(crate) vm: String,
    pub(crate) user: String,
    pub(crate) handle: Arc<Handle<Guard>>,
    pub(crate) goodbye: Goodbye,
}

impl SshConnection {
    /// Why the connection has ended, if it has.
    pub(crate) fn why_ended(&self) -> Option<String> {
        self.goodbye.get().cloned()
    }
}

impl std::fmt::Debug for SshConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshConnection")
            .field("vm", &self.vm)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Drop for SshConnection {
    fn drop(&mut self) {
        // The disconnect message is for the server's log. Dropping the last handle closes the socket anyway.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let handle = Arc::clone(&self.handle);
        runtime.spawn(async move {
            let farewell = handle.disconnect(Disconnect::ByApplication, "", "");
            let _ = tokio::time::timeout(FAREWELL, farewell).await;
        });
    }
}

#[async_trait]
impl Session for SshConnection {
    async fn run(&self, step: &Step) -> Result<String, SshError> {
        let (line, input) = (step.command(), step.input());
        let command = SshCommand { name: step.name(), line: &line, limit: step.limit() };
        let mut output = CommandOutput::new(input.as_ref());
        let tell = |stream: Stream, line: &str| {
            let (step, stream) = (step.name(), stream.name());
            debug!(vm = %self.vm, step, stream, line, "{}: {step}: {line}", self.vm);
        };
        let reads = input.as_ref().map_or("", |input| input.expose_secret());
        let ended = self
            .exec(&command, reads.as_bytes(), |stream, chunk| {
                output.push(stream, chunk, |line| tell(stream, line));
            })
            .await?;
        output.finish(tell);
        match ended {
            CommandEnd::Code(0) => Ok(output.printed()),
            ended => Err(self.failed(step.name(), &ended, &output)),
        }
    }
}

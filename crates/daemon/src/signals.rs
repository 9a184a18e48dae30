//! SIGTERM and SIGINT: the first one asks the daemon to end cleanly, the second ends it at once.
//! SIGHUP asks it to read its configuration again.

use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::supervisor::Supervisor;

/// Cancels the token on the first SIGTERM or SIGINT; exits with 128 + signal on the second.
///
/// # Errors
/// When the handlers cannot be set up.
pub fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    stop_with_last_words(stop, || {})
}

/// The same, and calls `last_words` before it exits.
///
/// # Errors
/// When the handlers cannot be set up.
#[expect(clippy::exit, reason = "the second signal ends the process at once")]
pub fn stop_with_last_words(
    stop: CancellationToken,
    last_words: impl Fn() + Send + 'static,
) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let watch = move || {
        for signal in signals.forever() {
            if stop.is_cancelled() {
                last_words();
                std::process::exit(128 + signal);
            }
            info!(signal, "stopping: what is under way ends first; a second signal stops at once");
            stop.cancel();
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    Ok(())
}

/// At each SIGHUP, notifies the service manager and reloads the configuration.
///
/// # Errors
/// When the handler cannot be set up.
pub(crate) fn reload_on_hangup(reload: Arc<Notify>, supervisor: Supervisor) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGHUP])?;
    let watch = move || {
        for _ in signals.forever() {
            supervisor.reloading();
            reload.notify_one();
        }
    };
    std::thread::Builder::new().name("hangup".to_owned()).spawn(watch)?;
    Ok(())
}

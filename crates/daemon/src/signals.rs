//! SIGTERM and SIGINT: the first one asks the daemon to end cleanly, the second ends it at once.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Cancels the token on the first SIGTERM or SIGINT; exits with 128 + signal on the second.
///
/// # Errors
/// When the handlers cannot be set up.
pub fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let watch = move || {
        for signal in signals.forever() {
            if stop.is_cancelled() {
                std::process::exit(128 + signal);
            }
            info!(signal, "stopping: what is under way ends first; a second signal stops at once");
            stop.cancel();
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    Ok(())
}

//! Where log lines go: standard error, as people read them.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::Loudness;

/// Sets up logging for the process. `AZLIN_LOG` overrides the level, as in `AZLIN_LOG=debug`.
pub fn start(loudness: Loudness, usual: &str) {
    let level = match loudness {
        Loudness { quiet: true, .. } => "error",
        Loudness { verbose: 0, .. } => usual,
        Loudness { verbose: 1, .. } => "debug",
        Loudness { .. } => "trace",
    };
    let level = std::env::var("AZLIN_LOG").unwrap_or_else(|_| level.to_owned());
    // What others log is noise here, and azure_core prints headers at debug.
    let filter = format!(
        "{level},azure_core=error,azure_identity=error,typespec_client_core=error,reqwest=error,hyper=error,hyper_util=error"
    );
    let colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::builder().parse_lossy(filter))
        .with_target(false)
        .with_ansi(colour)
        // A daemon whose log nobody reads any more goes on; to say so there would panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .init();
}

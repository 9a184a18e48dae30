//! Where log lines go: to the journal with their fields, to a terminal as text, or as JSON.
//!
//! Each message is complete without its fields, so a terminal shows the message alone.

mod redacting;

use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Registry};

use crate::args::{LogFormat, Loudness};
use redacting::Redacting;

/// The format, once it is chosen.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Sets up logging for the process. `AZLIN_LOG` overrides the level, as in `AZLIN_LOG=debug`.
pub fn start(loudness: Loudness, usual: &str) -> Result<()> {
    let level = match loudness {
        Loudness { quiet: true, .. } => "error",
        Loudness { verbose: 0, .. } => usual,
        Loudness { verbose: 1, .. } => "debug",
        Loudness { .. } => "trace",
    };
    let level = std::env::var("AZLIN_LOG").unwrap_or_else(|_| level.to_owned());
    // Logs of libraries are noise here, and azure_core prints headers at debug.
    let filter = format!(
        "{level},azure_core=error,azure_identity=error,typespec_client_core=error,reqwest=error,hyper=error,hyper_util=error"
    );
    let subscriber = Registry::default().with(EnvFilter::builder().parse_lossy(filter));
    // A daemon whose log has lost its reader goes on; reporting that to the log would panic.
    let lines = || tracing_subscriber::fmt::layer().log_internal_errors(false).with_writer(io::stderr);
    let format = match loudness.log_format {
        LogFormat::Auto if is_journal() && journal().is_ok() => LogFormat::Journal,
        LogFormat::Auto => LogFormat::Text,
        asked => asked,
    };
    match format {
        LogFormat::Journal => subscriber.with(Redacting(journal()?)).init(),
        LogFormat::Json => {
            subscriber.with(Redacting(lines().json().flatten_event(true).with_target(false))).init();
        }
        LogFormat::Text | LogFormat::Auto => {
            let colour = io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            let message = debug_fn(|writer, field, value| match field.name() {
                "message" => write!(writer, "{value:?}"),
                _ => Ok(()),
            });
            subscriber
                .with(Redacting(lines().with_ansi(colour).with_target(false).fmt_fields(message)))
                .init();
        }
    }
    let _ = FORMAT.set(format);
    Ok(())
}

/// Whether a person reads standard error. If not, errors are logged.
pub fn is_for_people() -> bool {
    FORMAT.get().is_none_or(|format| *format == LogFormat::Text)
}

/// From now on a panic is logged, too.
pub fn log_panics() {
    if is_for_people() {
        return;
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!("a bug, please report it: {panic}")));
}

fn journal() -> Result<tracing_journald::Layer> {
    let layer = tracing_journald::layer()
        .context("the journal cannot be written to; --log-format text writes to standard error")?;
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
        ..PriorityMappings::new()
    };
    Ok(layer
        .with_field_prefix(None)
        .with_syslog_identifier("azlin".to_owned())
        .with_priority_mappings(priorities))
}

/// Whether standard error is the journal: systemd names its device and inode.
fn is_journal() -> bool {
    let told = std::env::var("JOURNAL_STREAM").ok();
    let stderr = fs::metadata("/proc/self/fd/2").ok();
    let pair = stderr.map(|found| format!("{}:{}", found.dev(), found.ino()));
    told.is_some() && told == pair
}

//! `run`: the daemon.

use std::sync::Arc;

use anyhow::Result;
use azlin_daemon::forbid_dumps;
use azlin_daemon::service::{self, Adapters, ServiceError};
use azlin_fleet::config::DaemonConfig;
use azlin_fleet::ports::WebhookReader;

use super::questions;
use crate::adapters::{Lifetime, ProcessEnvironment, connect, webhook};
use crate::args::RunArgs;
use crate::exit_status::ExitStatus;
use crate::output::{say_error, say_problem};

pub async fn run(args: RunArgs) -> Result<ExitStatus> {
    forbid_dumps();
    let environment = ProcessEnvironment::of_this_process(&args.directories.config_dir)?;
    let lifetime = if args.once { Lifetime::Once } else { Lifetime::Lasting };
    let connect = |config: &DaemonConfig| Ok(connect(config, &environment, lifetime)?);
    if args.once {
        let report = service::run_once(args.directories.into(), connect, say_problem).await;
        let report = report.map_err(plain)?;
        for (pool, messages) in &report.failures {
            for message in messages {
                say_error(&format!("{pool}: {message}"));
            }
        }
        let is_good = report.failures.is_empty() && report.are_files_good;
        return Ok(if is_good { ExitStatus::Done } else { ExitStatus::Failed });
    }
    let webhook = || Ok(webhook(&environment)?.map(|webhook| Arc::new(webhook) as Arc<dyn WebhookReader>));
    let adapters = Adapters { connect: &connect, webhook: &webhook, answerer: questions::answer };
    service::run(args.directories.into(), adapters).await.map_err(plain)?;
    Ok(ExitStatus::Done)
}

/// A bad configuration stays what it is, so that its lines can be shown.
fn plain(error: ServiceError) -> anyhow::Error {
    match error {
        ServiceError::Config(error) => error.into(),
        other => other.into(),
    }
}

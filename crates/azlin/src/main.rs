//! The `azlin` command: arguments in, text and an exit code out. How anything is done is elsewhere.

mod adapters;
mod args;
mod caret;
mod commands;
mod config;
mod exit_status;
mod help_text;
mod logging;
mod output;
mod terminal;
mod words;
mod wrap;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use azlin_daemon::config_dir::ConfigError;
use clap::Parser;

use args::{Area, Azlin, GithubRunner, OutputFormat};
use commands::{
    check, completions, demo, disable, enable, explain, man, plan, run, scale, scale_set, status, webhook,
};
use exit_status::ExitStatus;
use output::{say_error, say_problem};

fn main() -> ExitCode {
    let Azlin { loudness, area } = Azlin::parse();
    output::be_quiet(loudness.quiet);
    let ended = match area {
        Area::GithubRunner(command) => logging::start(loudness, usual_level(&command)).and_then(|()| {
            if matches!(command, GithubRunner::Run(_)) {
                logging::log_panics();
            }
            github_runner(command)
        }),
        Area::Completions(args) => completions::run(&args),
        Area::Man(args) => man::run(&args),
    };
    match ended {
        Ok(status) => status.into(),
        Err(error) if is_nobody_reading(&error) => ExitStatus::NobodyReads.into(),
        Err(error) => {
            match error.downcast_ref() {
                Some(ConfigError::Daemon(problem)) => say_problem(problem),
                _ => say_error(&format!("{error:#}")),
            }
            ExitStatus::Failed.into()
        }
    }
}

fn github_runner(command: GithubRunner) -> Result<ExitStatus> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        match command {
            GithubRunner::Enable(args) => enable::run(*args).await,
            GithubRunner::Disable(args) => disable::run(args).await,
            GithubRunner::Scale(args) => scale::run(args).await,
            GithubRunner::Run(args) => run::run(args).await,
            GithubRunner::Plan(args) => plan::run(args).await,
            GithubRunner::Status(args) => status::run(args).await,
            GithubRunner::Explain(args) => explain::run(args).await,
            GithubRunner::Check(args) => check::run(args).await,
            GithubRunner::Webhook(command) => webhook::run(command).await,
            GithubRunner::ScaleSet(command) => scale_set::run(command).await,
            GithubRunner::Demo(args) => demo::run(args).await,
        }
    });
    // A name lookup that gets no answer does not delay the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

/// Whether an error is that standard output has no reader any more. That error comes bare; the errors of
/// adapters say what was tried.
fn is_nobody_reading(error: &anyhow::Error) -> bool {
    let bare = error.chain().count() == 1;
    bare && error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// What a command logs unless it is asked for more or less: a daemon reports what changed, the others only
/// what a person should know beside their output.
fn usual_level(command: &GithubRunner) -> &'static str {
    match command {
        GithubRunner::Run(_) => "info",
        GithubRunner::Demo(args) if demo::is_live(args) || args.output == OutputFormat::Json => "error",
        GithubRunner::Demo(_) => "info",
        // Its findings are its output.
        GithubRunner::Check(_) => "error",
        GithubRunner::Enable(_)
        | GithubRunner::Disable(_)
        | GithubRunner::Scale(_)
        | GithubRunner::Plan(_)
        | GithubRunner::Explain(_)
        | GithubRunner::Status(_)
        | GithubRunner::Webhook(_)
        | GithubRunner::ScaleSet(_) => "warn",
    }
}

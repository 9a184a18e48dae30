//! The `azlin` command: arguments in, text and an exit code out. How anything is done is elsewhere.

mod adapters;
mod cli;
mod commands;
mod logging;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use cli::{Area, Azlin, GithubRunner, Output};
use commands::{check, demo, plan, run};

/// How a command ended, as an exit code. 2 is clap's, for usage.
enum Ended {
    Done,
    Failed,
    NothingMatched,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> ExitCode {
        ExitCode::from(match ended {
            Ended::Done => 0,
            Ended::Failed => 1,
            Ended::NothingMatched => 3,
        })
    }
}

fn main() -> ExitCode {
    let Azlin { loudness, area: Area::GithubRunner(command) } = Azlin::parse();
    logging::start(loudness, usual_level(&command));
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            runtime.block_on(async {
                match command {
                    GithubRunner::Run(args) => run::run(args).await,
                    GithubRunner::Plan(args) => plan::run(args).await,
                    GithubRunner::Check(args) => check::run(args).await,
                    GithubRunner::Demo(args) => demo::run(args).await,
                }
            })
        });
    match ended {
        Ok(ended) => ended.into(),
        Err(error) => {
            say_error(&format!("{error:#}"));
            Ended::Failed.into()
        }
    }
}

/// What a command logs unless it is asked for more or less: a daemon what changed, the others what a
/// person should know beside their output.
fn usual_level(command: &GithubRunner) -> &'static str {
    match command {
        GithubRunner::Run(_) => "info",
        GithubRunner::Demo(args) if demo::is_live(args) || args.output == Output::Json => "error",
        GithubRunner::Demo(_) => "info",
        // What it finds is its output.
        GithubRunner::Check(_) => "error",
        GithubRunner::Plan(_) => "warn",
    }
}

/// An error for whoever typed the command.
#[expect(clippy::print_stderr, reason = "this is the one place where errors are printed")]
fn say_error(message: &str) {
    eprintln!("error: {message}");
}

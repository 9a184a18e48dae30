//! The `azlin` command: arguments in, text and an exit code out. How anything is done is elsewhere.

mod adapters;
mod caret;
mod cli;
mod commands;
mod logging;
mod terminal;
mod words;
mod wrap;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use azlin_daemon::config_dir::{ConfigError, FileProblem, Trouble};
use clap::Parser;

use cli::{Area, Azlin, GithubRunner, Output};
use commands::{check, demo, disable, enable, explain, plan, run, scale, status};
use terminal::Terminal;

/// How a command ended, as an exit code.
enum Ended {
    Done,
    Failed,
    /// The command line is wrong, in what clap does not check.
    Usage,
    NothingMatched,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> ExitCode {
        ExitCode::from(match ended {
            Ended::Done => 0,
            Ended::Failed => 1,
            Ended::Usage => 2,
            Ended::NothingMatched => 3,
        })
    }
}

fn main() -> ExitCode {
    let Azlin { loudness, area: Area::GithubRunner(command) } = Azlin::parse();
    IS_QUIET.store(loudness.quiet, Ordering::Relaxed);
    logging::start(loudness, usual_level(&command));
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            runtime.block_on(async {
                match command {
                    GithubRunner::Enable(args) => enable::run(*args).await,
                    GithubRunner::Disable(args) => disable::run(args).await,
                    GithubRunner::Scale(args) => scale::run(args).await,
                    GithubRunner::Run(args) => run::run(args).await,
                    GithubRunner::Plan(args) => plan::run(args).await,
                    GithubRunner::Status(args) => status::run(args).await,
                    GithubRunner::Explain(args) => explain::run(args).await,
                    GithubRunner::Check(args) => check::run(args).await,
                    GithubRunner::Demo(args) => demo::run(args).await,
                }
            })
        });
    match ended {
        Ok(ended) => ended.into(),
        Err(error) => {
            match error.downcast_ref() {
                Some(ConfigError::Daemon(problem)) => say_problem(problem),
                _ => say_error(&format!("{error:#}")),
            }
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
        GithubRunner::Enable(_)
        | GithubRunner::Disable(_)
        | GithubRunner::Scale(_)
        | GithubRunner::Plan(_)
        | GithubRunner::Explain(_)
        | GithubRunner::Status(_) => "warn",
    }
}

/// A file that is wrong, for whoever typed the command.
#[expect(clippy::print_stderr, reason = "this is one of the two places where errors are printed")]
fn say_problem(problem: &FileProblem) {
    match &problem.trouble {
        Trouble::File(message) => say_error(message),
        Trouble::Text(faulty) => eprint!("{}", caret::drawn(faulty, Terminal::stderr())),
    }
}

/// Whether only errors are to be said.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// A remark for whoever typed the command.
#[expect(clippy::print_stderr, reason = "this is the one place where remarks are printed")]
fn say_note(message: &str) {
    if !IS_QUIET.load(Ordering::Relaxed) {
        eprintln!("{message}");
    }
}

/// An error for whoever typed the command.
#[expect(clippy::print_stderr, reason = "this is one of the two places where errors are printed")]
fn say_error(message: &str) {
    eprintln!("error: {message}");
}

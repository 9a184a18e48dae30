//! The `azlin` command: arguments in, text and an exit code out. How anything is done is elsewhere.

mod adapters;
mod caret;
mod cli;
#[cfg(test)]
mod cli_reference;
#[cfg(test)]
mod cli_tests;
mod cli_text;
mod commands;
mod logging;
mod terminal;
mod words;
mod wrap;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use azlin_daemon::config_dir::{ConfigError, FileProblem, FileProblemCause};
use clap::Parser;

use cli::{Area, Azlin, GithubRunner, Output};
use commands::{check, completions, demo, disable, enable, explain, man, plan, run, scale, status, webhook};
use terminal::Terminal;

/// How a command ended, as an exit code.
enum Ended {
    Done,
    Failed,
    /// The command line is wrong, in what clap does not check.
    Usage,
    NothingMatched,
    /// Whoever read standard output has gone: as if by SIGPIPE, which is what shells expect.
    NobodyReads,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> ExitCode {
        ExitCode::from(match ended {
            Ended::Done => 0,
            Ended::Failed => 1,
            Ended::Usage => 2,
            Ended::NothingMatched => 3,
            Ended::NobodyReads => 128 + 13,
        })
    }
}

fn main() -> ExitCode {
    let Azlin { loudness, area } = Azlin::parse();
    IS_QUIET.store(loudness.quiet, Ordering::Relaxed);
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
        Ok(ended) => ended.into(),
        Err(error) if is_nobody_reading(&error) => Ended::NobodyReads.into(),
        Err(error) => {
            match error.downcast_ref() {
                Some(ConfigError::Daemon(problem)) => say_problem(problem),
                _ => say_error(&format!("{error:#}")),
            }
            Ended::Failed.into()
        }
    }
}

fn github_runner(command: GithubRunner) -> Result<Ended> {
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
            GithubRunner::Demo(args) => demo::run(args).await,
        }
    });
    // A look for a name that nobody answers keeps nobody.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

/// Whether an error is of writing to standard output that nobody reads any more. It comes bare; the
/// errors of adapters say what was tried.
fn is_nobody_reading(error: &anyhow::Error) -> bool {
    let bare = error.chain().count() == 1;
    bare && error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
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
        | GithubRunner::Status(_)
        | GithubRunner::Webhook(_) => "warn",
    }
}

/// A file that is wrong, for whoever typed the command.
fn say_problem(problem: &FileProblem) {
    match &problem.cause {
        _ if !logging::is_for_people() => say_error(&problem.to_string()),
        FileProblemCause::File(message) => say_error(message),
        FileProblemCause::Text(faulty) => {
            let _ = write!(io::stderr(), "{}", caret::drawn(faulty, Terminal::stderr()));
        }
    }
}

/// Whether only errors are to be said.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// A remark for whoever typed the command.
fn say_note(message: &str) {
    if !IS_QUIET.load(Ordering::Relaxed) {
        let _ = writeln!(io::stderr(), "{message}");
    }
}

/// An error for whoever typed the command. Where nobody reads them there is nowhere to say so.
fn say_error(message: &str) {
    if !logging::is_for_people() {
        return tracing::error!("{message}");
    }
    let _ = writeln!(io::stderr(), "error: {message}");
}

//! The `azlin` command: arguments in, text and an exit code out. How anything is done is elsewhere.

mod adapters;
mod args;
mod demo;
mod logging;
mod plan;
mod run;

use std::process::ExitCode;

use clap::Parser;

use args::{Area, Azlin, GithubRunner};

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
    let Area::GithubRunner(command) = Azlin::parse().area;
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            runtime.block_on(async {
                match command {
                    GithubRunner::Run(args) => run::run(args).await,
                    GithubRunner::Plan(args) => plan::plan(args).await,
                    GithubRunner::Demo(args) => demo::demo(args).await,
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

/// An error for whoever typed the command.
#[expect(clippy::print_stderr, reason = "this is the one place where errors are printed")]
fn say_error(message: &str) {
    eprintln!("error: {message}");
}

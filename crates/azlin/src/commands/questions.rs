//! Commands that a daemon answers, if one runs: both sides.

use std::io::Write;

use anyhow::Result;
use azlin_daemon::questions::{CommandAnswer, CommandQuestion, Knowledge, QuestionOutcome, ask};
use clap::Parser;
use futures::future::BoxFuture;

use super::said::{Said, failed};
use super::{check, explain, plan};
use crate::args::{Area, Azlin, DirectoryArgs, GithubRunner};
use crate::exit_status::ExitStatus;
use crate::output::{print, say_note};
use crate::terminal::{Terminal, harmless};

/// Has the daemon of the configuration directory answer this command. `None` if this process must.
pub async fn asked(directories: &DirectoryArgs) -> Result<Option<ExitStatus>> {
    let terminal = Terminal::stdout();
    let question = CommandQuestion {
        config_dir: directories.config_dir.clone(),
        args: std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect(),
        width: terminal.width,
        colour: terminal.colour,
    };
    match ask(directories.runtime_dir.as_deref(), question).await {
        QuestionOutcome::Answered(CommandAnswer { output, errors, code }) => {
            let _ = write!(std::io::stderr(), "{}", harmless(&errors, Terminal::stderr().colour));
            print(&output)?;
            Ok(Some(ExitStatus::of(code)))
        }
        QuestionOutcome::Nobody => Ok(None),
        QuestionOutcome::Unanswered(why) => {
            say_note(&why);
            Ok(None)
        }
    }
}

/// What the daemon answers.
pub fn answer(question: CommandQuestion, knowledge: Knowledge) -> BoxFuture<'static, CommandAnswer> {
    let terminal = Terminal { width: question.width, colour: question.colour };
    Box::pin(async move {
        let command = std::iter::once("azlin".to_owned()).chain(question.args);
        let area = match Azlin::try_parse_from(command) {
            Ok(azlin) => azlin.area,
            // It says itself that it is an error.
            Err(error) => {
                let (errors, code) = (error.to_string(), ExitStatus::Usage.code());
                return CommandAnswer { errors, code, ..CommandAnswer::default() };
            }
        };
        let Knowledge { config_dir, runtime_dir, configuration, context, state } = knowledge;
        let said = match area {
            Area::GithubRunner(GithubRunner::Explain(args)) => {
                explain::answer(args, configuration, |_| Ok(context), &state, true, terminal).await
            }
            Area::GithubRunner(GithubRunner::Plan(args)) => {
                plan::answer(args, configuration, |_| Ok(context), &state, terminal).await
            }
            Area::GithubRunner(GithubRunner::Check(mut args)) if !args.rehearses => {
                args.view.directories =
                    DirectoryArgs { config_dir, runtime_dir: Some(runtime_dir), state_dir: None };
                check::answer(&args.view, terminal).await
            }
            _ => Ok(Said::error("a daemon answers explain, plan and check".to_owned(), ExitStatus::Usage)),
        };
        said.unwrap_or_else(failed).answer(terminal)
    })
}

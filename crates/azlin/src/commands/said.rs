//! What a command says, before it is printed: here, or by a daemon for a command that asked it.

use anyhow::Result;
use azlin_daemon::config_dir::{ConfigError, FileProblem, FileProblemCause};
use azlin_daemon::questions::CommandAnswer;

use crate::caret;
use crate::exit_status::ExitStatus;
use crate::output::{print, say_error, say_problem};
use crate::terminal::Terminal;

/// What a command says, and how it ends.
#[derive(Debug)]
pub struct Said {
    /// For standard output.
    pub output: String,
    /// For standard error.
    pub complaints: Vec<Complaint>,
    /// How it ends.
    pub status: ExitStatus,
}

/// What is wrong.
#[derive(Debug)]
pub enum Complaint {
    /// In words.
    Error(String),
    /// With a file.
    Problem(FileProblem),
}

impl Said {
    /// Nothing.
    pub fn nothing(status: ExitStatus) -> Self {
        Said { output: String::new(), complaints: Vec::new(), status }
    }

    /// Nothing but an error.
    pub fn error(error: String, status: ExitStatus) -> Self {
        Said { complaints: vec![Complaint::Error(error)], ..Said::nothing(status) }
    }

    /// Adds problems with files before all else.
    #[must_use]
    pub fn after(mut self, problems: Vec<FileProblem>) -> Self {
        self.complaints.splice(0..0, problems.into_iter().map(Complaint::Problem));
        self
    }

    /// Prints it.
    pub fn print(&self) -> Result<ExitStatus> {
        for complaint in &self.complaints {
            match complaint {
                Complaint::Error(error) => say_error(error),
                Complaint::Problem(problem) => say_problem(problem),
            }
        }
        print(&self.output)?;
        Ok(self.status)
    }

    /// The same for a command that asked.
    pub fn answer(self, terminal: Terminal) -> CommandAnswer {
        let errors = self.complaints.iter().map(|complaint| match complaint {
            Complaint::Error(error) => format!("error: {error}\n"),
            Complaint::Problem(problem) => match &problem.cause {
                FileProblemCause::File(message) | FileProblemCause::Stray(message) => {
                    format!("error: {message}\n")
                }
                FileProblemCause::Text(faulty) => caret::drawn(faulty, terminal),
            },
        });
        CommandAnswer { errors: errors.collect(), output: self.output, code: self.status.code() }
    }
}

/// A command that could not go on.
pub fn failed(error: anyhow::Error) -> Said {
    let complaint = match error.downcast::<ConfigError>() {
        Ok(ConfigError::Daemon(problem)) => Complaint::Problem(problem),
        Ok(error) => Complaint::Error(error.to_string()),
        Err(error) => Complaint::Error(format!("{error:#}")),
    };
    Said { complaints: vec![complaint], ..Said::nothing(ExitStatus::Failed) }
}

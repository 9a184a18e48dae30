//! Commands ask the daemon: it has the credentials, the environment and the memory that an answer needs, and they may lack
//! them. The line of a command comes over a socket in the runtime directory, and what it prints goes back.
//!
//! The socket is for the daemon's own user and root. A question is one line of JSON; the daemon sends an empty line once it
//! has taken it, and then the answer.

mod answering;
mod asking;

use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::config_dir::Configuration;
use crate::context::DaemonContext;
use crate::state::StateDir;

pub use answering::Desk;
pub(crate) use answering::QuestionSocket;
pub use asking::{QuestionOutcome, ask};

const NAME: &str = "daemon.sock";

/// A command that the daemon answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandQuestion {
    /// The configuration directory of the daemon that is asked.
    pub config_dir: PathBuf,
    /// The arguments of `azlin`.
    pub args: Vec<String>,
    /// Columns of the terminal; `None` for a pipe or a file.
    pub width: Option<usize>,
    /// Whether colours are wanted.
    pub colour: bool,
}

/// What a command prints, and how it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// For standard output.
    pub output: String,
    /// For standard error.
    pub errors: String,
    /// The exit code.
    pub code: u8,
}

/// What a daemon answers from.
pub struct Knowledge {
    /// Its configuration directory.
    pub config_dir: PathBuf,
    /// Where its lock and its status are.
    pub runtime_dir: PathBuf,
    /// The configuration that is in force, with the files that cannot be used now.
    pub configuration: Configuration,
    /// GitHub, Azure and the machines, with the daemon's credentials.
    pub context: DaemonContext,
    /// What it remembers of its fleets.
    pub state: StateDir,
}

/// Answers questions.
pub type Answerer = fn(CommandQuestion, Knowledge) -> BoxFuture<'static, CommandAnswer>;

/// A configuration directory as both sides name it.
fn named(config_dir: &Path) -> PathBuf {
    config_dir.canonicalize().unwrap_or_else(|_| config_dir.to_owned())
}

#[cfg(test)]
mod tests;

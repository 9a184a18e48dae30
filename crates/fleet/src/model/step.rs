//! The commands that make a machine a runner, as an SSH session runs them. [`crate::bootstrap::steps`]
//! decides their order.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::model::{Download, RunnerId};

/// The path of the program that each step calls.
pub const RUNNER_PATH: &str = "/usr/local/lib/azlin/runner";

/// One command on the machine, run as root.
#[derive(Debug, Clone)]
pub enum Step {
    /// Reports what is on the machine.
    Probe,
    /// Sets the machine up as its fleet says, within this time.
    Setup(Duration),
    /// Downloads the runner program, unless the machine has this version.
    Fetch(Download),
    /// Installs the system packages that the runner program needs.
    Dependencies,
    /// Makes the machine a runner for one job, whose entry GitHub has.
    Register(Register),
    /// Registers a runner for several jobs at GitHub.
    Configure(Configure),
    /// Starts the runner's service. The machine of a runner for one job powers off when the runner ends.
    Start,
    /// Ends the runner if it runs no job, and powers the machine off; see [`DrainAnswer`].
    Drain,
}

/// A runner for one job, whose entry GitHub has made.
#[derive(Debug, Clone)]
pub struct Register {
    /// GitHub's id of the runner.
    pub runner_id: RunnerId,
    /// The runner's name.
    pub name: String,
    /// The JIT configuration.
    pub jit_config: SecretString,
}

/// The arguments of `config.sh`.
#[derive(Debug, Clone)]
pub struct Configure {
    /// The URL of the repository, organisation or enterprise.
    pub url: String,
    /// The runner's name.
    pub name: String,
    /// The labels of the runner, including the implicit ones.
    pub labels: Vec<String>,
    /// The runner group. Absent means the default group.
    pub group: Option<String>,
    /// The registration token.
    pub token: SecretString,
}

/// What a machine answers when it is asked to drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainAnswer {
    /// No runner works any more, and the machine powers off.
    Ended,
    /// A job runs. The runner goes on.
    Busy,
}

impl DrainAnswer {
    /// Reads the line that [`Step::Drain`] prints.
    ///
    /// # Errors
    /// A sentence that says what is missing. It is no permission to remove the machine.
    pub fn parse(printed: &str) -> Result<DrainAnswer, String> {
        match printed.lines().rev().find_map(|line| line.trim_end().strip_prefix("drain=")) {
            Some("ended") => Ok(DrainAnswer::Ended),
            Some("busy") => Ok(DrainAnswer::Busy),
            _ => Err("the machine did not say whether it has drained".to_owned()),
        }
    }
}

impl Step {
    /// The name of the step.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Probe => "probe",
            Step::Setup(_) => "setup",
            Step::Fetch(_) => "fetch",
            Step::Dependencies => "dependencies",
            Step::Register(_) => "register",
            Step::Configure(_) => "configure",
            Step::Start => "start",
            Step::Drain => "drain",
        }
    }

    /// The command for a POSIX shell. It holds no secret, because other users of the machine can see it.
    pub fn command(&self) -> String {
        let arguments: Vec<String> = match self {
            Step::Probe | Step::Setup(_) | Step::Dependencies | Step::Start | Step::Drain => Vec::new(),
            Step::Fetch(download) => {
                // Without a checksum nothing fits, and nothing is unpacked.
                let sha256 = download.sha256.clone().unwrap_or_default();
                vec![download.url.clone(), sha256, download.version().unwrap_or_default().to_owned()]
            }
            Step::Register(runner) => vec![runner.runner_id.to_string(), runner.name.clone()],
            Step::Configure(config) => vec![
                config.url.clone(),
                config.name.clone(),
                config.labels.join(","),
                config.group.clone().unwrap_or_default(),
            ],
        };
        let words = [RUNNER_PATH.to_owned(), self.name().to_owned()].into_iter().chain(arguments);
        words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
    }

    /// The standard input of the command. Absent means that it has none.
    pub fn input(&self) -> Option<SecretString> {
        let secret = match self {
            Step::Register(runner) => &runner.jit_config,
            Step::Configure(config) => &config.token,
            Step::Probe
            | Step::Setup(_)
            | Step::Fetch(_)
            | Step::Dependencies
            | Step::Start
            | Step::Drain => return None,
        };
        Some(SecretString::from(format!("{}\n", secret.expose_secret())))
    }

    /// The time limit of the step.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(match self {
            Step::Setup(limit) => return *limit,
            Step::Probe | Step::Register(_) | Step::Start => 60,
            Step::Fetch(_) | Step::Dependencies => 600,
            Step::Configure(_) => 120,
            Step::Drain => 30,
        })
    }
}

/// A quoted word for a POSIX shell, whatever characters it holds.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

//! How a command ended.

use std::process::ExitCode;

/// How a command ended, as an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// The command did what it was asked to do.
    Done,
    /// It failed.
    Failed,
    /// The command line is wrong, in a way that clap does not check.
    Usage,
    /// There is no such pool, job or runner.
    NothingMatched,
    /// The reader of standard output has gone: as if by SIGPIPE, which is what shells expect.
    NobodyReads,
}

impl ExitStatus {
    const ALL: [ExitStatus; 5] = [
        ExitStatus::Done,
        ExitStatus::Failed,
        ExitStatus::Usage,
        ExitStatus::NothingMatched,
        ExitStatus::NobodyReads,
    ];

    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            ExitStatus::Done => 0,
            ExitStatus::Failed => 1,
            ExitStatus::Usage => 2,
            ExitStatus::NothingMatched => 3,
            ExitStatus::NobodyReads => 128 + 13,
        }
    }

    /// What an exit code of a daemon's answer says.
    pub fn of(code: u8) -> Self {
        ExitStatus::ALL.into_iter().find(|status| status.code() == code).unwrap_or(ExitStatus::Failed)
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(status.code())
    }
}

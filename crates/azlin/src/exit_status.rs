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

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(match status {
            ExitStatus::Done => 0,
            ExitStatus::Failed => 1,
            ExitStatus::Usage => 2,
            ExitStatus::NothingMatched => 3,
            ExitStatus::NobodyReads => 128 + 13,
        })
    }
}

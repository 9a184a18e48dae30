//! What can go wrong with runner scale sets, as it has gone wrong at GitHub.

use serde::Deserialize;

/// What goes wrong with a runner scale set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleSetFault {
    /// A poll finds that GitHub has deleted the set.
    Deleted,
    /// A poll finds that GitHub has ended the session.
    SessionEnded,
    /// A poll finds that its token is valid no more.
    QueueTokenDies,
    /// A new message has statistics that are all zero.
    ZeroStatistics,
    /// The end of a job is reported twice.
    EndTwice,
    /// The end of a job is not reported.
    EndMissing,
    /// The next message of a set has the id 1 again.
    IdsRestart,
    /// A new or a changed set gets no label but its first.
    LabelsDropped,
    /// A session has no address of its messages.
    NoQueueUrl,
    /// A poll is answered with 200 and nothing else.
    EmptyMessage,
    /// A call is refused as plain text.
    PlainError,
}

//! The side of the command.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{CommandAnswer, CommandQuestion, NAME, named};
use crate::status_file::runtime_dirs;

/// How long a daemon may take to begin.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer.
const LARGE: u64 = 64 * 1024 * 1024;

/// What came of a question.
#[derive(Debug)]
pub enum QuestionOutcome {
    /// The daemon has answered.
    Answered(CommandAnswer),
    /// No daemon takes questions for this configuration directory here.
    Nobody,
    /// One may be there, and did not answer. Why.
    Unanswered(String),
}

/// Asks the daemon of a configuration directory.
pub async fn ask(runtime_dir: Option<&Path>, question: CommandQuestion) -> QuestionOutcome {
    let question = CommandQuestion { config_dir: named(&question.config_dir), ..question };
    let mut why = None;
    for path in runtime_dirs(runtime_dir).into_iter().map(|directory| directory.join(NAME)) {
        match ask_at(&path, &question).await {
            Ok(Some(answer)) => return QuestionOutcome::Answered(answer),
            Ok(None) => {}
            Err(error) => why = why.or(not_answered(&path, &error)),
        }
    }
    why.map_or(QuestionOutcome::Nobody, QuestionOutcome::Unanswered)
}

/// The answer; `None` of a daemon with another configuration directory.
async fn ask_at(path: &PathBuf, question: &CommandQuestion) -> io::Result<Option<CommandAnswer>> {
    let mut stream = UnixStream::connect(path).await?;
    let begun = async {
        stream.write_all(&serde_json::to_vec(question)?).await?;
        stream.write_all(b"\n").await?;
        stream.read_u8().await
    };
    match timeout(PATIENCE, begun).await {
        Err(_) => return Err(io::Error::from(ErrorKind::TimedOut)),
        Ok(Err(error)) => return Err(error),
        Ok(Ok(b'\n')) => {}
        Ok(Ok(_)) => return Ok(None),
    }
    let mut answer = Vec::new();
    stream.take(LARGE).read_to_end(&mut answer).await?;
    Ok(Some(serde_json::from_slice(&answer)?))
}

/// What a person should know of a socket that gave no answer. Where none is, no daemon is.
fn not_answered(path: &Path, error: &io::Error) -> Option<String> {
    let path = path.display();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => None,
        ErrorKind::PermissionDenied => Some(format!(
            "only root and the daemon's own user may ask the daemon ({path}); this is what GitHub and Azure say now"
        )),
        ErrorKind::TimedOut => {
            Some(format!("the daemon does not answer ({path}); this is what GitHub and Azure say now"))
        }
        _ => Some(format!(
            "the daemon gave no answer ({path}: {error}); this is what GitHub and Azure say now"
        )),
    }
}

//! The side of the daemon.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::DaemonConfig;
use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::debug;

use super::{Answerer, CommandAnswer, CommandQuestion, Knowledge, NAME, named};
use crate::config_dir;
use crate::context::DaemonContext;
use crate::fleet_set::Fleets;
use crate::state::StateDir;

/// The longest question.
const LONGEST: u64 = 64 * 1024;
/// How long a command may take to put its question, and to read the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many questions are answered at once. Each reads at GitHub and Azure.
const AT_ONCE: usize = 4;

/// The socket that commands ask at.
#[derive(Clone)]
pub(crate) struct QuestionSocket {
    path: PathBuf,
    listener: Arc<UnixListener>,
    places: Arc<Semaphore>,
}

/// What answers at the socket, as long as one configuration is in force.
#[derive(Clone)]
pub struct Desk {
    pub(crate) config_dir: PathBuf,
    pub(crate) runtime_dir: PathBuf,
    pub(crate) config: DaemonConfig,
    pub(crate) fleets: Fleets,
    pub(crate) context: DaemonContext,
    pub(crate) state: StateDir,
    pub(crate) answerer: Answerer,
}

impl QuestionSocket {
    /// Listens in this directory, in the place of what an earlier daemon has left there.
    pub(crate) fn bind(directory: &Path) -> io::Result<Self> {
        let path = directory.join(NAME);
        let new = directory.join(format!(".{NAME}.{}", std::process::id()));
        let _ = fs::remove_file(&new);
        let listener = UnixListener::bind(&new)?;
        // Before it has its name: no other user ever reaches it.
        fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        fs::rename(&new, &path)?;
        Ok(QuestionSocket { path, listener: Arc::new(listener), places: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// The directory that it is in.
    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Removes the socket.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Answers until this is dropped.
    pub(crate) async fn serve(self, desk: Desk) {
        let desk = Arc::new(desk);
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (desk, places) = (Arc::clone(&desk), Arc::clone(&self.places));
            tokio::spawn(async move {
                if let Err(error) = desk.attend(stream, &places).await {
                    debug!(reason = %error, "a command got no answer: {error}");
                }
            });
        }
    }
}

impl Desk {
    async fn attend(&self, stream: UnixStream, places: &Semaphore) -> io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader.take(LONGEST));
        let mut line = Vec::new();
        timeout(PATIENCE, reader.read_until(b'\n', &mut line)).await??;
        let question: CommandQuestion = serde_json::from_slice(&line)?;
        if named(&self.config_dir) != question.config_dir {
            return writer.write_all(b"-").await;
        }
        // At once, also where others are answered first: the command need not take the daemon for one that hangs.
        writer.write_all(b"\n").await?;
        let in_turn = async {
            let _place = places.acquire().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>(self.answer(question).await)
        };
        let answer = tokio::select! {
            answer = in_turn => answer?,
            // A command that was interrupted waits for nothing.
            _ = reader.read_u8() => return Ok(()),
        };
        timeout(PATIENCE, writer.write_all(&serde_json::to_vec(&answer)?)).await?
    }

    /// What a command would print that had all that the daemon has.
    pub(crate) async fn answer(&self, question: CommandQuestion) -> CommandAnswer {
        let knowledge = Knowledge {
            config_dir: self.config_dir.clone(),
            runtime_dir: self.runtime_dir.clone(),
            configuration: self.configuration(),
            context: self.context.clone(),
            state: self.state.clone(),
        };
        (self.answerer)(question, knowledge).await
    }

    /// What is in force, and the files that cannot be used now.
    fn configuration(&self) -> config_dir::Configuration {
        let now = self.fleets.now();
        let fleets = now.names().filter_map(|name| now.get(name)).map(|fleet| (**fleet).clone()).collect();
        let problems = config_dir::read(&self.config_dir).map(|read| read.problems).unwrap_or_default();
        config_dir::Configuration {
            daemon: self.config.clone(),
            daemon_text: String::new(),
            fleets,
            texts: std::collections::BTreeMap::default(),
            problems,
            read_at: Timestamp::now(),
        }
    }
}

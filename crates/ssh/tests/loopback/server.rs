//! A scripted SSH server.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use azlin_fleet::model::Machine;
use parking_lot::Mutex;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Disconnect, Sig};
use tokio::net::TcpListener;

/// The server's answer to a command.
#[derive(Debug, Clone)]
pub enum ServerAnswer {
    /// Reads to the end, prints this to both outputs and exits with this code.
    Prints { stdout: &'static str, stderr: &'static str, code: u32 },
    /// Prints this to standard error, and ends by a signal.
    Signal(&'static str),
    /// Exits with 9 while input is still arriving.
    EndsWithoutReading,
    /// Does not answer the command.
    Silence,
    /// Answers neither this command nor anything else on the connection.
    Freeze,
    /// Ends the channel without a status.
    CloseWithoutStatus,
    /// Ends the connection.
    Drop,
    /// Ends the connection with this message.
    Disconnect(&'static str),
}

impl ServerAnswer {
    pub fn prints(stdout: &'static str, stderr: &'static str, code: u32) -> ServerAnswer {
        ServerAnswer::Prints { stdout, stderr, code }
    }
}

/// The behaviour of the server.
#[derive(Debug, Clone)]
pub struct Situation {
    /// Accepts no key.
    pub refuses: bool,
    /// Drops the connection when the client offers a key.
    pub leaves_at_login: bool,
    /// Has no ed25519 host key.
    pub ecdsa_host_key: bool,
    /// The answer to an upload.
    pub placing: ServerAnswer,
    /// The answer to other commands.
    pub answer: ServerAnswer,
}

impl Default for Situation {
    fn default() -> Self {
        Situation {
            refuses: false,
            leaves_at_login: false,
            ecdsa_host_key: false,
            placing: ServerAnswer::prints("", "", 0),
            answer: ServerAnswer::prints("", "", 0),
        }
    }
}

impl Situation {
    pub fn answering(answer: ServerAnswer) -> Situation {
        Situation { answer, ..Situation::default() }
    }
}

/// A command as the server received it.
#[derive(Debug, Clone, Default)]
pub struct ServerSaw {
    pub line: String,
    pub input: Vec<u8>,
    /// Whether the end of the input arrived.
    pub ended: bool,
}

#[derive(Default)]
struct ServerNotes {
    commands: Vec<ServerSaw>,
    logins: usize,
}

pub struct SshServer {
    address: SocketAddr,
    host_key: PrivateKey,
    folder: tempfile::TempDir,
    situation: Arc<Mutex<Situation>>,
    notes: Arc<Mutex<ServerNotes>>,
    connections: Arc<AtomicUsize>,
}

impl SshServer {
    pub async fn start(situation: Situation) -> SshServer {
        let mut rng = russh::keys::key::safe_rng();
        let algorithm = match situation.ecdsa_host_key {
            true => Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
            false => Algorithm::Ed25519,
        };
        let host_key = PrivateKey::random(&mut rng, algorithm).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let client_key = PrivateKey::random(&mut rng, Algorithm::Ed25519).unwrap();
        client_key.write_openssh_file(folder.path().join("key"), LineEnding::LF).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = SshServer {
            address: listener.local_addr().unwrap(),
            host_key: host_key.clone(),
            folder,
            situation: Arc::new(Mutex::new(situation)),
            notes: Arc::default(),
            connections: Arc::default(),
        };
        let config = Arc::new(Config {
            keys: vec![host_key],
            auth_rejection_time: Duration::ZERO,
            inactivity_timeout: None,
            ..Config::default()
        });
        let (situation, notes) = (Arc::clone(&server.situation), Arc::clone(&server.notes));
        let connections = Arc::clone(&server.connections);
        tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else { return };
                let talk = Talk {
                    situation: Arc::clone(&situation),
                    notes: Arc::clone(&notes),
                    open: HashMap::new(),
                };
                let (config, connections) = (Arc::clone(&config), Arc::clone(&connections));
                tokio::spawn(async move {
                    connections.fetch_add(1, Ordering::SeqCst);
                    if let Ok(running) = russh::server::run_stream(config, socket, talk).await {
                        let _ = running.await;
                    }
                    connections.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    pub fn machine(&self) -> Machine {
        Machine {
            vm: "vm-1".to_owned(),
            address: self.address,
            user: "azlin".to_owned(),
            host_key: self.host_key.public_key().to_openssh().unwrap(),
            private_key: Some(self.folder.path().join("key")),
        }
    }

    pub fn fingerprint(&self) -> String {
        self.host_key.fingerprint(HashAlg::Sha256).to_string()
    }

    pub fn answer_with(&self, answer: ServerAnswer) {
        self.situation.lock().answer = answer;
    }

    pub fn commands(&self) -> Vec<ServerSaw> {
        self.notes.lock().commands.clone()
    }

    pub fn logins(&self) -> usize {
        self.notes.lock().logins
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// One connection.
struct Talk {
    situation: Arc<Mutex<Situation>>,
    notes: Arc<Mutex<ServerNotes>>,
    /// Records which command a channel runs, and answers it.
    open: HashMap<ChannelId, (usize, ServerAnswer)>,
}

impl Talk {
    fn finish(
        &self,
        channel: ChannelId,
        answer: &ServerAnswer,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        match answer {
            ServerAnswer::Prints { stdout, stderr, code } => {
                if !stdout.is_empty() {
                    session.data(channel, stdout.as_bytes())?;
                }
                if !stderr.is_empty() {
                    session.extended_data(channel, 1, stderr.as_bytes())?;
                }
                session.exit_status_request(channel, *code)?;
            }
            ServerAnswer::Signal(stderr) => {
                session.extended_data(channel, 1, stderr.as_bytes())?;
                session.exit_signal_request(channel, Sig::KILL, false, "", "")?;
            }
            ServerAnswer::EndsWithoutReading => session.exit_status_request(channel, 9)?,
            ServerAnswer::Silence => return Ok(()),
            ServerAnswer::Freeze | ServerAnswer::CloseWithoutStatus => {}
            ServerAnswer::Drop => return Err(russh::Error::Disconnect),
            ServerAnswer::Disconnect(words) => {
                return session.disconnect(Disconnect::ByApplication, words, "");
            }
        }
        session.eof(channel)?;
        session.close(channel)
    }
}

impl Handler for Talk {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let situation = self.situation.lock().clone();
        self.notes.lock().logins += 1;
        match situation {
            Situation { leaves_at_login: true, .. } => Err(russh::Error::Disconnect),
            Situation { refuses: true, .. } => Ok(Auth::reject()),
            _ => Ok(Auth::Accept),
        }
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let line = String::from_utf8_lossy(line).into_owned();
        let situation = self.situation.lock().clone();
        let answer = if line.contains("mktemp") { situation.placing } else { situation.answer };
        let number = {
            let mut notes = self.notes.lock();
            notes.commands.push(ServerSaw { line, ..ServerSaw::default() });
            notes.commands.len() - 1
        };
        session.channel_success(channel)?;
        match answer {
            ServerAnswer::EndsWithoutReading | ServerAnswer::Drop | ServerAnswer::Disconnect(_) => {
                self.finish(channel, &answer, session)?;
            }
            ServerAnswer::Freeze => std::future::pending::<()>().await,
            _ => {}
        }
        self.open.insert(channel, (number, answer));
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut Session) -> Result<(), russh::Error> {
        if let Some((number, _)) = self.open.get(&channel) {
            self.notes.lock().commands[*number].input.extend_from_slice(data);
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        let Some((number, answer)) = self.open.remove(&channel) else { return Ok(()) };
        self.notes.lock().commands[number].ended = true;
        if matches!(answer, ServerAnswer::EndsWithoutReading) {
            return Ok(());
        }
        self.finish(channel, &answer, session)
    }
}

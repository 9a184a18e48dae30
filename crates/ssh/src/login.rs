//! Logs in: TCP, the server's host key, our key.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use azlin_fleet::model::{Machine, SshError, SshErrorKind};
use russh::client::{AuthResult, ChannelOpenHandle, Config, DisconnectReason, Handle, Handler, Msg, Session};
use russh::keys::{
    HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, ssh_key::public::KeyData,
};
use russh::{AlgorithmKind, Channel, Preferred, cipher, compression};
use tokio::net::TcpStream;

use crate::connection::SshConnection;
use crate::keys::fingerprint;
use crate::output::quoted_from_afar;

/// After this silence, the peer gets a keepalive request.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How many keepalive requests may stay unanswered. A dead peer is noticed within 40 seconds.
const KEEPALIVES: usize = 3;
/// The silence after which the connection ends, also in a handshake or while a write is stuck.
const SILENCE: Duration = Duration::from_secs(45);
/// The window of OpenSSH.
const WINDOW: u32 = 2 * 1024 * 1024;
/// AES-GCM first: it is the fastest where there is AES in hardware, as on all of Azure's machines.
const CIPHERS: &[cipher::Name] = &[cipher::AES_256_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR];

/// Why the connection ended, once it has.
pub(crate) type Goodbye = Arc<OnceLock<String>>;

/// One try to log in, within `limit`.
pub(crate) async fn login(
    machine: &Machine,
    key: PrivateKey,
    limit: Duration,
) -> Result<SshConnection, SshError> {
    let at = format!("{} at {}", machine.vm, machine.address);
    let expected = PublicKey::from_openssh(&machine.host_key).map_err(|error| {
        let message = format!("{at} is not trusted: its planted host key cannot be read: {error}");
        SshError::new(SshErrorKind::WrongHostKey, message)
    })?;
    let stage = OnceLock::new();
    let tries = try_login(machine, key, &at, &expected, &stage);
    match tokio::time::timeout(limit, tries).await {
        Ok(result) => result,
        Err(_) => {
            let stage = stage.get().copied().unwrap_or("nothing accepted the connection");
            let limit = limit.as_secs_f32();
            Err(SshError::new(SshErrorKind::Unreachable, format!("{at}: no login within {limit} s: {stage}")))
        }
    }
}

async fn try_login(
    machine: &Machine,
    key: PrivateKey,
    at: &str,
    expected: &PublicKey,
    stage: &OnceLock<&'static str>,
) -> Result<SshConnection, SshError> {
    let unreachable = |why: &dyn std::fmt::Display| {
        SshError::new(SshErrorKind::Unreachable, format!("{at} cannot be reached over SSH: {why}"))
    };
    let socket = TcpStream::connect(machine.address).await.map_err(|error| unreachable(&error))?;
    socket.set_nodelay(true).map_err(|error| unreachable(&error))?;
    let _ = stage.set("something accepted the connection, and no SSH server let us in in that time");

    let goodbye = Goodbye::default();
    let guard = Guard { expected: expected.key_data().clone(), goodbye: Arc::clone(&goodbye) };
    let mut handle =
        russh::client::connect_stream(Arc::new(config(expected)), socket, guard).await.map_err(|error| {
            match error {
                LoginRefusal::WrongHostKey(found) => wrong_host_key(at, &found, expected),
                LoginRefusal::Ssh(russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, .. }) => {
                    let found = format!("no {} one", expected.algorithm());
                    wrong_host_key(at, &found, expected)
                }
                LoginRefusal::Ssh(russh::Error::WrongServerSig) => {
                    wrong_host_key(at, "that very key, without its private half", expected)
                }
                LoginRefusal::Ssh(error) => unreachable(&error),
            }
        })?;

    let fingerprint = fingerprint(key.public_key());
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), rsa_hash(&handle).await);
    let result = handle.authenticate_publickey(machine.user.as_str(), key).await;
    match result {
        Ok(AuthResult::Success) => Ok(SshConnection {
            vm: machine.vm.clone(),
            user: machine.user.clone(),
            handle: Arc::new(handle),
            goodbye,
        }),
        // A connection that ends meanwhile looks like a refusal.
        Ok(AuthResult::Failure { .. }) if handle.is_closed() => {
            let why = goodbye.get().map_or("the connection ended at the login", String::as_str);
            Err(unreachable(&why))
        }
        Ok(AuthResult::Failure { partial_success, .. }) => {
            let user = &machine.user;
            let why = if partial_success {
                "the server wants more than a key: its AuthenticationMethods must be publickey alone"
            } else {
                "the VM may not know it yet while it boots; or its authorized_keys have another, there is no \
                 such user, or the server takes no key of this kind"
            };
            let message = format!("{at} does not let {user} in with the key {fingerprint}: {why}");
            Err(SshError::new(SshErrorKind::KeyRefused, message))
        }
        Err(error) => Err(unreachable(&error)),
    }
}

/// Never SHA-1: a server that supports nothing better refuses the key.
async fn rsa_hash(handle: &Handle<Guard>) -> Option<HashAlg> {
    match handle.best_supported_rsa_hash().await {
        Ok(Some(Some(HashAlg::Sha256))) => Some(HashAlg::Sha256),
        _ => Some(HashAlg::Sha512),
    }
}

fn config(expected: &PublicKey) -> Config {
    Config {
        preferred: Preferred {
            key: Cow::Owned(vec![expected.algorithm()]),
            cipher: Cow::Borrowed(CIPHERS),
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        window_size: WINDOW,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVES,
        inactivity_timeout: Some(SILENCE),
        nodelay: true,
        ..Config::default()
    }
}

fn wrong_host_key(at: &str, found: &str, expected: &PublicKey) -> SshError {
    let planted = fingerprint(expected);
    SshError::new(
        SshErrorKind::WrongHostKey,
        format!(
            "{at} is not the machine that was made: its host key is {found}, and {planted} was planted; \
             another machine may have taken the address. Nothing was sent to it"
        ),
    )
}

/// Why a login ends before the user is authenticated.
#[derive(Debug)]
pub(crate) enum LoginRefusal {
    /// The host key that the server showed instead.
    WrongHostKey(String),
    Ssh(russh::Error),
}

impl From<russh::Error> for LoginRefusal {
    fn from(error: russh::Error) -> Self {
        LoginRefusal::Ssh(error)
    }
}

/// Trusts one host key, opens no channel for the server, and keeps the reason of its disconnect.
pub(crate) struct Guard {
    expected: KeyData,
    goodbye: Goodbye,
}

impl Handler for Guard {
    type Error = LoginRefusal;

    async fn check_server_key(&mut self, found: &PublicKeyOrCertificate) -> Result<bool, LoginRefusal> {
        match found {
            PublicKeyOrCertificate::PublicKey { key, .. } if *key.key_data() == self.expected => Ok(true),
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                Err(LoginRefusal::WrongHostKey(fingerprint(key)))
            }
            PublicKeyOrCertificate::Certificate(_) => {
                Err(LoginRefusal::WrongHostKey("a certificate".to_owned()))
            }
        }
    }

    async fn disconnected(&mut self, reason: DisconnectReason<LoginRefusal>) -> Result<(), LoginRefusal> {
        let why = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                format!("the machine ended it ({:?}): {}", info.reason_code, quoted_from_afar(&info.message))
            }
            DisconnectReason::Error(LoginRefusal::WrongHostKey(found)) => {
                format!("its host key became {found}")
            }
            DisconnectReason::Error(LoginRefusal::Ssh(error)) => match error {
                russh::Error::KeepaliveTimeout | russh::Error::InactivityTimeout => {
                    "the machine has not answered for 40 s".to_owned()
                }
                error => error.to_string(),
            },
        };
        let _ = self.goodbye.set(why);
        Ok(())
    }

    // These are the defaults of `accept`. A dropped handle rejects.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), LoginRefusal> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), LoginRefusal> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), LoginRefusal> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), LoginRefusal> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), LoginRefusal> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), LoginRefusal> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), LoginRefusal> {
        Ok(())
    }
}

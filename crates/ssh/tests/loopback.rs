//! The client against a scripted server in this process: failures on the way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "loopback/server.rs"]
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use azlin_fleet::bootstrap::RUNNER;
use azlin_fleet::model::{Configure, SshErrorKind, Step};
use azlin_fleet::ports::{Session, Ssh};
use azlin_ssh::{CommandEnd, RemoteFile, SshClient, SshCommand, SshSettings, Stream};
use parking_lot::Mutex;
use server::{ServerAnswer, Situation, SshServer};
use tokio::net::TcpListener;
use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;

const MINUTE: Duration = Duration::from_secs(60);

fn client() -> SshClient {
    SshClient::new(SshSettings::default())
}

fn hasty_client() -> SshClient {
    SshClient::new(SshSettings { connect_timeout: Duration::from_millis(300), ..SshSettings::default() })
}

fn configure(token: &str) -> Step {
    Step::Configure(Configure {
        url: "https://github.com/octo/app".to_owned(),
        name: "pool-1".to_owned(),
        labels: vec!["linux".to_owned()],
        group: None,
        token: token.to_owned().into(),
    })
}

/// A server that accepts the program, and gives the step this answer.
async fn session(answer: ServerAnswer) -> (SshServer, Box<dyn Session>) {
    let server = SshServer::start(Situation::answering(answer)).await;
    let session = client().connect(&server.machine()).await.unwrap();
    (server, session)
}

#[tokio::test]
async fn the_program_is_placed_and_a_step_runs() {
    let (server, session) = session(ServerAnswer::prints("runner_id=7\n", "warning\n", 0)).await;
    let printed = session.run(&configure("SECRETTOKEN")).await.unwrap();
    assert_eq!(printed, "runner_id=7\n");
    let seen = server.commands();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].line.contains("mktemp"), "{}", seen[0].line);
    assert_eq!(String::from_utf8_lossy(&seen[0].input), RUNNER);
    assert!(seen[1].line.contains("/usr/local/lib/azlin/runner"), "{}", seen[1].line);
    assert!(!seen[1].line.contains("SECRETTOKEN"));
    assert_eq!((seen[1].input.as_slice(), seen[1].ended), (&b"SECRETTOKEN\n"[..], true));
}

#[tokio::test]
async fn a_step_that_fails_quotes_its_last_lines_without_the_secret() {
    let answer = ServerAnswer::prints("configuring\n", "\x1b[31mtoken SECRETTOKEN is expired\x1b[0m\n", 3);
    let (_server, session) = session(answer).await;
    let error = session.run(&configure("SECRETTOKEN")).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::StepFailed);
    assert_eq!(error.to_string(), "configure on vm-1 ended with 3: configuring; token *** is expired");
}

#[tokio::test]
async fn a_step_that_fails_without_a_word_says_so() {
    let (_server, session) = session(ServerAnswer::prints("", "", 4)).await;
    let error = session.run(&Step::Drain).await.unwrap_err();
    assert_eq!(error.to_string(), "drain on vm-1 ended with 4: it printed nothing");
}

#[tokio::test]
async fn a_signal_fails_the_step() {
    let (_server, session) = session(ServerAnswer::Signal("out of memory\n")).await;
    let error = session.run(&Step::Dependencies).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::StepFailed);
    assert_eq!(error.to_string(), "dependencies on vm-1 was ended by signal KILL: out of memory");
}

#[tokio::test]
async fn a_user_who_may_not_become_root_is_named() {
    let situation = Situation {
        placing: ServerAnswer::prints("", "sudo: a password is required\nazlin: not root\n", 126),
        ..Situation::default()
    };
    let server = SshServer::start(situation).await;
    let error = client().connect(&server.machine()).await.err().unwrap();
    assert_eq!(error.kind, SshErrorKind::StepFailed);
    assert_eq!(
        error.to_string(),
        "upload of /usr/local/lib/azlin/runner on vm-1: user azlin may not become root without a password: \
         sudo: a password is required"
    );
}

#[tokio::test]
async fn a_connection_that_ends_during_a_step_is_lost() {
    for answer in [ServerAnswer::Drop, ServerAnswer::CloseWithoutStatus] {
        let (_server, session) = session(answer.clone()).await;
        let begun = Instant::now();
        let error = session.run(&Step::Dependencies).await.unwrap_err();
        assert_eq!(error.kind, SshErrorKind::Lost, "{answer:?}: {error}");
        assert!(
            error.to_string().starts_with("dependencies on vm-1: the connection ended before it did"),
            "{error}"
        );
        // Less than the 40 s after which a silent peer counts as gone.
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test]
async fn a_server_that_says_goodbye_is_quoted() {
    let (_server, session) = session(ServerAnswer::Disconnect("going \x1b[1mdown\n")).await;
    let error = session.run(&Step::Dependencies).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Lost);
    assert!(error.to_string().ends_with("(ByApplication): going down"), "{error}");
}

#[tokio::test]
async fn a_limit_ends_a_command_but_not_the_connection() {
    let server = SshServer::start(Situation::answering(ServerAnswer::Silence)).await;
    let connection = client().login(&server.machine()).await.unwrap();
    let limit = Duration::from_millis(200);
    let command = SshCommand { name: "probe", line: "true", limit };
    let error = connection.exec(&command, tokio::io::empty(), |_, _| {}).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Lost);
    assert_eq!(error.to_string(), "probe on vm-1 did not end within 0.2 s");
    server.answer_with(ServerAnswer::prints("", "", 0));
    let command = SshCommand { limit: MINUTE, ..command };
    assert_eq!(connection.exec(&command, tokio::io::empty(), |_, _| {}).await, Ok(CommandEnd::Code(0)));
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_noticed_within_45_seconds() {
    let server = SshServer::start(Situation::answering(ServerAnswer::Freeze)).await;
    let connection = client().login(&server.machine()).await.unwrap();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let command = SshCommand { name: "fetch", line: "true", limit: 10 * MINUTE };
    let error = connection.exec(&command, tokio::io::empty(), |_, _| {}).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Lost);
    assert!(error.to_string().ends_with("the machine has not answered for 40 s"), "{error}");
    assert!(begun.elapsed() <= Duration::from_secs(46), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_peer_that_takes_nothing_more_is_noticed_too() {
    let server = SshServer::start(Situation { placing: ServerAnswer::Freeze, ..Situation::default() }).await;
    let connection = client().login(&server.machine()).await.unwrap();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let file = RemoteFile { path: "/srv/big", mode: 0o600, size: 1 << 30, limit: 10 * MINUTE };
    let error = connection.upload(&file, tokio::io::repeat(1)).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Lost, "{error}");
    assert!(begun.elapsed() <= Duration::from_secs(46), "{:?}", begun.elapsed());
}

/// With one live subscriber, tracing asks the thread that first reaches an event, and caches the answer for
/// all threads. A second live subscriber prevents that.
static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

#[tokio::test]
async fn what_a_step_prints_is_logged_line_by_line_without_the_secret() {
    #[derive(Clone, Default)]
    struct CapturedLog(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for CapturedLog {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = CapturedLog::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    LazyLock::force(&ANOTHER);
    let _guard = tracing::subscriber::set_default(subscriber);
    let (_server, session) = session(ServerAnswer::prints("one\ntoken SECRETTOKEN", "two\n", 0)).await;
    let printed = session.run(&configure("SECRETTOKEN")).await.unwrap();
    assert_eq!(printed, "one\ntoken ***\n");
    let text = String::from_utf8(log.0.lock().clone()).unwrap();
    for line in [
        r#"vm-1: configure: one vm=vm-1 step="configure" stream="stdout" line="one""#,
        r#"vm-1: configure: two vm=vm-1 step="configure" stream="stderr" line="two""#,
        r#"vm-1: configure: token *** vm=vm-1 step="configure" stream="stdout" line="token ***""#,
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(!text.contains("SECRETTOKEN"), "{text}");
}

#[tokio::test]
async fn an_upload_sends_every_byte_and_then_the_end() {
    let server = SshServer::start(Situation::default()).await;
    let connection = client().login(&server.machine()).await.unwrap();
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let file = RemoteFile { path: "/srv/it's", mode: 0o640, size: content.len() as u64, limit: MINUTE };
    connection.upload(&file, content.as_slice()).await.unwrap();
    let seen = server.commands();
    assert!(seen[0].input == content && seen[0].ended);
    assert!(seen[0].line.contains("3000000") && seen[0].line.contains("0640"), "{}", seen[0].line);
}

#[tokio::test]
async fn a_command_that_does_not_read_ends_all_the_same() {
    let server = SshServer::start(Situation::answering(ServerAnswer::EndsWithoutReading)).await;
    let connection = client().login(&server.machine()).await.unwrap();
    let command = SshCommand { name: "test", line: "true", limit: MINUTE };
    let ended = connection.exec(&command, tokio::io::repeat(1), |_, _| {}).await;
    assert_eq!(ended, Ok(CommandEnd::Code(9)));
}

#[tokio::test]
async fn streams_come_apart() {
    let server = SshServer::start(Situation::answering(ServerAnswer::prints("out", "err", 0))).await;
    let connection = client().login(&server.machine()).await.unwrap();
    let command = SshCommand { name: "test", line: "true", limit: MINUTE };
    let mut seen = Vec::new();
    let note = |stream: Stream, chunk: &[u8]| seen.push((stream, chunk.to_vec()));
    connection.exec(&command, tokio::io::empty(), note).await.unwrap();
    assert_eq!(seen, [(Stream::Stdout, b"out".to_vec()), (Stream::Stderr, b"err".to_vec())]);
}

#[tokio::test]
async fn another_host_key_is_refused_before_anything_is_sent() {
    let server = SshServer::start(Situation::default()).await;
    let mut machine = server.machine();
    machine.host_key = client().host_key().public;
    let error = client().login(&machine).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::WrongHostKey);
    assert!(error.to_string().contains(&server.fingerprint()), "{error}");
    assert!(error.to_string().contains("another machine may have taken the address"), "{error}");
    assert_eq!(server.logins(), 0);
}

#[tokio::test]
async fn a_host_key_of_another_kind_is_refused() {
    let server = SshServer::start(Situation { ecdsa_host_key: true, ..Situation::default() }).await;
    let mut machine = server.machine();
    machine.host_key = client().host_key().public;
    let error = client().login(&machine).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::WrongHostKey);
    assert!(error.to_string().contains("no ssh-ed25519 one"), "{error}");
    machine.host_key = "ssh-ed25519 nonsense".to_owned();
    let error = client().login(&machine).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::WrongHostKey);
}

#[tokio::test]
async fn a_refused_key_is_named() {
    let server = SshServer::start(Situation { refuses: true, ..Situation::default() }).await;
    let error = client().login(&server.machine()).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::KeyRefused);
    assert!(error.to_string().contains("does not let azlin in with the key SHA256:"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let server = SshServer::start(Situation::default()).await;
    let machine_at = |address: SocketAddr| azlin_fleet::model::Machine { address, ..server.machine() };

    // The kernel accepts the connection, and no banner arrives.
    let silent = machine_at(listener.local_addr().unwrap());
    let error = hasty_client().login(&silent).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Unreachable);
    assert!(
        error.to_string().contains("no login within 0.3 s: something accepted the connection"),
        "{error}"
    );

    // A reset at once, and a server that does not speak SSH.
    for greeting in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0xff; 2000]] {
        let listener = Arc::new(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let machine = machine_at(listener.local_addr().unwrap());
        let speaks = async {
            use tokio::io::AsyncWriteExt;
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.write_all(greeting).await;
        };
        let client = client();
        let (result, ()) = tokio::join!(client.login(&machine), speaks);
        let error = result.unwrap_err();
        assert_eq!(error.kind, SshErrorKind::Unreachable, "{error}");
    }

    // Nothing listens.
    drop(listener);
    let error = client().login(&silent).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Unreachable);
    assert!(error.to_string().contains("cannot be reached over SSH: Connection refused"), "{error}");
}

#[tokio::test]
async fn a_server_that_leaves_at_the_login_is_unreachable() {
    let server = SshServer::start(Situation { leaves_at_login: true, ..Situation::default() }).await;
    let error = client().login(&server.machine()).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Unreachable, "{error}");
}

#[tokio::test]
async fn a_session_that_is_dropped_ends_the_connection() {
    let (server, session) = session(ServerAnswer::prints("", "", 0)).await;
    assert_eq!(server.connections(), 1);
    drop(session);
    let begun = Instant::now();
    while server.connections() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the connection stays open");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

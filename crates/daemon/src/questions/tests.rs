//! A question over the socket, and what goes wrong with it.

use std::os::unix::fs::PermissionsExt;

use azlin_fleet::config::DaemonConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;
use crate::fixture::CloudFixture;
use crate::fleet_set::Fleets;

/// Says what it was asked, and by whom.
fn echo(question: CommandQuestion, knowledge: Knowledge) -> BoxFuture<'static, CommandAnswer> {
    Box::pin(async move {
        let fleets = knowledge.configuration.fleets.len();
        CommandAnswer {
            output: format!("{} of {fleets}", question.args.join(" ")),
            errors: "e".to_owned(),
            code: 3,
        }
    })
}

/// Never answers.
fn silent(_: CommandQuestion, _: Knowledge) -> BoxFuture<'static, CommandAnswer> {
    Box::pin(std::future::pending())
}

fn question(config_dir: &Path) -> CommandQuestion {
    CommandQuestion {
        config_dir: config_dir.to_owned(),
        args: vec!["plan".to_owned()],
        width: None,
        colour: false,
    }
}

struct Asking {
    config_dir: tempfile::TempDir,
    runtime_dir: tempfile::TempDir,
    socket: QuestionSocket,
}

impl Asking {
    fn of(answerer: Answerer) -> Self {
        let (config_dir, runtime_dir) = (tempfile::tempdir(), tempfile::tempdir());
        let (config_dir, runtime_dir) = (config_dir.expect("made"), runtime_dir.expect("made"));
        // The simulated clouds need a clock that stands; a socket does not.
        tokio::time::pause();
        let context = CloudFixture::new("").context;
        tokio::time::resume();
        let socket = QuestionSocket::bind(runtime_dir.path()).expect("bound");
        let desk = Desk {
            config_dir: config_dir.path().to_owned(),
            runtime_dir: runtime_dir.path().to_owned(),
            config: DaemonConfig::parse("azlin.toml", "").expect("good"),
            fleets: Fleets::new([crate::fixture::fleet("ci", "", "")]),
            context,
            state: StateDir::new(None),
            answerer,
        };
        tokio::spawn(socket.clone().serve(desk));
        Asking { config_dir, runtime_dir, socket }
    }

    async fn ask(&self, config_dir: &Path) -> QuestionOutcome {
        ask(Some(self.runtime_dir.path()), question(config_dir)).await
    }
}

#[tokio::test]
async fn a_command_gets_the_daemons_answer() {
    let asking = Asking::of(echo);
    let QuestionOutcome::Answered(answer) = asking.ask(asking.config_dir.path()).await else {
        panic!("no answer")
    };
    assert_eq!(answer, CommandAnswer { output: "plan of 1".to_owned(), errors: "e".to_owned(), code: 3 });
    let mode = asking.socket.directory().join(NAME).metadata().expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "other users cannot ask");
}

#[tokio::test]
async fn where_no_daemon_is_or_another_ones_the_command_goes_on_alone() {
    let asking = Asking::of(echo);
    let other = tempfile::tempdir().expect("made");
    assert!(
        matches!(asking.ask(other.path()).await, QuestionOutcome::Nobody),
        "it is another directory's daemon"
    );
    asking.socket.remove();
    assert!(
        matches!(asking.ask(asking.config_dir.path()).await, QuestionOutcome::Nobody),
        "there is no socket"
    );
    // One that a daemon left which was killed.
    drop(std::os::unix::net::UnixListener::bind(asking.runtime_dir.path().join(NAME)).expect("bound"));
    assert!(matches!(asking.ask(asking.config_dir.path()).await, QuestionOutcome::Nobody), "nobody listens");
    assert!(QuestionSocket::bind(asking.runtime_dir.path()).is_ok(), "the next daemon takes its place");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_hangs_is_not_waited_for() {
    let runtime_dir = tempfile::tempdir().expect("made");
    let _listener = tokio::net::UnixListener::bind(runtime_dir.path().join(NAME)).expect("bound");
    let asked = ask(Some(runtime_dir.path()), question(runtime_dir.path())).await;
    let QuestionOutcome::Unanswered(why) = asked else { panic!("{asked:?}") };
    assert!(why.starts_with("the daemon does not answer ("), "{why}");
}

#[tokio::test]
async fn what_is_no_question_and_who_has_gone_keep_no_place() {
    let asking = Asking::of(silent);
    let path = asking.runtime_dir.path().join(NAME);
    for (_, sent) in [(0, "{}\n".to_owned()), (1, "x".repeat(100_000)), (2, String::new())] {
        let mut stream = UnixStream::connect(&path).await.expect("connected");
        let _ = stream.write_all(sent.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        assert!(all.is_empty(), "it is closed");
    }
    let mut waiting = Vec::new();
    for number in 0..16 {
        let line = serde_json::to_vec(&CommandQuestion {
            config_dir: named(asking.config_dir.path()),
            ..question(&path)
        });
        let mut stream = UnixStream::connect(&path).await.expect("connected");
        stream.write_all(&line.expect("written")).await.expect("sent");
        stream.write_all(b"\n").await.expect("sent");
        // More than are answered at once. Half of them leave once the daemon has taken their question.
        assert_eq!(stream.read_u8().await.expect("taken"), b'\n', "{number}");
        waiting.extend((number % 2 == 0).then_some(stream));
    }
}

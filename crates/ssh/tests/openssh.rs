//! The client against the OpenSSH of this machine, as root: what only the real server shows.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "openssh/sshd.rs"]
mod sshd;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use azlin_fleet::bootstrap::{RUNNER, steps::ProbeResult};
use azlin_fleet::model::{RUNNER_PATH, SshErrorKind, Step};
use azlin_fleet::ports::{Session, Ssh};
use azlin_ssh::{CommandEnd, RemoteFile, SshClient, SshCommand, SshSettings, Stream};
use sshd::{Sshd, keygen};

fn client() -> SshClient {
    SshClient::new(SshSettings::default())
}

fn command<'a>(line: &'a str, limit: Duration) -> SshCommand<'a> {
    SshCommand { name: "test", line, limit }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_key_logs_in() {
    let sshd = Sshd::start();
    let kinds = [
        ("ed25519", vec!["-t", "ed25519"]),
        ("rsa", vec!["-t", "rsa", "-b", "2048"]),
        ("rsa-pem", vec!["-t", "rsa", "-b", "2048", "-m", "PEM"]),
        ("rsa-pkcs8", vec!["-t", "rsa", "-b", "3072", "-m", "PKCS8"]),
        ("p256", vec!["-t", "ecdsa", "-b", "256"]),
        ("p256-pem", vec!["-t", "ecdsa", "-b", "256", "-m", "PEM"]),
        ("p256-pkcs8", vec!["-t", "ecdsa", "-b", "256", "-m", "PKCS8"]),
        ("p384", vec!["-t", "ecdsa", "-b", "384"]),
        ("p521", vec!["-t", "ecdsa", "-b", "521"]),
    ];
    for (name, arguments) in kinds {
        let path = sshd.folder().join(name);
        keygen(&path, &arguments);
        let line = client().public_key(Some(&path)).unwrap();
        let theirs = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        assert!(theirs.starts_with(&line), "{name}: {line}");
        sshd.authorize(&line);
        let connection = client().login(&sshd.machine(&path)).await.unwrap_or_else(|error| {
            panic!("{name}: {error}");
        });
        let mut printed = Vec::new();
        let ended = connection
            .exec(&command("id -u; cat", MINUTE), &b"read"[..], |_, chunk| printed.extend_from_slice(chunk))
            .await
            .unwrap();
        assert_eq!((ended, printed.as_slice()), (CommandEnd::Code(0), &b"0\nread"[..]), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_key_is_refused() {
    let sshd = Sshd::start();
    let mut machine = sshd.machine(&sshd.key());
    machine.host_key = client().host_key().public;
    let error = client().login(&machine).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::WrongHostKey, "{error}");
    assert_eq!(error.to_string().matches("SHA256:").count(), 2, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_refused() {
    let sshd = Sshd::start();
    for arguments in [vec!["-t", "ed25519"], vec!["-t", "rsa", "-b", "2048"]] {
        let path = sshd.folder().join(arguments[1]);
        keygen(&path, &arguments);
        let error = client().login(&sshd.machine(&path)).await.unwrap_err();
        assert_eq!(error.kind, SshErrorKind::KeyRefused, "{error}");
        assert!(error.to_string().contains("does not let root in with the key SHA256:"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_late_is_unreachable_until_then() {
    let mut sshd = Sshd::prepare();
    let machine = sshd.machine(&sshd.key());
    let error = client().login(&machine).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Unreachable, "{error}");
    sshd.run();
    let begun = Instant::now();
    loop {
        match client().login(&machine).await {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind, SshErrorKind::Unreachable, "{error}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "sshd never came up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_is_noticed() {
    let mut sshd = Sshd::start();
    let connection = client().login(&sshd.machine(&sshd.key())).await.unwrap();
    let begun = Instant::now();
    let line = command("echo started; exec sleep 60", MINUTE);
    let error = connection
        .exec(&line, tokio::io::empty(), |stream, chunk| {
            assert_eq!((stream, chunk), (Stream::Stdout, &b"started\n"[..]));
            sshd.kill_all();
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Lost, "{error}");
    // Less than the 40 s after which a silent peer counts as gone.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_over_its_limit_is_lost_and_the_connection_lives() {
    let sshd = Sshd::start();
    let connection = client().login(&sshd.machine(&sshd.key())).await.unwrap();
    let line = command("exec sleep 60", Duration::from_millis(300));
    let error = connection.exec(&line, tokio::io::empty(), |_, _| {}).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::Lost, "{error}");
    assert!(error.to_string().contains("did not end within 0.3 s"), "{error}");
    let ended = connection.exec(&command("exit 7", MINUTE), tokio::io::empty(), |_, _| {}).await;
    assert_eq!(ended, Ok(CommandEnd::Code(7)));
    let ended = connection.exec(&command("kill -KILL $$", MINUTE), tokio::io::empty(), |_, _| {}).await;
    assert_eq!(ended, Ok(CommandEnd::Signal("KILL".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_behind_with_the_output_open_holds_nothing_up() {
    let sshd = Sshd::start();
    let connection = client().login(&sshd.machine(&sshd.key())).await.unwrap();
    let begun = Instant::now();
    let line = command("sleep 50 & exit 3", MINUTE);
    let ended = connection.exec(&line, tokio::io::empty(), |_, _| {}).await;
    assert_eq!(ended, Ok(CommandEnd::Code(3)));
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_file_arrives_whole() {
    let sshd = Sshd::start();
    let connection = client().login(&sshd.machine(&sshd.key())).await.unwrap();
    let mut content = vec![0_u8; 64 * 1024 * 1024];
    rand::Rng::fill_bytes(&mut rand::rng(), &mut content);
    let path = sshd.folder().join("made/on the way/it's big");
    let file =
        RemoteFile { path: path.to_str().unwrap(), mode: 0o751, size: content.len() as u64, limit: MINUTE };
    connection.upload(&file, content.as_slice()).await.unwrap();
    let local = sshd.folder().join("local");
    std::fs::write(&local, &content).unwrap();
    assert_eq!(sshd::sha256(&path), sshd::sha256(&local));
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!((metadata.permissions().mode() & 0o7777, metadata.uid()), (0o751, 0));

    // A short upload keeps the existing file, and leaves no other.
    let short = RemoteFile { size: file.size + 1, ..file.clone() };
    let error = connection.upload(&short, &b"short"[..]).await.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::StepFailed, "{error}");
    assert!(error.to_string().contains("5 bytes of 67108865 have come"), "{error}");
    assert_eq!(sshd::sha256(&path), sshd::sha256(&local));
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);

    // The printed bytes come back unchanged.
    let mut found = Vec::new();
    let line = format!("cat '{}'", local.display());
    let read = |_: Stream, chunk: &[u8]| found.extend_from_slice(chunk);
    let ended = connection.exec(&command(&line, MINUTE), tokio::io::empty(), read).await;
    assert_eq!(ended, Ok(CommandEnd::Code(0)));
    assert!(found == content, "{} bytes came back", found.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_leaves_nothing() {
    let mut sshd = Sshd::start();
    let connection = client().login(&sshd.machine(&sshd.key())).await.unwrap();
    let path = sshd.folder().join("cut/file");
    let file = RemoteFile { path: path.to_str().unwrap(), mode: 0o600, size: 1 << 30, limit: MINUTE };
    let upload = connection.upload(&file, tokio::io::repeat(7));
    let cut = async {
        let begun = Instant::now();
        let holds_bytes = |folder: &Path| {
            let Ok(mut entries) = std::fs::read_dir(folder) else { return false };
            entries.any(|entry| entry.unwrap().metadata().is_ok_and(|metadata| metadata.len() > 0))
        };
        while !holds_bytes(path.parent().unwrap()) {
            assert!(begun.elapsed() < Duration::from_secs(20), "nothing arrives");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sshd.kill_all();
    };
    let (result, ()) = tokio::join!(upload, cut);
    assert_eq!(result.unwrap_err().kind, SshErrorKind::Lost);
    let begun = Instant::now();
    while std::fs::read_dir(path.parent().unwrap()).unwrap().count() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the far side leaves its temporary file");
        assert!(!path.exists(), "half a file has the name");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_of_a_machine_is_understood() {
    let sshd = Sshd::start();
    let session: Box<dyn Session> = client().connect(&sshd.machine(&sshd.key())).await.unwrap();
    assert_eq!(std::fs::read_to_string(RUNNER_PATH).unwrap(), RUNNER);
    assert_eq!(std::fs::metadata(RUNNER_PATH).unwrap().permissions().mode() & 0o7777, 0o755);
    let printed = session.run(&Step::Probe).await.unwrap();
    let found = ProbeResult::parse(&printed).unwrap();
    assert!(!found.runs_job, "{printed}");
    let _ = std::fs::remove_dir_all(Path::new(RUNNER_PATH).parent().unwrap());
}

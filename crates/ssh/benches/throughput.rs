//! The speed of files and logins, compared with `scp` and `ssh` in the same run.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its table and fails by panicking"
)]

#[path = "../tests/openssh/sshd.rs"]
mod sshd;

use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use azlin_ssh::{CommandEnd, RemoteFile, SshClient, SshCommand, SshConnection, SshSettings};
use sshd::Sshd;

const SIZE: u64 = 256 * 1024 * 1024;
const TRANSFERS: usize = 5;
const LOGINS: usize = 20;
const LIMIT: Duration = Duration::from_secs(120);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(compare());
}

async fn compare() {
    let sshd = Sshd::start();
    let (local, far, back) =
        (sshd.folder().join("local"), sshd.folder().join("far"), sshd.folder().join("back"));
    let mut content = vec![0_u8; SIZE as usize];
    rand::Rng::fill_bytes(&mut rand::rng(), &mut content);
    std::fs::write(&local, &content).unwrap();
    drop(content);

    let client = SshClient::new(SshSettings::default());
    let machine = sshd.machine(&sshd.key());
    let connection = client.login(&machine).await.unwrap();
    let remote = |path: &Path| format!("root@127.0.0.1:{}", path.display());
    let gcm = ["-c", "aes256-gcm@openssh.com"];
    let mut rates: [Vec<f64>; 6] = Default::default();
    for _ in 0..TRANSFERS {
        rates[0].push(rate(upload(&connection, &local, &far).await));
        assert_eq!(std::fs::metadata(&far).unwrap().len(), SIZE);
        rates[1].push(rate(openssh(&sshd, "scp", &[&path(&local), &remote(&far)])));
        rates[4].push(rate(openssh(&sshd, "scp", &[gcm[0], gcm[1], &path(&local), &remote(&far)])));
        rates[2].push(rate(download(&connection, &local, &back).await));
        assert_eq!(std::fs::metadata(&back).unwrap().len(), SIZE);
        rates[3].push(rate(openssh(&sshd, "scp", &[&remote(&local), &path(&back)])));
        rates[5].push(rate(openssh(&sshd, "scp", &[gcm[0], gcm[1], &remote(&local), &path(&back)])));
    }
    assert_eq!(sshd::sha256(&far), sshd::sha256(&local));
    assert_eq!(sshd::sha256(&back), sshd::sha256(&local));

    let mut logins: [Vec<f64>; 4] = Default::default();
    for _ in 0..LOGINS {
        let begun = Instant::now();
        let connection = client.login(&machine).await.unwrap();
        logins[0].push(begun.elapsed().as_secs_f64() * 1000.0);
        run_true(&connection).await;
        logins[1].push(begun.elapsed().as_secs_f64() * 1000.0);
        let begun = Instant::now();
        run_true(&connection).await;
        logins[3].push(begun.elapsed().as_secs_f64() * 1000.0);
        drop(connection);
        logins[2].push(openssh(&sshd, "ssh", &["root@127.0.0.1", "true"]).as_secs_f64() * 1000.0);
    }

    let [up, scp_up, down, scp_down, gcm_up, gcm_down] = rates.map(median);
    let [login, login_and_true, ssh_true, again] = logins.map(median);
    println!(
        "256 MiB over loopback, median of {TRANSFERS}   azlin-ssh         scp   scp with the same cipher"
    );
    println!("upload                                 {up:7.0} MB/s {scp_up:7.0} MB/s {gcm_up:7.0} MB/s");
    println!(
        "download                               {down:7.0} MB/s {scp_down:7.0} MB/s {gcm_down:7.0} MB/s"
    );
    println!("Median of {LOGINS}                           azlin-ssh         ssh");
    println!("connect and log in                     {login:7.1} ms");
    println!("connect, log in and run true           {login_and_true:7.1} ms    {ssh_true:7.1} ms");
    println!("run true once more                     {again:7.1} ms");
}

async fn upload(connection: &SshConnection, local: &Path, far: &Path) -> Duration {
    let begun = Instant::now();
    let content = Reading(std::fs::File::open(local).unwrap());
    let far = path(far);
    let file = RemoteFile { path: &far, mode: 0o644, size: SIZE, limit: LIMIT };
    connection.upload(&file, content).await.unwrap();
    begun.elapsed()
}

async fn download(connection: &SshConnection, far: &Path, back: &Path) -> Duration {
    use std::io::Write;
    let begun = Instant::now();
    let mut file = std::fs::File::create(back).unwrap();
    let line = format!("exec cat {}", path(far));
    let command = SshCommand { name: "download", line: &line, limit: LIMIT };
    let write = |_, chunk: &[u8]| file.write_all(chunk).unwrap();
    let ended = connection.exec(&command, tokio::io::empty(), write).await;
    assert_eq!(ended, Ok(CommandEnd::Code(0)));
    begun.elapsed()
}

async fn run_true(connection: &SshConnection) {
    let command = SshCommand { name: "true", line: "true", limit: LIMIT };
    let ended = connection.exec(&command, tokio::io::empty(), |_, _| {}).await;
    assert_eq!(ended, Ok(CommandEnd::Code(0)));
}

fn openssh(sshd: &Sshd, program: &str, arguments: &[&str]) -> Duration {
    let begun = Instant::now();
    let status = Process::new(program)
        .args(["-q", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"])
        .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes"])
        .args(["-o", &format!("Port={}", sshd.port()), "-i", &path(&sshd.key())])
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    begun.elapsed()
}

/// A local file, read in chunks. The disk is not measured.
struct Reading(std::fs::File);

impl tokio::io::AsyncRead for Reading {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let found = std::io::Read::read(&mut self.0, buffer.initialize_unfilled());
        std::task::Poll::Ready(found.map(|count| buffer.advance(count)))
    }
}

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn rate(took: Duration) -> f64 {
    SIZE as f64 / 1e6 / took.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

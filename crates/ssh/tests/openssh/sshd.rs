//! A real sshd on loopback, with a host key and authorized keys of its own.

#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    reason = "each test and the benchmark use a part of it"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use azlin_fleet::model::Machine;

pub struct Sshd {
    folder: tempfile::TempDir,
    address: SocketAddr,
    child: Option<Child>,
}

impl Sshd {
    /// Prepares everything except the process. The client's key is authorized.
    pub fn prepare() -> Sshd {
        let folder = tempfile::tempdir().unwrap();
        let sshd = Sshd { address: free_address(), folder, child: None };
        keygen(&sshd.folder().join("host"), &["-t", "ed25519"]);
        keygen(&sshd.key(), &["-t", "ed25519"]);
        let public = std::fs::read_to_string(sshd.folder().join("client.pub")).unwrap();
        sshd.authorize(&public);
        // A HOME of its own: the shell files of the current user must not affect the test.
        let text = format!(
            "ListenAddress {}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nSetEnv HOME={folder}\n\
             PermitRootLogin prohibit-password\nMaxStartups 100\nLogLevel VERBOSE\n\
             Subsystem sftp internal-sftp\n",
            sshd.address,
            folder = sshd.folder().display()
        );
        std::fs::write(sshd.folder().join("sshd_config"), text).unwrap();
        sshd
    }

    pub fn start() -> Sshd {
        let mut sshd = Sshd::prepare();
        sshd.run();
        let begun = Instant::now();
        while !sshd.greets() {
            assert!(begun.elapsed() < Duration::from_secs(20), "sshd does not start: {}", sshd.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        sshd
    }

    /// Whether the listener is an SSH server.
    fn greets(&self) -> bool {
        let mut greeting = [0; 4];
        let read = TcpStream::connect(self.address).and_then(|mut stream| stream.read_exact(&mut greeting));
        read.is_ok() && &greeting == b"SSH-"
    }

    pub fn run(&mut self) {
        std::fs::create_dir_all("/run/sshd").unwrap();
        let log = std::fs::File::create(self.folder().join("log")).unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(self.folder().join("sshd_config"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn key(&self) -> PathBuf {
        self.folder().join("client")
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    pub fn authorize(&self, line: &str) {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(self.folder().join("authorized_keys")).unwrap();
        writeln!(file, "{}", line.trim_end()).unwrap();
    }

    pub fn machine(&self, key: &Path) -> Machine {
        let host_key = std::fs::read_to_string(self.folder().join("host.pub")).unwrap();
        Machine {
            vm: "vm-1".to_owned(),
            address: self.address,
            user: "root".to_owned(),
            host_key: host_key.split(' ').take(2).collect::<Vec<_>>().join(" "),
            private_key: Some(key.to_owned()),
        }
    }

    /// Kills the server and its sessions with SIGKILL.
    pub fn kill_all(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let sessions = children(child.id());
        child.kill().unwrap();
        for session in sessions {
            let _ = Command::new("kill").args(["-KILL", &session.to_string()]).status();
        }
        child.wait().unwrap();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// A port on which nothing listens. It is below the range from which the kernel chooses: a chosen port may be
/// taken before the server starts, even by a client that connects to it and thus to itself.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = (std::process::id() * 50 % 12_000) as u16 + NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000 + offset % 12_000));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

pub fn keygen(path: &Path, arguments: &[&str]) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-C", "a comment", "-f"])
        .arg(path)
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success());
}

pub fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().trim_start_matches('\\').to_owned()
}

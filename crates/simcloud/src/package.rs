//! The stand-in for the runner's program, packed as GitHub offers it.

use std::io::Write;

use flate2::{Compression, GzBuilder};
use hyper::body::Bytes;
use sha2::{Digest, Sha256};

/// The version that the stand-in reports.
pub const RUNNER_VERSION: &str = "2.330.0";

/// The path, whether it is executable, and the text of each file.
const FILES: [(&str, bool, &str); 14] = [
    ("config.sh", true, include_str!("../runner/config.sh")),
    ("run.sh", true, include_str!("../runner/run.sh")),
    ("run-helper.sh.template", true, include_str!("../runner/run-helper.sh.template")),
    ("bin/Runner.Listener", true, include_str!("../runner/bin/Runner.Listener")),
    ("bin/Runner.Worker", true, include_str!("../runner/bin/Runner.Worker")),
    ("bin/installdependencies.sh", true, include_str!("../runner/bin/installdependencies.sh")),
    ("bin/runsvc.sh", true, include_str!("../runner/bin/runsvc.sh")),
    ("bin/RunnerService.py", false, include_str!("../runner/bin/RunnerService.py")),
    ("bin/configure.py", false, include_str!("../runner/bin/configure.py")),
    ("bin/diag.py", false, include_str!("../runner/bin/diag.py")),
    ("bin/update.py", false, include_str!("../runner/bin/update.py")),
    ("bin/github.py", false, include_str!("../runner/bin/github.py")),
    ("bin/systemd.svc.sh.template", false, include_str!("../runner/bin/systemd.svc.sh.template")),
    (
        "bin/actions.runner.service.template",
        false,
        include_str!("../runner/bin/actions.runner.service.template"),
    ),
];

/// The runner's program, packed.
#[derive(Debug, Clone)]
pub struct Package {
    /// The archive's file name.
    pub filename: String,
    /// The archive's SHA-256, in hexadecimal.
    pub sha256: String,
    /// The archive.
    pub bytes: Bytes,
}

impl Package {
    /// Packs the stand-in, with this many bytes of padding that cannot be compressed. The result is always
    /// the same.
    ///
    /// # Errors
    /// If the archive cannot be written, which does not happen in memory.
    pub fn new(padding: usize) -> std::io::Result<Package> {
        let gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::none());
        let mut archive = tar::Builder::new(gzip);
        let mut add = |name: &str, is_program: bool, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(if is_program { 0o755 } else { 0o644 });
            header.set_mtime(1_767_225_600);
            archive.append_data(&mut header, format!("./{name}"), bytes)
        };
        for (name, is_program, text) in FILES {
            add(name, is_program, text.replace("@VERSION@", RUNNER_VERSION).as_bytes())?;
        }
        if padding > 0 {
            add("bin/padding", false, &noise(padding))?;
        }
        let mut gzip = archive.into_inner()?;
        gzip.flush()?;
        let bytes = gzip.finish()?;
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let filename = format!("actions-runner-linux-x64-{RUNNER_VERSION}.tar.gz");
        Ok(Package { filename, sha256, bytes: bytes.into() })
    }
}

/// Random bytes, fast even without optimisation (Marsaglia's xorshift).
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_each_time_and_as_large_as_asked_for() {
        let one = Package::new(100_000).expect("packed");
        assert_eq!(one.sha256, Package::new(100_000).expect("packed").sha256);
        assert!(one.bytes.len() > 100_000);
        assert_ne!(one.sha256, Package::new(0).expect("packed").sha256);
    }
}

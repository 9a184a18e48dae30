//! The tarball and the checksums, by GNU tar, gzip and sha256sum.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{file_error, run};

/// Packs a folder as `NAME.tar.gz`. Its content is in a folder of that name, sorted, owned by root, with one
/// time.
pub(super) fn tarball(staging: &Path, to: &Path, name: &str, epoch: u64) -> Result<PathBuf, String> {
    let file = to.join(format!("{name}.tar.gz"));
    let tar = to.join(format!("{name}.tar"));
    run(Command::new("tar")
        .args(["--create", "--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .args([format!("--mtime=@{epoch}"), "--mode=u+rw,go+r,go-w,a+X".to_owned()])
        .args([format!("--transform=s,^\\.,{name},"), format!("--file={}", tar.display())])
        .arg("--directory")
        .arg(staging)
        .arg("."))?;
    // Without the tar file's name and time.
    run(Command::new("gzip").args(["--no-name", "--best", "--force"]).arg(&tar))?;
    Ok(file)
}

/// Writes `SHA256SUMS` for files of a folder.
pub(super) fn checksums(folder: &Path, files: &[PathBuf]) -> Result<PathBuf, String> {
    let names = files.iter().filter_map(|file| file.file_name());
    let sums = Command::new("sha256sum").args(names).current_dir(folder).stderr(Stdio::inherit()).output();
    let sums = sums.map_err(|error| format!("sha256sum: {error}"))?;
    if !sums.status.success() {
        return Err("sha256sum failed".to_owned());
    }
    let file = folder.join("SHA256SUMS");
    std::fs::write(&file, sums.stdout).map_err(file_error(&file))?;
    Ok(file)
}

/// Copies a file into a folder, which is created if missing.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let folder = to.parent().unwrap_or(to);
    std::fs::create_dir_all(folder).map_err(file_error(folder))?;
    std::fs::copy(from, to).map(drop).map_err(file_error(from))
}

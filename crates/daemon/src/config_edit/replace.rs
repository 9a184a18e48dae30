//! Replaces a file's text in one step.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Replaces a file's text. Its mode stays, and its owner if that is permitted; a link stays a link, and its
/// target is replaced. Call it under a lock.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let is_there = path.symlink_metadata().is_ok();
    let path = behind_links(path)?;
    let directory = path.parent().map(Path::to_owned).unwrap_or_default();
    let (prefix, suffix) = around(&path);
    let mut temporary = tempfile::Builder::new().prefix(&prefix).suffix(suffix).tempfile_in(&directory)?;
    temporary.write_all(text.as_bytes())?;
    let old = if is_there { Some(path.metadata()?) } else { None };
    take_after(temporary.as_file(), old.as_ref())?;
    temporary.as_file().sync_all()?;
    temporary.persist(&path).map_err(|error| error.error)?;
    File::open(&directory)?.sync_all()
}

/// Removes what interrupted calls for a file left behind. Call it under a lock.
pub(super) fn clear(path: &Path) -> io::Result<()> {
    left_over(&behind_links(path)?)?.into_iter().try_for_each(std::fs::remove_file)
}

fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let nowhere = |_| io::Error::other("it is a link to a file that cannot be found");
    let is_there = path.symlink_metadata().is_ok();
    if is_there { path.canonicalize().map_err(nowhere) } else { Ok(path.to_owned()) }
}

/// The beginning and the end of a hidden file's name: `.ci.toml.`, `.tmp`.
fn around(path: &Path) -> (String, &'static str) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    (format!(".{name}."), ".tmp")
}

fn left_over(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (prefix, suffix) = around(path);
    let is_left = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&prefix) && name.ends_with(suffix)
    };
    let entries = std::fs::read_dir(path.parent().unwrap_or(Path::new(".")))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(is_left).collect())
}

/// Copies mode and owner of the old file; a new file is readable by all.
fn take_after(file: &File, old: Option<&Metadata>) -> io::Result<()> {
    let Some(old) = old else { return file.set_permissions(Permissions::from_mode(0o644)) };
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        // Only root may change the owner; for other users their own file serves as well.
        let _ = fchown(file, Some(old.uid()), Some(old.gid()));
    }
    file.set_permissions(old.permissions())
}

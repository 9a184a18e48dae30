//! Reads the files that people write, and those that a daemon left: regular ones of limited size, without waiting for
//! anything. A FIFO would be waited for, and a device has no end.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The largest file of configuration, or with a credential or certificates.
pub const SMALL: u64 = 1024 * 1024;
/// The largest file of state or status: a fleet of ten thousand runners has some megabytes.
pub const LARGE: u64 = 64 * 1024 * 1024;

/// The content of a regular file of at most `most` bytes.
///
/// # Errors
/// The system's error, and one that says what is wrong where the file is no regular file or is larger.
pub fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Without waiting for a writer, if it is a FIFO.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    // Of what was opened, whatever stands at this path by now.
    let found = file.metadata()?;
    let unfit = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if !found.is_file() {
        return unfit("it is no regular file".to_owned());
    }
    let mut content = Vec::new();
    file.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return unfit(format!("it has more than {most} bytes"));
    }
    Ok(content)
}

/// The same as text.
///
/// # Errors
/// As of [`read_bounded`], and when it is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let content = read_bounded(path, SMALL)?;
    String::from_utf8(content).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_of_limited_size_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        std::fs::write(&path, "0123456789").expect("written");
        assert_eq!(read_bounded(&path, 10).expect("read"), b"0123456789");
        assert_eq!(read_bounded(&path, 9).expect_err("too large").to_string(), "it has more than 9 bytes");
        for (what, odd) in [("a device", Path::new("/dev/zero")), ("a folder", folder.path())] {
            assert_eq!(read_text(odd).expect_err(what).to_string(), "it is no regular file", "{what}");
        }
        std::fs::write(&path, [0xff]).expect("written");
        assert_eq!(read_text(&path).expect_err("no text").to_string(), "it is not UTF-8");
        assert_eq!(read_text(&folder.path().join("x")).expect_err("none").kind(), io::ErrorKind::NotFound);
    }
}

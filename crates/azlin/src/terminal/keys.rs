//! The keys of `--watch`: read without a line feed while the keyboard is taken, and given back at the end.

use std::io::IsTerminal;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::stdin;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A line up.
    Up,
    /// A line down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the first line.
    Home,
    /// To the last line.
    End,
    /// No more.
    Quit,
}

/// The keyboard of a terminal, whose keys come one by one until this is dropped.
pub struct Keyboard {
    before: Termios,
}

impl Keyboard {
    /// Takes the keyboard, where standard input and output are a terminal.
    pub fn take() -> Option<Self> {
        if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
            return None;
        }
        let before = tcgetattr(stdin()).ok()?;
        let mut modes = before.clone();
        // Ctrl-C is a key as well: a signal would end the program before it gives the keyboard back.
        modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        modes.special_codes[SpecialCodeIndex::VMIN] = 0;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdin(), OptionalActions::Now, &modes).ok()?;
        Some(Keyboard { before })
    }

    /// The keys that are pressed within so much time, as soon as one is.
    pub async fn pressed(&self, within: Duration) -> Vec<Key> {
        let reading = tokio::task::spawn_blocking(move || read(within));
        let bytes = reading.await.unwrap_or_default();
        match bytes {
            Some(bytes) => keys(&bytes),
            // The terminal has gone.
            None => vec![Key::Quit],
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

/// The bytes that come within so much time; `None` if the terminal has gone.
fn read(within: Duration) -> Option<Vec<u8>> {
    let handle = stdin();
    let mut waits = [PollFd::new(&handle, PollFlags::IN)];
    let limit = Timespec::try_from(within).ok()?;
    match poll(&mut waits, Some(&limit)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Some(Vec::new()),
        Ok(_) => {}
        Err(_) => return None,
    }
    let mut bytes = [0; 64];
    match rustix::io::read(stdin(), &mut bytes) {
        Ok(0) | Err(_) => None,
        Ok(count) => Some(bytes[..count].to_vec()),
    }
}

/// The keys of bytes that a terminal sends.
fn keys(mut bytes: &[u8]) -> Vec<Key> {
    const KEYS: [(&[u8], Key); 20] = [
        (b"\x1b[A", Key::Up),
        (b"\x1bOA", Key::Up),
        (b"k", Key::Up),
        (b"\x1b[B", Key::Down),
        (b"\x1bOB", Key::Down),
        (b"j", Key::Down),
        (b"\n", Key::Down),
        (b"\r", Key::Down),
        (b"\x1b[5~", Key::PageUp),
        (b"b", Key::PageUp),
        (b"\x1b[6~", Key::PageDown),
        (b" ", Key::PageDown),
        (b"\x1b[H", Key::Home),
        (b"\x1b[1~", Key::Home),
        (b"g", Key::Home),
        (b"\x1b[F", Key::End),
        (b"\x1b[4~", Key::End),
        (b"G", Key::End),
        (b"q", Key::Quit),
        (b"\x03", Key::Quit),
    ];
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let known = KEYS.iter().find(|(sent, _)| bytes.starts_with(sent));
        found.extend(known.map(|(_, key)| *key));
        // Of a sequence that is no key here, nothing is taken for keys.
        let other = if bytes.starts_with(b"\x1b[") || bytes.starts_with(b"\x1bO") {
            bytes.iter().skip(2).position(|byte| (0x40..0x7f).contains(byte)).map_or(bytes.len(), |at| at + 3)
        } else {
            1
        };
        bytes = &bytes[known.map_or(other, |(sent, _)| sent.len())..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_terminals_send() {
        for (bytes, expected) in [
            (&b"\x1b[A\x1b[B"[..], &[Key::Up, Key::Down][..]),
            (b"\x1b[5~\x1b[6~", &[Key::PageUp, Key::PageDown]),
            (b"\x1bOAq", &[Key::Up, Key::Quit]),
            (b"\x03", &[Key::Quit]),
            (b"\x1b[1;5Aj", &[Key::Down]),
            (b"\x1b[", &[]),
            (b"xyz\xff", &[]),
            (b"", &[]),
        ] {
            assert_eq!(keys(bytes), expected, "{bytes:?}");
        }
    }
}

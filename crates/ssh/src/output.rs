//! A program's output, for logs and errors: whole lines, without control characters and escape sequences, and
//! without the program's input.

use std::collections::VecDeque;

use azlin_fleet::model::redact;
use secrecy::{ExposeSecret, SecretString};

use crate::exec::Stream;

/// A longer line is cut.
const MAX_LINE: usize = 8 * 1024;
/// How many lines an error quotes at most.
const TAIL_LINES: usize = 10;
/// How many characters an error quotes at most.
const TAIL_CHARS: usize = 1_000;
/// How much standard output is kept: its end.
const MAX_STDOUT: usize = 1024 * 1024;

/// Takes output in chunks, returns it in lines, and keeps the end.
pub(crate) struct CommandOutput {
    secrets: Secrets,
    stdout: Lines,
    stderr: Lines,
    printed: VecDeque<String>,
    printed_bytes: usize,
    tail: VecDeque<String>,
}

impl CommandOutput {
    /// Output of a program that reads `input`.
    pub(crate) fn new(input: Option<&SecretString>) -> Self {
        CommandOutput {
            secrets: Secrets::of(input),
            stdout: Lines::default(),
            stderr: Lines::default(),
            printed: VecDeque::new(),
            printed_bytes: 0,
            tail: VecDeque::new(),
        }
    }

    /// Adds a chunk. `each` gets every line that it completes.
    pub(crate) fn push(&mut self, stream: Stream, chunk: &[u8], mut each: impl FnMut(&str)) {
        let lines = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let complete = lines.push(chunk, &self.secrets);
        for line in complete {
            each(&line);
            self.keep(stream, line);
        }
    }

    /// Ends the output. The last line needs no line break.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(Stream, &str)) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = match stream {
                Stream::Stdout => self.stdout.rest(&self.secrets),
                Stream::Stderr => self.stderr.rest(&self.secrets),
            };
            if let Some(line) = rest {
                each(stream, &line);
                self.keep(stream, line);
            }
        }
    }

    fn keep(&mut self, stream: Stream, line: String) {
        if !line.trim().is_empty() {
            self.tail.push_back(line.clone());
            while self.tail.len() > TAIL_LINES {
                self.tail.pop_front();
            }
        }
        if stream == Stream::Stdout {
            self.printed_bytes += line.len() + 1;
            self.printed.push_back(line);
            while self.printed_bytes > MAX_STDOUT {
                let Some(first) = self.printed.pop_front() else { break };
                self.printed_bytes -= first.len() + 1;
            }
        }
    }

    /// The end of standard output, in lines.
    pub(crate) fn printed(&self) -> String {
        let mut text = String::with_capacity(self.printed_bytes);
        for line in &self.printed {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// The last lines of both streams, in order of arrival, on one line.
    pub(crate) fn tail(&self) -> String {
        let all = self.tail.iter().map(|line| line.trim()).collect::<Vec<_>>().join("; ");
        let surplus = all.chars().count().saturating_sub(TAIL_CHARS);
        match surplus {
            0 => all,
            _ => format!("…{}", all.chars().skip(surplus + 1).collect::<String>()),
        }
    }

    /// The last line of both streams.
    pub(crate) fn last_line(&self) -> &str {
        self.tail.back().map_or("", String::as_str)
    }
}

/// A text of the machine for an error: one line, of limited length.
pub(crate) fn quoted_from_afar(text: &str) -> String {
    let mut output = CommandOutput::new(None);
    output.push(Stream::Stderr, text.as_bytes(), |_| {});
    output.finish(|_, _| {});
    output.tail()
}

/// The secrets: the lines of the input.
struct Secrets(Vec<SecretString>);

impl Secrets {
    fn of(input: Option<&SecretString>) -> Self {
        let lines = input.map(|input| input.expose_secret().lines()).into_iter().flatten();
        let mut words: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
        // A secret may be part of another.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        Secrets(words.into_iter().map(SecretString::from).collect())
    }

    fn longest(&self) -> usize {
        self.0.first().map_or(0, |secret| secret.expose_secret().len())
    }

    fn blot(&self, mut line: String) -> String {
        for secret in &self.0 {
            if line.contains(secret.expose_secret()) {
                line = line.replace(secret.expose_secret(), "***");
            }
        }
        redact::secrets(&line).into_owned()
    }
}

/// The position in an escape sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    Outside,
    /// After ESC.
    Begun,
    /// In `ESC [ …`, up to a letter.
    Control,
    /// In `ESC ] …` and its like, up to BEL or `ESC \`.
    Text,
    /// After an ESC in such a text.
    TextEnds,
}

/// The lines of one stream.
#[derive(Default)]
struct Lines {
    escape: Escape,
    /// Whether the last byte was a carriage return.
    returned: bool,
    line: Vec<u8>,
}

impl Lines {
    fn push(&mut self, chunk: &[u8], secrets: &Secrets) -> Vec<String> {
        let mut complete = Vec::new();
        for &byte in chunk {
            if !self.is_shown(byte) {
                continue;
            }
            // A progress bar returns to the beginning of the line. Each state is a line.
            let returned = std::mem::replace(&mut self.returned, byte == b'\r');
            if byte == b'\n' || byte == b'\r' {
                if !self.line.is_empty() || (byte == b'\n' && !returned) {
                    complete.push(readable(&std::mem::take(&mut self.line), secrets));
                }
                continue;
            }
            self.line.push(byte);
            if self.line.len() >= MAX_LINE + secrets.longest() {
                complete.push(self.cut(secrets));
            }
        }
        complete
    }

    fn rest(&mut self, secrets: &Secrets) -> Option<String> {
        (!self.line.is_empty()).then(|| readable(&std::mem::take(&mut self.line), secrets))
    }

    /// The rest that is not shown yet may be the beginning of a secret.
    fn cut(&mut self, secrets: &Secrets) -> String {
        let blotted = readable(&std::mem::take(&mut self.line), secrets);
        let mut at = blotted.len().saturating_sub(secrets.longest());
        while !blotted.is_char_boundary(at) {
            at -= 1;
        }
        let (head, kept) = blotted.split_at(at);
        self.line = kept.as_bytes().to_vec();
        head.to_owned()
    }

    fn is_shown(&mut self, byte: u8) -> bool {
        const ESC: u8 = 0x1b;
        const BEL: u8 = 0x07;
        let (next, shown) = match (self.escape, byte) {
            // A sequence that breaks off must not hide the text after it.
            (_, b'\n') => (Escape::Outside, true),
            (Escape::Outside, ESC) => (Escape::Begun, false),
            (Escape::Outside, b'\t' | b'\r') => (Escape::Outside, true),
            (Escape::Outside, _) => (Escape::Outside, byte >= 0x20 && byte != 0x7f),
            (Escape::Begun, b'[') => (Escape::Control, false),
            (Escape::Begun, b']' | b'P' | b'X' | b'^' | b'_') => (Escape::Text, false),
            // `ESC ( B` and its like have one more byte.
            (Escape::Begun, 0x20..=0x2f) => (Escape::Begun, false),
            (Escape::Begun, _) => (Escape::Outside, false),
            (Escape::Control, 0x40..=0x7e) => (Escape::Outside, false),
            (Escape::Control, _) => (Escape::Control, false),
            (Escape::Text, BEL) => (Escape::Outside, false),
            (Escape::Text, ESC) => (Escape::TextEnds, false),
            (Escape::Text, _) => (Escape::Text, false),
            (Escape::TextEnds, b'\\') => (Escape::Outside, false),
            (Escape::TextEnds, _) => (Escape::Text, false),
        };
        self.escape = next;
        shown
    }
}

fn readable(line: &[u8], secrets: &Secrets) -> String {
    let text: String =
        String::from_utf8_lossy(line).chars().filter(|c| !c.is_control() || *c == '\t').collect();
    secrets.blot(text)
}

#[cfg(test)]
mod tests;
